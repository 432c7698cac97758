"""What weights are like, as far as the way to compute a convolution depends on it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tweakconv.arrays import DTYPES, FloatArray

_TRANSFORMED = 64
"""How many times larger than itself transforms may make a kernel, at the most."""


class Weights(NamedTuple):
    """The kind of a kernel and a bias; the usual one where nothing else is said.

    Attributes
    ----------
    finite : bool
        Whether the kernel holds no NaN and no infinity.
    tame : bool
        Whether moreover all of it is far from overflowing, and the bias is finite.
    whole : bool
        Whether the kernel holds whole numbers only.
    brief : bool
        Whether bfloat16 holds every weight of the kernel, where that is known and matters.
    """

    finite: bool = True
    tame: bool = True
    whole: bool = False
    brief: bool = False

    @classmethod
    def of(cls, kernel: FloatArray, bias: FloatArray | None, *, whole: bool, brief: bool = False) -> Weights:
        """What they are like; `whole` and `brief` where that is known already, or does not matter."""
        return cls.found(float(max(kernel.max(), -kernel.min())), kernel.dtype, bias, whole=whole, brief=brief)

    @classmethod
    def found(
        cls, largest: float, dtype: np.dtype[Any], bias: FloatArray | None, *, whole: bool, brief: bool = False
    ) -> Weights:
        """What they are like where the largest magnitude of the kernel is known; it is NaN where there is a NaN."""
        limit = _LIMITS[dtype]
        tame = largest < limit / _TRANSFORMED and (bias is None or _all_finite(bias))
        return cls(largest <= limit, tame, whole, brief)


def is_brief(kernel: FloatArray) -> bool:
    """Whether bfloat16 holds every weight of a kernel in float32.

    Examples
    --------
    >>> is_brief(np.float32([1.5, -3])), is_brief(np.float32([1 / 3]))
    (True, False)
    """
    return not (np.ascontiguousarray(kernel).view(np.uint32) & 0xFFFF).any()


def _all_finite(bias: FloatArray) -> bool:
    """Whether all numbers are; nearly always the sum of their squares tells."""
    return math.isfinite(bias.dot(bias)) or bool(np.isfinite(bias).all())


_LIMITS = {dtype: float(np.finfo(dtype).max) for dtype in DTYPES}
