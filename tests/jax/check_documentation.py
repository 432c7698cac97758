"""The Python that the documentation shows for JAX runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jax import lax

ROOT = Path(__file__).parents[2]


def test_the_python_of_the_page_runs_and_gives_what_lax_gives() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/jax.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    arguments = names["x"], names["kernel"], (1, 1), "SAME"
    theirs = lax.conv_general_dilated(*arguments, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    assert abs(names["y"] - theirs).max() < 1e-3
