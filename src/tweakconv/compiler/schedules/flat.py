"""A pointwise convolution knows no rows: where pixels lie without gaps, its image is taken as rows of another length.

Blocks of pixels, and lanes that hold columns, then seldom meet the end of a row: 14 columns are 6 + 4 + 4, or one
vector that is not full, but 196 are 32 blocks of 6 and a rest of 4.
"""

from __future__ import annotations

from functools import cache
from math import isqrt

from tweakconv.compiler.call import Call
from tweakconv.compiler.spec import ConvSpec
from tweakconv.geometry import AxisGeometry, ConvGeometry

_LONG = 512
"""Columns of a row, at most, where there are more: rows are what threads share, and what is kept in cache together."""


def is_pointwise(spec: ConvSpec) -> bool:
    """Whether each output reads one pixel, the one at its own place."""
    return spec.is_plain and spec.kernel == (1, 1) and spec.strides == (1, 1)


def flattened(spec: ConvSpec, call: Call, multiple: int) -> Call:
    """The same call with rows of another length, where nothing lies between the rows.

    Parameters
    ----------
    multiple
        Of which the columns had better be a multiple.
    """
    axes = call.geometry.axes
    if not is_pointwise(spec) or any(axis.pad_lo or axis.pad_hi for axis in axes):
        return call
    (x_image, x_row, x_channel), (y_image, y_row, y_channel) = call.x_strides, call.y_strides
    down, across = axes
    x_pixel, y_pixel = spec.pixel_stride, spec.out_pixel_stride
    if (x_row, y_row) != (across.input * x_pixel, across.output * y_pixel):
        return call
    images = call.batch * spec.groups
    rows, columns = _shape(down.output * across.output, across.output, multiple, images, call.threads)
    geometry = ConvGeometry(
        (AxisGeometry(rows, 1), AxisGeometry(columns, 1)), spec.in_channels, spec.out_channels, spec.groups
    )
    return call._replace(
        geometry=geometry,
        x_strides=(x_image, columns * x_pixel, x_channel),
        y_strides=(y_image, columns * y_pixel, y_channel),
    )


_FAIR = 1.02
"""How many more pixels than it must a thread may have for the sake of longer rows."""


@cache
def _shape(pixels: int, columns: int, multiple: int, images: int = 1, threads: int = 1) -> tuple[int, int]:
    """Rows and columns of so many pixels: long rows, of whole vectors if there are such; else what they were.

    Several threads, which take rows of the images, get equally many pixels.

    Examples
    --------
    >>> _shape(56 * 56, 56, 16), _shape(14 * 14, 14, 16), _shape(7 * 7, 7, 16), _shape(101 * 103, 103, 16)
    ((7, 448), (1, 196), (1, 49), (101, 103))
    >>> _shape(56 * 56, 56, 16, 1, 2), _shape(14 * 14, 14, 16, 1, 2), _shape(7 * 7, 7, 16, 1, 2)
    ((14, 224), (2, 98), (7, 7))
    """
    small = [n for n in range(1, isqrt(pixels) + 1) if pixels % n == 0]
    lengths = [n for d in small for n in (d, pixels // d) if columns < n <= _LONG]

    def busiest(length: int) -> int:
        """Pixels of the thread that has the most."""
        return -(-(pixels // length * images) // threads) * length

    least = min(map(busiest, [columns, *lengths]))
    fair = [length for length in [columns, *lengths] if busiest(length) <= _FAIR * least]
    best = max(fair, key=lambda n: (n >= 8 * multiple and n % multiple == 0, n))
    return pixels // best, best
