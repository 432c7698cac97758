"""Channels_first by way of channels_last: band by band laid out anew, computed there, and laid back.

Lanes that hold output channels are always full, whatever the width of an image, its stride and its padding; lanes that
hold its columns are not. So where there are channels enough, a band of output rows is computed by another schedule on a
copy of its input with the channels of a pixel side by side, and what that writes is turned over into the output. Bands
are as large as a core's cache; the copy holds what lies in the padding, so the schedule inside has none to do with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import NamedTuple

from tweakconv.arrays import FloatArray
from tweakconv.compiler.call import ALONE, Call, Shared, Space
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.packing.parts import Part
from tweakconv.compiler.schedules.border import border_integers
from tweakconv.compiler.schedules.lines import emit_line
from tweakconv.compiler.schedules.tasks import emit_tasks
from tweakconv.compiler.schedules.transpose import INTERLEAVED, emit_interleave, emit_transpose, slack
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target
from tweakconv.geometry import AxisGeometry, ConvGeometry
from tweakconv.geometry.axis import effective_kernel

FIELDS = (
    "batch", "bands", "strips", "rows", "columns", "height", "width", "pad_top", "pad_left",
    "x_image", "x_row", "x_channel", "y_image", "y_row", "y_channel", "y_at", "residual_at", "space_at",
)  # fmt: skip
"""The run-time integers of one call, in order; strides count elements, as do places in the working space.

A band is `rows` x `columns` outputs, the last ones fewer: `strips` bands lie side by side and `bands` below each other.
"""

_SIZE_FIELDS = ("in_rows", "in_columns", "out_rows", "out_columns", "inner")
"""What follows for each of four sizes of bands: in the last row of them or not, in the last column or not."""

_BORDER_START = len(FIELDS) + 4 * len(_SIZE_FIELDS)

_STREAMING_BAND_BYTES = 3 << 20
"""A band where weights stream past the cache for each of them, so that fewer are better."""

_TURNED_CYCLES = 0.7
"""For each element that is laid out anew; memory and not the processor is what it waits for."""

_MOST_PHASES, _CUT_PHASES = 4, 4
"""Dilated convolutions have rows far apart: in bands of more phases than this most work is done more than once."""

_TASKS_PER_THREAD = 3

_INTEGER_BYTES = 8


@dataclass(frozen=True, slots=True)
class BandsPlan:
    """A convolution with channels_first, and the plan that computes its bands with channels_last."""

    spec: ConvSpec
    target: Target
    inner: object
    schedule: ModuleType = field(repr=False)

    def describe(self) -> list[str]:
        """How the work is cut up, a line for each matter."""
        lines: list[str] = self.inner.describe()  # type: ignore[attr-defined]
        return [*lines, "bands of rows are laid out as channels_last and their outputs as channels_first"]


def applies(spec: ConvSpec) -> bool:
    """Whether it is an ordinary convolution of images with channels_first, in float32 or float64.

    The zeros of the padding that a band holds are multiplied, so that taps there cannot be left out.
    """
    narrow, plain = spec.x_stored or spec.y_stored, spec.is_plain and not spec.skips_padding
    return plain and not spec.channels_last and not narrow and spec.in_channels * spec.out_channels > 1


def plan(spec: ConvSpec, target: Target, schedule: ModuleType, inner: object) -> BandsPlan:
    """Plan a convolution by way of another schedule, by its plan for what is `inside`."""
    return BandsPlan(spec, target, inner, schedule)


def inside(spec: ConvSpec) -> ConvSpec:
    """The convolution that a band is, with channels_last and without padding."""
    return replace(spec, channels_last=True, mapped_padding=False)


def emit(plan: BandsPlan) -> str:
    """The LLVM module of a plan; its one public function is ``run``."""
    b = Builder(plan.target, plan.spec.element)
    plan.schedule.define(b, plan.inner, "compute", public=False)
    emit_transpose(b, "turn", spills=False)
    few, channels = "turn", plan.spec.in_channels
    if channels < plan.target.lanes(plan.spec.element_bytes):
        few = "turn_few"
        if channels in INTERLEAVED:
            emit_interleave(b, few, channels)
        else:
            emit_transpose(b, few, spills=True)
    emit_line(b, plan.spec, "lay_line", few, _BORDER_START)
    pointers = dict.fromkeys(("x", "w", "bias", "y", "residual", "shape", "shared", "window"), "ptr")
    b.function("run", {**pointers, "flags": "i64"}, _Driver(b, plan).run, public=True)
    return b.module()


def parts(plan: BandsPlan, taps: tuple[int, int, int]) -> tuple[Part, ...]:
    """What goes where, as the schedule inside reads it."""
    found: tuple[Part, ...] = plan.schedule.parts(plan.inner, taps)
    return found


def packed_elements(plan: BandsPlan, taps: int) -> int:
    """Elements that a kernel of so many taps has when packed."""
    elements: int = plan.schedule.packed_elements(plan.inner, taps)
    return elements


def pack_bias(plan: BandsPlan, bias: FloatArray) -> FloatArray:
    """The bias as the schedule inside packs it."""
    packed: FloatArray = plan.schedule.pack_bias(plan.inner, bias)
    return packed


def estimate(plan: BandsPlan, out_size: tuple[int, int]) -> float:
    """Cycles that an image takes, roughly: what the schedule inside takes, and laying elements out anew."""
    spec = plan.spec
    axes = zip(spec.kernel, spec.strides, spec.dilation, out_size, strict=True)
    inputs = math.prod(
        AxisGeometry(effective_kernel(taps, step), taps, stride, step).alone(outputs).input
        for taps, stride, step, outputs in axes
    )
    outputs = math.prod(out_size) * (2 if spec.residual else 1)
    elements = inputs * spec.in_channels + outputs * spec.out_channels
    cycles: float = plan.schedule.estimate(plan.inner, out_size)
    if elements * spec.element_bytes > _STREAMING_BAND_BYTES and math.prod(spec.dilation) > _MOST_PHASES:
        cycles *= _CUT_PHASES
    return cycles + _TURNED_CYCLES * elements


def integers(plan: BandsPlan, call: Call) -> tuple[int, ...]:
    """The run-time integers of a call: `FIELDS`, `_SIZE_FIELDS` of each size, its border, and those inside."""
    layout = _layout(plan, call)
    (x_image, x_row, x_channel), (y_image, y_row, y_channel) = call.x_strides, call.y_strides
    down, across = call.geometry.axes
    head = (
        call.batch, layout.bands, layout.strips, layout.rows, layout.columns,
        down.input, across.input, down.pad_lo, across.pad_lo, x_image, x_row, x_channel, y_image, y_row, y_channel,
        layout.y_at, layout.residual_at, layout.space_at,
    )  # fmt: skip
    border = () if call.border is None else border_integers(call.border, _BORDER_START)
    start = _BORDER_START + len(border)
    sizes: list[int] = []
    inner: list[int] = []
    for one in layout.sizes:
        rows, columns = one.geometry.axes
        sizes += [rows.input, columns.input, rows.output, columns.output, start + len(inner)]
        inner += plan.schedule.integers(plan.inner, one)
    return (*head, *sizes, *border, *inner)


def space(plan: BandsPlan, call: Call) -> Space:
    """Working space of a thread: a band's input, output and residual, and what the schedule inside needs."""
    layout = _layout(plan, call)
    inner = max(plan.schedule.space(plan.inner, one).own for one in layout.sizes)
    return Space(layout.space_at * plan.spec.element_bytes + inner)


class _Layout(NamedTuple):
    """How the outputs of a call are cut into bands, and where a band's arrays lie in the working space.

    Attributes
    ----------
    bands, strips : int
        Bands below each other, and side by side.
    rows, columns : int
        Outputs of a band; the last ones may have fewer.
    sizes : tuple of Call
        What the schedule inside is called with, for each of the four sizes.
    y_at, residual_at, space_at : int
        Elements from the start of the working space; the input comes first, behind the integers that threads share.
    """

    bands: int
    strips: int
    rows: int
    columns: int
    sizes: tuple[Call, ...]
    y_at: int
    residual_at: int
    space_at: int


def _layout(plan: BandsPlan, call: Call) -> _Layout:
    spec, (down, across) = plan.spec, call.geometry.axes
    rows, columns = _band(plan, call)
    bands, strips = -(-down.output // rows), -(-across.output // columns)
    last = down.output - (bands - 1) * rows, across.output - (strips - 1) * columns
    sizes = tuple(_inner(spec, down.alone(r), across.alone(c)) for r in (rows, last[0]) for c in (columns, last[1]))
    high, wide = sizes[0].geometry.axes
    room = slack(plan.target.lanes(spec.element_bytes))
    outputs = rows * columns * spec.out_channels + room
    y_at = _x_at(spec) + _line(spec, high.input * wide.input * spec.in_channels + room)
    residual_at = y_at + _line(spec, outputs)
    space_at = residual_at + (_line(spec, outputs) if spec.residual else 0)
    return _Layout(bands, strips, rows, columns, sizes, y_at, residual_at, space_at)


def _inner(spec: ConvSpec, rows: AxisGeometry, columns: AxisGeometry) -> Call:
    """What the schedule inside is called with for a band: an image without padding, alone in its thread."""
    ins, outs = spec.in_channels, spec.out_channels
    geometry = ConvGeometry((rows, columns), ins, outs, spec.groups)
    x_strides = rows.input * columns.input * ins, columns.input * ins, 1
    y_strides = rows.output * columns.output * outs, columns.output * outs, 1
    return Call(1, geometry, x_strides, y_strides, threads=1)


def _band(plan: BandsPlan, call: Call) -> tuple[int, int]:
    """Rows and columns of outputs of a band: what fits the cache, of equal height, and enough for all threads."""
    spec, (down, across) = plan.spec, call.geometry.axes
    weights = packed_elements(plan, math.prod(spec.kernel)) * spec.element_bytes
    most = _STREAMING_BAND_BYTES if weights > plan.target.l2_bytes else plan.target.l2_bytes
    kinds = 2 if spec.residual else 1

    def fits(rows: int, columns: int) -> bool:
        ins = down.alone(rows).input * across.alone(columns).input * spec.in_channels
        return (ins + kinds * rows * columns * spec.out_channels) * spec.element_bytes <= most

    step: int = plan.inner.rows_at_once  # type: ignore[attr-defined]
    columns = across.output
    while columns > 1 and not fits(min(step, down.output), columns):
        columns = -(-columns // 2)
    rows = _most(down.output, lambda rows: fits(rows, columns))
    wanted = -(-_TASKS_PER_THREAD * call.threads // call.batch) if call.threads > 1 else 1
    bands = max(-(-down.output // rows), min(wanted, -(-down.output // step)))
    rows = -(-down.output // bands)
    return min(down.output, -(-rows // step) * step), columns


def _most(limit: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to a limit that fits, at least 1; smaller ones fit where a larger one does."""
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _x_at(spec: ConvSpec) -> int:
    return Shared.COUNT * _INTEGER_BYTES // spec.element_bytes


def _line(spec: ConvSpec, elements: int) -> int:
    """So many elements, rounded up to whole cache lines."""
    each = 64 // spec.element_bytes
    return -(-elements // each) * each


class _Driver:
    """Emits ``run``: take bands until none is left."""

    def __init__(self, b: Builder, plan: BandsPlan) -> None:
        self.b = b
        self.plan = plan
        self.spec = plan.spec

    def run(
        self, x: Value, w: Value, bias: Value, y: Value, residual: Value, shape: Value, shared: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        """Take tasks until none is left; a task is a band of an image."""
        b, spec = self.b, self.spec
        s = self.shape = {name: b.load_integer(shape, i) for i, name in enumerate(FIELDS)}
        self.integers = shape
        band_x, band_y = b.at(window, _x_at(spec)), b.at(window, s["y_at"])
        band_residual, own = b.at(window, s["residual_at"]), b.at(window, s["space_at"])
        channels = spec.out_channels

        def one(ticket: Value) -> None:
            strip, rest = ticket % s["strips"], ticket // s["strips"]
            band, image = rest % s["bands"], rest // s["bands"]
            number = b.select((band + 1).equals(s["bands"]), 2, 0) + b.select((strip + 1).equals(s["strips"]), 1, 0)
            at = b.integer_at(shape, number * len(_SIZE_FIELDS) + len(FIELDS))
            size = {name: b.load_integer(at, i) for i, name in enumerate(_SIZE_FIELDS)}
            row, column = band * s["rows"], strip * s["columns"]
            out = image * s["y_image"] + row * s["y_row"] + column
            self.load(b.at(x, image * s["x_image"]), row, column, size, band_x)

            def residual_in(start: Value, pixel: Value, count: Value) -> None:
                source = b.at(residual, out + start)
                b.call("turn", source, s["y_channel"], channels, b.at(band_residual, pixel * channels), channels, count)

            def y_out(start: Value, pixel: Value, count: Value) -> None:
                source = b.at(band_y, pixel * channels)
                b.call("turn", source, channels, count, b.at(y, out + start), s["y_channel"], channels)

            if spec.residual:
                self.runs(size, residual_in)
            inner, alone = b.integer_at(shape, size["inner"]), b.binary("or", flags, ALONE)
            b.call("compute", band_x, w, bias, band_y, band_residual, inner, window, own, alone)
            self.runs(size, y_out)

        emit_tasks(b, shared, flags, s["batch"] * s["bands"] * s["strips"], one)

    def load(self, x: Value, row: Value, column: Value, size: dict[str, Value], band: Value) -> None:
        """Lay out the input under the outputs from a row and a column on, with what the padding holds."""
        b, s, channels = self.b, self.shape, self.spec.in_channels
        top, left = row * self.spec.strides[0] - s["pad_top"], column * self.spec.strides[1] - s["pad_left"]
        columns = size["in_columns"]

        def line(r: Value) -> None:
            target = b.at(band, r * columns * channels)
            places = (s["x_row"], s["x_channel"], top + r, left, s["height"], s["width"])
            b.call("lay_line", x, *places, channels, columns, channels, target, self.integers)

        b.loop(0, size["in_rows"], line)

    def runs(self, size: dict[str, Value], body: Callable[[Value, Value, Value], None]) -> None:
        """Run ``body(start, pixel, count)`` for pixels of a band that lie one behind another in the output."""
        b, y_row = self.b, self.shape["y_row"]
        rows, columns = size["out_rows"], size["out_columns"]
        joined = y_row.equals(columns)
        count, turns = b.select(joined, rows * columns, columns), b.select(joined, 1, rows)
        b.loop(0, turns, lambda i: body(i * y_row, i * count, count))
