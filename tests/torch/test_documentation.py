"""The Python that the documentation shows for PyTorch runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

import tweakconv.torch as tt

ROOT = Path(__file__).parents[2]


def blocks(path: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / path).read_text(), re.DOTALL)


def test_the_python_of_the_page_runs() -> None:
    first, second = blocks("docs/torch.md")
    names: dict[str, Any] = {}
    exec(first, names)
    assert names["model"][0].weight.grad.abs().sum() > 0
    exec(second, names)
    assert names["y"].shape == (1, 8, 60, 60)
    assert type(names["model"][0]) is torch.nn.Conv2d


def test_the_lines_of_the_readme_run_and_pytorch_refuses_the_last() -> None:
    (block,) = (block for block in blocks("README.md") if "tweakconv.torch" in block)
    names: dict[str, Any] = {}
    exec(block, names)
    assert names["y"].shape == (1, 64, 222, 222)
    assert names["layer"].weight.grad is not None
    with pytest.raises(ValueError, match="same"):
        torch.nn.Conv2d(3, 64, 3, stride=2, padding="same")


def test_every_module_of_the_page_is_there_and_no_other() -> None:
    text = (ROOT / "docs/torch.md").read_text()
    modules = [name for name in tt.__all__ if name[0].isupper()]
    assert all(f"`{name}`" in text for name in modules)
    assert all(issubclass(getattr(tt, name), getattr(torch.nn, name)) for name in modules)
    assert all(f"`{name}" in text for name in ("accelerate", "forget", "tweakconv.torch.forget"))
