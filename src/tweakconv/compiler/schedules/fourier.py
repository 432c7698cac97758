"""Large kernels, one channel in and out a group, with channels_first: by Fourier transforms of tiles.

A tile of the input is transformed, multiplied by the transformed kernel, and transformed back (overlap-save: A. V.
Oppenheim and R. W. Schafer, Discrete-Time Signal Processing, 8.7.3); outputs that mix both ends of a tile are thrown
away. Two tiles go together, as real and imaginary parts of complex numbers: a kernel is real, so they stay apart.

Lanes of a vector are columns, and so are transforms along the columns as many as lanes, without any shuffle. For those
along the rows as many rows as lanes are turned over into a buffer that the first cache holds, transformed, multiplied,
transformed back there, and turned over again.

A transform spreads rounding errors, NaN and infinity over its two tiles. Where what comes out is not finite, both are
summed tap by tap.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np

from tweakconv.arrays import FloatArray
from tweakconv.compiler.call import Call, Space
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.border import border_integers
from tweakconv.compiler.schedules.fourier_micro import emit_finish, emit_multiply, emit_taps
from tweakconv.compiler.schedules.fourier_transforms import emit_transform, order, steps, turns
from tweakconv.compiler.schedules.row_window import emit_fill
from tweakconv.compiler.schedules.tasks import define_run, emit_tasks
from tweakconv.compiler.schedules.transpose import emit_transpose
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target
from tweakconv.geometry.axis import effective_kernel

FIELDS = (
    "batch", "height", "width", "out_height", "out_width", "pad_top", "pad_left", "tiles", "strips", "pairs",
    "x_image", "x_row", "x_channel", "y_image", "y_row", "y_channel",
)  # fmt: skip
"""The run-time integers of one call, in order; strides count elements.

The outputs of a channel are `tiles` tiles, `strips` of them side by side.
"""

_SIZES = (32, 64, 128, 256, 512)
_SPACE_BYTES = 3_800_000


@dataclass(frozen=True, slots=True)
class FourierPlan:
    """A convolution, a target, and the size of tiles: all that determines the code and its bits."""

    spec: ConvSpec
    target: Target
    tile: tuple[int, int]

    @property
    def lanes(self) -> int:
        """Columns of a vector."""
        return self.target.lanes(self.spec.element_bytes)

    @property
    def outputs(self) -> tuple[int, int]:
        """Height and width of a tile's outputs."""
        high, wide = (t - span + 1 for t, span in zip(self.tile, _spans(self.spec), strict=True))
        return high, wide

    @property
    def row(self) -> int:
        """Elements from one row of a tile in working space to the next, so that rows do not share lines of a cache."""
        return self.tile[1] + max(self.lanes, 64 // self.spec.element_bytes)

    @property
    def elements(self) -> int:
        """Elements of working space: two tiles, as many of their rows as lanes turned over, and a mark."""
        return 2 * self.tile[0] * self.row + 2 * self.tile[1] * self.lanes + self.lanes

    @property
    def turns_elements(self) -> int:
        """Elements of the tables of both axes, the first for columns."""
        return sum(_turns_elements(size) for size in self.tile)

    @property
    def kernel_elements(self) -> int:
        """Elements of a group's transformed kernel."""
        return 2 * math.prod(self.tile)

    def describe(self) -> list[str]:
        """How the work is cut up, a line for each matter."""
        (high, wide), (outs, across) = self.tile, self.outputs
        return [f"pairs of tiles of {high}x{wide} inputs are transformed, for {outs}x{across} outputs each"]


_STEP_CYCLES, _TURN_CYCLES, _ROW_CYCLES = 10, 30, 60
"""What a vector of complex numbers takes for a step of a transform and for all else, and a row that is read or stored.

Measured with 9 to 63 taps and tiles of 64x64 to 256x256, in the unit of the schedule `rows`.
"""

_SMALL_BYTES, _LEVELS = 160_000, (1.0, 1.4, 2.8)
"""How many times as long it takes with tiles and a transformed kernel up to some size, up to the second cache, beyond.

Measured: of the time that 128x128 would let expect, 256x256 takes 1.4 times, and 256x512 at least twice that.
"""

_PACKING_CYCLES = 200
"""For each element of a tile, transforming the kernel."""

WHAT = (
    "one input and one output channel a group, with channels_first, at stride 1, without an activation or a residual, "
    "with kernels that span up to 256 pixels"
)
"""What this schedule computes, in words."""


def applies(spec: ConvSpec, target: Target) -> bool:
    """Whether each group has one channel, nothing follows the sum, and a tile has at least as many outputs as not."""
    single = spec.is_plain and not spec.channels_last and spec.group_in == spec.group_out == 1
    alone = spec.activation is None and not spec.residual
    return single and alone and spec.strides == (1, 1) and bool(_sizes(spec, target))


def estimate(plan: FourierPlan, out_size: tuple[int, int]) -> float:
    """Cycles that an image takes, roughly."""
    tiles = math.prod(-(-outputs // each) for outputs, each in zip(out_size, plan.outputs, strict=True))
    in_use = (plan.elements + plan.kernel_elements) * plan.spec.element_bytes
    level = 0 if in_use <= _SMALL_BYTES else 1 if in_use <= 1.5 * plan.target.l2_bytes else 2
    vectors = -(-tiles // 2) * math.prod(plan.tile) / plan.lanes
    taken = sum(len(steps(size)) for size in plan.tile)
    rows = tiles * (plan.tile[0] + plan.outputs[0])
    transforms = vectors * (2 * taken * _STEP_CYCLES + _TURN_CYCLES) * _LEVELS[level]
    return plan.spec.groups * (transforms + rows * _ROW_CYCLES)


def packing_estimate(plan: FourierPlan) -> float:
    """Cycles that transforming the kernel takes, roughly."""
    return plan.spec.groups * math.prod(plan.tile) * _PACKING_CYCLES


@functools.lru_cache(maxsize=256)
def plan(spec: ConvSpec, target: Target, out_size: tuple[int, int] = (64, 64)) -> FourierPlan:
    """The size of tiles that takes least for an image's outputs."""
    plans = (FourierPlan(spec, target, tile) for tile in _sizes(spec, target))
    return min(plans, key=lambda plan: estimate(plan, out_size))


@functools.lru_cache(maxsize=256)
def _sizes(spec: ConvSpec, target: Target) -> list[tuple[int, int]]:
    """Tiles that leave at least half of each axis for outputs, and fit into the working space."""
    axes = [[size for size in _SIZES if size >= max(2 * span, 16)] for span in _spans(spec)]
    plans = [FourierPlan(spec, target, (high, wide)) for high, wide in itertools.product(*axes)]
    return [plan.tile for plan in plans if plan.elements * spec.element_bytes <= _SPACE_BYTES]


def _spans(spec: ConvSpec) -> tuple[int, int]:
    down, across = (effective_kernel(taps, rate) for taps, rate in zip(spec.kernel, spec.dilation, strict=True))
    return down, across


def _turns_elements(size: int) -> int:
    """Those of one axis, in whole cache lines of float32."""
    return -(-turns(size).size // 16) * 16


def pack(plan: FourierPlan, kernel: FloatArray) -> FloatArray:
    """Tables of both axes, for each group the transformed kernel, and for each the kernel itself.

    It is the inverse transform, since no kernel is turned around, which also scales by what the code's leave out; in
    the order in which forward ones leave frequencies, it lies as [block of rows][column][real, imaginary][row].
    """
    high, wide = plan.tile
    planes = kernel[:, :, 0].transpose(2, 0, 1)
    spread = np.zeros((len(planes), *_spans(plan.spec)))
    spread[:, :: plan.spec.dilation[0], :: plan.spec.dilation[1]] = planes
    along = np.fft.ifft(spread, wide)[:, :, order(wide)]
    found = np.fft.ifft(along, high, axis=1)[:, order(high)].reshape(len(planes), -1, plan.lanes, wide).swapaxes(2, 3)
    parts = np.empty((*found.shape[:3], 2, plan.lanes), kernel.dtype)
    parts[:, :, :, 0], parts[:, :, :, 1] = found.real, found.imag
    tables = [np.resize(np.append(turns(size), np.zeros(16)), _turns_elements(size)) for size in plan.tile]
    return np.concatenate([part.reshape(-1).astype(kernel.dtype) for part in (*tables, parts, planes)])


def packed_elements(plan: FourierPlan, taps: int) -> int:
    """Elements that a kernel of so many taps has when packed."""
    return plan.turns_elements + plan.spec.groups * (plan.kernel_elements + taps)


def unpack(plan: FourierPlan, packed: FloatArray, kernel_size: tuple[int, ...]) -> FloatArray:
    """The kernel that was packed."""
    planes = packed[-plan.spec.groups * math.prod(kernel_size) :].reshape(-1, *kernel_size)
    return planes.transpose(1, 2, 0)[:, :, None]


def pack_bias(plan: FourierPlan, bias: FloatArray) -> FloatArray:
    """The bias as it is."""
    return bias


def integers(plan: FourierPlan, call: Call) -> tuple[int, ...]:
    """The run-time integers of a call, in the order of `FIELDS`, and what tells of its padding."""
    down, across = call.geometry.axes
    bands, strips = -(-down.output // plan.outputs[0]), -(-across.output // plan.outputs[1])
    integers = (
        call.batch, down.input, across.input, down.output, across.output, down.pad_lo, across.pad_lo,
        bands * strips, strips, -(-bands * strips // 2), *call.x_strides, *call.y_strides,
    )  # fmt: skip
    return integers if call.border is None else integers + border_integers(call.border, len(integers))


def space(plan: FourierPlan, call: Call) -> Space:
    """Working space: a pair of tiles, and rows of them turned over."""
    return Space(plan.elements * plan.spec.element_bytes)


def emit(plan: FourierPlan) -> str:
    """The LLVM module of a plan; its one public function is ``run``."""
    b = Builder(plan.target, plan.spec.element)
    for size in sorted(set(plan.tile)):
        emit_transform(b, size, inverse=False)
        emit_transform(b, size, inverse=True)
    emit_transpose(b, "turn", spills=False)
    emit_fill(b, plan.spec, len(FIELDS))
    emit_multiply(b, plan)
    emit_finish(b, plan)
    emit_taps(b, plan)
    define_run(b, _Driver(b, plan).run, plan.spec.pointers)
    return b.module()


class _Driver:
    """Emits ``run``: tasks, each a pair of tiles of a channel of an image."""

    def __init__(self, b: Builder, plan: FourierPlan) -> None:
        self.b = b
        self.plan = plan

    def run(
        self, x: Value, w: Value, bias: Value, y: Value, residual: Value, shape: Value, shared: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        """Take tasks until none is left."""
        b, plan, groups = self.b, self.plan, self.plan.spec.groups
        s = self.shape = b.load_integers(shape, FIELDS)
        area = plan.tile[0] * plan.row
        self.integers, self.re, self.im, self.lines = shape, window, b.at(window, area), b.at(window, 2 * area)
        self.mark = b.at(self.lines, 2 * plan.tile[1] * plan.lanes)
        self.turns = w, b.at(w, _turns_elements(plan.tile[0]))

        def one(ticket: Value) -> None:
            pair, rest = ticket % s["pairs"], ticket // s["pairs"]
            group, image = rest % groups, rest // groups
            self.x = b.at(x, image * s["x_image"] + group * s["x_channel"])
            self.y = b.at(y, image * s["y_image"] + group * s["y_channel"])
            self.w = b.at(w, group * plan.kernel_elements + plan.turns_elements)
            taps = group * math.prod(plan.spec.kernel) + groups * plan.kernel_elements + plan.turns_elements
            self.taps, self.bias = b.at(w, taps), b.at(bias, group)
            self.pair(pair * 2)

        emit_tasks(b, shared, flags, s["batch"] * groups * s["pairs"], one)

    def pair(self, first: Value) -> None:
        """Two tiles, or the last alone."""
        b, plan = self.b, self.plan
        second = first + 1
        there = second < self.shape["tiles"]
        self.fill(first, self.re)
        rows = plan.tile[0] * plan.row
        b.when(there, lambda: self.fill(second, self.im), lambda: b.fill_zero(self.im, rows))
        self.transforms()
        b.store(b.integer(0), self.mark)
        self.finish(first, self.re)
        b.when(there, lambda: self.finish(second, self.im))

        def by_taps(tile: Value) -> None:
            self.fill(tile, self.re)
            _, _, rows, columns = self.place(tile)
            b.call("taps", self.re, self.im, rows, columns, self.taps, self.bias)
            self.store(tile, self.im)

        def good() -> None:
            self.store(first, self.re)
            b.when(there, lambda: self.store(second, self.im))

        def bad() -> None:
            by_taps(first)
            b.when(there, lambda: by_taps(second))

        b.when(b.load_integer(self.mark, 0).equals(0), good, bad)

    def place(self, tile: Value) -> tuple[Value, Value, Value, Value]:
        """A tile's first output row and column, and how many rows and columns it has."""
        b, s, (high, wide) = self.b, self.shape, self.plan.outputs
        row, column = tile // s["strips"] * high, tile % s["strips"] * wide
        return row, column, b.minimum(s["out_height"] - row, high), b.minimum(s["out_width"] - column, wide)

    def fill(self, tile: Value, plane: Value) -> None:
        """A tile's inputs."""
        b, s, plan = self.b, self.shape, self.plan
        row, column, _, _ = self.place(tile)
        size = *plan.tile, plan.row, s["height"], s["width"], s["x_row"]
        b.call("fill", plane, self.x, row - s["pad_top"], column - s["pad_left"], *size, self.integers)

    def transforms(self) -> None:
        """Both planes, in place: forward, by the kernel, and back."""
        b, plan, (high, wide), lanes = self.b, self.plan, self.plan.tile, self.plan.lanes

        def columns(name: str, count: int) -> None:
            def strip(c: Value) -> None:
                b.call(f"{name}_{high}", b.at(self.re, c), b.at(self.im, c), plan.row, self.turns[0])

            b.loop(0, count, strip, step=lanes, once=True)

        def rows(r: Value) -> None:
            turned = self.lines, b.at(self.lines, lanes)
            planes = [b.at(plane, r * plan.row) for plane in (self.re, self.im)]
            for plane, lines in zip(planes, turned, strict=True):
                b.call("turn", plane, plan.row, lanes, lines, 2 * lanes, wide)
            b.call(f"forward_{wide}", *turned, 2 * lanes, self.turns[1])
            b.call("multiply", self.lines, b.at(self.w, r * (2 * wide)))
            b.call(f"inverse_{wide}", *turned, 2 * lanes, self.turns[1])
            for plane, lines in zip(planes, turned, strict=True):
                b.call("turn", lines, 2 * lanes, wide, plane, plan.row, lanes)

        columns("forward", wide)
        b.loop(0, high, rows, step=lanes, once=True)
        columns("inverse", plan.outputs[1])

    def finish(self, tile: Value, plane: Value) -> None:
        """A tile's bias, and whether it is finite."""
        _, _, rows, columns = self.place(tile)
        self.b.call("finish", plane, rows, columns, self.bias, self.mark)

    def store(self, tile: Value, plane: Value) -> None:
        """A tile's outputs."""
        b, s = self.b, self.shape
        row, column, rows, columns = self.place(tile)
        y = b.at(self.y, row * s["y_row"] + column)
        b.loop(0, rows, lambda r: b.copy(b.at(y, r * s["y_row"]), b.at(plane, r * self.plan.row), columns))
