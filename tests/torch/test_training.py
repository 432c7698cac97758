"""A training run comes to the same with PyTorch's layers and with ours; and the example of it runs."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield import_module("digits_torch")
    for name in ("digits_torch", "digits_data"):
        sys.modules.pop(name, None)


def test_training_reaches_the_same_accuracy_along_the_same_curve(example: Any) -> None:
    theirs, ours = example.train(example.digits(600), epochs=8, batch_size=32)
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=0.05)
    assert theirs.losses[-1] < 0.5 * theirs.losses[0]
    assert theirs.accuracy > 0.75
    assert abs(ours.accuracy - theirs.accuracy) < 0.03


def test_the_example_writes_its_plot(
    example: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plot.png"
    monkeypatch.setattr(sys, "argv", ["digits_torch.py", "--epochs", "2", "--pictures", "64", "-o", str(path)])
    example.main()
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "tweakconv.torch" in capsys.readouterr().out
