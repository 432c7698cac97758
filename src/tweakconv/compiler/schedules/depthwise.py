"""Depthwise convolution with channels_last: lanes are channels, and what lies in the padding is left out.

Each output channel reads one input channel, so a vector of these is multiplied by a vector of weights as it is, or
spread over more lanes where each has several outputs; there is nothing to share but input vectors, between neighbouring
outputs. Microkernels (`depthwise_micro`) keep the sums of a block of outputs, of one row or of two that share input
rows, in registers, and go over the vectors of channels themselves: the input is read where it lies, row after row, and
nothing is copied.

Taps in the padding are zero and add nothing to a sum unless a weight is infinite or NaN; kernels with such weights are
not for this schedule. Where channels do not fill whole vectors, the last vector begins before the one before ends, and
computes some channels once more, to the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tweakconv.arrays import FloatArray
from tweakconv.compiler.call import Call, Space
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.packing.parts import COLUMN, GROUP, OUT, ROW, Along, Part
from tweakconv.compiler.schedules.blocking import even_step
from tweakconv.compiler.schedules.depthwise_micro import emit_along, emit_clipped, emit_inside, parameters, second_row
from tweakconv.compiler.schedules.epilogue import emit_activate
from tweakconv.compiler.schedules.tasks import define_run, emit_tasks
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target
from tweakconv.geometry import span

FIELDS = (
    "batch", "height", "width", "out_height", "out_width", "pad_top", "pad_left", "inside_first", "inside_stop",
    "row_blocks", "blocks_per_task", "bands", "vectors_per_task", "slices", "x_image", "x_row", "y_image", "y_row",
)  # fmt: skip
"""The run-time integers of one call, in order.

Strides count elements. The output columns from ``inside_first`` up to ``inside_stop`` have all their taps in the image.
A task has some blocks of output rows, of some vectors of channels.
"""

_CHUNK_STEPS = 512
_MOST_WRITTEN_OUT = 9
"""Kernel columns up to which the code of a row is written out."""

_PIXELS = 7
"""Of a row in a block: the rows of most networks' images, down to the smallest, are a multiple of it."""

_FEW_PIXELS = 2

_TASKS_PER_THREAD = 4

_PRODUCT_CYCLES, _VECTOR_CYCLES = 0.6, 8
"""What a product of vectors and a vector of outputs take, by a fit to the board's lines."""

WHAT = (
    "depthwise convolution with 1, 2, 4... outputs a channel, a vector in all, with channels_last and zeros in the "
    f"padding or by bands, where taps or outputs of a row lie apart of up to {_MOST_WRITTEN_OUT} kernel columns"
)
"""What this schedule computes, in words."""


@dataclass(frozen=True, slots=True)
class DepthwisePlan:
    """A convolution, a target, and how the work is cut up: all that determines the code and its bits.

    Attributes
    ----------
    rows : int
        Output rows of a block, 1 or 2.
    pixels : tuple of int
        Pixels of a row in a block, widest first.
    columns_at_once : int
        Input columns that blocks keep in registers as they go along them; 0 where their code is written out.
    chunk : int
        Kernel rows that are summed at a time.
    """

    spec: ConvSpec
    target: Target
    rows: int
    pixels: tuple[int, ...]
    columns_at_once: int
    chunk: int

    @property
    def taps(self) -> int:
        """Of the kernel."""
        return math.prod(self.spec.kernel)

    @property
    def vectors(self) -> int:
        """Vectors of output channels."""
        return -(-self.spec.out_channels // self.target.lanes(self.spec.element_bytes))

    @property
    def rows_at_once(self) -> int:
        """Output rows that are computed together, those between the two of a block among them."""
        apart, _ = second_row(self.spec.strides[0], self.spec.dilation[0])
        return 1 if self.rows == 1 else 2 * apart

    def describe(self) -> list[str]:
        """How the work is cut up, a line for each matter."""
        lanes, rows = self.target.lanes(self.spec.element_bytes), "two rows" if self.rows == 2 else "one row"
        narrow = f", {self.pixels[1]} where a row ends" if self.pixels[1:] else ""
        kh, kw = self.spec.kernel
        return [
            f"registers hold the sums of {rows} of {self.pixels[0]} pixels{narrow}, by {lanes} channels",
            *([] if self.chunk == kh else [f"a sum is cut into parts of {self.chunk}x{kw} taps"]),
        ]


def applies(spec: ConvSpec, target: Target) -> bool:
    """Whether outputs of one input channel each fill a vector, and nothing but zeros lies in the padding."""
    kw, side_by_side = spec.kernel[1], spec.strides[1] == spec.dilation[1] == 1
    lanes = target.lanes(spec.element_bytes)
    return (
        spec.is_plain
        and spec.channels_last
        and spec.group_in == 1
        and lanes % spec.group_out == 0
        and spec.out_channels >= lanes
        and kw <= (_CHUNK_STEPS if side_by_side else _MOST_WRITTEN_OUT)
        and not spec.mapped_padding
        and not spec.skips_padding
    )


def plan(spec: ConvSpec, target: Target) -> DepthwisePlan:
    """As many pixels as leave registers for a row of weights and for what is loaded."""
    kh, kw = spec.kernel
    many = target.registers >= 32
    _, shift = second_row(spec.strides[0], spec.dilation[0])
    shares = 2 * shift <= kh  # at least half of the input rows of two output rows
    chunk = even_step(kh, max(1, _CHUNK_STEPS // kw))
    if kw > _MOST_WRITTEN_OUT:
        return DepthwisePlan(spec, target, 2 if many and shares else 1, (_PIXELS,), 4, chunk)
    rows = 2 if shares and (many or kw <= 3) else 1
    pixels = min(_PIXELS, (target.registers - rows * kw - 2) // rows)
    return DepthwisePlan(spec, target, rows, (pixels, _FEW_PIXELS), 0, chunk)


def parts(plan: DepthwisePlan, taps: tuple[int, int, int]) -> tuple[Part, ...]:
    """What goes where: [vector][row][column][lane], the last vector beginning within the one before where need be."""
    _, kh, kw = taps
    lanes, each = plan.target.lanes(plan.spec.element_bytes), plan.spec.group_out
    whole, rest = divmod(plan.spec.out_channels, lanes)
    of_taps = (Along(ROW, kh, kw * lanes), Along(COLUMN, kw, lanes))
    of_lanes = (Along(GROUP, lanes // each, each), Along(OUT, each, 1))
    of_vectors = Along(GROUP, whole, kh * kw * lanes, lanes // each)
    found = [Part((0,) * 6, 0, (of_vectors, *of_taps, *of_lanes))]
    if rest:
        start = [0] * 6
        start[GROUP] = (plan.spec.out_channels - lanes) // each
        found.append(Part(tuple(start), whole * kh * kw * lanes, (*of_taps, *of_lanes)))
    return tuple(found)


def packed_elements(plan: DepthwisePlan, taps: int) -> int:
    """Elements that a kernel of so many taps has when packed."""
    return taps * plan.vectors * plan.target.lanes(plan.spec.element_bytes)


def pack_bias(plan: DepthwisePlan, bias: FloatArray) -> FloatArray:
    """The bias as it is."""
    return bias


def estimate(plan: DepthwisePlan, out_size: tuple[int, int]) -> float:
    """Cycles that an image takes, roughly: products, and what goes with each vector of outputs."""
    return plan.vectors * math.prod(out_size) * (plan.taps * _PRODUCT_CYCLES + _VECTOR_CYCLES)


def space(plan: DepthwisePlan, call: Call) -> Space:
    """No working space."""
    return Space(0)


def integers(plan: DepthwisePlan, call: Call) -> tuple[int, ...]:
    """The run-time integers of a call, in the order of `FIELDS`."""
    rows, columns = call.geometry.axes
    (x_image, x_row, _), (y_image, y_row, _) = call.x_strides, call.y_strides
    blocks, inside = _row_blocks(plan, rows.output), columns.interior
    wanted = _TASKS_PER_THREAD * call.threads if call.threads > 1 else 1
    vectors = _vectors_per_task(plan, -(-wanted // (call.batch * blocks)))
    slices = plan.vectors // vectors
    bands = min(blocks, -(-wanted // (call.batch * slices)))
    each = -(-blocks // bands)
    return (
        call.batch, rows.input, columns.input, rows.output, columns.output, rows.pad_lo, columns.pad_lo,
        inside.start, inside.stop, blocks, each, -(-blocks // each), vectors, slices, x_image, x_row, y_image, y_row,
    )  # fmt: skip


def _row_blocks(plan: DepthwisePlan, rows: int) -> int:
    """Blocks of output rows: those of a block lie apart, as `second_row` says."""
    if plan.rows == 1:
        return rows
    apart, _ = second_row(plan.spec.strides[0], plan.spec.dilation[0])
    return rows // (2 * apart) * apart + min(apart, rows % (2 * apart))


def _vectors_per_task(plan: DepthwisePlan, slices: int) -> int:
    """So many that there are some slices of the channels, and that a slice's weights stay in the second-level cache.

    A task has at least two vectors where there are two: the last may begin within the one before.
    """
    each = plan.taps * plan.target.vector_bits // 8
    most = min(plan.vectors // slices, plan.target.l2_bytes // 2 // each)
    return min(plan.vectors, max(2, most))


def emit(plan: DepthwisePlan) -> str:
    """The LLVM module of a plan; its one public function is ``run``."""
    b = Builder(plan.target, plan.spec.element)
    define(b, plan, "run", public=True)
    return b.module()


def define(b: Builder, plan: DepthwisePlan, name: str, *, public: bool) -> None:
    """Define the function of a plan, and those that it calls."""
    emit_activate(b, plan.spec)
    if plan.columns_at_once:
        emit_along(b, plan, "along", plan.pixels[0])
    else:
        emit_inside(b, plan, "inside", plan.pixels[0])
        for pixels in plan.pixels:
            emit_clipped(b, plan, f"clipped_{pixels}", pixels)
    define_run(b, _Driver(b, plan).run, plan.spec.pointers, name=name, public=public)


@dataclass(frozen=True, slots=True)
class _Block:
    """A block of output rows.

    Attributes
    ----------
    x, y, residual : Value
        Where the input row under the first kernel row, the first output row and its residual begin.
    shared : dict
        The arguments of microkernels that are the same for all its pixels.
    """

    x: Value
    y: Value
    residual: Value
    shared: dict[str, Value]


class _Driver:
    """Emits ``run``: tasks (bands of blocks of rows of some channels of an image), blocks of rows, blocks of pixels."""

    def __init__(self, b: Builder, plan: DepthwisePlan) -> None:
        self.b, self.plan, self.spec = b, plan, plan.spec

    def run(
        self, x: Value, w: Value, bias: Value, y: Value, residual: Value, shape: Value, shared: Value, _: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        """Take tasks until none is left."""
        b = self.b
        s = self.shape = b.load_integers(shape, FIELDS)
        self.w, self.bias = w, bias

        def one(ticket: Value) -> None:
            band, rest = ticket % s["bands"], ticket // s["bands"]
            part, image = rest % s["slices"], rest // s["slices"]
            out = image * s["y_image"]
            self.x, self.y, self.residual = b.at(x, image * s["x_image"]), b.at(y, out), b.at(residual, out)
            first = part * s["vectors_per_task"]
            last = (part + 1).equals(s["slices"])
            stop = b.select(last, self.plan.vectors, first + s["vectors_per_task"])
            start = band * s["blocks_per_task"]
            end = b.minimum(start + s["blocks_per_task"], s["row_blocks"])
            b.loop(start, end, lambda number: self.rows(number, first, stop), once=True)

        emit_tasks(b, shared, flags, s["batch"] * s["slices"] * s["bands"], one)

    def rows(self, number: Value, first: Value, stop: Value) -> None:
        """A block of output rows."""
        b, s, spec, plan = self.b, self.shape, self.spec, self.plan
        kh, stride, dilation = spec.kernel[0], spec.strides[0], spec.dilation[0]
        apart, shift = second_row(stride, dilation)
        if plan.rows == 2:
            oh = number // apart * (2 * apart) + number % apart
            second = b.select(oh + apart < s["out_height"], 1, 0)
            most: Value | int = b.select(second.equals(1), kh + shift, kh)
        else:
            oh, second, most = number, b.integer(0), kh
        top = oh * stride - s["pad_top"]
        rows_first, rows_stop = self.there(top, dilation, most, s["height"])
        out = oh * s["y_row"]
        shared = {
            "x_row": s["x_row"] * dilation, "w": self.w, "y_next": s["y_row"] * apart, "bias": self.bias,
            "rows_first": rows_first, "rows_stop": rows_stop, "second": second, "vector": first, "vector_stop": stop,
        }  # fmt: skip
        block = _Block(b.at(self.x, top * s["x_row"]), b.at(self.y, out), b.at(self.residual, out), shared)
        if plan.columns_at_once:
            self.partial("along", block, b.integer(0), s["out_width"], plan.pixels[0])
        else:
            self.written_out(block)

    def written_out(self, block: _Block) -> None:
        """The pixels of a block of rows: at the left edge, inside, and at the right edge."""
        b, s = self.b, self.shape
        wide, narrow = self.plan.pixels
        left = (s["inside_first"] + (wide - 1)) // wide * wide
        self.partial(f"clipped_{wide}", block, b.integer(0), left, wide)
        right = left + b.maximum(s["inside_stop"] - left, 0) // wide * wide
        nothing = b.integer(0)
        b.loop(left, right, lambda ow: self.micro("inside", block, ow, (nothing, nothing), nothing), step=wide)
        rest = b.maximum(s["out_width"] - right, 0)
        end = right + (rest + (wide - 1 - narrow)) // wide * wide  # a few pixels more than fill blocks are left
        self.partial(f"clipped_{wide}", block, right, end, wide)
        self.partial(f"clipped_{narrow}", block, end, s["out_width"], narrow)

    def partial(self, name: str, block: _Block, start: Value, stop: Value, pixels: int) -> None:
        """Blocks of pixels of which some may not be wanted, and some input columns may lie in the padding."""
        b, s, spec = self.b, self.shape, self.spec
        met = span(pixels, spec.kernel[1], spec.strides[1], spec.dilation[1])

        def some(ow: Value) -> None:
            columns = self.there(ow * spec.strides[1] - s["pad_left"], 1, met, s["width"])
            self.micro(name, block, ow, columns, b.minimum(s["out_width"] - ow, pixels))

        b.loop(start, stop, some, step=pixels)

    def micro(self, name: str, block: _Block, ow: Value, columns: tuple[Value, Value], count: Value) -> None:
        """Run a microkernel for the pixel at an output column and those behind it."""
        b, s, spec = self.b, self.shape, self.spec
        left, out = ow * spec.strides[1] - s["pad_left"], ow * spec.out_pixel_stride
        arguments = {
            **block.shared, "x": b.at(block.x, left * spec.pixel_stride), "y": b.at(block.y, out),
            "residual": b.at(block.residual, out), "columns_first": columns[0], "columns_stop": columns[1],
            "count": count,
        }  # fmt: skip
        b.call(name, *(arguments[parameter] for parameter in parameters(self.plan)))

    def there(self, position: Value, dilation: int, most: Value | int, size: Value) -> tuple[Value, Value]:
        """Of `most` taps, the first at a position, the first that lies in ``range(size)`` and the first behind."""
        b = self.b

        def taps_up_to(distance: Value) -> Value:
            return b.minimum((b.maximum(distance, 0) + (dilation - 1)) // dilation, most)

        return taps_up_to(b.integer(0) - position), taps_up_to(size - position)
