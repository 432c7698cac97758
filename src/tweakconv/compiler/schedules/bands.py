"""A layout by way of the other: band by band laid out anew, computed there, and laid back.

Lanes that hold output channels are always full, whatever the width of an image, its stride and its padding; lanes that
hold its columns are not. So where there are channels enough, a band of output rows is computed by another schedule on a
copy of its input with the channels of a pixel side by side, and what that writes is turned over into the output. Bands
are as large as a core's cache; the copy holds what lies in the padding, so the schedule inside has none to do with.

Where taps stand far apart, though, neighbouring rows have none of their input in common. A band then has rows of one
phase, as many apart as the taps are: a convolution without dilation along the columns. A small image is laid out as a
whole instead, so that weights need not stream past the cache for every phase. In both, the padding is left to the
schedule inside, which may leave out the taps that lie in it.

The other way around, channels_last with few output channels leaves most lanes without one: there the bands are planes,
whose columns fill the lanes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

from tweakconv.arrays import FloatArray
from tweakconv.compiler.call import ALONE, Call, Space
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.packing.parts import Part
from tweakconv.compiler.schedules import depthwise, direct
from tweakconv.compiler.schedules.band_layout import (
    FAR_BAND_BYTES,
    band_size,
    first_of_input,
    has_phases,
    layout_of,
    reaches_far,
)
from tweakconv.compiler.schedules.band_turns import ToPixels, ToPlanes
from tweakconv.compiler.schedules.border import border_integers
from tweakconv.compiler.schedules.tasks import define_run, emit_tasks
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target
from tweakconv.geometry import AxisGeometry, ConvGeometry
from tweakconv.geometry.axis import effective_kernel

FIELDS = (
    "batch", "bands", "strips", "rows", "columns", "height", "width", "pad_top", "pad_left",
    "x_image", "x_row", "x_channel", "y_image", "y_row", "y_channel", "y_at", "residual_at", "space_at", "row_step",
)  # fmt: skip
"""The run-time integers of one call, in order; strides count elements, as do places in the working space.

A band is `rows` x `columns` outputs, the last ones fewer: `strips` bands lie side by side and `bands` below each other.
Its input begins `row_step` rows below the last one's for each row of outputs. Where that is 0, each band says for
itself where its input and its outputs lie.
"""

_SIZE_FIELDS = (
    "in_rows", "in_columns", "in_row", "in_channel", "out_rows", "out_columns", "out_row", "out_channel", "inner",
    "x_at", "x_row", "left", "y_at", "y_row",
)  # fmt: skip
"""What follows for each of four sizes of bands: in the last row of them or not, in the last column or not.

First the band's rows and columns of input, and elements from one row and channel to the next there, and the same of
its outputs. For each band that says for itself where it lies: its first row of input and the elements to the next, its
first column, and the same of its outputs."""

_BORDER_START = len(FIELDS) + 4 * len(_SIZE_FIELDS)

_FEW_OUTPUTS = 6
"""Output channels of which planes keep the sums together in registers."""

_TURNED_CYCLES = 0.7
"""For each element that is laid out anew; memory and not the processor is what it waits for."""


@dataclass(frozen=True, slots=True)
class BandsPlan:
    """A convolution, and the plan that computes its bands in the other layout."""

    spec: ConvSpec
    target: Target
    inner: object
    schedule: ModuleType = field(repr=False)

    @property
    def by_phases(self) -> bool:
        """Whether every band has the rows of one phase, which are as far apart as the taps."""
        return self.inner.spec.dilation != self.spec.dilation  # type: ignore[attr-defined, no-any-return]

    @property
    def any_row_dilation(self) -> bool:
        """Whether the code inside takes the distance of kernel rows from its call: bands may be of either kind."""
        return isinstance(self.inner, direct.DirectPlan)

    @property
    def in_stretches(self) -> bool:
        """Whether the plan inside leaves out taps that lie in the padding."""
        return bool(getattr(self.inner, "in_stretches", False))

    @property
    def leaves_padding(self) -> bool:
        """Whether the schedule inside never reads the padding, which then holds zeros."""
        return self.schedule is depthwise and not self.spec.mapped_padding

    def describe(self) -> list[str]:
        """How the work is cut up, a line for each matter."""
        lines: list[str] = self.inner.describe()  # type: ignore[attr-defined]
        phases = self.by_phases or (self.any_row_dilation and has_phases(self.spec))
        rows = f"rows, {self.spec.dilation[0]} apart in large images," if phases else "rows"
        there, here = ("channels_last", "channels_first") if not self.spec.channels_last else ("planes", "pixels")
        return [*lines, f"bands of {rows} are laid out as {there} and their outputs as {here}"]


def applies(spec: ConvSpec) -> bool:
    """Whether it is an ordinary convolution of images, in float32 or float64, whose channels matter to its lanes.

    The zeros of the padding that a band holds are multiplied, so that taps there cannot be left out.
    """
    if spec.x_stored or spec.y_stored or spec.skips_padding or not spec.is_plain:
        return False
    if spec.channels_last:
        return spec.groups == 1 and spec.out_channels <= _FEW_OUTPUTS and not reaches_far(spec)
    return spec.in_channels * spec.out_channels > 1


def plans(
    spec: ConvSpec, target: Target, schedule: ModuleType, inner: Callable[[ConvSpec], list[Any]]
) -> list[BandsPlan]:
    """Plan a convolution by way of another schedule, which has its plans for what is `inside`, or for a phase of it."""
    if spec.channels_last and schedule is not direct:
        return []
    if has_phases(spec):
        phase = replace(inside(spec), dilation=(1, spec.dilation[1]))
        by_phases = [BandsPlan(spec, target, each, schedule) for each in inner(phase)]
        taps = math.prod(spec.kernel)
        found = [
            each for each in by_phases
            if not each.any_row_dilation and packed_elements(each, taps) * spec.element_bytes <= target.l2_bytes
        ]  # fmt: skip
        if found:
            return found
    return [BandsPlan(spec, target, each, schedule) for each in inner(inside(spec))]


def inside(spec: ConvSpec) -> ConvSpec:
    """The convolution that a band is, with the other layout and zeros for padding, if any."""
    return replace(spec, channels_last=not spec.channels_last, mapped_padding=False)


def emit(plan: BandsPlan) -> str:
    """The LLVM module of a plan; its one public function is ``run``."""
    b = Builder(plan.target, plan.spec.element)
    plan.schedule.define(b, plan.inner, "compute", public=False)
    turns = ToPlanes(b, plan.spec) if plan.spec.channels_last else ToPixels(b, plan.spec)
    turns.define(_BORDER_START)
    define_run(b, _Driver(b, plan, turns).run)
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
    alone = (AxisGeometry(effective_kernel(taps, step), taps, stride, step) for taps, stride, step, _ in axes)
    down, across = (axis.alone(outputs) for axis, outputs in zip(alone, out_size, strict=True))
    outputs = math.prod(out_size) * (2 if spec.residual else 1) * spec.out_channels
    inputs = down.input * across.input * spec.in_channels
    if not reaches_far(spec):
        return _cycles(plan, out_size) + _TURNED_CYCLES * (inputs + outputs)
    image = math.prod(out_size) * math.prod(spec.strides) * spec.in_channels
    if (
        plan.by_phases
        or (plan.any_row_dilation and has_phases(spec))
        or (image + outputs) * spec.element_bytes <= FAR_BAND_BYTES
    ):
        return _cycles(plan, out_size) + _TURNED_CYCLES * (image + outputs)
    rows, columns = band_size(plan, Call(1, ConvGeometry((down, across)), (), (), threads=1))
    bands = (out_size[0] / rows) * (out_size[1] / columns)
    inputs = down.alone(rows).input * across.alone(columns).input * spec.in_channels
    return bands * (_cycles(plan, (rows, columns)) + _TURNED_CYCLES * inputs) + _TURNED_CYCLES * outputs


def _cycles(plan: BandsPlan, out_size: tuple[int, int]) -> float:
    """What the schedule inside takes."""
    cycles: float = plan.schedule.estimate(plan.inner, out_size)
    return cycles


def integers(plan: BandsPlan, call: Call) -> tuple[int, ...]:
    """The run-time integers of a call: `FIELDS`, `_SIZE_FIELDS` of each size, its border, and those inside."""
    layout = layout_of(plan, call)
    (x_image, x_row, x_channel), (y_image, y_row, y_channel) = call.x_strides, call.y_strides
    head = (
        call.batch, layout.bands, layout.strips, layout.rows, layout.columns,
        *call.geometry.input_size, *layout.pads, x_image, x_row, x_channel, y_image, y_row, y_channel,
        layout.y_at, layout.residual_at, layout.space_at, layout.row_step,
    )  # fmt: skip
    border = () if call.border is None else border_integers(call.border, _BORDER_START)
    start = len(FIELDS) + len(layout.sizes) * len(_SIZE_FIELDS) + len(border)
    sizes: list[int] = []
    inner: list[int] = []
    known: dict[Call, int] = {}
    for one in layout.sizes:
        if one.call not in known:
            known[one.call] = start + len(inner)
            inner += plan.schedule.integers(plan.inner, one.call)
        rows, columns = one.call.geometry.axes
        sizes += [rows.input, columns.input, *one.call.x_strides[1:]]
        sizes += [rows.output, columns.output, *one.call.y_strides[1:], known[one.call]]
        sizes += [one.pixel[0] * x_row, one.step * x_row, one.pixel[1]]
        sizes += [one.output[0] * y_row + one.output[1] * plan.spec.out_pixel_stride, one.step * y_row]
    return (*head, *sizes, *border, *inner)


def space(plan: BandsPlan, call: Call) -> Space:
    """Working space of a thread: a band's input, output and residual, and what the schedule inside needs."""
    layout = layout_of(plan, call)
    inner = max(plan.schedule.space(plan.inner, call).own for call in {one.call for one in layout.sizes})
    return Space(layout.space_at * plan.spec.element_bytes + inner)


class _Driver:
    """Emits ``run``: take bands until none is left."""

    def __init__(self, b: Builder, plan: BandsPlan, turns: ToPixels | ToPlanes) -> None:
        self.b = b
        self.turns = turns
        self.plan = plan
        self.spec = plan.spec

    def run(
        self, x: Value, w: Value, bias: Value, y: Value, residual: Value, shape: Value, shared: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        """Take tasks until none is left; a task is a band of an image."""
        b, spec = self.b, self.spec
        s = self.shape = b.load_integers(shape, FIELDS)
        self.integers = shape
        band_x, band_y = b.at(window, self.turns.first(s["pad_left"]) + first_of_input(spec)), b.at(window, s["y_at"])
        band_residual, own = b.at(window, s["residual_at"]), b.at(window, s["space_at"])

        def one(ticket: Value) -> None:
            strip, rest = ticket % s["strips"], ticket // s["strips"]
            band, image = rest % s["bands"], rest // s["bands"]
            number = b.select((band + 1).equals(s["bands"]), 2, 0) + b.select((strip + 1).equals(s["strips"]), 1, 0)
            number = b.select(s["row_step"].equals(0), band, number)
            at = b.integer_at(shape, number * len(_SIZE_FIELDS) + len(FIELDS))
            size = b.load_integers(at, _SIZE_FIELDS)
            row, column = band * s["rows"], strip * s["columns"]
            out = image * s["y_image"] + row * s["y_row"] + column * spec.out_pixel_stride + size["y_at"]
            self.load(b.at(x, image * s["x_image"] + size["x_at"]), row, column, size, band_x)

            steps = s["y_channel"], size["out_channel"]

            def residual_in(start: Value, at: Value, count: Value) -> None:
                self.turns.residual(b.at(residual, out + start), b.at(band_residual, at), steps, count)

            def y_out(start: Value, at: Value, count: Value) -> None:
                self.turns.outputs(b.at(y, out + start), b.at(band_y, at), steps, count)

            if spec.residual:
                self.runs(size, residual_in)
            inner, alone = b.integer_at(shape, size["inner"]), b.binary("or", flags, ALONE)
            b.call("compute", band_x, w, bias, band_y, band_residual, inner, window, own, alone)
            self.runs(size, y_out)

        emit_tasks(b, shared, flags, s["batch"] * s["bands"] * s["strips"], one)

    def load(self, x: Value, row: Value, column: Value, size: dict[str, Value], band: Value) -> None:
        """Lay out the input under the outputs from a row and a column on, with what the padding holds."""
        b, s = self.b, self.shape
        top, left = row * s["row_step"] - s["pad_top"], column * self.spec.strides[1] - s["pad_left"] + size["left"]
        steps = size["x_row"], s["x_channel"]

        def line(r: Value) -> None:
            places = top + r, left, s["height"], s["width"]
            target = b.at(band, r * size["in_row"])
            self.turns.line(x, steps, places, target, size["in_columns"], size["in_channel"], self.integers)

        b.loop(0, size["in_rows"], line)

    def runs(self, size: dict[str, Value], body: Callable[[Value, Value, Value], None]) -> None:
        """Run ``body(start, at, count)`` for pixels that lie one behind another in the output and in the band."""
        b, y_row, band_row = self.b, size["y_row"], size["out_row"]
        rows, columns = size["out_rows"], size["out_columns"]
        here, there = self.spec.out_pixel_stride, self.turns.pixel_stride
        joined = b.both(y_row.equals(columns * here), band_row.equals(columns * there))
        count, turns = b.select(joined, rows * columns, columns), b.select(joined, 1, rows)
        b.loop(0, turns, lambda i: body(i * y_row, i * band_row, count))
