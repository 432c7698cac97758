"""Winograd's minimal filtering F(4x4, 3x3): a quarter of the products, for 3x3 kernels at stride 1 and any dilation.

A tile of 4x4 outputs depends on 6x6 inputs. Both are polynomials evaluated at the points 0, ±1/√2, ±√2 and ∞ along
each axis: input and kernel are transformed to their values at 6x6 points, multiplied there (a matrix product over the
channels for each of the 36 points, with the direct schedule's microkernel), and the products transformed back. 36
products replace 144 for each tile, channel and output channel. The points are those of Barabasz et al., "Error Analysis
and Improving the Accuracy of Winograd Convolution for Deep Neural Networks" (2020), whose error is half of that of the
usual 0, ±1, ±2, ∞.

A dilated convolution is `dilation` interleaved dense ones along each axis (*phases*): only the steps of loads and
stores change. Tiles are worked on a few dozen at a time, whose transformed values stay in cache. A tile that reaches
into the padding is first copied out with zeros (``fill``).

Transforms smear a NaN or an infinity over its tile, and may overflow where the sum does not: a tile whose result is
not finite is computed once more, directly. Kernels that are not finite do not come here at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tweakconv.arrays import FloatArray
from tweakconv.compiler.call import ALONE, Call
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules import channel_lanes, direct
from tweakconv.compiler.schedules.blocking import Blocking
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target

FIELDS = (
    "batch", "height", "width", "out_height", "out_width", "pad_top", "pad_left", "tile_rows", "tile_columns",
    "tiles_per_task", "shares", "x_image", "x_row", "x_channel", "y_image", "y_row", "y_channel",
)  # fmt: skip
"""The run-time integers of one call, in order; strides count elements."""

_TILE = 4
_PATCH = _TILE + 2
_POINTS = _PATCH * _PATCH
_ROOT = 2**0.5
_FLAG_ELEMENTS = 16
_TASKS_PER_THREAD = 3

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
    def window_bytes(self) -> int:
        """Working space of a thread: transformed inputs and products of some tiles, and one tile's inputs."""
        tile = self.channels + self.products.out_block
        elements = _FLAG_ELEMENTS + _POINTS * (self.tiles * tile + self.channels)
        return elements * self.spec.element_bytes

    @property
    def group_weights(self) -> int:
        """Elements of a group's packed weights: at the points, and as they are."""
        return (_POINTS + 9) * self.channels * self.products.padded_out

    def describe(self) -> list[str]:
        """How the work is cut up, a line for each matter."""
        return [
            f"F(4x4, 3x3): {_POINTS} products for 16 outputs instead of 144, {self.tiles} tiles at a time",
            f"registers hold the products of {self.products.pixels[0]} tiles by {self.products.out_block} channels",
        ]


WHAT = "3x3 kernels at stride 1, in float32 with channels_last"
"""What this schedule computes, in words."""


def applies(spec: ConvSpec) -> bool:
    """Whether this schedule computes a convolution."""
    return spec.kernel == (3, 3) and spec.strides == (1, 1) and spec.channels_last and not spec.double


def plan(spec: ConvSpec, target: Target) -> WinogradPlan:
    """Choose how many tiles to work on at a time, and blocks for their products."""
    channels = _rounded(spec.group_in, target.lanes(spec.element_bytes))
    products = channel_lanes.blocking(_products_spec(channels, spec.group_out), target)
    step = products.pixels[0]
    weights = _POINTS * channels * products.padded_out * spec.element_bytes
    wanted = _FEW_TILES if weights <= 3 * target.l2_bytes // 2 else _MANY_TILES
    tile_bytes = _POINTS * (channels + products.out_block) * spec.element_bytes
    fits = (_MOST_BYTES - _POINTS * channels * spec.element_bytes) // tile_bytes
    return WinogradPlan(spec, target, products, max(step, min(_rounded(wanted, step), fits // step * step)))


def tile_counts(dilation: tuple[int, int], out_size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of tiles that cover the outputs of each phase.

    Examples
    --------
    >>> tile_counts((1, 1), (28, 30)), tile_counts((2, 12), (28, 33))
    ((7, 8), (4, 1))
    """
    rows, columns = (-(-size // (_TILE * step)) for size, step in zip(out_size, dilation, strict=True))
    return rows, columns


def pack(plan: WinogradPlan, kernel: FloatArray) -> FloatArray:
    """The kernel's values at the points, group by group and block by block, and after each group the kernel itself."""
    spec, channels, products = plan.spec, plan.channels, plan.products
    grouped = np.zeros((3, 3, channels, spec.groups, products.padded_out), kernel.dtype)
    grouped[:, :, : spec.group_in, :, : spec.group_out] = kernel.reshape(3, 3, spec.group_in, spec.groups, -1)
    transform = kernel_transform().astype(np.float64)
    rows = np.tensordot(transform, grouped.astype(np.float64), (1, 0))
    points = np.tensordot(transform, rows, (1, 1)).swapaxes(0, 1).astype(kernel.dtype)
    packed = []
    for group in range(spec.groups):
        for values in (points, grouped):
            for start, _, padded in products.out_blocks():
                packed.append(values[:, :, :, group, start : start + padded].reshape(-1))
    return np.concatenate(packed)


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
        position = _POINTS * channels * products.padded_out
        for start, width, padded in products.out_blocks():
            block = of_group[position : position + 9 * channels * padded].reshape(3, 3, channels, padded)
            kernel[:, :, :, group, start : start + width] = block[:, :, : spec.group_in, :width]
            position += block.size
    return kernel.reshape(3, 3, spec.group_in, spec.out_channels)


def integers(plan: WinogradPlan, call: Call) -> tuple[int, ...]:
    """The run-time integers of a call, in the order of `FIELDS`."""
    rows, columns = call.geometry.axes
    down, across = plan.spec.dilation
    tile_rows, tile_columns = tile_counts(plan.spec.dilation, (rows.output, columns.output))
    tiles = tile_rows * tile_columns * down * across
    shares = 1 if call.threads == 1 else -(-_TASKS_PER_THREAD * call.threads // (call.batch * plan.spec.groups))
    share = _rounded(-(-tiles // shares), plan.products.pixels[0])
    return (
        call.batch, rows.input, columns.input, rows.output, columns.output, rows.pad_lo, columns.pad_lo,
        tile_rows, tile_columns, share, -(-tiles // share), *call.x_strides, *call.y_strides,
    )  # fmt: skip


def estimate(plan: WinogradPlan, out_size: tuple[int, int]) -> float:
    """Cycles that an image of a group takes, roughly: products, transforms, and weights that stream past."""
    spec, lanes = plan.spec, plan.target.lanes(plan.spec.element_bytes)
    rows, columns = tile_counts(spec.dilation, out_size)
    tiles = rows * columns * spec.dilation[0] * spec.dilation[1]
    inputs, outputs = plan.channels // lanes, plan.products.padded_out // lanes
    products = tiles * _POINTS * plan.channels * outputs * direct.CYCLES_PER_PRODUCT
    transforms = tiles * (_IN_CYCLES * inputs + _OUT_CYCLES * outputs)
    weights = _POINTS * plan.channels * plan.products.padded_out * spec.element_bytes
    passes = -(-tiles // plan.tiles)
    return (
        products
        + transforms
        + (passes * weights / direct.STREAMED_BYTES_PER_CYCLE if weights > plan.target.l2_bytes else 0)
    )


def kernel_transform() -> FloatArray:
    """The matrix (6, 3) that evaluates a kernel of 3 taps at the points, divided by what interpolation needs."""
    points = np.array([0, 1 / _ROOT, -1 / _ROOT, _ROOT, -_ROOT])
    matrix = np.zeros((_PATCH, 3))
    for row, point in enumerate(points):
        matrix[row] = point ** np.arange(3) / np.prod(point - np.delete(points, row))
    matrix[5, 2] = 1
    return matrix


def input_transform(b: Builder, d: list[Value]) -> list[Value]:
    """Six inputs of a row or column at the six points."""
    near, odd_near = b.scaled(d[2], -2, d[4]), b.times(b.scaled(d[1], -2, d[3]), 1 / _ROOT)
    far, odd_far = b.scaled(d[2], -0.5, d[4]), b.times(b.scaled(d[1], -0.5, d[3]), _ROOT)
    return [
        b.scaled(d[2], -2.5, b.add(d[0], d[4])),
        b.add(near, odd_near),
        b.subtract(near, odd_near),
        b.add(far, odd_far),
        b.subtract(far, odd_far),
        b.scaled(d[3], -2.5, b.add(d[1], d[5])),
    ]


def output_transform(b: Builder, m: list[Value]) -> list[Value]:
    """Four outputs of a row or column from the products at the six points."""
    near, odd_near = b.add(m[1], m[2]), b.subtract(m[1], m[2])
    far, odd_far = b.add(m[3], m[4]), b.subtract(m[3], m[4])
    return [
        b.add(m[0], b.add(near, far)),
        b.scaled(odd_near, 1 / _ROOT, b.times(odd_far, _ROOT)),
        b.scaled(near, 0.5, b.times(far, 2)),
        b.scaled(odd_near, _ROOT / 4, b.scaled(odd_far, 2 * _ROOT, m[5])),
    ]


def emit(plan: WinogradPlan) -> str:
    """The LLVM module of a plan; its one public function is ``run``."""
    b = Builder(plan.target, plan.spec.element)
    products_spec = _products_spec(plan.channels, plan.products.out_block)
    again_spec = replace(plan.spec, dilation=(1, 1), in_channels=plan.channels, groups=1)
    again = replace(plan.products, pixels=(1,), chunk=(3, 3, plan.channels))
    for width in plan.products.widths():
        padded = plan.products.padded_width(width)
        channel_lanes.emit_micro(b, products_spec, plan.products, f"products_{width}", plan.products.pixels[0], padded)
        channel_lanes.emit_micro(b, again_spec, again, f"direct_{width}", 1, width)
        _emit_output_transform(b, plan, width)
    _emit_input_transform(b, plan)
    _emit_fill(b, plan)
    _Driver(b, plan).emit()
    return b.module()


def _products_spec(channels: int, out_channels: int) -> ConvSpec:
    """The products at one point over the tiles: a convolution of one tap over as many pixels."""
    return ConvSpec((1, 1), (1, 1), (1, 1), channels, out_channels, 1, True, False, False)


def _emit_input_transform(b: Builder, plan: WinogradPlan) -> None:
    """Define ``transform_input(x, x_row, x_column, v)``: one tile's inputs at the points, for all channels."""
    lanes, channels = b.lanes, plan.spec.group_in
    point = plan.tiles * plan.channels

    def body(x: Value, x_row: Value, x_column: Value, v: Value) -> None:
        columns = [x_column * j for j in range(_PATCH)]

        def some(channel: Value, filled: int) -> None:
            patch = []
            for i in range(_PATCH):
                row = b.at(b.at(x, x_row * i), channel)
                patch.append([b.load_part(b.at(row, column), filled) for column in columns])
            down = [input_transform(b, [patch[i][j] for i in range(_PATCH)]) for j in range(_PATCH)]
            target = b.at(v, channel)
            for i in range(_PATCH):
                for j, value in enumerate(input_transform(b, [down[j][i] for j in range(_PATCH)])):
                    b.store(value, b.at(target, (i * _PATCH + j) * point))

        whole = channels // lanes * lanes
        b.loop(0, whole, lambda channel: some(channel, lanes), step=lanes)
        if channels % lanes:
            some(b.integer(whole), channels % lanes)

    b.function("transform_input", {"x": "ptr", "x_row": "i64", "x_column": "i64", "v": "ptr"}, body)


def _emit_output_transform(b: Builder, plan: WinogradPlan, width: int) -> None:
    """Define ``transform_output_WIDTH(m, y, y_row, bias, rows, columns, flag)`` for a block of output channels.

    It stores the tile's first `rows` x `columns` outputs, and 1 at `flag` where some output is not finite, else 0.
    """
    lanes, spec = b.lanes, plan.spec
    point = plan.tiles * plan.products.out_block
    y_column = spec.dilation[1] * spec.out_pixel_stride

    def body(m: Value, y: Value, y_row: Value, bias: Value, rows: Value, columns: Value, flag: Value) -> None:
        unwanted = b.stack_room(_rounded(width, lanes))
        inside = [b.compare("sgt", columns, j) for j in range(_TILE)]
        targets = []
        for i in range(_TILE):
            below, row = rows > i, b.at(y, y_row * i)
            targets.append(
                [b.select(b.both(below, inside[j]), b.at(row, j * y_column), unwanted) for j in range(_TILE)]
            )
        bad = b.zero()
        for start in range(0, width, lanes):
            filled = min(lanes, width - start)
            products = [b.load(b.at(m, k * point + start), lanes) for k in range(_POINTS)]
            down = [output_transform(b, products[j::_PATCH]) for j in range(_PATCH)]
            addend = b.load(b.at(bias, start), lanes)
            for i in range(_TILE):
                for j, value in enumerate(output_transform(b, [column[i] for column in down])):
                    total = b.add(value, addend)
                    bad = b.scaled(total, 0, bad)  # a NaN or an infinity times 0 is NaN
                    if spec.relu:
                        total = b.raise_to(total, b.zero())
                    b.store_part(total, b.at(targets[i][j], start), filled)
        b.store(b.any_nan(bad), flag)

    pointers = dict.fromkeys(("m", "y", "bias", "flag"), "ptr")
    names = ("m", "y", "y_row", "bias", "rows", "columns", "flag")
    b.function(f"transform_output_{width}", {name: pointers.get(name, "i64") for name in names}, body)


def _emit_fill(b: Builder, plan: WinogradPlan) -> None:
    """Define ``fill(patch, x, ih, iw, height, width, x_row)``: a tile's inputs, with zeros outside of the image."""
    spec, channels = plan.spec, plan.spec.group_in

    def body(patch: Value, x: Value, ih: Value, iw: Value, height: Value, width: Value, x_row: Value) -> None:
        def pixel(i: Value, j: Value) -> None:
            row, column = ih + i * spec.dilation[0], iw + j * spec.dilation[1]
            target = b.at(patch, (i * _PATCH + j) * plan.channels)
            b.fill_zero(target, plan.channels)
            source = b.at(x, row * x_row + column * spec.pixel_stride)
            inside = b.both(row.below(height), column.below(width))
            b.when(inside, lambda: b.copy(target, source, channels))

        b.loop(0, _PATCH, lambda i: b.loop(0, _PATCH, lambda j: pixel(i, j), once=True), once=True)

    integers = dict.fromkeys(("ih", "iw", "height", "width", "x_row"), "i64")
    b.function("fill", {"patch": "ptr", "x": "ptr", **integers}, body)


class _Place(NamedTuple):
    """Row and column of a tile's first output, and of its first input."""

    row: Value
    column: Value
    ih: Value
    iw: Value


class _Driver:
    """Emits ``run``: tasks, some tiles at a time; transform them, multiply at each point, transform back."""

    def __init__(self, b: Builder, plan: WinogradPlan) -> None:
        self.b = b
        self.plan = plan
        self.spec = plan.spec

    def emit(self) -> None:
        pointers = dict.fromkeys(("x", "w", "bias", "y", "shape", "counter", "window"), "ptr")
        self.b.function("run", {**pointers, "flags": "i64"}, self.run, public=True)

    def run(
        self, x: Value, w: Value, bias: Value, y: Value, shape: Value, counter: Value, window: Value, flags: Value
    ) -> None:
        """Take tasks (an image, a group, a share of the tiles) until none is left."""
        b, spec, plan = self.b, self.spec, self.plan
        s = self.shape = {name: b.load_integer(shape, i) for i, name in enumerate(FIELDS)}
        block = plan.products.out_block
        self.flag = window
        self.v = b.at(window, _FLAG_ELEMENTS)
        self.m = b.at(self.v, _POINTS * plan.tiles * plan.channels)
        self.patch = b.at(self.m, _POINTS * plan.tiles * block)
        self.zeros = b.at(bias, spec.groups * plan.products.padded_out)
        tasks = s["batch"] * spec.groups * s["shares"]
        tiles = s["tile_rows"] * s["tile_columns"] * (spec.dilation[0] * spec.dilation[1])
        b.when((flags & ALONE).equals(ALONE), lambda: b.store(b.integer(0), counter))

        def one_task(leave_if: Callable[[Value], None]) -> None:
            ticket = b.next_ticket(counter)
            leave_if(ticket >= tasks)
            share, rest = ticket % s["shares"], ticket // s["shares"]
            group, image = rest % spec.groups, rest // spec.groups
            self.w = b.at(w, group * plan.group_weights)
            self.bias = b.at(bias, group * plan.products.padded_out)
            self.x = b.at(x, image * s["x_image"] + group * spec.group_in * s["x_channel"])
            self.y = b.at(y, image * s["y_image"] + group * spec.group_out * s["y_channel"])
            first = share * s["tiles_per_task"]
            stop = b.minimum(first + s["tiles_per_task"], tiles)
            b.loop(first, stop, lambda t: self.some_tiles(t, b.minimum(stop - t, plan.tiles)), step=plan.tiles)

        b.forever(one_task)

    def some_tiles(self, start: Value, count: Value) -> None:
        b, plan = self.b, self.plan
        b.loop(0, count, lambda q: self.transform_in(start, q), once=True)
        block, full = plan.products.out_block, plan.products.full_blocks

        def channels(first: Value, width: int) -> None:
            weights = b.at(self.w, first * (_POINTS * plan.channels))
            b.loop(0, _POINTS, lambda k: self.multiply(k, weights, width, count), once=True)
            b.loop(0, count, lambda q: self.transform_out(start, q, first, width), once=True)

        if full:
            b.loop(0, full, lambda i: channels(i * block, block), once=True)
        if plan.products.tail:
            channels(b.integer(full * block), plan.products.tail)

    def place(self, tile: Value) -> _Place:
        """Where a tile lies: tiles count along a phase's columns, its rows, and then the phases."""
        s, (down, across) = self.shape, self.spec.dilation
        j, rest = tile % s["tile_columns"] * _TILE, tile // s["tile_columns"]
        i, phase = rest % s["tile_rows"] * _TILE, rest // s["tile_rows"]
        row, column = phase // across + i * down, phase % across + j * across
        return _Place(row, column, row - s["pad_top"], column - s["pad_left"])

    def transform_in(self, start: Value, q: Value) -> None:
        b, s, spec, plan = self.b, self.shape, self.spec, self.plan
        place = self.place(start + q)
        ih, iw = place.ih, place.iw
        down, across = spec.dilation
        inside = b.both(
            b.both(ih >= 0, ih + (_PATCH - 1) * down < s["height"]),
            b.both(iw >= 0, iw + (_PATCH - 1) * across < s["width"]),
        )

        def in_place() -> list[Value]:
            x = b.at(self.x, ih * s["x_row"] + iw * spec.pixel_stride)
            return [x, s["x_row"] * down, b.integer(across * spec.pixel_stride)]

        def in_patch() -> list[Value]:
            b.call("fill", self.patch, self.x, ih, iw, s["height"], s["width"], s["x_row"])
            return [self.patch, b.integer(_PATCH * plan.channels), b.integer(plan.channels)]

        b.call("transform_input", *b.when(inside, in_place, in_patch), b.at(self.v, q * plan.channels))

    def multiply(self, k: Value, weights: Value, width: int, count: Value) -> None:
        """The products of all channels at one point."""
        b, plan = self.b, self.plan
        padded, pixels = plan.products.padded_width(width), plan.products.pixels[0]
        w = b.at(weights, k * (plan.channels * padded))
        part = plan.products.chunk[2]

        def tiles(t: Value, channel: Value, channels: Value, mode: Value) -> None:
            b.call(
                f"products_{width}", b.at(self.v, (k * plan.tiles + t) * plan.channels + channel), 0, 1,
                b.at(w, channel * padded), b.at(self.m, (k * plan.tiles + t) * plan.products.out_block), 1, self.zeros,
                1, 1, channels, mode, b.minimum(b.integer(pixels), count - t),
            )  # fmt: skip

        def channels(channel: Value) -> None:
            left = b.minimum(b.integer(part), b.integer(plan.channels) - channel)
            mode = b.select(channel.equals(0), 1, 0) + b.select((channel + left).equals(plan.channels), 2, 0)
            b.loop(0, count, lambda t: tiles(t, channel, left, mode), step=pixels, once=True)

        if part == plan.channels:
            whole = b.integer(plan.channels)
            b.loop(0, count, lambda t: tiles(t, b.integer(0), whole, b.integer(3)), step=pixels, once=True)
        else:
            b.loop(0, plan.channels, channels, step=part, once=True)

    def transform_out(self, start: Value, q: Value, first: Value, width: int) -> None:
        b, s, spec, plan = self.b, self.shape, self.spec, self.plan
        place = self.place(start + q)
        down, across = spec.dilation
        # Outputs of the tile that are in the image; phases that end sooner than others have tiles without any.
        rows = b.minimum((b.maximum(s["out_height"] - place.row, 0) + (down - 1)) // down, _TILE)
        columns = b.minimum((b.maximum(s["out_width"] - place.column, 0) + (across - 1)) // across, _TILE)
        y_row, y_column = s["y_row"] * down, across * spec.out_pixel_stride
        y = b.at(self.y, place.row * s["y_row"] + place.column * spec.out_pixel_stride + first)
        bias = b.at(self.bias, first)
        m = b.at(self.m, q * plan.products.out_block)
        b.call(f"transform_output_{width}", m, y, y_row, bias, rows, columns, self.flag)

        def again() -> None:
            b.call("fill", self.patch, self.x, place.ih, place.iw, s["height"], s["width"], s["x_row"])
            w = b.at(self.w, _POINTS * plan.channels * plan.products.padded_out)
            w = b.at(w, first * (9 * plan.channels))

            def pixel(r: Value, c: Value) -> None:
                b.call(
                    f"direct_{width}", b.at(self.patch, (r * _PATCH + c) * plan.channels), _PATCH * plan.channels, 1,
                    w, b.at(y, r * y_row + c * y_column), 1, bias, 3, 3, plan.channels, 3, 1,
                )  # fmt: skip

            b.loop(0, rows, lambda r: b.loop(0, columns, lambda c: pixel(r, c)))

        b.when(b.load_integer(self.flag, 0).equals(1), again)


def _rounded(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
