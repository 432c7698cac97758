"""One output channel a group, with channels_first: neighbouring output rows share the input rows they read.

Lanes are output columns, as in the direct schedule's `pixel_lanes`, but where that keeps the sums of several output
channels in registers, which here there are not, this keeps those of several output rows: an input row, once loaded,
is multiplied for each of the output rows that it is under by the kernel row that lies on it there. For one channel and
a 15x15 kernel that makes 24 products of 4 loads and 6 broadcasts, instead of 8 of 8 and 1.

Where kernel rows lie `dilation` apart, so do output rows that share input rows: a plane is that many interleaved ones
(*phases*), computed one after another. Only the steps between rows change.

Every product is one of the definition's, so NaN and infinity go where it sends them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

from tweakconv.arrays import FloatArray
from tweakconv.compiler.call import Call, Space
from tweakconv.compiler.emit import Builder
from tweakconv.compiler.packing.parts import CHANNEL, COLUMN, GROUP, ROW, Along, Part
from tweakconv.compiler.schedules.blocking import even_step, split_width
from tweakconv.compiler.schedules.border import border_integers
from tweakconv.compiler.schedules.epilogue import emit_activate, rounds_late
from tweakconv.compiler.schedules.row_window import emit_fill
from tweakconv.compiler.schedules.rows_copied import Copying, emit_widen
from tweakconv.compiler.schedules.rows_driver import FIELDS
from tweakconv.compiler.schedules.rows_masked import Masking
from tweakconv.compiler.schedules.rows_micro import UNROLLED_NARROW, emit_edge, emit_rows, is_dense, uses
from tweakconv.compiler.schedules.tasks import define_run
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target
from tweakconv.geometry import span

_CHUNK_STEPS = 512

_MOST_INPUT_ROWS = 24
"""Input rows of a block up to which the code for each is written out, where no loop can be made of them."""

_LEAST_USES = 1.3
"""How often each loaded input row must be used, on the average, to be worth it.

Measured, of the direct schedule's time: 1.4 times (3x3 stride 2) 0.86, 1.8 times (dilation 2) 0.72, once 1.19.
"""

_LEAST_APART = 3
"""Dilation from which on rows that share no input are computed apart.

Each phase has a top and a bottom of its own, where blocks take longer. Measured, of the time of rows side by side: 3x3
on 1080x1920 at dilation 2 0.87, 3 0.65, 4 0.5; depthwise at dilation 2 on 33x33 1.2, on 65x65 1.4.
"""

_LEAST_IN_PAIRS = 7
"""Kernel columns from which on two planes are computed together."""

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
    masked : bool
        Whether what a block wants beyond the image is left out as it is loaded, and what it makes beyond the output as
        it is stored; else such blocks take a copy.
    """

    spec: ConvSpec
    target: Target
    rows: int
    vectors: tuple[int, ...]
    chunk: int
    masked: bool

    @property
    def phases(self) -> int:
        """Interleaved planes of rows that share no input; what padding maps to a pixel may be a row of another one."""
        spec = self.spec
        apart = spec.strides[0] == 1 < spec.kernel[0] and not spec.mapped_padding
        return spec.dilation[0] if apart and spec.dilation[0] >= _LEAST_APART else 1

    @property
    def of_phase(self) -> ConvSpec:
        """The convolution of a phase."""
        return replace(self.spec, dilation=(self.spec.dilation[0] // self.phases, self.spec.dilation[1]))

    @property
    def columns(self) -> tuple[int, ...]:
        """Output columns of the blocks, widest first."""
        return tuple(vectors * self.lanes for vectors in self.vectors)

    @property
    def lanes(self) -> int:
        """Output columns of a vector."""
        return self.target.lanes(self.spec.element_bytes)

    @property
    def narrow_rows(self) -> int:
        """Output rows of a block of one vector, where a row has no others: many such outputs have 7, 14 or 28 rows."""
        return 7 if self.masked and self.spec.kernel[0] > 1 else self.rows

    @property
    def planes(self) -> int:
        """Planes of which the ends of rows are computed together, since the sums of one wait for each other.

        Measured: 7x7 taps on 56x56 0.87 of the time with two, 9x9 on 20x20 0.83, 7x7 on 14x14 0.97, 5x5 and 3x3 0.98 to
        1.06; so few taps come one by one, in half the code.
        """
        return 2 if self.masked and self.spec.groups > 1 and self.spec.kernel[1] >= _LEAST_IN_PAIRS else 1

    @property
    def pairs(self) -> int:
        """Such planes of an image."""
        return -(-self.spec.groups // self.planes)

    @property
    def input_rows(self) -> int:
        """Input rows that a chunk of a block spans."""
        return self.input_rows_under(self.chunk)

    def input_rows_under(self, kernel_rows: int) -> int:
        """Input rows that so many kernel rows of a block span."""
        return span(self.rows, kernel_rows, self.spec.strides[0], self.of_phase.dilation[0])

    def input_columns(self, columns: int) -> int:
        """Input columns that a block of some output columns spans."""
        return span(columns, self.spec.kernel[1], self.spec.strides[1], self.spec.dilation[1])

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
        return replace(self.of_phase, x_stored="", y_stored="" if late else self.spec.y_stored)

    def chunks(self) -> list[tuple[int, int]]:
        """First and last kernel row (not included) of each chunk."""
        return list(pairwise([*range(0, self.spec.kernel[0], self.chunk), self.spec.kernel[0]]))

    def describe(self) -> list[str]:
        """How the work is cut up, a line for each matter."""
        ends = "masks leave out what lies beyond" if self.masked else f"{self.columns[-1]} where a row ends"
        return [
            f"registers hold the sums of {self.rows} rows by {self.columns[0]} columns, {ends}",
            f"a sum is cut into parts of {self.chunk}x{self.spec.kernel[1]} taps",
        ]


_PRODUCT_CYCLES, _ROW_CYCLES = 0.9, 110
"""What a product of vectors and a row of outputs take where there are no masks, by a fit to seven layers."""

_WHOLE_CYCLES, _EDGE_CYCLES, _BLOCK_CYCLES = 0.75, 4.3, 25
"""With masks: a product of a whole block, a tap on an input row at an edge, and what goes with a block.

The sums of an edge wait for each other, however many rows it has. By a fit to seven layers; but a product of a whole
block took 0.62, and is set as much higher as transforms, which it is compared with, are estimated too high.
"""

_LOOPED = 1.5
"""How much longer a tap of an edge takes where masks are computed anew for each input row."""

_STRIDED = 1.4
"""How much longer loads at a stride take."""

_BYTES_PER_CYCLE = 8.0
"""At which a plane comes and its outputs go."""

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
    made = plan(spec, target)
    if is_dense(made.of_phase):
        return True
    used = uses(made.rows, spec.kernel[0], made.of_phase)
    return len(used) <= _MOST_INPUT_ROWS and sum(map(len, used.values())) >= _LEAST_USES * len(used)


def estimate(plan: RowsPlan, out_size: tuple[int, int]) -> float:
    """Cycles that an image takes, roughly: products, and what goes with each row of outputs."""
    spec, (rows, columns) = plan.spec, out_size
    if plan.masked:
        return spec.groups * _masked_cycles(plan, rows, columns)
    vectors = -(-columns // plan.lanes)
    return spec.groups * rows * (vectors * math.prod(spec.taps) * _PRODUCT_CYCLES + _ROW_CYCLES)


def _masked_cycles(plan: RowsPlan, rows: int, columns: int) -> float:
    """Those of an output plane, with masks: its sums, or its bytes where these take longer."""
    spec, widths = plan.spec, _blocks(plan, columns)
    high = plan.rows if any(widths) else plan.narrow_rows
    edges = -(-columns // plan.lanes)
    whole = 0.0
    for count, vectors in zip(widths, plan.vectors, strict=True):
        edges -= count * vectors
        whole += count * (plan.rows * vectors * math.prod(spec.taps) * _WHOLE_CYCLES + _BLOCK_CYCLES)
    edge = len(uses(high, spec.kernel[0], plan.of_phase)) * spec.kernel[1] * spec.group_in * _EDGE_CYCLES
    edge *= _STRIDED if spec.strides[1] > 1 else 1
    edge *= _LOOPED if spec.kernel[1] > UNROLLED_NARROW else 1
    cycles = whole + edges * (edge + _BLOCK_CYCLES)
    read = spec.group_in * spec.strides[0] * spec.strides[1]
    blocks = plan.phases * -(-rows // (plan.phases * high))
    return max(blocks * cycles, rows * columns * (read + 1) * spec.element_bytes / _BYTES_PER_CYCLE)


def plan(spec: ConvSpec, target: Target) -> RowsPlan:
    """As many rows and columns as registers hold; with few kernel rows, fewer output rows share them."""
    most = 6 if target.registers >= 32 else 4
    rows = most if spec.kernel[0] > 1 else 2
    spare = 1 + (0 if target.fma else 1)
    vectors = max(1, min(4, (target.registers - spare) // (rows + 1)))
    chunk = even_step(spec.kernel[0], max(1, _CHUNK_STEPS // spec.kernel[1]))
    # Zeros as padding, and numbers that are stored as they are computed with.
    plain = not (spec.mapped_padding or spec.x_stored or spec.y_stored)
    masked = target.masks and plain and spec.strides[1] <= target.lanes(spec.element_bytes) // 2
    sizes = {vectors, 2} if masked else {vectors, 1}
    return RowsPlan(spec, target, rows, tuple(sorted(sizes, reverse=True)), chunk, masked)


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
    widths = _blocks(plan, columns.output)
    narrow = plan.masked and not any(widths)
    each_rows = plan.narrow_rows if narrow else plan.rows
    blocks = -(-rows.output // (plan.phases * each_rows))
    first = -rows.pad_lo % plan.phases
    planes, tasks = call.batch * plan.pairs, _TASKS_PER_THREAD * call.threads if call.threads > 1 else 1
    bands = min(blocks, -(-tasks // planes))
    each = -(-blocks // bands)
    integers = (
        call.batch, rows.input, columns.input, rows.output, columns.output,
        (rows.pad_lo + first) // plan.phases, first, columns.pad_lo,
        -(-planes // tasks) if bands == 1 else 1, each * each_rows, -(-blocks // each),
        *call.x_strides, *call.y_strides, int(narrow), *widths,
    )  # fmt: skip
    return integers if call.border is None else integers + border_integers(call.border, len(integers))


def space(plan: RowsPlan, call: Call) -> Space:
    """Working space: a block's inputs with the padding, its outputs, and what is to be added to them; or zeros."""
    elements = plan.input_columns(plan.columns[0])
    if not plan.masked:
        elements = elements * plan.input_rows + plan.rows * plan.columns[0] * (1 + plan.spec.residual)
    return Space(elements * plan.spec.element_bytes)


def _blocks(plan: RowsPlan, width: int) -> tuple[int, int]:
    """How many blocks of each width a row of outputs has: besides a vector at either end, where these are masked."""
    if not plan.masked:
        counts = split_width(width, plan.columns)
        return counts[0], sum(counts[1:])
    between = max(0, -(-width // plan.lanes) - 2)
    return between // plan.vectors[0], between % plan.vectors[0] // plan.vectors[1]


def emit(plan: RowsPlan) -> str:
    """The LLVM module of a plan; its one public function is ``run``."""
    b = Builder(plan.target, plan.spec.element)
    for kernel_rows in sorted({stop - start for start, stop in plan.chunks()}):
        for vectors in plan.vectors:
            emit_rows(b, plan, kernel_rows, vectors)
        for rows in sorted({plan.rows, plan.narrow_rows}) if plan.masked else ():
            emit_edge(b, plan, kernel_rows, rows)
    emit_activate(b, plan.spec)
    if plan.spec.x_stored:
        for columns in plan.columns:
            emit_widen(b, plan, columns)
    if not plan.masked:
        emit_fill(b, plan.spec, len(FIELDS))
    driver = Masking(b, plan) if plan.masked else Copying(b, plan)
    define_run(b, driver.run, plan.spec.pointers)
    return b.module()
