"""Kernels of low rank, one channel in and out a group, with channels_first: along the columns, then along the rows.

A kernel that is a sum of few products of a column and a row (`tweakconv.compiler.low_rank`) takes ``rank * (height +
width)`` products instead of ``height * width``. A task is a tile of outputs: its input is summed along the columns,
once for each factor, into working space that the first caches hold, and that along the rows, over all factors, into
the registers from which outputs are stored. So there is no image in between, and nothing is computed twice but the few
columns that neighbouring tiles share.

NaN and infinity do not go through factors as they go through their products: where a sum is not finite, the
definition's products are added up instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tweakconv.arrays import FloatArray
from tweakconv.compiler.call import Call, Space
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.low_rank import factor
from tweakconv.compiler.schedules.blocking import even_step
from tweakconv.compiler.schedules.border import border_integers
from tweakconv.compiler.schedules.epilogue import emit_activate, rounds_late
from tweakconv.compiler.schedules.row_window import emit_fill
from tweakconv.compiler.schedules.separable_micro import emit_across, emit_down
from tweakconv.compiler.schedules.tasks import define_run, emit_tasks
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target
from tweakconv.geometry.axis import effective_kernel

FIELDS = (
    "batch", "height", "width", "out_height", "out_width", "pad_top", "pad_left", "rows", "columns", "bands", "strips",
    "x_image", "x_row", "x_channel", "y_image", "y_row", "y_channel", "sums_row", "sums_factor", "sums_at", "tile_at",
)  # fmt: skip
"""The run-time integers of one call, in order; strides count elements, as do places in the working space.

A task is `rows` x `columns` outputs, the last ones fewer: `strips` of them lie side by side, `bands` below each other.
"""

_SUMS_BYTES = 32 << 10
"""What sums along the columns may take, so that the first cache holds them and the input that is read with them.

Measured, 31x31 on 1080x1920: tiles of 256 columns 3.4 ms, of 1024 columns 4.7.
"""

_COLUMNS, _MOST_ROWS = 256, 24
_SPACE_BYTES = 3_800_000

_TASKS_PER_THREAD = 4


@dataclass(frozen=True, slots=True)
class SeparablePlan:
    """A convolution, a target, and how the work is cut up: all that determines the code and its bits.

    Attributes
    ----------
    rank : int
        Factors of each group's kernel.
    block : int
        Output rows whose sums are kept in registers.
    vectors : int
        Vectors of columns whose sums are.
    """

    spec: ConvSpec
    target: Target
    rank: int
    block: int
    vectors: int

    @property
    def lanes(self) -> int:
        """Columns of a vector."""
        return self.target.lanes(self.spec.element_bytes)

    def input_rows(self, rows: int) -> int:
        """Input rows under some output rows."""
        return (rows - 1) * self.spec.strides[0] + effective_kernel(self.spec.kernel[0], self.spec.dilation[0])

    def input_columns(self, columns: int) -> int:
        """Input columns under some output columns."""
        return (columns - 1) * self.spec.strides[1] + effective_kernel(self.spec.kernel[1], self.spec.dilation[1])

    def sums_row(self, columns: int) -> int:
        """Elements from one row of sums along the columns to the next."""
        return -(-self.input_columns(columns) // self.lanes) * self.lanes

    def describe(self) -> list[str]:
        """How the work is cut up, a line for each matter."""
        products = "a product" if self.rank == 1 else f"a sum of {self.rank} products"
        return [
            f"the kernel is {products} of a column and a row: {self.rank * sum(self.spec.kernel)} taps instead of "
            f"{math.prod(self.spec.kernel)}",
            f"registers hold the sums of {self.block} rows by {self.vectors * self.lanes} columns",
        ]


_DOWN_CYCLES, _ACROSS_CYCLES, _VECTOR_CYCLES = 0.9, 2.4, 12
"""What a vector of products along the columns, one along the rows, and a vector of outputs besides take.

Measured with 5 to 63 taps and rank 1 and 4, in the unit of the schedule `rows`.
"""

_FACTOR_CYCLES, _SOLVER_CYCLES = 20, 200_000
"""What factoring takes for each weight and singular value, and besides."""

WHAT = "one input and one output channel a group, with channels_first, with kernels that span up to about 200 columns"
"""What this schedule computes, in words."""


def applies(spec: ConvSpec, target: Target) -> bool:
    """Whether each group has one channel, results are not rounded before they are activated, and a tile finds room."""
    if not spec.is_plain or spec.channels_last or rounds_late(spec) or not spec.group_in == spec.group_out == 1:
        return False
    largest = plan(spec, target)
    return _tile_bytes(largest, largest.block, largest.vectors * largest.lanes) <= _SPACE_BYTES


def estimate(plan: SeparablePlan, out_size: tuple[int, int]) -> float:
    """Cycles that an image takes, roughly."""
    rows, columns = out_size
    down = -(-plan.input_columns(columns) // plan.lanes) * plan.spec.kernel[0] * _DOWN_CYCLES
    across = -(-columns // plan.lanes) * plan.spec.kernel[1] * _ACROSS_CYCLES
    outputs = -(-columns // plan.lanes) * _VECTOR_CYCLES
    return plan.spec.groups * rows * (plan.rank * (down + across) + outputs)


def packing_estimate(spec: ConvSpec) -> float:
    """Cycles that factoring the kernel takes, roughly."""
    return spec.groups * math.prod(spec.kernel) * min(spec.kernel) * _FACTOR_CYCLES + _SOLVER_CYCLES


def plan(spec: ConvSpec, target: Target, rank: int | None = None) -> SeparablePlan:
    """As many rows and columns as registers hold; of a kernel of any rank where none is given."""
    block = 6 if target.registers >= 32 else 4
    spare = 1 + (0 if target.fma else 1)
    vectors = max(1, min(4, (target.registers - spare) // (block + 1)))
    return SeparablePlan(spec, target, min(spec.kernel) if rank is None else rank, block, vectors)


def pack(plan: SeparablePlan, kernel: FloatArray) -> FloatArray:
    """For each group the factors' columns, their rows, and the kernel, as [factor][tap] and [row][column]."""
    planes = kernel[:, :, 0].transpose(2, 0, 1)
    columns, rows = _factors(plan, planes)
    parts = [part.reshape(len(planes), -1).astype(kernel.dtype) for part in (columns, rows, planes)]
    return np.concatenate(parts, axis=1).reshape(-1)


def _factors(plan: SeparablePlan, planes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """As many as the plan has; those that the kernel lacks are zeros."""
    found = factor(planes, plan.rank)
    missing = ((0, 0), (0, plan.rank - found.rank), (0, 0))
    return np.pad(found.columns, missing), np.pad(found.rows, missing)


def packed_elements(plan: SeparablePlan, taps: int) -> int:
    """Elements that a kernel of so many taps has when packed."""
    return plan.spec.groups * (plan.rank * sum(plan.spec.kernel) + taps)


def unpack(plan: SeparablePlan, packed: FloatArray, kernel_size: tuple[int, ...]) -> FloatArray:
    """The kernel that was packed."""
    planes = packed.reshape(plan.spec.groups, -1)[:, -math.prod(kernel_size) :]
    return planes.reshape(-1, *kernel_size).transpose(1, 2, 0)[:, :, None]


def pack_bias(plan: SeparablePlan, bias: FloatArray) -> FloatArray:
    """The bias as it is."""
    return bias


def integers(plan: SeparablePlan, call: Call) -> tuple[int, ...]:
    """The run-time integers of a call, in the order of `FIELDS`, and what tells of its padding."""
    down, across = call.geometry.axes
    layout = _layout(plan, call)
    integers = (
        call.batch, down.input, across.input, down.output, across.output, down.pad_lo, across.pad_lo,
        layout.rows, layout.columns, -(-down.output // layout.rows), -(-across.output // layout.columns),
        *call.x_strides, *call.y_strides, layout.sums_row, layout.sums_factor, layout.sums_at, layout.tile_at,
    )  # fmt: skip
    return integers if call.border is None else integers + border_integers(call.border, len(integers))


def space(plan: SeparablePlan, call: Call) -> Space:
    """Working space: a tile's inputs with the padding, its sums along the columns, and a block of outputs."""
    outputs = plan.block * plan.vectors * plan.lanes * (1 + plan.spec.residual)
    return Space((_layout(plan, call).tile_at + outputs) * plan.spec.element_bytes)


class _Layout(NamedTuple):
    """The outputs of a task, and where what it needs lies in the working space, in elements.

    Attributes
    ----------
    sums_row, sums_factor : int
        From one row of sums along the columns to the next, and from one factor's sums to the next's.
    sums_at, tile_at : int
        Where those sums begin, behind the window, and where a copy of a block of outputs does.
    """

    rows: int
    columns: int
    sums_row: int
    sums_factor: int
    sums_at: int
    tile_at: int


def _layout(plan: SeparablePlan, call: Call) -> _Layout:
    """Tiles that caches hold; what lies around a tile is summed for it alone, so that they should not be narrow."""
    down, across = call.geometry.axes
    size, wide = plan.spec.element_bytes, plan.vectors * plan.lanes

    def sums(columns: int, rows: int) -> int:
        return plan.rank * rows * plan.sums_row(columns) * size

    columns = max(_COLUMNS, 4 * effective_kernel(plan.spec.kernel[1], plan.spec.dilation[1]))
    while columns > wide and _tile_bytes(plan, plan.block, columns) > _SPACE_BYTES:
        columns //= 2
    even = even_step(across.output, columns)
    columns = -(-even // wide) * wide
    tasks = call.batch * plan.spec.groups * -(-across.output // columns)
    rows = plan.block
    while (
        rows < _MOST_ROWS
        and sums(columns, 2 * rows) <= _SUMS_BYTES
        and _tile_bytes(plan, 2 * rows, columns) <= _SPACE_BYTES
        and tasks * -(-down.output // (2 * rows)) >= _TASKS_PER_THREAD * call.threads
    ):
        rows *= 2
    factor = rows * plan.sums_row(columns)
    sums_at = -(-plan.input_rows(rows) * plan.input_columns(columns) // wide) * wide
    return _Layout(rows, columns, plan.sums_row(columns), factor, sums_at, sums_at + plan.rank * factor)


def _tile_bytes(plan: SeparablePlan, rows: int, columns: int) -> int:
    """What the inputs of a tile of outputs and its sums along the columns take."""
    inputs, sums = plan.input_rows(rows) * plan.input_columns(columns), plan.rank * rows * plan.sums_row(columns)
    return (inputs + sums) * plan.spec.element_bytes


def emit(plan: SeparablePlan) -> str:
    """The LLVM module of a plan; its one public function is ``run``."""
    b = Builder(plan.target, plan.spec.element)
    for vectors in sorted({1, plan.vectors}):
        emit_down(b, plan, vectors)
        emit_across(b, plan, vectors)
    emit_activate(b, plan.spec)
    emit_fill(b, plan.spec, len(FIELDS))
    define_run(b, _Driver(b, plan).run, plan.spec.pointers)
    return b.module()


class _Driver:
    """Emits ``run``: tasks (tiles of a channel of an image), their sums along the columns, and those along the rows."""

    def __init__(self, b: Builder, plan: SeparablePlan) -> None:
        self.b = b
        self.plan = plan
        self.spec = plan.spec

    def run(
        self, x: Value, w: Value, bias: Value, y: Value, residual: Value, shape: Value, shared: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        """Take tasks until none is left."""
        b, spec, plan = self.b, self.spec, self.plan
        s = self.shape = b.load_integers(shape, FIELDS)
        self.integers, self.window, self.sums = shape, window, b.at(window, s["sums_at"])
        tile = b.at(window, s["tile_at"])
        tiles = tile, b.at(tile, plan.block * plan.vectors * b.lanes)
        self.tile, self.residual_tile = (b.pointing_to(t, spec.y_stored) for t in tiles)

        def one(ticket: Value) -> None:
            strip, rest = ticket % s["strips"], ticket // s["strips"]
            band, rest = rest % s["bands"], rest // s["bands"]
            group, image = rest % spec.groups, rest // spec.groups
            self.x = b.at(x, image * s["x_image"] + group * s["x_channel"])
            self.w = b.at(w, group * (plan.rank * sum(spec.kernel) + math.prod(spec.kernel)))
            self.bias = b.at(bias, group)
            oh, ow = band * s["rows"], strip * s["columns"]
            out = image * s["y_image"] + group * s["y_channel"] + oh * s["y_row"] + ow
            self.y, self.residual = b.at(y, out), b.at(residual, out)
            rows, columns = b.minimum(s["out_height"] - oh, s["rows"]), b.minimum(s["out_width"] - ow, s["columns"])
            self.task(oh, ow, rows, columns)

        emit_tasks(b, shared, flags, s["batch"] * spec.groups * s["bands"] * s["strips"], one)

    def task(self, oh: Value, ow: Value, rows: Value, columns: Value) -> None:
        """One tile of outputs; where it is smaller than a block, what is around it is computed and not stored."""
        b, s, spec, plan = self.b, self.shape, self.spec, self.plan
        high, wide = b.maximum(rows, plan.block), b.maximum(columns, b.lanes)
        ih, iw = oh * spec.strides[0] - s["pad_top"], ow * spec.strides[1] - s["pad_left"]
        deep = (high - 1) * spec.strides[0] + effective_kernel(spec.kernel[0], spec.dilation[0])
        span = (wide - 1) * spec.strides[1] + effective_kernel(spec.kernel[1], spec.dilation[1])

        def in_window() -> list[Value]:
            size = deep, span, span, s["height"], s["width"], s["x_row"]
            b.call("fill", self.window, self.x, ih, iw, *size, self.integers)
            return [self.window, span]

        if spec.x_stored:  # numbers that are stored in another type are widened in the window, once for all taps
            place, x_row = in_window()
        else:
            inside = b.both(b.both(iw >= 0, iw + span <= s["width"]), b.both(ih >= 0, ih + deep <= s["height"]))
            place, x_row = b.when(inside, lambda: [b.at(self.x, ih * s["x_row"] + iw), s["x_row"]], in_window)

        def down(factor: Value) -> None:
            weights, sums = b.at(self.w, factor * spec.kernel[0]), b.at(self.sums, factor * s["sums_factor"])

            def block(row: Value, column: Value, vectors: int) -> None:
                source = b.at(place, row * spec.strides[0] * x_row + column)
                target = b.at(sums, row * s["sums_row"] + column)
                b.call(f"down_{vectors}", source, x_row, weights, target, s["sums_row"])

            self.blocks(high, span, block)

        b.loop(0, plan.rank, down, once=True)
        whole = b.both(rows >= plan.block, columns >= b.lanes)

        def across(row: Value, column: Value, vectors: int) -> None:
            self.outputs(row, column, rows, columns, whole, place, x_row, vectors)

        self.blocks(high, wide, across)

    def blocks(self, rows: Value, columns: Value, block: Callable[[Value, Value, int], None]) -> None:
        """Run ``block(row, column, vectors)`` for all of a tile of at least a block's rows and a vector's columns.

        The last blocks lie within it, where need be over those before.
        """
        b, plan = self.b, self.plan
        wide = plan.vectors * b.lanes
        many = columns // wide * wide

        def of_row(r: Value) -> None:
            row = b.minimum(r, rows - plan.block)
            b.loop(0, many, lambda column: block(row, column, plan.vectors), step=wide)
            b.loop(many, columns, lambda c: block(row, b.minimum(c, columns - b.lanes), 1), step=b.lanes)

        b.loop(0, rows, of_row, step=plan.block, once=True)

    def outputs(
        self, row: Value, column: Value, rows: Value, columns: Value, whole: Value, place: Value, x_row: Value,
        vectors: int,
    ) -> None:  # fmt: skip
        """One block of outputs: in place, or where the tile is smaller than that, in a copy."""
        b, s, spec, plan = self.b, self.shape, self.spec, self.plan
        out = row * s["y_row"] + column
        y, residual, width = b.at(self.y, out), b.at(self.residual, out), vectors * b.lanes
        wanted_rows, wanted = b.minimum(rows - row, plan.block), b.minimum(columns - column, width)

        def copy(target: Value, target_row: Value | int, source: Value, source_row: Value | int) -> None:
            b.loop(0, wanted_rows, lambda r: b.copy(b.at(target, r * target_row), b.at(source, r * source_row), wanted))

        if spec.residual:
            b.when(whole, lambda: None, lambda: copy(self.residual_tile, width, residual, s["y_row"]))
            residual = b.select(whole, residual, self.residual_tile)
        target, step = b.select(whole, y, self.tile), b.select(whole, s["y_row"], width)
        weights = b.at(self.w, plan.rank * spec.kernel[0])
        sums = b.at(self.sums, row * s["sums_row"] + column * spec.strides[1])
        source = b.at(place, row * spec.strides[0] * x_row + column * spec.strides[1])
        b.call(
            f"across_{vectors}", sums, s["sums_row"], s["sums_factor"], weights, source, x_row,
            b.at(weights, plan.rank * spec.kernel[1]), target, step, self.bias, *([residual] if spec.residual else []),
        )  # fmt: skip
        b.when(whole, lambda: None, lambda: copy(y, s["y_row"], self.tile, width))
