"""What the documentation shows is what happens."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage, signal

import tweakconv as tc

ROOT = Path(__file__).parents[1]


def test_the_python_of_the_readme_runs_and_gives_what_its_comments_say() -> None:
    code, *_ = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["edges"].shape == (300, 256, 3)
    assert names["y"].shape == (1, 112, 112, 64)
    assert names["field"].size == (13,)
    assert names["field"].coverage == 7 / 13


def test_the_examples_of_the_definitions_hold() -> None:
    failed, tried = doctest.testfile(str(ROOT / "docs" / "definitions.md"), module_relative=False)
    assert (failed, tried) == (0, 8)


def test_the_examples_of_the_gradients_hold() -> None:
    failed, tried = doctest.testfile(str(ROOT / "docs" / "gradients.md"), module_relative=False)
    assert (failed, tried) == (0, 15)


ALIGNMENTS = {
    "signal.correlate": (lambda x, k: signal.correlate(x, k, "same"), "same_lower", False),
    "signal.correlate2d": (lambda x, k: signal.correlate2d(x, k, "same"), "same", False),
    "signal.convolve": (lambda x, k: signal.convolve(x, k, "same"), "same_lower", True),
    "signal.convolve2d": (lambda x, k: signal.convolve2d(x, k, "same"), "same_lower", True),
    "signal.fftconvolve": (lambda x, k: signal.fftconvolve(x, k, "same"), "same_lower", True),
    "ndimage.correlate": (lambda x, k: ndimage.correlate(x, k, mode="constant"), "same_lower", False),
    "ndimage.convolve": (lambda x, k: ndimage.convolve(x, k, mode="constant"), "same", True),
}


@pytest.mark.parametrize("size", [(4, 2), (3, 6), (5, 3), (2, 5)])
@pytest.mark.parametrize("name", ALIGNMENTS)
def test_the_table_of_alignments_reproduces_scipy(name: str, size: tuple[int, int]) -> None:
    theirs, padding, flip = ALIGNMENTS[name]
    rng = np.random.default_rng(7)
    image, kernel = rng.standard_normal((9, 11)), rng.standard_normal(size)
    np.testing.assert_allclose(
        tc.filter2d(image, kernel, padding=padding, flip=flip), theirs(image, kernel), atol=1e-12
    )
    lines = (ROOT / "docs" / "definitions.md").read_text().splitlines()
    row = next(line for line in lines if f"`{name}" in line or f"`{name.removeprefix('signal.')}`" in line)
    assert f'`padding="{padding}"' + (", flip=True`" if flip else "`") in row


@pytest.mark.parametrize(
    ("theirs", "ours"), [("mirror", "reflect"), ("reflect", "symmetric"), ("nearest", "edge"), ("grid-wrap", "wrap")]
)
def test_the_padding_modes_have_the_names_the_definitions_give_for_scipy(theirs: str, ours: str) -> None:
    rng = np.random.default_rng(8)
    image, kernel = rng.standard_normal((6, 7)), rng.standard_normal((3, 5))
    expected = ndimage.correlate(image, kernel, mode=theirs)
    np.testing.assert_allclose(tc.filter2d(image, kernel, padding_mode=ours), expected, atol=1e-12)
