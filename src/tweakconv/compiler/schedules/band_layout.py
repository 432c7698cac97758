"""How the outputs of a call are cut into bands, and where a band's arrays lie in the working space of a thread."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tweakconv.compiler.call import Call, Shared
from tweakconv.compiler.schedules.transpose import slack
from tweakconv.compiler.spec import ConvSpec
from tweakconv.geometry import AxisGeometry, ConvGeometry, DilatedPhase

if TYPE_CHECKING:
    from tweakconv.compiler.schedules.bands import BandsPlan

FAR_BAND_BYTES = 3 << 20
"""A band where weights stream past the cache for each, so that fewer are better, or where taps are far apart."""

_MOST_PHASES = 4
"""Dilated convolutions have rows far apart: with more phases than this, what bands have in common is most of them."""

_TASKS_PER_THREAD = 3

_INTEGER_BYTES = 8

LINE_BYTES = 64
"""Of a line of the cache."""


def reaches_far(spec: ConvSpec) -> bool:
    """Whether bands have most of a small image as their input."""
    return math.prod(spec.dilation) > _MOST_PHASES and not spec.mapped_padding


def has_phases(spec: ConvSpec) -> bool:
    """Whether rows can be taken apart by phases, and had better be."""
    return reaches_far(spec) and spec.kernel[0] > 1 and spec.dilation[0] > 1 and spec.strides[0] == 1


class Band(NamedTuple):
    """A band, or one of the sizes that bands have, which lie where their numbers say.

    Attributes
    ----------
    call : Call
        What the schedule inside is called with.
    pixel, output : tuple of int
        Row and column of the first pixel that is laid out and of the first output.
    step : int
        From one row to the next, in the input and the output.
    """

    call: Call
    pixel: tuple[int, int] = (0, 0)
    output: tuple[int, int] = (0, 0)
    step: int = 1


class Layout(NamedTuple):
    """How the outputs of a call are cut into bands, and where a band's arrays lie in the working space.

    Attributes
    ----------
    bands, strips : int
        Bands below each other, and side by side.
    rows, columns : int
        Outputs of a band; the last ones may have fewer.
    pads : tuple of int
        Rows and columns before the image that are laid out for the first band.
    row_step : int
        Input rows from one output's to the next; 0 where each band says for itself where it lies.
    sizes : tuple of Band
        The four sizes, or each band.
    y_at, residual_at, space_at : int
        Elements from the start of the working space; the input comes first, behind the integers that threads share.
    """

    bands: int
    strips: int
    rows: int
    columns: int
    pads: tuple[int, int]
    row_step: int
    sizes: tuple[Band, ...]
    y_at: int
    residual_at: int
    space_at: int


_LARGE_TAPS = 9
"""Kernel rows or columns from which on much of what a band reads is padding."""


def layout_of(plan: BandsPlan, call: Call) -> Layout:
    """How a call is cut up."""
    spec, (down, across) = plan.spec, call.geometry.axes
    whole = _is_laid_whole(plan, call)
    if whole or plan.by_phases or (plan.any_row_dilation and has_phases(spec)):
        sizes = tuple(_bands_of_image(plan, call) if whole else _bands_of_phases(plan, call))
        bands, strips, rows, columns, pads, row_step = len(sizes), 1, 0, 0, (0, 0), 0
    else:
        rows, columns = band_size(plan, call)
        bands, strips = -(-down.output // rows), -(-across.output // columns)
        last = down.output - (bands - 1) * rows, across.output - (strips - 1) * columns
        every = [(down.alone(r), across.alone(c)) for r in (rows, last[0]) for c in (columns, last[1])]
        sizes = tuple(Band(_inner(spec, *axes)) for axes in every)
        pads, row_step = (down.pad_lo, across.pad_lo), down.stride
    room = slack(plan.target.lanes(spec.element_bytes))
    inputs = max(one.call.x_strides[0] for one in sizes) + _line(spec, room)
    outputs = max(one.call.y_strides[0] for one in sizes) + room
    y_at = first_of_input(spec) + _line(spec, inputs)
    residual_at = y_at + _line(spec, outputs)
    space_at = residual_at + (_line(spec, outputs) if spec.residual else 0)
    return Layout(bands, strips, rows, columns, pads, row_step, sizes, y_at, residual_at, space_at)


def band_size(plan: BandsPlan, call: Call) -> tuple[int, int]:
    """Rows and columns of outputs of a band: what fits the cache, of equal height, and enough for all threads."""
    spec, (down, across) = plan.spec, call.geometry.axes
    weights = plan.schedule.packed_elements(plan.inner, math.prod(spec.kernel)) * spec.element_bytes
    most = FAR_BAND_BYTES if weights > plan.target.l2_bytes else plan.target.l2_bytes
    most = FAR_BAND_BYTES if math.prod(spec.dilation) > _MOST_PHASES else most
    kinds = 2 if spec.residual else 1

    def fits(rows: int, columns: int) -> bool:
        ins = down.alone(rows).input * across.alone(columns).input * spec.in_channels
        return (ins + kinds * rows * columns * spec.out_channels) * spec.element_bytes <= most

    columns = across.output
    while columns > 1 and not fits(min(_step(plan), down.output), columns):
        columns = -(-columns // 2)
    return _rows_of_a_task(plan, call, down.output, _most(down.output, lambda rows: fits(rows, columns))), columns


def first_of_input(spec: ConvSpec) -> int:
    """Where a band's input lies in the working space, in elements: behind the integers that threads share."""
    return Shared.COUNT * _INTEGER_BYTES // spec.element_bytes


def _bands_of_image(plan: BandsPlan, call: Call) -> Iterator[Band]:
    """Bands of an image that is small: each has all the rows and columns that it reads, without padding."""
    down, across = call.geometry.axes
    rows = _rows_of_a_task(plan, call, down.output, down.output)
    for start in range(0, down.output, rows):
        pixel, axis = down.within(range(start, min(start + rows, down.output)))
        yield Band(_inner(plan.spec, axis, across), (pixel, 0), (start, 0))


def _bands_of_phases(plan: BandsPlan, call: Call) -> Iterator[Band]:
    """Bands of rows as far apart as the taps, without padding but where they are cut into strips of columns."""
    down, across = call.geometry.axes
    phases = DilatedPhase.all_of(down)
    one = call._replace(geometry=replace(call.geometry, axes=(phases[0].axis, across)), batch=call.batch * len(phases))
    rows, columns = band_size(plan, one)
    for phase in phases:
        for top in range(0, phase.axis.output, rows):
            row, high = phase.axis.within(range(top, min(top + rows, phase.axis.output)))
            for left in range(0, across.output, columns):
                whole, count = columns == across.output, min(columns, across.output - left)
                wide, column = (across, 0) if whole else (across.alone(count), across.first(left))
                pixel = phase.pixel + row * phase.step, column
                yield Band(_inner(plan.spec, high, wide), pixel, (phase.first + top * phase.step, left), phase.step)


def _is_laid_whole(plan: BandsPlan, call: Call) -> bool:
    """Whether each band has the whole image as its input, without padding."""
    spec, (down, across) = plan.spec, call.geometry.axes
    outputs = down.output * across.output * (2 if spec.residual else 1)
    elements = down.input * across.input * spec.in_channels + outputs * spec.out_channels
    far = reaches_far(spec) or (plan.leaves_padding and max(spec.kernel) > _LARGE_TAPS)
    return far and not plan.by_phases and elements * spec.element_bytes <= FAR_BAND_BYTES


def _inner(spec: ConvSpec, rows: AxisGeometry, columns: AxisGeometry) -> Call:
    """What the schedule inside is called with for a band: an image of its own, alone in its thread."""
    geometry = ConvGeometry((rows, columns), spec.in_channels, spec.out_channels, spec.groups)
    x_strides = _turned_strides(spec, rows.input, columns.input, spec.in_channels)
    y_strides = _turned_strides(spec, rows.output, columns.output, spec.out_channels)
    return Call(1, geometry, x_strides, y_strides, threads=1)


def _turned_strides(spec: ConvSpec, rows: int, columns: int, channels: int) -> tuple[int, int, int]:
    """From one image, row and channel of a band to the next, which has the other layout; planes in whole cache lines.

    Measured, 3x3 on 16x1920 with three channels: 68 µs, and 87 where stores fell on two cache lines.
    """
    if not spec.channels_last:
        return rows * columns * channels, columns * channels, 1
    row = _line(spec, columns)
    return rows * row * channels, row, rows * row


def _rows_of_a_task(plan: BandsPlan, call: Call, outputs: int, most: int) -> int:
    """Rows of outputs of a band, at most so many: all bands of equal height, and enough of them for all threads."""
    step = _step(plan)
    wanted = -(-_TASKS_PER_THREAD * call.threads // call.batch) if call.threads > 1 else 1
    bands = max(-(-outputs // most), min(wanted, -(-outputs // step)))
    rows = -(-outputs // bands)
    return min(outputs, -(-rows // step) * step)


def _step(plan: BandsPlan) -> int:
    """Output rows that are computed together."""
    step: int = plan.inner.rows_at_once  # type: ignore[attr-defined]
    return step


def _most(limit: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to a limit that fits, at least 1; smaller ones fit where a larger one does."""
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _line(spec: ConvSpec, elements: int) -> int:
    """So many elements, rounded up to whole cache lines."""
    each = LINE_BYTES // spec.element_bytes
    return -(-elements // each) * each
