"""The direct schedule: every output is the sum of its taps, accumulated in registers, nothing rearranged.

Two forms share one driver. `channel_lanes` gives each vector lane an output channel and broadcasts input
values (channels_last); `pixel_lanes` gives each lane an output column and broadcasts weights
(channels_first). Both compute a block of pixels x a block of output channels per call of a *microkernel*
whose sums never leave the registers.

Where a block's taps all lie in the image, the microkernel reads the image where it lies. Where some fall
into the padding, it reads a small padded copy of just that block's window (`fill`), so no padded copy of the
input is ever made and zeros are multiplied as the definition says. Kernel rows that fall into zeros as a whole are
skipped, unless the kernel holds an infinity or a NaN, whose product with zero counts.

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
from tweakconv.compiler.schedules import channel_lanes, pixel_lanes
from tweakconv.compiler.schedules.blocking import Blocking
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
    "pack",
    "pack_bias",
    "packed_elements",
    "plan",
    "space",
    "unpack",
]

CYCLES_PER_PRODUCT = 0.62
"""Of a vector: half a cycle with two multipliers, of which 80 % are kept busy (measured on eight layers)."""

_COLUMN_CYCLES, _APART = 0.8, 1.35
"""The same where lanes hold columns, which more loads cross cache lines; and how much longer where they lie apart."""

_BEYOND_FIRST_CACHE = 1.5
"""How much longer a pointwise convolution takes whose columns of a block, in all channels, leave the first cache."""

STREAMED_BYTES_PER_CYCLE = 10
"""At which weights come from beyond the second-level cache."""


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
    form = channel_lanes if spec.channels_last else pixel_lanes
    return DirectPlan(spec, target, completed(spec, form.blocking(spec, target)), form)


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


def pack(plan: DirectPlan, kernel: FloatArray) -> FloatArray:
    """Lay the kernel out in the order in which the code reads it.

    Parameters
    ----------
    plan : DirectPlan
        What the code was made for.
    kernel : ndarray, shape (KH, KW, CI / groups, CO), or with KD before for volumes
        In the spec's element type; where there are pieces, that of one of them.

    Returns
    -------
    ndarray, one-dimensional
        Group by group, chunk by chunk, block by block, with zeros where the last block is not full.
    """
    blocking = plan.blocking
    *planes, kh, kw, ci, _ = kernel.shape
    kd = math.prod(planes)
    grouped = kernel.reshape(kd, kh, kw, ci, blocking.groups, blocking.out_channels)
    packed = np.empty((blocking.groups, kd * kh * kw * ci * blocking.padded_out), kernel.dtype)
    position = 0
    for plane in range(0, kd, blocking.planes):
        for chunk in blocking.chunks((kh, kw, ci)):
            part = grouped[plane : plane + blocking.planes, chunk.rows, chunk.columns, chunk.channels]
            rows = part.reshape(-1, *part.shape[2:])  # those of several planes, where there are several, lie together
            steps = math.prod(rows.shape[:3])
            for start, width, padded in blocking.out_blocks():
                room = packed[:, position : position + steps * padded]
                plan.form.pack_block(rows[..., start : start + width], room, padded)
                position += steps * padded
    return packed.reshape(-1)


def pack_bias(plan: DirectPlan, bias: FloatArray) -> FloatArray:
    """The bias of each group, padded with zeros to whole blocks."""
    groups, width = plan.blocking.groups, plan.blocking.out_channels
    packed = np.zeros((groups, plan.blocking.padded_out), bias.dtype)
    packed[:, :width] = bias.reshape(groups, width)
    return packed.reshape(-1)


def unpack(plan: DirectPlan, packed: FloatArray, kernel_size: tuple[int, ...]) -> FloatArray:
    """The kernel of a size that was packed: where one of counting numbers goes tells what came from where."""
    shape = (*kernel_size, plan.spec.group_in, plan.spec.out_channels)
    size = math.prod(shape)
    places = pack(plan, np.arange(1, size + 1, dtype=np.float64).reshape(shape)).astype(np.int64)
    kernel = np.empty(size, packed.dtype)
    kernel[places[places > 0] - 1] = packed[places > 0]
    return kernel.reshape(shape)


def packed_elements(plan: DirectPlan, taps: int) -> int:
    """Elements that a kernel of so many taps has when packed."""
    return plan.blocking.groups * taps * plan.spec.group_in * plan.blocking.padded_out


def estimate(plan: DirectPlan, out_size: tuple[int, int]) -> float:
    """Cycles that an image takes, roughly: products, and weights that stream past."""
    spec, blocking = plan.spec, plan.blocking
    lanes = plan.target.lanes(spec.element_bytes)
    weights = spec.groups * math.prod(spec.taps) * blocking.padded_out * spec.element_bytes
    streamed = weights / STREAMED_BYTES_PER_CYCLE if weights > plan.target.l2_bytes else 0
    rows, columns = (1, math.prod(out_size)) if is_pointwise(spec) else out_size
    taps = spec.groups * math.prod(spec.taps)
    if spec.channels_last:
        return rows * columns * taps * (blocking.padded_out // lanes) * CYCLES_PER_PRODUCT + streamed
    each = _COLUMN_CYCLES * (_APART if spec.strides[1] > 1 else 1)
    if is_pointwise(spec) and spec.group_in * blocking.pixels[0] * spec.element_bytes > plan.target.l1_bytes:
        each *= _BEYOND_FIRST_CACHE
    return rows * -(-columns // lanes) * taps * spec.group_out * each + streamed


def space(plan: DirectPlan, call: Call) -> Space:
    """Working space: a thread's window."""
    elements = window_elements(plan.spec, plan.blocking.chunk, plan.blocking.pixels[0])
    return Space(plan.blocking.planes * elements * plan.spec.element_bytes)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
