"""Matrix products of tiles, for bfloat16 on processors that have an instruction for them (x86's AMX).

A tile holds 16 pixels by up to 32 of the numbers that each pixel's sum is over: input channels, those under
neighbouring kernel columns among them where they lie one behind another. Another holds the weights of these by 16
output channels. One instruction adds their product to a tile of sums in float32. Four tiles of sums, 32 pixels by 32
output channels, are kept in registers under all taps.

The pixels of a tile lie equally far apart in memory, whatever the stride. Where all taps lie in the image, they are
read there; else regions of outputs, as large as a core's cache, have their input laid out first with what the padding
holds around it (`tiles_layout`). Where rows are short, tiles go on from one row of a region to the next, and what they
compute between the rows is not stored.

Products are exact, and added up in float32 in an order that the instruction's definition lays down: those of every
other channel of a tile, then the two sums, and these to what was there. Numbers too small for normal ones (below
2**-126) are taken for zero: inputs, weights, sums on the way and results.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tweakconv.arrays import FloatArray
from tweakconv.compiler.call import Call, Space
from tweakconv.compiler.emit.tiles import ROW_BYTES, ROWS, TileBuilder
from tweakconv.compiler.packing.parts import CHANNEL, COLUMN, ROW
from tweakconv.compiler.schedules.tiles_driver import emit_run
from tweakconv.compiler.schedules.tiles_regions import Regions, regions_of, told
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target
from tweakconv.geometry import span

OUTPUTS = 16
"""Output channels of a tile."""

_LEAST_CHANNELS = 16
"""Channels of input and output below which tiles would be nearly empty."""

_MOST_BYTES = 4 << 20
"""What the input of 16 neighbouring outputs may take when it is laid out."""

_STEP_CYCLES, _ENDING_CYCLES, _LAID_OUT_CYCLES, _STREAMED_BYTES_PER_CYCLE = 28.0, 140.0, 0.2, 10.0
"""A product of two tiles; what follows a tile of sums; a number that is laid out; weights beyond the second cache."""

WHAT = (
    f"bfloat16 convolution of images with channels_last, at least {_LEAST_CHANNELS} channels in and out, no groups, "
    "and weights that bfloat16 holds, on processors with AMX (target 'amx')"
)
"""What this schedule computes, in words."""


@dataclass(frozen=True, slots=True)
class TilesPlan:
    """A convolution, a target, and how the work is cut up: all that determines the code and its bits.

    Attributes
    ----------
    channels : int
        Input channels, with those that are added so that tiles come out equal; an even number.
    depth : int
        Numbers of a pixel in a tile, an even number.
    """

    spec: ConvSpec
    target: Target
    channels: int
    depth: int

    @property
    def run(self) -> int:
        """Numbers under a kernel row that lie one behind another."""
        return self.channels * (self.spec.kernel[1] if _is_dense(self.spec) else 1)

    @property
    def runs(self) -> int:
        """Runs of them under a kernel row."""
        return 1 if _is_dense(self.spec) else self.spec.kernel[1]

    @property
    def steps(self) -> int:
        """Products of tiles that are added to a tile of sums."""
        return math.prod(self.spec.kernel) * self.channels // self.depth

    @property
    def out_tiles(self) -> int:
        """Tiles that all output channels take."""
        return -(-self.spec.out_channels // OUTPUTS)

    @property
    def widths(self) -> tuple[int, ...]:
        """Output channels of the blocks that they are cut into, the last perhaps smaller."""
        whole, rest = divmod(self.spec.out_channels, 2 * OUTPUTS)
        return (2 * OUTPUTS,) * whole + (rest,) * (rest > 0)

    @property
    def tile_weights(self) -> int:
        """Weights of a tile."""
        return self.depth * OUTPUTS

    @property
    def reads_in_place(self) -> bool:
        """Whether pixels have the channels that tiles need, so that input without padding is read where it lies."""
        return self.channels == self.spec.in_channels

    def describe(self) -> list[str]:
        """How the work is cut up, a line for each matter."""
        added = self.channels - self.spec.in_channels
        return [
            f"tiles hold 32 pixels by 32 output channels; a sum takes {self.steps} products of {self.depth} numbers",
            *([f"pixels are laid out with {self.channels} channels, {added} of them zeros"] if added else []),
        ]


def applies(spec: ConvSpec, target: Target) -> bool:
    """Whether the target has tiles, and they would not be nearly empty."""
    return (
        target.tiles
        and spec.is_plain
        and spec.channels_last
        and spec.groups == 1
        and spec.x_stored == spec.y_stored == "bfloat16"
        and min(spec.in_channels, spec.out_channels) >= _LEAST_CHANNELS
        and not spec.skips_padding
        and _least_window(spec) <= _MOST_BYTES
    )


def plan(spec: ConvSpec, target: Target) -> TilesPlan:
    """As few products as can be, and then as few channels."""
    even, most = spec.in_channels + spec.in_channels % 2, -(-spec.in_channels // 32) * 32
    columns = spec.kernel[1] if _is_dense(spec) else 1

    def depth(channels: int) -> int:
        return max(d for d in range(2, ROW_BYTES // 2 + 1, 2) if channels * columns % d == 0)

    channels = min(range(even, most + 1, 2), key=lambda channels: (channels / depth(channels), channels))
    return TilesPlan(spec, target, channels, depth(channels))


def emit(plan: TilesPlan) -> str:
    """The LLVM module of a plan; its one public function is ``run``."""
    builder = TileBuilder(plan.target, plan.spec.element)
    emit_run(builder, plan)
    return builder.module()


def places(plan: TilesPlan, steps: list[int], start: int) -> tuple[int, ...]:
    """The integers by which `packing.tiles` packs a kernel that lies in memory so.

    Parameters
    ----------
    steps
        Elements from one weight to the next along each axis of the kernel, one for output channels.
    start
        Where the first weight lies.
    """
    spec = plan.spec
    return (
        start, steps[ROW], steps[COLUMN], steps[CHANNEL], *spec.kernel, spec.in_channels, spec.out_channels,
        plan.channels, plan.depth, plan.steps, -(-plan.out_tiles // 2),
    )  # fmt: skip


def unpack(plan: TilesPlan, packed: FloatArray, taps: tuple[int, int]) -> FloatArray:
    """The kernel (height, width, channels, out channels) that was packed."""
    numbers, paired = packed.view(np.uint16), plan.out_tiles // 2 * 2
    cut = paired * plan.steps * plan.tile_weights
    rows = np.concatenate(
        [
            part.reshape(-1, plan.steps, together, plan.depth // 2, OUTPUTS, 2)
            .transpose(1, 3, 5, 0, 2, 4)
            .reshape(plan.steps, plan.depth // 2, 2, -1)
            for part, together in ((numbers[:cut], 2), (numbers[cut:], 1))
        ],
        axis=-1,
    )
    whole = rows.reshape(*taps, plan.channels, -1)[:, :, : plan.spec.in_channels, : plan.spec.out_channels]
    return (whole.astype(np.uint32) << 16).view(np.float32)


def packed_elements(plan: TilesPlan, taps: int) -> int:
    """Elements that a kernel of so many taps has when packed, each of two weights."""
    return taps * plan.channels * plan.out_tiles * OUTPUTS // 2


def pack_bias(plan: TilesPlan, bias: FloatArray) -> FloatArray:
    """The bias, padded with zeros to whole tiles."""
    return np.pad(bias, (0, plan.out_tiles * OUTPUTS - len(bias)))


def estimate(plan: TilesPlan, out_size: tuple[int, int]) -> float:
    """Cycles that an image takes, roughly: products, what follows the sums, and input that is laid out."""
    spec, pixels = plan.spec, math.prod(out_size)
    tiles = -(-pixels // ROWS) * plan.out_tiles
    weights = 2 * plan.steps * plan.tile_weights * plan.out_tiles
    streamed = weights / _STREAMED_BYTES_PER_CYCLE if weights > plan.target.l2_bytes else 0
    laid_out = pixels * math.prod(spec.strides) * plan.channels * _LAID_OUT_CYCLES
    return tiles * (plan.steps * _STEP_CYCLES + _ENDING_CYCLES) + laid_out + streamed


def space(plan: TilesPlan, call: Call) -> Space:
    """Working space: the laid out input of a region."""
    return Space(_regions(plan, call).laid_out * plan.channels * 2)


def integers(plan: TilesPlan, call: Call) -> tuple[int, ...]:
    """The run-time integers of a call."""
    return told(_regions(plan, call), plan.depth, call)


def _regions(plan: TilesPlan, call: Call) -> Regions:
    return regions_of(call, plan.channels, len(plan.widths), plan.target, in_place=plan.reads_in_place)


def _is_dense(spec: ConvSpec) -> bool:
    """Whether the pixels under a kernel row lie side by side."""
    return spec.dilation[1] == 1


def _least_window(spec: ConvSpec) -> int:
    """Bytes of the input of 16 neighbouring outputs, laid out."""
    columns = span(ROWS, spec.kernel[1], spec.strides[1], spec.dilation[1])
    return 2 * spec.kernel[0] * columns * spec.in_channels
