"""Winograd's minimal filtering F(4x4, 3x3): a quarter of the products, for 3x3 kernels at stride 1 and any dilation.

A tile of 4x4 outputs depends on 6x6 inputs. Input and kernel are transformed to their values at 6x6 points, multiplied
there (a matrix product over the channels for each of the 36 points, with the direct schedule's microkernel), and the
products transformed back: 36 products replace 144 for each tile, channel and output channel (`winograd_transforms`).

A dilated convolution is `dilation` interleaved dense ones along each axis (*phases*): only the steps of loads and
stores change. Tiles are worked on a few dozen at a time, whose transformed values stay in cache. A tile that reaches
into the padding is first copied out with what that holds (``fill``).

Transforms smear a NaN or an infinity over its tile, and may overflow where the sum does not: a tile whose result is
not finite is computed once more, directly. Kernels that are not finite do not come here at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tweakconv.arrays import FloatArray
from tweakconv.compiler.call import Call, Space
from tweakconv.compiler.emit import Builder
from tweakconv.compiler.schedules import channel_lanes, direct
from tweakconv.compiler.schedules.blocking import Blocking
from tweakconv.compiler.schedules.border import border_integers
from tweakconv.compiler.schedules.epilogue import emit_activate
from tweakconv.compiler.schedules.winograd_driver import FIELDS, FLAG_ELEMENTS, emit_run
from tweakconv.compiler.schedules.winograd_transforms import (
    PATCH,
    POINTS,
    TILE,
    emit_fill,
    emit_input_transform,
    emit_output_transform,
    kernel_transform,
)
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target

_FEW_ROUNDS, _LOADS_PER_THREAD = 4, 3
"""Rounds for each thread below which all get equally many, and tasks that transform the inputs of a round."""

_FEW_TILES, _MANY_TILES = 24, 96
"""Tiles at a time where all weights stay in the second-level cache, and where they stream through it.

Measured: 64 channels 0.48 ms with 24 and 0.54 with 96; 512 channels 13.9 ms with 24 and 9.7 with 96.
"""

_IN_CYCLES, _OUT_CYCLES = 110, 90
"""What transforming one vector of a tile takes."""

_MOST_BYTES = 15 << 18
"""Working space of a thread, 3.75 MiB."""


@dataclass(frozen=True, slots=True)
class WinogradPlan:
    """A convolution, a target, and how the work is cut up: all that determines the code and its bits.

    Attributes
    ----------
    products : Blocking
        How the products at one point are cut up: pixels are tiles here.
    tiles : int
        Tiles worked on at a time.
    """

    spec: ConvSpec
    target: Target
    products: Blocking
    tiles: int

    @property
    def channels(self) -> int:
        """Input channels of a group, padded to whole vectors."""
        return _rounded(self.spec.group_in, self.target.lanes(self.spec.element_bytes))

    @property
    def at_once(self) -> tuple[int, int]:
        """Tiles that one microkernel call multiplies: as many as registers hold, or two thirds of them."""
        return self.products.pixels[0], self.products.pixels[2]

    @property
    def transformed_elements(self) -> int:
        """Elements of the transformed inputs of a round."""
        return POINTS * self.tiles * self.channels

    @property
    def weights_stream(self) -> bool:
        """Whether the weights are more than a core's cache keeps from one round to the next."""
        return self.group_weights * self.spec.element_bytes > 2 * self.target.l2_bytes

    @property
    def lines_ahead(self) -> int:
        """Cache lines of the next point's weights that each few products ask for.

        Measured: 28x28 with 512 channels 7.8 ms with 2, 9.0 without; 14x14 with 512 2.6 and 3.0; others 2 to 9 %.
        """
        return 2 if self.weights_stream else 0

    @property
    def own_elements(self) -> int:
        """Elements of a thread's own working space: the products of some tiles, and one tile's inputs."""
        return FLAG_ELEMENTS + POINTS * (self.tiles * self.products.out_block + self.channels)

    @property
    def group_weights(self) -> int:
        """Elements of a group's packed weights: at the points, and as they are."""
        return (POINTS + 9) * self.channels * self.products.padded_out

    def describe(self) -> list[str]:
        """How the work is cut up, a line for each matter."""
        return [
            f"F(4x4, 3x3): {POINTS} products for 16 outputs instead of 144, {self.tiles} tiles at a time",
            f"registers hold the products of {self.products.pixels[0]} tiles by {self.products.out_block} channels",
        ]


WHAT = "3x3 kernels at stride 1, in float32 with channels_last, more than one channel and at most a few thousand"
"""What this schedule computes, in words."""


def applies(spec: ConvSpec, target: Target) -> bool:
    """Whether this schedule computes a convolution, within the working space that a thread may take."""
    if spec.kernel != (3, 3) or spec.strides != (1, 1) or spec.double or not spec.channels_last:
        return False
    made = plan(spec, target)
    return (made.own_elements + made.transformed_elements) * spec.element_bytes <= _MOST_BYTES


def plan(spec: ConvSpec, target: Target) -> WinogradPlan:
    """Choose how many tiles to work on at a time, and blocks for their products."""
    channels = _rounded(spec.group_in, target.lanes(spec.element_bytes))
    products = channel_lanes.blocking(_products_spec(channels, spec.group_out), target)
    step = products.pixels[0]
    weights = POINTS * channels * products.padded_out * spec.element_bytes
    wanted = _FEW_TILES if weights <= 3 * target.l2_bytes // 2 else _MANY_TILES
    tile_bytes = POINTS * (channels + products.out_block) * spec.element_bytes
    fits = (_MOST_BYTES - POINTS * channels * spec.element_bytes) // tile_bytes
    return WinogradPlan(spec, target, products, max(step, min(_rounded(wanted, step), fits // step * step)))


def tile_counts(dilation: tuple[int, int], out_size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of tiles that cover the outputs of each phase.

    Examples
    --------
    >>> tile_counts((1, 1), (28, 30)), tile_counts((2, 12), (28, 33))
    ((7, 8), (4, 1))
    """
    rows, columns = (-(-size // (TILE * step)) for size, step in zip(out_size, dilation, strict=True))
    return rows, columns


def pack(plan: WinogradPlan, kernel: FloatArray) -> FloatArray:
    """The kernel's values at the points, group by group and block by block, and after each group the kernel itself."""
    spec, channels, products = plan.spec, plan.channels, plan.products
    by_group = kernel.reshape(3, 3, spec.group_in, spec.groups, spec.group_out)
    transform = kernel_transform()
    packed = np.empty((spec.groups, plan.group_weights), kernel.dtype)
    for group in range(spec.groups):
        at_points, as_it_is = np.split(packed[group], [POINTS * channels * products.padded_out])
        for start, width, padded in products.out_blocks():
            block = np.zeros((3, 3, channels, padded))
            block[:, :, : spec.group_in, :width] = by_group[:, :, :, group, start : start + width]
            size = channels * padded
            rows = (transform @ block.reshape(3, -1)).reshape(PATCH, 3, size)
            place = slice(POINTS * channels * start, POINTS * (channels * start + size))
            at_points[place].reshape(PATCH, PATCH, size)[...] = transform @ rows
            as_it_is[9 * channels * start : 9 * (channels * start + size)] = block.reshape(-1)
    return packed.reshape(-1)


def pack_bias(plan: WinogradPlan, bias: FloatArray) -> FloatArray:
    """The bias of each group, padded with zeros to whole blocks, and a block of zeros for the products."""
    spec, products = plan.spec, plan.products
    packed = np.zeros(spec.groups * products.padded_out + products.out_block, bias.dtype)
    packed[: spec.groups * products.padded_out].reshape(spec.groups, -1)[:, : spec.group_out] = bias.reshape(
        spec.groups, -1
    )
    return packed


def unpack(plan: WinogradPlan, packed: FloatArray) -> FloatArray:
    """The kernel that was packed."""
    spec, channels, products = plan.spec, plan.channels, plan.products
    kernel = np.empty((3, 3, spec.group_in, spec.groups, spec.group_out), packed.dtype)
    for group, of_group in enumerate(packed.reshape(spec.groups, -1)):
        position = POINTS * channels * products.padded_out
        for start, width, padded in products.out_blocks():
            block = of_group[position : position + 9 * channels * padded].reshape(3, 3, channels, padded)
            kernel[:, :, :, group, start : start + width] = block[:, :, : spec.group_in, :width]
            position += block.size
    return kernel.reshape(3, 3, spec.group_in, spec.out_channels)


def integers(plan: WinogradPlan, call: Call) -> tuple[int, ...]:
    """The run-time integers of a call, in the order of `winograd_driver.FIELDS`, and what tells of its padding."""
    rows, columns = call.geometry.axes
    tile_rows, tile_columns = tile_counts(plan.spec.dilation, (rows.output, columns.output))
    integers = (
        call.batch, rows.input, columns.input, rows.output, columns.output, rows.pad_lo, columns.pad_lo,
        tile_rows, tile_columns, *_rounds(plan, call), *call.x_strides, *call.y_strides,
    )  # fmt: skip
    return integers if call.border is None else integers + border_integers(call.border, len(integers))


def space(plan: WinogradPlan, call: Call) -> Space:
    """Working space: of each thread, with the transformed inputs of a round; or two of those that threads share."""
    size = plan.spec.element_bytes
    if _share_rounds(plan, call):
        return Space(plan.own_elements * size, 2 * plan.transformed_elements * size)
    return Space((plan.own_elements + plan.transformed_elements) * size)


def estimate(plan: WinogradPlan, out_size: tuple[int, int]) -> float:
    """Cycles that an image of a group takes, roughly: products, transforms, and weights that stream past."""
    spec, lanes = plan.spec, plan.target.lanes(plan.spec.element_bytes)
    rows, columns = tile_counts(spec.dilation, out_size)
    tiles = rows * columns * spec.dilation[0] * spec.dilation[1]
    inputs, outputs = plan.channels // lanes, plan.products.padded_out // lanes
    products = tiles * POINTS * plan.channels * outputs * direct.CYCLES_PER_PRODUCT
    transforms = tiles * (_IN_CYCLES * inputs + _OUT_CYCLES * outputs)
    weights = POINTS * plan.channels * plan.products.padded_out * spec.element_bytes
    passes = -(-tiles // plan.tiles)
    return (
        products
        + transforms
        + (passes * weights / direct.STREAMED_BYTES_PER_CYCLE if weights > plan.target.l2_bytes else 0)
    )


def emit(plan: WinogradPlan) -> str:
    """The LLVM module of a plan; its one public function is ``run``."""
    b = Builder(plan.target, plan.spec.element)
    products_spec = _products_spec(plan.channels, plan.products.out_block)
    again_spec = replace(plan.spec, dilation=(1, 1), in_channels=plan.channels, groups=1)
    again = replace(plan.products, pixels=(1,), chunk=(3, 3, plan.channels))
    widths = plan.products.widths()
    for padded in sorted({plan.products.padded_width(width) for width in widths}):
        for tiles in plan.at_once:
            channel_lanes.emit_micro(
                b, products_spec, plan.products, f"products_{tiles}x{padded}", tiles, padded, ahead=plan.lines_ahead
            )
    for width in widths:
        channel_lanes.emit_micro(b, again_spec, again, f"direct_{width}", 1, width)
        emit_output_transform(b, plan.spec, plan.tiles * plan.products.out_block, width)
    emit_activate(b, plan.spec)
    emit_input_transform(b, plan.tiles, plan.channels)
    emit_fill(b, plan.spec, plan.channels, len(FIELDS))
    emit_run(b, plan)
    return b.module()


def _products_spec(channels: int, out_channels: int) -> ConvSpec:
    """The products at one point over the tiles: a convolution of one tap over as many pixels."""
    return ConvSpec((1, 1), (1, 1), (1, 1), channels, out_channels, 1, True, False)


def _tiles(plan: WinogradPlan, call: Call) -> int:
    """Tiles of a group of an image, in all phases."""
    rows, columns = call.geometry.axes
    (down, across), (tile_rows, tile_columns) = (
        plan.spec.dilation,
        tile_counts(plan.spec.dilation, (rows.output, columns.output)),
    )
    return tile_rows * tile_columns * down * across


def _share_rounds(plan: WinogradPlan, call: Call) -> bool:
    """Whether threads share the tiles of each round, instead of taking rounds of their own.

    Every round streams all weights past the processor. Where those do not stay in its cache, and there are few
    tiles, they take longer than the products: threads had better transform the inputs of a round once for all, and
    then take different output channels, so that no weight is read twice. Where there are more tiles, it takes longer
    to read what another core has transformed. Measured with two threads, apart and shared: 14x14 with 512 channels
    1.84 and 1.51 ms; 28x28 with 512 3.82 and 4.13; 56x56 with 256 3.76 and 4.12.
    """
    rounds = call.batch * plan.spec.groups * _tiles(plan, call) // _FEW_TILES
    return call.threads > 1 and plan.weights_stream and rounds < call.threads


def _rounds(plan: WinogradPlan, call: Call) -> tuple[int, ...]:
    """How the tiles of a group are cut into rounds, and those into tasks: from ``rounds`` on in the fields."""
    tiles, blocks, threads = _tiles(plan, call), plan.products.out_block_count, call.threads
    rounds = -(-tiles // plan.tiles)
    if not _share_rounds(plan, call):
        others = call.batch * plan.spec.groups
        if rounds * others < _FEW_ROUNDS * threads:  # few enough that one more or less matters: equally many for all
            rounds = -(-_rounded(rounds * others, threads) // others)
        each = -(-tiles // rounds)
        return -(-tiles // each), each, 1, 1, each, 0, 1, blocks, 1, each
    each = -(-tiles // rounds)
    per_load = -(-each // (_LOADS_PER_THREAD * threads))
    loads = -(-each // per_load)
    shares = min(range(1, threads + 1), key=lambda shares: _idle(blocks * shares, threads) + shares / 8)
    return (
        -(-tiles // each), each, loads + blocks * shares, loads, per_load, loads, blocks, 1, shares, -(-each // shares),
    )  # fmt: skip


def _idle(tasks: int, threads: int) -> float:
    """How much longer equal tasks take than if they could be cut at will, relative."""
    return -(-tasks // threads) * threads / tasks - 1


def _rounded(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
