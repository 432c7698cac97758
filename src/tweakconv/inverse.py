"""The inverse question: which kernels, strides, pads and dilations turn one size into another?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Final

from tweakconv.geometry import AxisGeometry, effective_kernel
from tweakconv.geometry.arguments import integer
from tweakconv.geometry.padding import AxisPadding, padding_per_axis, pads, totals_giving

#: What is tried where nothing else is asked for: wide enough for the layers of common networks, and few
#: enough answers to read.
KERNEL_SIZES: Final = range(1, 8)
STRIDES: Final = range(1, 5)
PADDINGS: Final = range(4)
DILATION_RATES: Final = range(1, 5)


def find_geometries(
    input_size: int,
    output_size: int,
    *,
    kernel_size: int | Iterable[int] = KERNEL_SIZES,
    strides: int | Iterable[int] = STRIDES,
    padding: int | str | Iterable[int] = PADDINGS,
    dilation_rate: int | Iterable[int] = DILATION_RATES,
    symmetric: bool = True,
) -> tuple[AxisGeometry, ...]:
    """Every geometry that turns `input_size` pixels into `output_size` outputs, within bounds.

    Unless told otherwise it tries kernels of 1 to 7 taps, strides of 1 to 4, dilation rates of 1 to 4, and
    0 to 3 pixels of padding, the same at both ends. Axes do not influence each other: ask once for each.

    Parameters
    ----------
    input_size, output_size
        Sizes along one axis, at least 1.
    kernel_size, strides, padding, dilation_rate
        The numbers to try, such as ``range(1, 12)`` or ``(3, 5)``, or one number that is settled. `padding`
        may also be settled by a name, such as ``"same"``.
    symmetric
        Whether both ends get the same pad, as in most frameworks' layers. Otherwise each end gets any of
        `padding`. A name decides for itself.

    Returns
    -------
    tuple of AxisGeometry
        Ordered by dilation, kernel, stride and pads, so that the plainest come first; empty where none does.

    Raises
    ------
    ValueError
        Where a size, kernel, stride or dilation is below 1, or the name of a padding is unknown.
    TypeError
        Where something is not an integer.

    Examples
    --------
    >>> for found in find_geometries(28, 10, kernel_size=(3, 5), padding=(0, 1), dilation_rate=(1, 2)):
    ...     print(found.formula())
    (28 - 3 + 2*1) / 3 + 1 = 10
    E = 2*(5-1)+1 = 9, floor((28 - 9) / 2) + 1 = floor(19/2) + 1 = 10
    >>> find_geometries(28, 10, kernel_size=3, padding="same", dilation_rate=1)
    (AxisGeometry(28, 3, stride=3, pad_lo=1, pad_hi=1),)
    """
    size = integer("input_size", input_size, at_least=1)
    outputs = integer("output_size", output_size, at_least=1)
    kernels = _numbers("kernel_size", kernel_size, at_least=1)
    steps = _numbers("strides", strides, at_least=1)
    dilations = _numbers("dilation_rate", dilation_rate, at_least=1)
    paddings = _paddings(padding, symmetric)

    found = []
    for dilation, kernel, stride in product(dilations, kernels, steps):
        span = effective_kernel(kernel, dilation)
        totals = totals_giving(outputs, size, span, stride)
        ends = (pads(one, size, span, stride) for one in paddings)
        found += [AxisGeometry(size, kernel, stride, dilation, lo, hi) for lo, hi in ends if lo + hi in totals]
    return tuple(found)


def _paddings(padding: int | str | Iterable[int], symmetric: bool) -> Sequence[AxisPadding]:
    """The paddings to try: a name, or pairs of numbers."""
    if isinstance(padding, str):
        return padding_per_axis(padding, rank=1)
    numbers = _numbers("padding", padding)
    return [(lo, hi) for lo, hi in product(numbers, repeat=2) if lo == hi or not symmetric]


def _numbers(name: str, values: int | Iterable[int], at_least: int | None = None) -> list[int]:
    """The numbers to try for an argument, each once, least first."""
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        return [integer(name, values, at_least=at_least)]
    return sorted({integer(name, value, at_least=at_least, within=values) for value in values})
