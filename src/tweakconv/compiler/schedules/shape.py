"""The run-time integers of one call to the direct schedule: what its code is told about sizes, steps and phases.

First stand the numbers of the whole call, then those of each of its pieces (an ordinary convolution has one, a
transposed one a piece for each phase), then what tells of padding that is not zeros.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tweakconv.compiler.call import Call, Piece
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.blocking import split_width
from tweakconv.compiler.schedules.border import border_integers
from tweakconv.compiler.schedules.flat import flattened
from tweakconv.compiler.schedules.stretches import stretch_count, stretch_integers
from tweakconv.compiler.spec import ConvSpec
from tweakconv.geometry import AxisPhase

if TYPE_CHECKING:
    from tweakconv.compiler.schedules.direct import DirectPlan

_CALL_FIELDS = (
    "batch", "depth", "height", "width", "pieces", "rows_per_task", "bands", "blocks_per_task", "slices",
    "x_image", "x_plane", "x_row", "x_channel", "y_image", "y_plane", "y_row", "y_channel", "row_dilation",
)  # fmt: skip
"""Numbers of the whole call; strides count elements, those of the output from one of a piece's outputs to the next.

How far apart kernel rows are in the input stands here as well, since bands may hold the rows of one phase only."""

_PIECE_FIELDS = (
    "out_depth", "out_height", "out_width", "front", "top", "left", "planes", "rows", "columns", "weights", "out",
    "blocks_0", "blocks_1", "blocks_2", "blocks_3", "stretches_at", "stretches",
)  # fmt: skip
"""Numbers of one piece: its outputs; the pixel under the first tap of the first, below 0 in the padding; its taps;
where its weights and its outputs begin; how many blocks of pixels of each size make a row; and where rows are cut into
stretches, where the table of these is, counted from the first integer, and how many there are."""

BORDER_START = len(_CALL_FIELDS) + len(_PIECE_FIELDS)
"""Where the padding is told of, which only a convolution of one piece has."""

_TASKS_PER_THREAD = 4
_BANDS_TRIED = 64

_ALONE = AxisPhase(first=0, step=1, outputs=1, taps=range(1), start=0, stride=1, dilation=1)
"""The axis of planes of an image."""


def load_call(b: Builder, shape: Value) -> dict[str, Value]:
    """The numbers of the call, as the code sees them."""
    return b.load_integers(shape, _CALL_FIELDS)


def row_dilation(spec: ConvSpec, call: dict[str, Value], b: Builder) -> Value:
    """Rows from one kernel row's input to the next; a constant where it is 1 in every call."""
    return call["row_dilation"] if spec.dilation[0] > 1 else b.integer(1)


def load_piece(b: Builder, shape: Value, number: Value) -> dict[str, Value]:
    """The numbers of a piece, as the code sees them."""
    start = b.integer_at(shape, number * len(_PIECE_FIELDS))
    return b.load_integers(start, _PIECE_FIELDS, len(_CALL_FIELDS))


def integers(plan: DirectPlan, call: Call) -> tuple[int, ...]:
    """The run-time integers of a call."""
    blocks = plan.blocking.out_block_count
    each = -(-blocks // _slices(plan, call))
    slices = -(-blocks // each)
    call = call if slices == 1 else call._replace(threads=1)  # which do not share rows as well
    call = flattened(plan.spec, call, plan.target.lanes(plan.spec.element_bytes))
    pieces = call.pieces or (Piece(tuple(AxisPhase.all_of(axis)[0] for axis in call.geometry.axes), 0),)
    rows_each = max(rows_of(piece) for piece in pieces)
    band = _band(plan, call, rows_each)
    depth, height, width = (1, *call.geometry.input_size)[-3:]
    steps = [phase.step for phase in _volume(pieces[0])]
    (x_image, *x_steps, x_channel), (y_image, *y_steps, y_channel) = call.x_strides, call.y_strides
    x_plane, x_row = (0, *x_steps)[-2:]
    y_plane, y_row = (0, *y_steps)[-2:]
    head = (
        call.batch, depth, height, width, len(pieces), band, -(-rows_each // band), each, slices,
        x_image, x_plane, x_row, x_channel, y_image, y_plane * steps[0], y_row * steps[1], y_channel,
        _volume(pieces[0])[1].dilation,
    )  # fmt: skip
    pixel = plan.spec.out_pixel_stride // plan.spec.out_step
    told: list[int] = []
    tables: list[int] = []
    for piece in pieces:
        table = stretch_integers(piece.axes[-1], width, plan.blocking.pixels) if plan.blocking.in_stretches else ()
        start = len(head) + len(pieces) * len(_PIECE_FIELDS) + len(tables)
        told += [*_piece(plan, piece, (y_plane, y_row, pixel)), start, stretch_count(table)]
        tables += table
    border = () if call.border is None else border_integers(call.border, BORDER_START)
    return (*head, *told, *border, *tables)


def rows_of(piece: Piece) -> int:
    """Output rows of a piece, those of all planes."""
    depth, rows, _ = _volume(piece)
    return depth.outputs * rows.outputs


def _piece(plan: DirectPlan, piece: Piece, y_steps: tuple[int, int, int]) -> tuple[int, ...]:
    axes = _volume(piece)
    taps = tuple(len(phase.taps) for phase in axes)
    out = sum(phase.first * step for phase, step in zip(axes, y_steps, strict=True))
    blocks = split_width(axes[2].outputs, plan.blocking.pixels)
    return (
        *(phase.outputs for phase in axes), *(phase.start for phase in axes),
        *(taps if all(taps) else (0, 0, 0)), piece.weights, out, *blocks, *(0,) * (4 - len(blocks)),
    )  # fmt: skip


def _volume(piece: Piece) -> tuple[AxisPhase, ...]:
    """The phases of planes, rows and columns."""
    return (_ALONE, *piece.axes)[-3:]


def _slices(plan: DirectPlan, call: Call) -> int:
    """Into how many parts the output channels are cut, for threads to share where the weights are more than the image.

    Each then reads its own weights and all of the image; where they share rows, all would read all weights.
    """
    spec, images = plan.spec, call.batch * plan.blocking.groups
    if call.threads == 1 or call.pieces:
        return 1
    pixels = [math.prod(size) for size in (call.geometry.input_size, call.geometry.output_size)]
    image = (pixels[0] * spec.in_channels + pixels[1] * spec.out_channels) // plan.blocking.groups
    weights = spec.kernel_planes * math.prod(spec.taps) * plan.blocking.padded_out
    if weights <= image:
        return 1
    return min(plan.blocking.out_block_count, max(1, _TASKS_PER_THREAD * call.threads // images))


def _band(plan: DirectPlan, call: Call, rows: int) -> int:
    """How many of the output rows of a piece one task computes.

    A band's input and output should stay in the second-level cache while the chunks pass over them. Several threads
    get about four tasks each, of a size that lets them end together.
    """
    spec, groups = plan.spec, plan.blocking.groups
    *_, down, columns = call.geometry.axes
    planes = 1 if spec.depth is None else spec.depth.kernel
    in_row = planes * down.stride * columns.input * spec.in_channels // groups
    out_row = columns.output * spec.out_channels // groups
    most = max(1, min(rows, plan.target.l2_bytes // ((in_row + out_row) * spec.element_bytes)))
    images = call.batch * groups
    if call.threads == 1:
        return -(-rows // -(-rows // most))
    most = min(most, max(1, rows * images // (_TASKS_PER_THREAD * call.threads)))

    def longest(band: int) -> int:
        """Rows that the busiest thread computes."""
        return -(-(-(-rows // band) * images) // call.threads) * band

    return min(range(most, max(0, most - _BANDS_TRIED), -1), key=longest)
