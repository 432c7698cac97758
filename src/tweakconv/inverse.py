"""The inverse question: which kernels, strides, pads and dilations turn one size into another?"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from tweakconv.geometry import AxisGeometry, effective_kernel
from tweakconv.geometry.arguments import integer
from tweakconv.geometry.padding import totals_giving


def find_geometries(
    input_size: int,
    output_size: int,
    *,
    kernel_size: int | Iterable[int] = range(1, 8),
    strides: int | Iterable[int] = range(1, 5),
    padding: int | Iterable[int] = range(4),
    dilation_rate: int | Iterable[int] = range(1, 4),
    symmetric: bool = True,
) -> tuple[AxisGeometry, ...]:
    """Every geometry within bounds that turns `input_size` pixels into `output_size` outputs.

    Axes do not influence each other: ask once for each.

    Parameters
    ----------
    input_size, output_size
        Sizes along one axis, at least 1.
    kernel_size, strides, padding, dilation_rate
        The numbers to try, such as ``range(1, 8)`` or ``(3, 5)``, or one number that is settled.
    symmetric
        Whether both ends get the same pad, as in most frameworks' layers. Otherwise each end gets any of
        `padding`.

    Returns
    -------
    tuple of AxisGeometry
        Ordered by dilation, kernel, stride and pads, so that the plainest come first; empty where none does.

    Raises
    ------
    ValueError
        Where a size, kernel, stride or dilation is below 1.
    TypeError
        Where something is not an integer.

    Examples
    --------
    >>> for found in find_geometries(28, 10, kernel_size=(3, 5), padding=(0, 1), dilation_rate=(1, 2)):
    ...     print(found.formula())
    (28 - 3 + 2*1) / 3 + 1 = 10
    E = 2*(5-1)+1 = 9, floor((28 - 9) / 2) + 1 = floor(19/2) + 1 = 10
    """
    size = integer("input_size", input_size, at_least=1)
    outputs = integer("output_size", output_size, at_least=1)
    kernels = _numbers("kernel_size", kernel_size, at_least=1)
    steps = _numbers("strides", strides, at_least=1)
    dilations = _numbers("dilation_rate", dilation_rate, at_least=1)
    pads = _numbers("padding", padding)
    pairs = [(pad, pad) for pad in pads] if symmetric else list(product(pads, repeat=2))

    found = []
    for dilation, kernel, stride in product(dilations, kernels, steps):
        totals = totals_giving(outputs, size, effective_kernel(kernel, dilation), stride)
        found += [AxisGeometry(size, kernel, stride, dilation, lo, hi) for lo, hi in pairs if lo + hi in totals]
    return tuple(found)


def _numbers(name: str, values: int | Iterable[int], at_least: int | None = None) -> list[int]:
    """The numbers to try for an argument, each once, least first."""
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        return [integer(name, values, at_least=at_least)]
    return sorted({integer(name, value, at_least=at_least, within=values) for value in values})
