"""Winograd's minimal filtering: fewer products, for kernels of 3 to 7 taps at any dilation, and 3x3 at stride 2.

A tile of outputs, 4x4 for a 3x3 kernel and 2x2 for a 5x5 one, depends on 6x6 inputs. Input and kernel are transformed
to their values at 6x6 points, multiplied there (a matrix product over the channels for each of the 36 points, with the
direct schedule's microkernel), and the products transformed back: for 3x3 taps 36 products replace 144 for each tile,
channel and output channel, for 5x5 they replace 100 (`winograd_transforms`). Tiles may have other sizes, with other
points (`winograd_forms`): there is a plan for each, and the one is chosen whose tiles suit the output.

A dilated convolution is `dilation` interleaved dense ones along each axis (*phases*): only the steps of loads and
stores change. Tiles are worked on a few dozen at a time, so that their transformed values stay in cache, or where
weights stream past, as many as there is room for. A tile that reaches into the padding is first copied out with what
that holds (``fill``).

Transformed weights are four times as many as the kernel's own. Where they would stream past the processor for each few
dozen tiles, it is the kernel that does, and the weights of some channels are transformed just before they are used.

Transforms smear a NaN or an infinity over its tile, and may overflow where the sum does not: a tile whose result is
not finite is computed once more, directly. Kernels that are not finite do not come here at all.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tweakconv.arrays import FloatArray
from tweakconv.compiler.call import Call, Space
from tweakconv.compiler.emit import Builder
from tweakconv.compiler.packing.parts import CHANNEL, COLUMN, GROUP, OUT, ROW, Along, Part
from tweakconv.compiler.schedules import channel_lanes
from tweakconv.compiler.schedules import winograd_strips as strips
from tweakconv.compiler.schedules.blocking import Blocking, even_step
from tweakconv.compiler.schedules.border import border_integers
from tweakconv.compiler.schedules.epilogue import emit_activate
from tweakconv.compiler.schedules.winograd_costs import estimate, stays, tile_counts
from tweakconv.compiler.schedules.winograd_driver import FIELDS, FLAG_ELEMENTS, emit_run, products_name
from tweakconv.compiler.schedules.winograd_forms import Form, forms
from tweakconv.compiler.schedules.winograd_transforms import (
    emit_fill,
    emit_input_transform,
    emit_kernel_transform,
    emit_output_transform,
)
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target

__all__ = [
    "WHAT",
    "WinogradPlan",
    "applies",
    "at_points",
    "define",
    "emit",
    "estimate",
    "integers",
    "pack_bias",
    "packed_elements",
    "parts",
    "plan",
    "plans",
    "space",
]

_FEW_ROUNDS, _LOADS_PER_THREAD = 4, 3
"""Rounds for each thread below which all get equally many, and tasks that transform the inputs of a round."""

_FEW_TILES, _MANY_TILES = 24, 96
"""Tiles at a time where all weights stay in the second-level cache, and where they stream through it.

Measured: 64 channels 0.48 ms with 24 and 0.54 with 96; 512 channels 13.9 ms with 24 and 9.7 with 96.
"""

_TILES_IN_PARTS = 30
"""Tiles at a time where sums are cut into parts: their products at a point stay in the first cache from part to part.

Measured: 7x7 taps with 128 channels 8.0 ms with 30 and 9.0 with 78, 256 channels the same; 5x5 within 2 %.
"""

_PACKED_AT_ONCE = 1 << 16
"""Elements that a task of packing writes, roughly."""

_WEIGHTS_SHARE = 2
"""The part of the second-level cache that weights at the points fill, at the most, where a round brings them there."""

_UNROLLED = 4
"""Products that the microkernel takes one after another in a turn of its loop."""

_MOST_BYTES, _MOST_IN_BANDS = 15 << 19, 11 << 18
"""Working space of a thread: 7.5 MiB, and 2.75 MiB where bands of an image take up to 5 (six dilated convolutions take
within 3 % of their time with 3.75 MiB).

As many tiles as all of an image let weights that stream past do so once. Measured with 3.75 MiB and with this: 28x28
with 512 channels 7.6 and 6.3 ms, in a network, where they come from memory, 9.9 and 6.8; 32x32 with 512 to 1024
channels 21.8 and 16.9.
"""


@dataclass(frozen=True, slots=True)
class WinogradPlan:
    """A convolution, a target, and how the work is cut up: all that determines the code and its bits.

    Attributes
    ----------
    products : Blocking
        How the products at one point are cut up: pixels are tiles here.
    tiles : int
        Tiles worked on at a time.
    form : Form
        How large tiles are.
    late : bool
        Whether weights are packed as they are, and brought to the points by each round that uses them; else packing
        does it, once.
    """

    spec: ConvSpec
    target: Target
    products: Blocking
    tiles: int
    form: Form
    late: bool = False

    @property
    def variant(self) -> str:
        """What tells it from the schedule's other plans for a convolution, in words; nothing for the usual one."""
        usual = self.form == Form.of(self.spec.kernel)
        return f" {self.form}" * (not usual) + " with late weights" * self.late

    @property
    def channels(self) -> int:
        """Input channels of a group, padded to whole vectors."""
        return _rounded(self.spec.group_in, self.target.lanes(self.spec.element_bytes))

    @property
    def at_once(self) -> tuple[int, int]:
        """Tiles that one microkernel call multiplies: as many as registers hold, or two thirds of them."""
        most = self.products.pixels[0]
        return most, -(-2 * most // 3)

    @property
    def inputs_apart(self) -> int:
        """Elements from a round's inputs at one point to those at the next."""
        return self.tiles * self.channels + self._line

    @property
    def products_apart(self) -> int:
        """Elements from a round's products at one point to those at the next."""
        return self.tiles * self.products.out_block + self._line

    @property
    def _line(self) -> int:
        """A cache line, so that what stands at the points of a tile does not share a few sets of the first cache."""
        return 64 // self.spec.element_bytes

    @property
    def transformed_elements(self) -> int:
        """Elements of the transformed inputs of a round."""
        return self.form.points * self.inputs_apart

    @property
    def weights_stream(self) -> bool:
        """Whether the weights are more than a core's cache keeps from one round to the next."""
        return self.group_weights * self.spec.element_bytes > 2 * self.target.l2_bytes

    @property
    def lines_ahead(self) -> tuple[int, ...]:
        """Cache lines of the next point's weights that each few products ask for: of many tiles, and then of few.

        Measured with none, 2 and 4: 28x28 with 512 channels 9.0, 6.9 and 8.3 ms, 56x56 with 256 7.3, 6.8 and 6.8; but
        with few tiles 14x14 with 512 3.4, 2.7 and 2.4 ms, 17x17 with 256 1.10, 1.00 and 0.93.
        """
        if not self.weights_stream:
            return (0,)
        return (2,) if self.late else (2, 4)

    @property
    def channels_at_once(self) -> int:
        """Input channels whose products are summed in registers."""
        return self.products.chunk[2]

    @property
    def weights_room(self) -> int:
        """Elements of the weights that a round brings to the points together."""
        return self.form.weights * self.weights_apart(self.products.out_block) if self.late else 0

    def weights_apart(self, padded: int) -> int:
        """Elements from the weights that a round brings to one point to those at the next."""
        return self.channels_at_once * padded

    @property
    def own_elements(self) -> int:
        """Elements of a thread's own working space: the products of some tiles, and `other_elements`."""
        return FLAG_ELEMENTS + self.form.points * self.products_apart + self.other_elements

    @property
    def other_elements(self) -> int:
        """Those of one tile's inputs, of an output's, of some weights at the points, and of strips."""
        tile = (self.form.points + self.form.tap_count) * self.channels + self.weights_room
        return tile if self.spec.channels_last else tile + strips.elements(self)

    @property
    def tile_spec(self) -> ConvSpec:
        """The convolution as the transforms see it: with channels_last, whose pixels hold a block of channels."""
        if self.spec.channels_last:
            return self.spec
        return replace(self.spec, channels_last=True, out_channels=self.products.out_block, groups=1)

    @property
    def group_weights(self) -> int:
        """Elements of a group's packed weights: at the points, and as they are."""
        at_points = 0 if self.late else self.form.weights
        return (at_points + self.form.tap_count) * self.channels * self.products.padded_out

    @property
    def as_they_are(self) -> int:
        """Elements before the weights of a group as they are."""
        return 0 if self.late else self.form.weights * self.channels * self.products.padded_out

    @property
    def rows_at_once(self) -> int:
        """Output rows that are computed together."""
        return self.form.tile[0] * self.spec.dilation[0]

    def describe(self) -> list[str]:
        """How the work is cut up, a line for each matter."""
        form, outputs = self.form, math.prod(self.form.tile)
        part = f"sums are cut into parts of {self.channels_at_once} channels, for less rounding"
        return [
            f"{form}: {form.points} products for {outputs} outputs instead of {outputs * form.tap_count}, "
            f"{self.tiles} tiles at a time",
            *([part] if form.part and self.channels_at_once < self.channels else []),
            *(["weights are brought to the points where they are used"] if self.late else []),
            f"registers hold the products of {self.products.pixels[0]} tiles by {self.products.out_block} channels",
        ]


WHAT = (
    "1 or 3 to 7 taps along each axis (some of 6 and 7 from 32, 64 or 96 channels on) at stride 1, and 3x3 taps at "
    "stride 2 without dilation, in float32, more than one channel and at most a few thousand"
)
"""What this schedule computes, in words."""


def applies(spec: ConvSpec, target: Target) -> bool:
    """Whether this schedule computes a convolution, within the working space that a thread may take."""
    if not spec.is_plain or spec.double or (spec.strides != (1, 1) and spec.dilation != (1, 1)):
        return False
    if not spec.channels_last and (spec.dilation != (1, 1) or spec.x_stored or spec.y_stored):
        return False
    return bool(plans(spec, target))


def plans(spec: ConvSpec, target: Target, *, in_bands: bool = False) -> list[WinogradPlan]:
    """Every way to cut up the work of a convolution that fits the working space that a thread may take.

    Parameters
    ----------
    in_bands
        Whether bands of an image, laid out anew, take some of that.
    """
    most = _MOST_IN_BANDS if in_bands else _MOST_BYTES
    usable = forms(spec.kernel, spec.group_in, spec.strides)
    # At stride 2 late weights took longer wherever they were measured.
    when = (False, True) if spec.strides == (1, 1) else (False,)
    made = [plan(spec, target, form, late=late, most=most) for form in usable for late in when]
    return [each for each in made if (each.own_elements + each.transformed_elements) * spec.element_bytes <= most]


def plan(
    spec: ConvSpec, target: Target, form: Form | None = None, *, late: bool = False, most: int = _MOST_BYTES
) -> WinogradPlan:
    """Choose how many tiles to work on at a time, and blocks for their products; by the usual form unless given.

    `most` are the bytes of working space that a thread may take.
    """
    form = form or forms(spec.kernel, spec.group_in, spec.strides)[0]
    channels = _rounded(spec.group_in, target.lanes(spec.element_bytes))
    products = _blocking(channels, spec.group_out, target)
    step = products.pixels[0]
    weights = form.weights * channels * products.padded_out * spec.element_bytes
    wanted = _TILES_IN_PARTS if form.part else _FEW_TILES if stays(weights, target) else _MANY_TILES
    tile_bytes = form.points * (channels + products.out_block) * spec.element_bytes
    part = min(products.chunk[2], form.part or channels)
    if late:  # the weights that a round brings to the points together stay in a core's cache
        each = form.weights * products.out_block * spec.element_bytes
        part = min(form.part or channels, max(_UNROLLED, target.l2_bytes // _WEIGHTS_SHARE // each))
    if late or form.part:
        products = replace(products, chunk=(1, 1, even_step(channels, part, _UNROLLED)))
    made = WinogradPlan(spec, target, products, step, form, late)
    fits = (most - made.other_elements * spec.element_bytes) // tile_bytes
    return replace(made, tiles=max(step, min(_rounded(wanted, step), fits // step * step)))


def parts(plan: WinogradPlan, taps: tuple[int, int, int]) -> tuple[Part, ...]:
    """What goes where of the kernel as it is, block by block: the taps of a channel, then those of the next."""
    spec, products, form = plan.spec, plan.products, plan.form
    found = []
    whole = (0, products.out_block, products.full_blocks)
    last = (products.full_blocks * products.out_block, products.tail, 1)
    for start, width, blocks in (whole, last):
        if not width * blocks:
            continue
        padded = products.padded_width(width)
        groups = Along(GROUP, spec.groups, plan.group_weights)
        of_block = Along(OUT, blocks, form.tap_count * plan.channels * padded, products.out_block)
        of_taps = (
            Along(CHANNEL, spec.group_in, form.tap_count * padded),
            Along(ROW, form.taps[0], form.taps[1] * padded),
            Along(COLUMN, form.taps[1], padded),
        )
        at = plan.as_they_are + form.tap_count * plan.channels * start
        found.append(Part((0, 0, 0, 0, 0, start), at, (groups, of_block, *of_taps, Along(OUT, width, 1))))
        if not plan.late:
            continue
        zeros = [each._replace(step=0) for each in (groups, of_block)]
        if padded > width:
            rows = Along(CHANNEL, form.tap_count * spec.group_in, padded, 0)
            found.append(Part((0,) * 6, at + width, (*zeros, rows, Along(OUT, padded - width, 1, 0)), zeros=True))
        if plan.channels > spec.group_in:
            rest = form.tap_count * (plan.channels - spec.group_in) * padded
            at += form.tap_count * spec.group_in * padded
            found.append(Part((0,) * 6, at, (*zeros, Along(OUT, rest, 1, 0)), zeros=True))
    return tuple(found)


def at_points(plan: WinogradPlan, strides: Sequence[int], start: int) -> tuple[int, ...]:
    """The integers for the code that packs a kernel at the points and as it is (`packing.points`).

    Parameters
    ----------
    strides
        Elements from one weight to the next along the six axes of a kernel; output channels lie side by side.
    start
        Elements from the start of memory to the first weight.
    """
    spec, products = plan.spec, plan.products
    blocks = products.out_block_count
    each = max(1, _PACKED_AT_ONCE // (plan.form.weights * products.out_block))
    steps = -(-plan.channels // each)
    return (
        start, strides[ROW], strides[COLUMN], strides[CHANNEL], strides[GROUP],
        spec.group_in, spec.group_out, plan.channels, products.out_block, products.multiple,
        products.padded_out, blocks, each, steps, spec.groups * blocks * steps,
    )  # fmt: skip


def pack_bias(plan: WinogradPlan, bias: FloatArray) -> FloatArray:
    """The bias of each group, padded with zeros to whole blocks, and a block of zeros for the products."""
    spec, products = plan.spec, plan.products
    packed = np.zeros(spec.groups * products.padded_out + products.out_block, bias.dtype)
    packed[: spec.groups * products.padded_out].reshape(spec.groups, -1)[:, : spec.group_out] = bias.reshape(
        spec.groups, -1
    )
    return packed


def packed_elements(plan: WinogradPlan, taps: int) -> int:
    """Elements that the kernel has when packed."""
    return plan.spec.groups * plan.group_weights


def integers(plan: WinogradPlan, call: Call) -> tuple[int, ...]:
    """The run-time integers of a call, in the order of `winograd_driver.FIELDS`, and what tells of its padding."""
    rows, columns = call.geometry.axes
    tile_rows, tile_columns = tile_counts(plan.form, plan.spec.dilation, (rows.output, columns.output))
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


def emit(plan: WinogradPlan) -> str:
    """The LLVM module of a plan; its one public function is ``run``."""
    b = Builder(plan.target, plan.spec.element)
    define(b, plan, "run", public=True)
    return b.module()


def define(b: Builder, plan: WinogradPlan, name: str, *, public: bool) -> None:
    """Define the function of a plan, and those that it calls."""
    taps = plan.form.tap_count * plan.channels
    products_spec = _products_spec(plan.channels, plan.products.out_block)
    again_spec = replace(
        plan.tile_spec, kernel=(1, 1), strides=(1, 1), dilation=(1, 1), in_channels=taps, groups=1, x_stored=""
    )
    again = replace(plan.products, pixels=(1,), chunk=(1, 1, taps))
    widths = plan.products.widths()
    for padded in sorted({plan.products.padded_width(width) for width in widths}):
        if plan.late:
            emit_kernel_transform(b, plan.form, plan.weights_apart(padded), padded)
        for tiles, ahead in itertools.product(plan.at_once, plan.lines_ahead):
            channel_lanes.emit_micro(
                b, products_spec, plan.products, products_name(tiles, padded, ahead), tiles, padded, ahead=ahead
            )
    for width in widths:
        channel_lanes.emit_micro(b, again_spec, again, f"direct_{width}", 1, width)
        emit_output_transform(b, plan.form, plan.tile_spec, plan.products_apart, width)
    emit_activate(b, plan.tile_spec)
    together = plan.channels if plan.spec.channels_last else b.lanes
    for stored in sorted({"", plan.spec.x_stored}):
        emit_input_transform(b, plan.form, plan.inputs_apart, together, stored)
    emit_fill(b, plan.form, plan.spec, plan.channels, FIELDS)
    if not plan.spec.channels_last:
        strips.define(b, plan, len(FIELDS))
    emit_run(b, plan, name, public=public)


@functools.lru_cache(maxsize=64)
def _blocking(channels: int, out_channels: int, target: Target) -> Blocking:
    """How the products at one point are cut up, for all plans of a convolution."""
    return channel_lanes.blocking(_products_spec(channels, out_channels), target)


def _products_spec(channels: int, out_channels: int) -> ConvSpec:
    """The products at one point over the tiles: a convolution of one tap over as many pixels."""
    return ConvSpec((1, 1), (1, 1), (1, 1), channels, out_channels, 1, True, False)


def _tiles(plan: WinogradPlan, call: Call) -> int:
    """Tiles of a group, in all phases of all images."""
    rows, columns = call.geometry.axes
    (down, across), (tile_rows, tile_columns) = (
        plan.spec.dilation,
        tile_counts(plan.form, plan.spec.dilation, (rows.output, columns.output)),
    )
    return call.batch * tile_rows * tile_columns * down * across


def _share_rounds(plan: WinogradPlan, call: Call) -> bool:
    """Whether threads share the tiles of each round, instead of taking rounds of their own.

    Every round streams all weights past the processor. Where those do not stay in its cache, and there are few
    tiles, they take longer than the products: threads had better transform the inputs of a round once for all, and
    then take different output channels, so that no weight is read twice. Where there are more tiles, it takes longer
    to read what another core has transformed. Measured with two threads, apart and shared: 14x14 with 512 channels
    1.84 and 1.51 ms; 28x28 with 512 3.82 and 4.13; 56x56 with 256 3.76 and 4.12.
    """
    rounds = plan.spec.groups * _tiles(plan, call) // _FEW_TILES
    return call.threads > 1 and plan.weights_stream and rounds < call.threads


def _rounds(plan: WinogradPlan, call: Call) -> tuple[int, ...]:
    """How the tiles of a group are cut into rounds, and those into tasks: from ``rounds`` on in the fields."""
    tiles, blocks, threads = _tiles(plan, call), plan.products.out_block_count, call.threads
    rounds = -(-tiles // plan.tiles)
    if not _share_rounds(plan, call):
        groups = plan.spec.groups
        if rounds * groups < _FEW_ROUNDS * threads:  # few enough that one more or less matters: equally many for all
            rounds = -(-_rounded(rounds * groups, threads) // groups)
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
