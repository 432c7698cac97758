"""Activations as code: a vector of numbers through each, without a branch and without a library.

Everything rests on the exponential function of numbers that are not positive, ``e^x = 2^k * e^r`` with k the whole
number nearest to ``x / ln 2`` (Cody & Waite, "Software Manual for the Elementary Functions", 1980); the other half of
an axis follows by symmetry. `tweakconv.activations` holds the definitions that these are tested against.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tweakconv.activations import Activation
from tweakconv.compiler.lanes import Lanes


def apply(activation: Activation, x: Lanes) -> Lanes:
    """The activation of every lane, where it takes many instructions."""
    return _LONG[activation.name](x)


def normal_distribution(x: Lanes) -> Lanes:
    """The probability that a normal number is below each lane's."""
    tail = _upper_tail(abs(x).at_most(2.0**60)) * 2.0 ** -_numbers(x).shift
    return x.where_below(0.0, tail, -tail + 1.0)


def normal_density(x: Lanes) -> Lanes:
    """``e^(-x²/2) / sqrt(2 pi)``."""
    return _large_exponential(x * x * -0.5) * (2.0 ** -_numbers(x).shift / math.sqrt(2 * math.pi))


def is_short(activation: Activation) -> bool:
    """Whether it takes one or two instructions, see `apply_short`."""
    return activation.name in _SHORT


def short_numbers(activation: Activation) -> list[tuple[float, float]]:
    """The numbers in a short activation, each with the one in whose place it would change nothing."""
    infinity = math.inf
    return {
        "relu": [(0.0, -infinity)],
        "relu6": [(0.0, -infinity), (6.0, infinity)],
        "leaky_relu": [(activation.negative_slope, 1.0)],
    }[activation.name]


def apply_short(activation: Activation, x: Lanes, numbers: Sequence[Lanes]) -> Lanes:
    """A short activation of every lane, with its numbers handed over."""
    return _SHORT[activation.name](x, *numbers)


class _Numbers(NamedTuple):
    """What the exponential function needs in one type.

    Attributes
    ----------
    terms : int
        Of the series of e^r with |r| <= ln(2)/2, so that the next is below half a unit in the last place.
    ln2 : tuple of float
        ln 2 in two parts: the first has so few digits that a multiple by any exponent is exact.
    vanishes : float
        Numbers below this times their exponential are rounded to 0, as is that alone.
    fades : float
        Numbers below this have an exponential that is nothing beside 1.
    shift : int
        Exponentials are kept 2^shift times larger, for as long as they may be too small for all their digits.
    tail : tuple of float
        See `_upper_tail`.
    tail_scale : float
    """

    terms: int
    ln2: tuple[float, float]
    vanishes: float
    fades: float
    shift: int
    tail_scale: float
    tail: tuple[float, ...]


_SINGLE = _Numbers(
    terms=8,
    ln2=(0.693359375, -2.12194440054690581e-4),
    vanishes=-112.0,
    fades=-18.0,
    shift=64,
    tail_scale=4.0,
    tail=(
        0.18882128462759265, 0.15197415151845228, 0.09678416994867665, 0.046630751474346914, 0.01510161743707591,
        0.0018818032279199638, -0.0008808935140879765, -0.00039232841127306156, 4.870046278561636e-05,
        3.074578925131652e-05,
    ),
)  # fmt: skip

_DOUBLE = _Numbers(
    terms=14,
    ln2=(6.93147180369123816490e-1, 1.90821492927058770002e-10),
    vanishes=-760.0,
    fades=-40.0,
    shift=128,
    tail_scale=5.5,
    tail=(
        0.14068538805025577, 0.12457880374078874, 0.09738117982954468, 0.06673619368975053, 0.03961316961052682,
        0.019946016356077963, 0.008199560148418794, 0.002531547376415838, 0.000444178665028836,
        -4.901891639816531e-05, -5.900409657483886e-05, -1.2984482765062384e-05, 2.967169380561643e-06,
        2.2033299580579e-06, 8.145401201736608e-08, -2.696107490106112e-07, -4.927268912421809e-08,
        3.214351986689018e-08, 9.859602007007875e-09, -4.196991623624057e-09, -1.5365421544430232e-09,
        6.018768347789022e-10, 1.556369529281348e-10, -6.808429312659483e-11,
    ),
)  # fmt: skip


def _numbers(x: Lanes) -> _Numbers:
    return _SINGLE if x.b.element == "float" else _DOUBLE


def _parts(x: Lanes, low: Lanes | None = None, shift: int = 0) -> tuple[Lanes, Lanes]:
    """``e^r - 1`` and ``2^(k + shift)``, where ``x + low = k ln 2 + r``."""
    numbers = _numbers(x)
    k, power = (x * (1 / math.log(2))).power_of_two(shift)
    r = k.times_plus(-numbers.ln2[1], k.times_plus(-numbers.ln2[0], x))
    if low is not None:
        r = r + low
    series = r.polynomial([1 / math.factorial(n) for n in range(2, numbers.terms)])
    return (r * r).times_plus(series, r), power


def _large_exponential(x: Lanes, low: Lanes | None = None) -> Lanes:
    """``2^shift * e^(x + low)`` for x <= 0: with all its digits where the exponential itself has lost some."""
    numbers = _numbers(x)
    less, power = _parts(x, low, numbers.shift)
    return x.where_below(numbers.vanishes, 0.0, less.times_plus(power, power))


def _less_one(x: Lanes) -> Lanes:
    """``e^x - 1`` for x <= 0."""
    less, power = _parts(x)
    return x.where_below(_numbers(x).fades, -1.0, less.times_plus(power, power - 1.0))


def _sigmoid_times(x: Lanes, factor: Lanes | None = None) -> Lanes:
    """``factor / (1 + e^-x)``; e^x / (1 + e^x) for negative x, where e^-x may be too large."""
    unit = 2.0 ** -_numbers(x).shift
    large = _large_exponential(-abs(x))
    above = x.where_below(0.0, large, 1.0)
    if factor is not None:
        above = above * factor
    return above / large.times_plus(unit, 1.0) * x.where_below(0.0, unit, 1.0)


def _tanh(x: Lanes) -> Lanes:
    less = _less_one(abs(x) * -2.0)
    return (-less / (less + 2.0)).with_sign_of(x)


def _upper_tail(a: Lanes) -> Lanes:
    """``2^shift`` times the probability that a normal number is above `a`, for a >= 0.

    ``e^(-a²/2)`` times a function of `a` that changes slowly: c/(a + c) times a polynomial in (c - a)/(a + c), which
    interpolates it at the Chebyshev points of the range where the probability is not rounded to 0 (relative error
    1.3e-8 in float32 and 3e-19 in float64; worked out with 40 digits). The square is formed of the upper half of the
    digits of `a`, which makes it exact, and the rest.
    """
    numbers = _numbers(a)
    upper = a.with_upper_digits()
    bell = _large_exponential(upper * upper * -0.5, (a - upper) * (a + upper) * -0.5)
    near = Lanes(a.b, a.b.constant(numbers.tail_scale)) / (a + numbers.tail_scale)
    return bell * near * near.times_plus(2.0, -1.0).polynomial(numbers.tail)


def _gelu(x: Lanes) -> Lanes:
    """``x - |x| tail(|x|)`` for positive x and ``-|x| tail(|x|)`` for negative x."""
    # Infinity times a tail of 0 is NaN: as it should be for minus infinity, and not for infinity.
    a = abs(x)
    a = x.where_below(0.0, a, a.at_most(2.0**60))
    rest = a * _upper_tail(a) * -(2.0 ** -_numbers(x).shift)
    return x.where_below(0.0, rest, x + rest)


def _hard_sigmoid(x: Lanes) -> Lanes:
    return (x + 3.0).at_least(0.0).at_most(6.0) * (1 / 6)


_SHORT: dict[str, Callable[..., Lanes]] = {
    "relu": lambda x, floor: x.at_least(floor),
    "relu6": lambda x, floor, ceiling: x.at_least(floor).at_most(ceiling),
    "leaky_relu": lambda x, slope: x.where_below(0.0, x * slope, x),
}

_LONG: dict[str, Callable[[Lanes], Lanes]] = {
    "sigmoid": _sigmoid_times,
    "tanh": _tanh,
    "silu": lambda x: _sigmoid_times(x, x),
    "gelu": _gelu,
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": lambda x: x * _hard_sigmoid(x),
    "elu": lambda x: x.where_below(0.0, _less_one(x), x),
}
