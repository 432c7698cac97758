"""The Python that the documentation shows for Keras runs, on every backend."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tweakconv.keras as tk

ROOT = Path(__file__).parents[2]


def blocks(path: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / path).read_text(), re.DOTALL)


def test_the_python_of_the_page_runs() -> None:
    names: dict[str, Any] = {"images": np.ones((2, 28, 28, 1), np.float32)}
    for block in blocks("docs/keras.md"):
        exec(block, names)
    assert [type(layer) for layer in names["model"].layers[:2]] == [tk.Conv2D, tk.Conv2D]
    assert names["model"].output_shape == (None, 10)


def test_the_lines_of_the_readme_run_and_keras_refuses_them() -> None:
    (block,) = (block for block in blocks("README.md") if "tweakconv.keras" in block)
    exec(block, {})
    with pytest.raises(ValueError, match="not supported"):  # once Keras takes them together, say so no more
        exec(block.replace("tweakconv.keras", "keras.layers"), {})


def test_every_layer_of_the_page_is_there_and_no_other() -> None:
    text = (ROOT / "docs/keras.md").read_text()
    layers = [name for name in tk.__all__ if name[0].isupper()]
    assert all(f"`{name}`" in text for name in layers)
    assert all(issubclass(getattr(tk, name), getattr(keras.layers, name)) for name in layers)
