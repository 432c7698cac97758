"""The program that times whole models: what it says of what it found, and that everybody computes the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tweakconv.bench.networks import Network, resnet, vgg

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NETWORK = Network("Net", lambda: resnet((1, 1, 1, 1), bottleneck=False), (1, 3, 32, 32), 1.5)


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield import_module
    for name in ("model_table", "model_contenders"):
        sys.modules.pop(name, None)


def test_the_table_has_the_ratio_to_the_faster_memory_format(benchmarks: Callable[[str], ModuleType]) -> None:
    table = benchmarks("model_table")
    seconds = {"eager": [0.9, 0.9, 0.9], "eager channels_last": [0.2, 0.4, 0.9], "tweakconv": [0.1, 0.1, 0.3]}
    in_keras = {"Keras": [0.6, 0.6, 0.6], "Keras, accelerated": [0.2, 0.2, 0.2]}
    found = [
        table.Timed(NETWORK, "torch", {**seconds, "torch.compile": [0.5, 0.5, 0.5], **in_keras}),
        table.Timed(NETWORK, "jax", {**seconds, **in_keras}),
    ]
    said = table.line(found[0])
    assert "3.00 times eager, 5.00 times torch.compile, 3.00 in Keras on torch (goal 1.5: yes)" in said
    *_, head, _, row = table.page(found, "a machine").splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["Net", "1.5", "100.0", "400.0", "**3.00**", "500.0", "5.00", *["600.0", "200.0", "3.00"] * 2]
    assert len(head.split("|")) == len(row.split("|"))
    without = table.page([table.Timed(NETWORK, "none", seconds)], "a machine").splitlines()[-1]
    assert without == "| Net | 1.5 | 100.0 | 400.0 | **3.00** | - | - |"


@pytest.mark.parametrize("training", [False, True])
def test_everybody_computes_the_same(training: bool, benchmarks: Callable[[str], ModuleType]) -> None:
    network = NETWORK
    if training:
        network = Network("Net", lambda: vgg((8, "M"), 4, side=8, hidden=8), (2, 3, 16, 16), 1.5, training=True)
    runs = benchmarks("model_contenders").contenders(network, "none", compiled=False)
    results = [torch.as_tensor(run()) for run in runs.values()]
    assert len(results) == 3
    for result in results[1:]:
        torch.testing.assert_close(result, results[0], rtol=1e-3, atol=0.2 if training else 1e-3)  # targets are drawn


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "no model is named so; there are VGG16, U-Net, "),
        (["vgg", "--threads", "0"], "--threads: received '0'; a whole number of at least 1 is needed"),
        (["vgg", "--write", "README.md"], "README.md exists; --force replaces it"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(arguments: list[str], says: str) -> None:
    command = [sys.executable, str(BENCHMARKS / "models.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=BENCHMARKS.parent, timeout=120, check=False)
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr
