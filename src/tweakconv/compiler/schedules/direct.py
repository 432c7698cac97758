"""The direct schedule: every output is the sum of its taps, accumulated in registers, nothing rearranged.

Two forms share one driver. `channel_lanes` gives each vector lane an output channel and broadcasts input
values (channels_last); `pixel_lanes` gives each lane an output column and broadcasts weights
(channels_first). Both compute a block of pixels x a block of output channels per call of a *microkernel*
whose sums never leave the registers.

Where a block's taps all lie in the image, the microkernel reads the image where it lies. Where some fall
into the padding, it reads a small padded copy of just that block's window (`fill`), so no padded copy of the
input is ever made and zeros are multiplied as the definition says. Kernel rows that fall into zeros as a whole are
skipped, and kernel columns that do for whole blocks of pixels (`stretches`), unless the kernel holds an infinity or a
NaN, whose product with zero counts.

Long sums are cut into *chunks* of at most a few hundred products, each summed in registers from zero and
then added to the output: rounding errors grow with the chunk, not with the sum, and a chunk's weights stay
in cache while many pixels use them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np

from tweakconv.arrays import FloatArray
from tweakconv.compiler.call import Call, Space
from tweakconv.compiler.emit import Builder
from tweakconv.compiler.packing.parts import CHANNEL, COLUMN, GROUP, OUT, PLANE, ROW, Along, Part
from tweakconv.compiler.schedules import channel_lanes, pixel_lanes
from tweakconv.compiler.schedules.blocking import Blocking, split_width
from tweakconv.compiler.schedules.driver import emit_run, micro_name
from tweakconv.compiler.schedules.epilogue import emit_activate
from tweakconv.compiler.schedules.flat import is_pointwise
from tweakconv.compiler.schedules.shape import integers
from tweakconv.compiler.schedules.window import completed, emit_fill, window_elements
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target

__all__ = [
    "WHAT",
    "DirectPlan",
    "applies",
    "define",
    "emit",
    "estimate",
    "integers",
    "pack_bias",
    "packed_elements",
    "parts",
    "plan",
    "space",
]

CYCLES_PER_PRODUCT = 0.62
"""Of a vector: half a cycle with two multipliers, of which 80 % are kept busy (measured on eight layers)."""

_COLUMN_CYCLES, _APART = 0.8, 1.35
"""The same where lanes hold columns, which more loads cross cache lines; and how much longer where they lie apart."""

_BEYOND_FIRST_CACHE = 1.5
"""How much longer a pointwise convolution takes whose columns of a block, in all channels, leave the first cache."""

_LINE_CYCLES = 30
"""To copy a line of a window: a row of a channel."""

_STREAMED_BYTES_PER_CYCLE = 20
"""At which weights come from beyond the second-level cache, most of the time hidden behind products."""


@dataclass(frozen=True, slots=True)
class DirectPlan:
    """A convolution, a target, and how the work is cut up: all that determines the code and its bits."""

    spec: ConvSpec
    target: Target
    blocking: Blocking
    form: ModuleType = field(repr=False)

    @property
    def rows_at_once(self) -> int:
        """Output rows that are computed together."""
        return 1

    @property
    def in_stretches(self) -> bool:
        """Whether taps that lie in the padding are left out, along the columns too."""
        return self.blocking.in_stretches

    def describe(self) -> list[str]:
        """How the work is cut up, a line for each matter."""
        blocking = self.blocking
        rows, columns, channels = blocking.chunk
        planes, parts = ("", "") if self.spec.depth is None else (f"{self.spec.kernel_planes}x", f"{blocking.planes}x")
        width = min(blocking.out_block, blocking.out_channels)
        smaller = f", {', '.join(map(str, blocking.pixels[1:]))} where a row ends" if blocking.pixels[1:] else ""
        taps = f"{planes}{'x'.join(map(str, self.spec.kernel))}"
        return [
            f"registers hold the sums of {blocking.pixels[0]} pixels{smaller}, by {_counted(width, 'output channel')}",
            *(["rows are cut where other kernel columns lie in the image"] if blocking.in_stretches else []),
            *([f"outputs that meet the same of the taps, at most {taps}, come together"] if self.spec.pieces else []),
            f"a sum is cut into parts of {parts}{rows}x{columns} taps x {_counted(channels, 'channel')}"
            if not blocking.is_whole(self.spec)
            else f"a sum is not cut: {parts}{rows}x{columns} taps x {_counted(channels, 'channel')}",
        ]


WHAT = "every convolution"
"""What this schedule computes, in words."""


def applies(spec: ConvSpec, target: Target) -> bool:
    """It computes every convolution."""
    return True


def plan(spec: ConvSpec, target: Target) -> DirectPlan:
    """Choose blocks and chunks for a convolution on a target."""
    if not spec.channels_last:
        return DirectPlan(spec, target, completed(spec, pixel_lanes.blocking(spec, target)), pixel_lanes)
    weights = spec.groups * math.prod(spec.taps) * spec.group_out * spec.element_bytes
    blocking = channel_lanes.blocking(spec, target, streams=8 * weights > 3 * target.l2_bytes)
    return DirectPlan(spec, target, completed(spec, blocking), channel_lanes)


def emit(plan: DirectPlan) -> str:
    """The LLVM module of a plan; its one public function is ``run``."""
    builder = Builder(plan.target, plan.spec.element)
    define(builder, plan, "run", public=True)
    return builder.module()


def define(builder: Builder, plan: DirectPlan, name: str, *, public: bool) -> None:
    """Define the function of a plan, and those that it calls."""
    emit_fill(builder, plan.spec, plan.blocking)
    emit_activate(builder, plan.spec)
    for pixels in plan.blocking.pixels:
        for width in plan.blocking.widths():
            plan.form.emit_micro(builder, plan.spec, plan.blocking, micro_name(pixels, width), pixels, width)
    emit_run(builder, plan.spec, plan.blocking, name, public=public)


def parts(plan: DirectPlan, taps: tuple[int, int, int]) -> tuple[Part, ...]:
    """What goes where: group by group, chunk by chunk, block by block, with zeros where the last block is not full.

    Parameters
    ----------
    plan : DirectPlan
        What the code was made for.
    taps : tuple of int
        Planes, rows and columns; where there are pieces, of one of them.
    """
    blocking = plan.blocking
    kd, kh, kw = taps
    of_group = kd * kh * kw * plan.spec.group_in * blocking.padded_out
    found: list[Part] = []
    position = 0
    for plane in range(0, kd, blocking.planes):
        planes = min(blocking.planes, kd - plane)
        for chunk in blocking.chunks((kh, kw, plan.spec.group_in)):
            sizes = [axis.stop - axis.start for axis in chunk]
            steps = planes * math.prod(sizes)
            for first, width, blocks in _equal_blocks(blocking):
                padded = blocking.padded_width(width)
                row, column, channel = plan.form.packed_steps(*sizes, padded)
                of_taps = (
                    Along(PLANE, planes, sizes[0] * row),
                    Along(ROW, sizes[0], row),
                    Along(COLUMN, sizes[1], column),
                    Along(CHANNEL, sizes[2], channel),
                )
                start = (plane, *(axis.start for axis in chunk))
                out, lanes = _outs(plan, first, width, Along(OUT, blocks, steps * padded), of_group)
                found.append(Part((*start, *out), position, (*of_taps, *lanes)))
                if padded > width:
                    rest = (Along(GROUP, blocking.groups, of_group, 0), Along(CHANNEL, steps, padded, 0))
                    along = (*rest, Along(OUT, padded - width, 1, 0))
                    found.append(Part((0,) * 6, position + width, along, zeros=True))
                position += steps * padded * blocks
    return tuple(found)


def _equal_blocks(blocking: Blocking) -> list[tuple[int, int, int]]:
    """First channel, channels of a block and number of blocks: of the whole ones, and of the last where it is not."""
    whole = (0, blocking.out_block, blocking.full_blocks)
    last = (blocking.full_blocks * blocking.out_block, blocking.tail, 1)
    return [blocks for blocks in (whole, last) if blocks[1] * blocks[2]]


def _outs(
    plan: DirectPlan, first: int, width: int, blocks: Along, of_group: int
) -> tuple[tuple[int, int], tuple[Along, ...]]:
    """Where blocks of output channels begin, group and channel, and what lies along them."""
    blocking, each = plan.blocking, plan.spec.group_out
    if not blocking.channelwise:
        groups = Along(GROUP, blocking.groups, of_group)
        return (0, first), (groups, blocks._replace(step=blocking.out_block), Along(OUT, width, 1))
    # A block holds the channels of several groups.
    several = blocks._replace(axis=GROUP, step=blocking.out_block // each)
    return (first // each, 0), (several, Along(GROUP, width // each, each), Along(OUT, each, 1))


def pack_bias(plan: DirectPlan, bias: FloatArray) -> FloatArray:
    """The bias of each group, padded with zeros to whole blocks."""
    groups, width = plan.blocking.groups, plan.blocking.out_channels
    packed = np.zeros((groups, plan.blocking.padded_out), bias.dtype)
    packed[:, :width] = bias.reshape(groups, width)
    return packed.reshape(-1)


def packed_elements(plan: DirectPlan, taps: int) -> int:
    """Elements that a kernel of so many taps has when packed."""
    return plan.blocking.groups * taps * plan.spec.group_in * plan.blocking.padded_out


def estimate(plan: DirectPlan, out_size: tuple[int, int]) -> float:
    """Cycles that an image takes, roughly: products, and weights that stream past."""
    spec, blocking = plan.spec, plan.blocking
    lanes = plan.target.lanes(spec.element_bytes)
    weights = spec.groups * math.prod(spec.taps) * blocking.padded_out * spec.element_bytes
    streamed = weights / _STREAMED_BYTES_PER_CYCLE if weights > plan.target.l2_bytes else 0
    rows, columns = (1, math.prod(out_size)) if is_pointwise(spec) else out_size
    taps = spec.groups * math.prod(spec.taps)
    if spec.channels_last:
        return rows * columns * taps * (blocking.padded_out // lanes) * CYCLES_PER_PRODUCT + streamed
    each = _COLUMN_CYCLES * (_APART if spec.strides[1] > 1 else 1)
    if is_pointwise(spec) and spec.group_in * blocking.pixels[0] * spec.element_bytes > plan.target.l1_bytes:
        each *= _BEYOND_FIRST_CACHE
    products = rows * -(-columns // lanes) * taps * spec.group_out * each
    return products + _windows_cycles(plan, out_size) + streamed


def _windows_cycles(plan: DirectPlan, out_size: tuple[int, int]) -> float:
    """What it takes to copy the windows at both ends of each row, where lanes hold columns.

    It matters where groups have few channels to use them. There may be no padding, which is not known here.
    """
    spec, (rows, columns) = plan.spec, out_size
    if spec.groups == 1 or spec.kernel[1] == 1:
        return 0.0
    blocks = min(2, sum(split_width(columns, plan.blocking.pixels)))
    return rows * blocks * spec.groups * spec.kernel[0] * spec.group_in * _LINE_CYCLES


def space(plan: DirectPlan, call: Call) -> Space:
    """Working space: a thread's window."""
    elements = window_elements(plan.spec, plan.blocking.chunk, plan.blocking.pixels[0])
    return Space(plan.blocking.planes * elements * plan.spec.element_bytes)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
