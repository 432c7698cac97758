"""One output channel a group, with channels_first: neighbouring output rows share the input rows they read.

Lanes are output columns, as in the direct schedule's `pixel_lanes`, but where that keeps the sums of several output
channels in registers, which here there are not, this keeps those of several output rows: an input row, once loaded,
is multiplied for each of the output rows that it is under by the kernel row that lies on it there. For one channel and
a 15x15 kernel that makes 24 products of 4 loads and 6 broadcasts, instead of 8 of 8 and 1.

Every product is one of the definition's, so NaN and infinity go where it sends them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tweakconv.arrays import FloatArray
from tweakconv.compiler.call import Call, Space
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.packing.parts import CHANNEL, COLUMN, GROUP, ROW, Along, Part
from tweakconv.compiler.schedules.blocking import even_step, split_width
from tweakconv.compiler.schedules.border import border_integers
from tweakconv.compiler.schedules.epilogue import Epilogue, emit_activate, rounds_late
from tweakconv.compiler.schedules.row_window import emit_fill
from tweakconv.compiler.schedules.tasks import emit_tasks
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target

FIELDS = (
    "batch", "height", "width", "out_height", "out_width", "pad_top", "pad_left", "blocks_per_task", "bands",
    "x_image", "x_row", "x_channel", "y_image", "y_row", "y_channel", "blocks_0", "blocks_1",
)  # fmt: skip
"""The run-time integers of one call, in order.

Strides count elements; ``blocks_per_task`` blocks of rows, ``blocks_i`` blocks of columns of the i-th size.
"""

_CHUNK_STEPS = 512

_MOST_INPUT_ROWS = 24
"""Input rows of a block up to which the code for each is written out, where no loop can be made of them."""

_LEAST_USES = 1.3
"""How often each loaded input row must be used, on the average, to be worth it.

Measured, of the direct schedule's time: 1.4 times (3x3 stride 2) 0.86, 1.8 times (dilation 2) 0.72, once 1.19.
"""

_UNROLLED_PRODUCTS = 96
_TASKS_PER_THREAD = 4


@dataclass(frozen=True, slots=True)
class RowsPlan:
    """A convolution, a target, and how the work is cut up: all that determines the code and its bits.

    Attributes
    ----------
    rows : int
        Output rows whose sums are kept in registers.
    vectors : tuple of int
        Vectors of output columns of a block, widest first.
    chunk : int
        Kernel rows that are summed at a time.
    """

    spec: ConvSpec
    target: Target
    rows: int
    vectors: tuple[int, ...]
    chunk: int

    @property
    def columns(self) -> tuple[int, ...]:
        """Output columns of the blocks, widest first."""
        return tuple(vectors * self.target.lanes(self.spec.element_bytes) for vectors in self.vectors)

    @property
    def input_rows(self) -> int:
        """Input rows that a chunk of a block spans."""
        return (self.rows - 1) * self.spec.strides[0] + (self.chunk - 1) * self.spec.dilation[0] + 1

    def input_columns(self, columns: int) -> int:
        """Input columns that a block of some output columns spans."""
        return (columns - 1) * self.spec.strides[1] + (self.spec.kernel[1] - 1) * self.spec.dilation[1] + 1

    @property
    def is_whole(self) -> bool:
        """Whether a sum has one chunk."""
        return self.chunk == self.spec.kernel[0] and self.spec.group_in == 1

    @property
    def sums_spec(self) -> ConvSpec:
        """The convolution as the microkernels compute it, whose inputs lie in a window where they are widened.

        Where results are rounded when stored, sums that are not whole, or that an activation goes over afterwards, are
        kept as they are in a copy of the block.
        """
        late = self.spec.y_stored and (rounds_late(self.spec) or not self.is_whole)
        return replace(self.spec, x_stored="", y_stored="" if late else self.spec.y_stored)

    def chunks(self) -> list[tuple[int, int]]:
        """First and last kernel row (not included) of each chunk."""
        return list(pairwise([*range(0, self.spec.kernel[0], self.chunk), self.spec.kernel[0]]))

    def describe(self) -> list[str]:
        """How the work is cut up, a line for each matter."""
        return [
            f"registers hold the sums of {self.rows} rows by {self.columns[0]} columns, "
            f"{self.columns[-1]} where a row ends",
            f"a sum is cut into parts of {self.chunk}x{self.spec.kernel[1]} taps",
        ]


_PRODUCT_CYCLES, _ROW_CYCLES = 0.9, 110
"""What a product of vectors and a row of outputs take, by a fit to seven layers."""

WHAT = "one output channel and at most four input channels a group, with channels_first, rows near each other"
"""What this schedule computes, in words."""


def applies(spec: ConvSpec, target: Target) -> bool:
    """Whether there is one output channel a group, and the rows of a block can be written out or looped over."""
    if (
        not spec.is_plain
        or spec.channels_last
        or spec.group_out != 1
        or spec.group_in > 4
        or spec.kernel[1] > _CHUNK_STEPS
    ):
        return False
    if _is_dense(spec):
        return True
    uses = _uses(plan(spec, target).rows, spec.kernel[0], spec)
    return len(uses) <= _MOST_INPUT_ROWS and sum(map(len, uses.values())) >= _LEAST_USES * len(uses)


def estimate(plan: RowsPlan, out_size: tuple[int, int]) -> float:
    """Cycles that an image takes, roughly: products, and what goes with each row of outputs."""
    spec, (rows, columns) = plan.spec, out_size
    vectors = -(-columns // plan.target.lanes(spec.element_bytes))
    return spec.groups * rows * (vectors * math.prod(spec.taps) * _PRODUCT_CYCLES + _ROW_CYCLES)


def plan(spec: ConvSpec, target: Target) -> RowsPlan:
    """As many rows and columns as registers hold; with few kernel rows, fewer output rows share them."""
    most = 6 if target.registers >= 32 else 4
    rows = most if spec.kernel[0] > 1 else 2
    spare = 1 + (0 if target.fma else 1)
    vectors = max(1, min(4, (target.registers - spare) // (rows + 1)))
    chunk = even_step(spec.kernel[0], max(1, _CHUNK_STEPS // spec.kernel[1]))
    return RowsPlan(spec, target, rows, tuple(sorted({vectors, 1}, reverse=True)), chunk)


def parts(plan: RowsPlan, taps: tuple[int, int, int]) -> tuple[Part, ...]:
    """What goes where: the weights as [group][input channel][row][column]."""
    _, rows, columns = taps
    channels = plan.spec.group_in
    along = (
        Along(GROUP, plan.spec.groups, channels * rows * columns),
        Along(CHANNEL, channels, rows * columns),
        Along(ROW, rows, columns),
        Along(COLUMN, columns, 1),
    )
    return (Part((0,) * 6, 0, along),)


def packed_elements(plan: RowsPlan, taps: int) -> int:
    """Elements that a kernel of so many taps has when packed."""
    return taps * plan.spec.group_in * plan.spec.out_channels


def pack_bias(plan: RowsPlan, bias: FloatArray) -> FloatArray:
    """The bias as it is."""
    return bias


def integers(plan: RowsPlan, call: Call) -> tuple[int, ...]:
    """The run-time integers of a call, in the order of `FIELDS`, and what tells of its padding."""
    rows, columns = call.geometry.axes
    blocks = -(-rows.output // plan.rows)
    tasks = -(-_TASKS_PER_THREAD * call.threads // (call.batch * plan.spec.groups)) if call.threads > 1 else 1
    each = -(-blocks // min(blocks, tasks))
    widths = split_width(columns.output, plan.columns)
    integers = (
        call.batch, rows.input, columns.input, rows.output, columns.output, rows.pad_lo, columns.pad_lo,
        each, -(-blocks // each), *call.x_strides, *call.y_strides, *widths, *(0,) * (2 - len(widths)),
    )  # fmt: skip
    return integers if call.border is None else integers + border_integers(call.border, len(integers))


def space(plan: RowsPlan, call: Call) -> Space:
    """Working space: a block's inputs with the padding, its outputs, and what is to be added to them."""
    columns = plan.columns[0]
    elements = plan.input_rows * plan.input_columns(columns) + plan.rows * columns * (1 + plan.spec.residual)
    return Space(elements * plan.spec.element_bytes)


def emit(plan: RowsPlan) -> str:
    """The LLVM module of a plan; its one public function is ``run``."""
    b = Builder(plan.target, plan.spec.element)
    for rows in sorted({stop - start for start, stop in plan.chunks()}):
        for vectors in plan.vectors:
            _emit_micro(b, plan, rows, vectors)
    emit_activate(b, plan.spec)
    if plan.spec.x_stored:
        for columns in plan.columns:
            _emit_widen(b, plan, columns)
    emit_fill(b, plan.spec, len(FIELDS))
    pointers = dict.fromkeys(("x", "w", "bias", "y", "residual", "shape", "shared", "window"), "ptr")
    b.function("run", {**pointers, **plan.spec.pointers, "flags": "i64"}, _Driver(b, plan).run, public=True)
    return b.module()


def _uses(rows: int, kernel_rows: int, spec: ConvSpec) -> dict[int, list[tuple[int, int]]]:
    """For each input row of a block, the output rows it is under, each with the kernel row that lies on it there."""
    uses: dict[int, list[tuple[int, int]]] = {}
    for r in range(rows):
        for k in range(kernel_rows):
            uses.setdefault(r * spec.strides[0] + k * spec.dilation[0], []).append((r, k))
    return dict(sorted(uses.items()))


def _is_dense(spec: ConvSpec) -> bool:
    return spec.strides[0] == spec.dilation[0] == 1


def _emit_micro(b: Builder, plan: RowsPlan, kernel_rows: int, vectors: int) -> None:
    """Define ``rows_KxV(x, x_row, w, y, y_row, bias, mode)``: K kernel rows of an input channel for V vectors.

    With a residual, where its first element is comes last.
    """
    spec, lanes = plan.sums_spec, b.lanes
    kw = spec.kernel[1]
    stride_w, dilation_w = spec.strides[1], spec.dilation[1]
    uses = _uses(plan.rows, kernel_rows, spec)
    most = _UNROLLED_PRODUCTS // (vectors * plan.rows) if vectors == plan.vectors[0] else 1
    unroll = max(u for u in range(1, max(1, most) + 1) if kw % u == 0)

    def body(
        x: Value, x_row: Value, w: Value, y: Value, y_row: Value, bias: Value, mode: Value, *residuals: Value
    ) -> None:
        def row(at: Value, w: Value, pairs: Sequence[tuple[int, int]], sums: Sequence[Value]) -> list[Value]:
            """Multiply an input row for each output row that it is under, by the kernel row that lies on it."""
            busy = [r for r, _ in pairs]

            def some(j: Value, *carry: Value) -> list[Value]:
                new = list(carry)
                for u in range(unroll):
                    column = b.at(at, (j + u) * dilation_w)
                    inputs = [b.load_strided(b.at(column, v * lanes * stride_w), stride_w) for v in range(vectors)]
                    for i, (_, k) in enumerate(pairs):
                        weight = b.broadcast(b.load(b.at(b.at(w, k * kw + u), j)))
                        for v in range(vectors):
                            new[i * vectors + v] = b.multiply_add(weight, inputs[v], new[i * vectors + v])
                return new

            carried = [sums[r * vectors + v] for r in busy for v in range(vectors)]
            results = b.loop(0, kw, some, carried, step=unroll, once=True)
            out = list(sums)
            for i, r in enumerate(busy):
                out[r * vectors : (r + 1) * vectors] = results[i * vectors : (i + 1) * vectors]
            return out

        def all_rows(i: Value, *sums: Value) -> list[Value]:
            return row(b.at(x, i * x_row), b.at(w, i * kw), [(r, -r) for r in range(plan.rows)], sums)

        sums = [b.zero()] * (plan.rows * vectors)
        full = range(plan.rows - 1, kernel_rows) if _is_dense(spec) else range(0)  # input rows under all output rows
        for i, pairs in uses.items():
            if i not in full:
                sums = row(b.at(x, x_row * i), w, pairs, sums)
            elif i == full.start:
                sums = list(b.loop(full.start, full.stop, all_rows, sums, once=True))
        whole = plan.is_whole
        residual = residuals[0] if residuals else None
        end = Epilogue.of(b, spec, mode, residual, whole=whole)
        if residual is not None and not whole:  # before the last chunk, what is read costs nothing and is not added
            residual = b.select(end.last, residual, y)
        start = b.broadcast(b.load(bias))
        for r in range(plan.rows):
            for v in range(vectors):
                at = b.at(b.at(y, y_row * r), v * lanes)
                addend = start if whole else b.select(end.first, start, b.load(at, lanes))
                total = b.add(sums[r * vectors + v], addend)
                if residual is not None:
                    total = end.with_residual(total, b.load(b.at(b.at(residual, y_row * r), v * lanes), lanes))
                b.store(end.finish(total), at)
        end.activate(y, y_row, plan.rows, vectors * lanes)

    pointers = {**dict.fromkeys(("w", "bias"), "ptr"), **spec.pointers}
    names = ("x", "x_row", "w", "y", "y_row", "bias", "mode", *(["residual"] if spec.residual else []))
    b.function(f"rows_{kernel_rows}x{vectors}", {name: pointers.get(name, "i64") for name in names}, body)


def _emit_widen(b: Builder, plan: RowsPlan, columns: int) -> None:
    """Define ``widen_C(window, x, x_row)``: the inputs of a block of C columns that all lie in the image.

    Measured: 3x3 on uint8 of 1080x1920 takes 0.98 ms, and 1.16 where ``fill`` does this as well.
    """
    span = plan.input_columns(columns)
    places = [*range(0, span - b.lanes, b.lanes), span - b.lanes]  # the last overlaps the one before

    def body(window: Value, x: Value, x_row: Value) -> None:
        def row(r: Value) -> None:
            target, source = b.at(window, r * span), b.at(x, r * x_row)
            for place in places:
                b.store(b.load(b.at(source, place), b.lanes), b.at(target, place))

        b.loop(0, plan.input_rows, row, once=True)

    b.function(f"widen_{columns}", {"window": "ptr", "x": plan.spec.pointers["x"], "x_row": "i64"}, body)


class _Driver:
    """Emits ``run``: tasks (bands of blocks of rows of a channel of an image), blocks, chunks of the sum."""

    def __init__(self, b: Builder, plan: RowsPlan) -> None:
        self.b = b
        self.plan = plan
        self.spec = plan.spec

    def run(
        self, x: Value, w: Value, bias: Value, y: Value, residual: Value, shape: Value, shared: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        """Take tasks until none is left."""
        b, spec, plan = self.b, self.spec, self.plan
        s = self.shape = {name: b.load_integer(shape, i) for i, name in enumerate(FIELDS)}
        self.integers, self.window = shape, window
        tile = b.at(window, plan.input_rows * plan.input_columns(plan.columns[0]))
        residual_tile = b.at(tile, plan.rows * plan.columns[0])
        self.tile, self.residual_tile = (b.pointing_to(t, plan.sums_spec.y_stored) for t in (tile, residual_tile))

        def one(ticket: Value) -> None:
            band, rest = ticket % s["bands"], ticket // s["bands"]
            group, image = rest % spec.groups, rest // spec.groups
            self.x = b.at(x, image * s["x_image"] + group * s["x_channel"] * spec.group_in)
            out = image * s["y_image"] + group * s["y_channel"]
            self.y, self.residual = b.at(y, out), b.at(residual, out)
            self.w = b.at(w, group * math.prod(spec.taps))
            self.bias = b.at(bias, group)
            first = band * s["blocks_per_task"] * plan.rows
            stop = b.minimum(first + s["blocks_per_task"] * plan.rows, s["out_height"])
            b.loop(first, stop, self.blocks, step=plan.rows)

        emit_tasks(b, shared, flags, s["batch"] * spec.groups * s["bands"], one)

    def blocks(self, oh: Value) -> None:
        """Some output rows: as many blocks of each size as the call says, the last perhaps not full."""
        b, ow = self.b, self.b.integer(0)
        for i, (vectors, columns) in enumerate(zip(self.plan.vectors, self.plan.columns, strict=True)):
            stop = ow + self.shape[f"blocks_{i}"] * columns

            def block(ow: Value, vectors: int = vectors, columns: int = columns) -> None:
                self.block(oh, ow, vectors, columns)

            b.loop(ow, stop, block, step=columns)
            ow = stop

    def block(self, oh: Value, ow: Value, vectors: int, columns: int) -> None:
        """One block of outputs: in place, or where it is not a whole one, in a copy."""
        b, s, plan = self.b, self.shape, self.plan
        out = oh * s["y_row"] + ow
        y, residual = b.at(self.y, out), b.at(self.residual, out)
        rows, wanted = b.minimum(s["out_height"] - oh, plan.rows), b.minimum(s["out_width"] - ow, columns)
        whole = b.both(rows.equals(plan.rows), wanted.equals(columns))

        def copy(target: Value, target_row: Value | int, source: Value, source_row: Value | int) -> None:
            b.loop(0, rows, lambda r: b.copy(b.at(target, r * target_row), b.at(source, r * source_row), wanted))

        if y.of != self.tile.of:
            if self.spec.residual:
                copy(self.residual_tile, columns, residual, s["y_row"])
            self.sums(oh, ow, self.tile, b.integer(columns), self.residual_tile, vectors, columns)
            copy(y, s["y_row"], self.tile, columns)
            return
        if self.spec.residual:
            b.when(whole, lambda: None, lambda: copy(self.residual_tile, columns, residual, s["y_row"]))
            residual = b.select(whole, residual, self.residual_tile)
        place, step = b.select(whole, y, self.tile), b.select(whole, s["y_row"], columns)
        self.sums(oh, ow, place, step, residual, vectors, columns)
        b.when(whole, lambda: None, lambda: copy(y, s["y_row"], self.tile, columns))

    def sums(self, oh: Value, ow: Value, y: Value, y_row: Value, residual: Value, vectors: int, columns: int) -> None:
        """The sums of a block, chunk by chunk; each reads the image in place or, at its border, a padded copy."""
        b, s, spec, plan = self.b, self.shape, self.spec, self.plan
        iw, span = ow * spec.strides[1] - s["pad_left"], plan.input_columns(columns)
        beside = b.both(iw >= 0, iw + span <= s["width"])
        chunks = plan.chunks()

        def of_channel(channel: Value) -> None:
            x = b.at(self.x, channel * s["x_channel"])
            w = b.at(self.w, channel * math.prod(spec.kernel))
            for start, stop in chunks:
                ih = oh * spec.strides[0] - s["pad_top"] + start * spec.dilation[0]
                inside = b.both(beside, b.both(ih >= 0, ih + plan.input_rows <= s["height"]))

                def in_place(ih: Value = ih) -> list[Value]:
                    return [b.at(x, ih * s["x_row"] + iw), s["x_row"]]

                def in_window(ih: Value = ih) -> list[Value]:
                    size = plan.input_rows, span, span, s["height"], s["width"], s["x_row"]
                    b.call("fill", self.window, x, ih, iw, *size, self.integers)
                    return [self.window, b.integer(span)]

                def widened(ih: Value = ih) -> list[Value]:
                    b.call(f"widen_{columns}", self.window, b.at(x, ih * s["x_row"] + iw), s["x_row"])
                    return [self.window, b.integer(span)]

                # Input that is to be widened is so in the window, once for all the taps that are on it.
                at, x_row = b.when(inside, widened if spec.x_stored else in_place, in_window)
                mode = b.integer(0)
                if start == 0:
                    mode = b.select(channel.equals(0), 1, 0)
                if stop == spec.kernel[0]:
                    mode = mode + b.select(channel.equals(spec.group_in - 1), 2, 0)
                name = f"rows_{stop - start}x{vectors}"
                added = [residual] if spec.residual else []
                b.call(name, at, x_row, b.at(w, start * spec.kernel[1]), y, y_row, self.bias, mode, *added)

        b.loop(0, spec.group_in, of_channel, once=True)
