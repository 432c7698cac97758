"""Activations: their names, the numbers that some of them take, and what each does to a number.

The definitions follow the formulas as they are written, also for numbers that are not finite: every activation of NaN
is NaN, and so is minus infinity times 0, in SiLU, GELU and hard swish of minus infinity and in a leaky ReLU of slope 0.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]

_ALIASES = {"swish": "silu", "hard_silu": "hard_swish"}


class Activation(NamedTuple):
    """An activation with all its numbers; `of` makes one from what people write.

    Attributes
    ----------
    name : str
        One of `ACTIVATIONS`.
    negative_slope : float
        What "leaky_relu" multiplies negative numbers by; 0 for the others.
    """

    name: str
    negative_slope: float = 0.0

    @classmethod
    def of(cls, name: str | None, negative_slope: float | None = None) -> Activation | None:
        """The activation of a name; None for None.

        Raises
        ------
        ValueError
            For an unknown name, and where "leaky_relu" has no finite slope or another activation has one.
        TypeError
            For a slope that is no number.

        Examples
        --------
        >>> Activation.of("swish"), Activation.of("leaky_relu", 0.2)
        (Activation(name='silu', negative_slope=0.0), Activation(name='leaky_relu', negative_slope=0.2))
        """
        known = _ALIASES.get(name, name) if isinstance(name, str) else name
        if known is not None and known not in ACTIVATIONS:
            choices = ", ".join(map(repr, (*ACTIVATIONS, *_ALIASES)))
            raise ValueError(f"activation: received {name!r}; choose None or one of {choices}")
        if known == "leaky_relu":
            return cls(known, _slope(negative_slope))
        if negative_slope is not None:
            raise ValueError(
                f"negative_slope: received {negative_slope!r} with activation {name!r}; only 'leaky_relu' has one"
            )
        return None if known is None else cls(known)

    def __call__(self, x: FloatArray) -> FloatArray:
        """The definition, number by number, in the type of `x`.

        Examples
        --------
        >>> Activation("relu6")(np.array([-1.0, 2.0, 7.0]))
        array([0., 2., 6.])
        """
        with np.errstate(invalid="ignore", over="ignore", under="ignore"):
            y = ACTIVATIONS[self.name](x, self.negative_slope)
        return np.asarray(y, x.dtype)


def _slope(slope: object) -> float:
    """The slope of a leaky ReLU as a number; libraries differ so much in its default that there is none."""
    if slope is None:
        raise ValueError(
            "negative_slope: 'leaky_relu' needs it; Keras' function takes 0.2, its layer 0.3 and PyTorch 0.01"
        )
    if isinstance(slope, bool | np.bool_) or not isinstance(slope, numbers.Real):
        raise TypeError(f"negative_slope: received {slope!r}; a number is needed")
    if not math.isfinite(slope):
        raise ValueError(f"negative_slope: received {slope!r}; a finite number is needed")
    return float(slope)


def _sigmoid(x: FloatArray) -> FloatArray:
    # e^-x overflows where the sigmoid is still a number: there it is e^x / (1 + e^x).
    small = np.exp(-np.abs(x))
    y: FloatArray = np.where(x < 0, small, np.ones_like(x)) / (1 + small)
    return y


def _hard_sigmoid(x: FloatArray) -> FloatArray:
    return np.minimum(np.maximum(x + 3, 0), 6) / 6


_complementary_error = np.vectorize(math.erfc, otypes=[np.float64])

ACTIVATIONS: dict[str, Callable[[FloatArray, float], FloatArray]] = {
    "relu": lambda x, _: np.maximum(x, 0),
    "relu6": lambda x, _: np.minimum(np.maximum(x, 0), 6),
    "leaky_relu": lambda x, slope: np.where(x < 0, slope * x, x),
    "sigmoid": lambda x, _: _sigmoid(x),
    "tanh": lambda x, _: np.tanh(x),
    "silu": lambda x, _: x * _sigmoid(x),
    # x times the probability that a normal number is below x; erfc keeps its digits where 1 + erf would lose them.
    "gelu": lambda x, _: x * (_complementary_error(-x / math.sqrt(2)) / 2),
    "hard_sigmoid": lambda x, _: _hard_sigmoid(x),
    "hard_swish": lambda x, _: x * _hard_sigmoid(x),
    "elu": lambda x, _: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
}
"""What each does to an array, given the slope of "leaky_relu", which the others do not look at."""
