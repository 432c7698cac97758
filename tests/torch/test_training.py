"""A training run comes to the same with PyTorch's layers and with ours; and the example of it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module; on one thread, since threads that wait for each other wait long where other tests run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield import_module("digits_torch")
    torch.set_num_threads(threads)
    for name in ("digits_torch", "digits_data"):
        sys.modules.pop(name, None)


def test_training_reaches_the_same_accuracy_along_the_same_curve(example: Any) -> None:
    theirs, ours = example.train(digits_of(600), epochs=7, batch_size=32)
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=0.05)
    assert theirs.losses[-1] < 0.5 * theirs.losses[0]
    assert theirs.accuracy > 0.75
    assert abs(ours.accuracy - theirs.accuracy) < 0.03


def digits_of(count: int) -> Any:
    return sys.modules["digits_data"].digits(count)


def test_the_example_writes_its_plot_and_overwrites_none(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    options = ["--epochs", "2", "--pictures", "64", "-o", str(path)]
    done = run(*options)
    assert done.returncode == 0, done.stderr
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "tweakconv.torch" in done.stdout
    path.write_text("something else")
    assert run(*options).stderr.strip() == f"{path} exists; --force replaces it"
    assert path.read_text() == "something else"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--epochs", "0"], "--epochs: received '0'; a whole number of at least 1 is needed"),
        (["--pictures", "many"], "--pictures: received 'many'; a whole number of at least 1 is needed"),
        (["-o", "nowhere/plot.png"], "nowhere is no folder"),
        (["-o", "plot.txt"], "plot.txt: the plot is written as .png, .svg or .pdf"),
    ],
)
def test_mistakes_are_told_in_a_line(
    options: list[str], says: str, example: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["digits_torch.py", *options])
    with pytest.raises(SystemExit) as ended:
        sys.modules["digits_data"].example("A CNN", "plot.png", "digits", example.train)
    said = capsys.readouterr().err if ended.value.code == 2 else str(ended.value.code)
    assert said.strip().endswith(says)


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "digits_torch.py"), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
