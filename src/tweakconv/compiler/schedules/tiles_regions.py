"""Regions of outputs that are computed together by tiles: how large they are, and where their input lies.

A region's input is read in the image, or laid out with what the padding holds. Laid out it has all rows from the first
to the last; where taps are far apart and rows few, only those that are read, for one kernel row after another.

Where that saves tiles, the rows of a region are *joined*: tiles go on in memory from the end of a row to the beginning
of the next, and compute a few pixels between them that nobody wants.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from tweakconv.compiler.call import Call
from tweakconv.compiler.emit.tiles import CONFIG_INTEGERS, ROW_BYTES, ROWS, configuration
from tweakconv.compiler.schedules.border import border_integers
from tweakconv.compiler.target import Target

FIELDS = (
    "batch", "height", "width", "out_height", "out_width", "pad_top", "pad_left", "bands", "strips",
    "slices", "in_place", "apart", "pitch", "wrap", "tile_rows", "x_image", "x_row", "y_image", "y_row",
)  # fmt: skip
"""The run-time integers of one call behind those that `configuration` makes; strides count elements.

The fields from `bands` to `tile_rows` are those of `Regions`.
"""

BORDER_START = CONFIG_INTEGERS + len(FIELDS)
"""Where the padding is told of."""

_TASKS_PER_THREAD = 4

_LEAST_PIXELS = 256
"""Outputs of a region below which threads had better share its output channels."""


class Regions(NamedTuple):
    """How the outputs of an image are cut into regions.

    Attributes
    ----------
    bands, strips : int
        How many of them lie below each other, and side by side.
    slices : int
        Tasks among which the output channels of a region are divided.
    in_place : bool
        Whether the image has all input.
    apart : bool
        Whether rows are laid out for one kernel row after another.
    pitch : int
        Pixels from a laid out row to the next.
    wrap : int
        Pixels from an output row's input to the next's where rows are joined; else 0.
    tile_rows : int
        Pixels of a tile.
    laid_out : int
        Pixels that a region's input has at the most.
    """

    bands: int
    strips: int
    slices: int
    in_place: bool
    apart: bool
    pitch: int
    wrap: int
    tile_rows: int
    laid_out: int


def regions_of(call: Call, channels: int, blocks: int, target: Target, *, in_place: bool) -> Regions:
    """Regions whose input fills half of the second-level cache at the most, and work for each thread.

    Parameters
    ----------
    channels
        Of a pixel that is laid out.
    blocks
        Of output channels, which slices consist of.
    in_place
        Whether input may be read in the image, where that has all of it.
    """
    down, across = call.geometry.axes
    inside = in_place and all(len(axis.interior) == axis.output for axis in (down, across))
    most = max(1, target.l2_bytes // 2 // (2 * channels))

    def laid_out(rows: int) -> int:
        """Rows of input that are laid out for so many rows of outputs; all of them where the image might be read."""
        together = down.alone(rows).input
        return together if inside else min(together, down.kernel * rows)

    def fit(rows: int, columns: int) -> bool:
        return laid_out(rows) * across.alone(columns).input <= most

    wanted = _TASKS_PER_THREAD * call.threads if call.threads > 1 else 1
    share = max(_LEAST_PIXELS, down.output * across.output * call.batch // wanted)
    few, side = max(1, min(down.output, share // across.output)), max(ROWS, min(across.output, share))
    bands = -(-down.output // _largest(few, lambda rows: fit(rows, across.output)))
    strips = -(-across.output // max(ROWS, _largest(side, lambda columns: fit(1, columns))))
    slices = min(blocks, -(-wanted // (call.batch * bands * strips)))
    (few_rows, rows), (few_columns, columns) = (
        (whole // parts, -(-whole // parts)) for whole, parts in ((down.output, bands), (across.output, strips))
    )
    dense = inside and strips == 1 and call.x_strides[1] == across.input * channels
    apart = laid_out(rows) < down.alone(rows).input
    pitch = across.input if dense else across.alone(columns).input
    wrap, length = pitch * (1 if apart else down.stride), few_columns
    joined = (few_rows - 1) * wrap + few_columns
    ends_meet = across.stride == strips == 1 and (dense or not inside)
    if ends_meet and _tiles(joined) < few_rows * _tiles(few_columns):
        length = joined
    else:
        wrap = 0
    tile_rows = -(-length // _tiles(length))
    return Regions(bands, strips, slices, inside, apart, pitch, wrap, tile_rows, laid_out(rows) * pitch)


def told(regions: Regions, depth: int, call: Call) -> tuple[int, ...]:
    """The run-time integers of a call whose tiles hold `depth` numbers of each pixel."""
    sums, pixels, weights = (regions.tile_rows, ROW_BYTES), (regions.tile_rows, 2 * depth), (depth // 2, ROW_BYTES)
    down, across = call.geometry.axes
    (x_image, x_row, _), (y_image, y_row, _) = call.x_strides, call.y_strides
    *cut, _ = map(int, regions)
    return (
        *configuration((sums,) * 4 + (pixels,) * 2 + (weights,) * 2),
        call.batch, down.input, across.input, down.output, across.output, down.pad_lo, across.pad_lo,
        *cut, x_image, x_row, y_image, y_row,
        *(() if call.border is None else border_integers(call.border, BORDER_START)),
    )  # fmt: skip


def _largest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to `most` that fits, at least 1."""
    return max(1, bisect_right(range(1, most + 1), False, key=lambda number: not fits(number)))


def _tiles(pixels: int) -> int:
    """Tiles that so many pixels in a line take."""
    return -(-pixels // ROWS)
