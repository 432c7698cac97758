"""The function ``run`` of the Winograd schedule: tasks, and within each some tiles at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from tweakconv.compiler.call import ALONE
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.micro import call
from tweakconv.compiler.schedules.winograd_transforms import PATCH, POINTS, TILE

if TYPE_CHECKING:
    from tweakconv.compiler.schedules.winograd import WinogradPlan

FIELDS = (
    "batch", "height", "width", "out_height", "out_width", "pad_top", "pad_left", "tile_rows", "tile_columns",
    "tiles_per_task", "tile_shares", "blocks_per_task", "channel_shares",
    "x_image", "x_row", "x_channel", "y_image", "y_row", "y_channel",
)  # fmt: skip
"""The run-time integers of one call, in order; strides count elements."""

FLAG_ELEMENTS = 16
"""Room at the start of the working space for the note that a tile is not finite."""


def emit_run(b: Builder, plan: WinogradPlan) -> None:
    """Define ``run`` over the transforms, the microkernels and ``fill``."""
    pointers = dict.fromkeys(("x", "w", "bias", "y", "residual", "shape", "counter", "window"), "ptr")
    b.function("run", {**pointers, "flags": "i64"}, _Driver(b, plan).run, public=True)


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

    def run(
        self, x: Value, w: Value, bias: Value, y: Value, residual: Value, shape: Value, counter: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        """Take tasks (an image, a group, a share of the tiles and of the channels) until none is left."""
        b, spec, plan = self.b, self.spec, self.plan
        s = self.shape = {name: b.load_integer(shape, i) for i, name in enumerate(FIELDS)}
        self.integers = shape
        block = plan.products.out_block
        self.flag = window
        self.v = b.at(window, FLAG_ELEMENTS)
        self.m = b.at(self.v, POINTS * plan.tiles * plan.channels)
        self.patch = b.at(self.m, POINTS * plan.tiles * block)
        self.zeros = b.at(bias, spec.groups * plan.products.padded_out)
        tasks = s["batch"] * spec.groups * s["tile_shares"] * s["channel_shares"]
        tiles = s["tile_rows"] * s["tile_columns"] * (spec.dilation[0] * spec.dilation[1])
        b.when((flags & ALONE).equals(ALONE), lambda: b.store(b.integer(0), counter))

        def one_task(leave_if: Callable[[Value], None]) -> None:
            ticket = b.next_ticket(counter)
            leave_if(ticket >= tasks)
            channels, rest = ticket % s["channel_shares"], ticket // s["channel_shares"]
            share, rest = rest % s["tile_shares"], rest // s["tile_shares"]
            group, image = rest % spec.groups, rest // spec.groups
            self.w = b.at(w, group * plan.group_weights)
            self.bias = b.at(bias, group * plan.products.padded_out)
            self.x = b.at(x, image * s["x_image"] + group * spec.group_in * s["x_channel"])
            out = image * s["y_image"] + group * spec.group_out * s["y_channel"]
            self.y, self.residual = b.at(y, out), b.at(residual, out)
            self.first_block = channels * s["blocks_per_task"]
            self.stop_block = self.first_block + s["blocks_per_task"]
            first = share * s["tiles_per_task"]
            stop = b.minimum(first + s["tiles_per_task"], tiles)
            b.loop(first, stop, lambda t: self.some_tiles(t, b.minimum(stop - t, plan.tiles)), step=plan.tiles)

        b.forever(one_task)

    def some_tiles(self, start: Value, count: Value) -> None:
        """Transform the inputs of some tiles, and for each block of output channels multiply and transform back."""
        b, plan = self.b, self.plan
        b.loop(0, count, lambda q: self.transform_in(start, q), once=True)
        block, full = plan.products.out_block, plan.products.full_blocks

        def channels(first: Value, width: int) -> None:
            weights = b.at(self.w, first * (POINTS * plan.channels))
            b.loop(0, POINTS, lambda k: self.multiply(k, weights, width, count), once=True)
            b.loop(0, count, lambda q: self.transform_out(start, q, first, width), once=True)

        if full:
            stop = b.minimum(self.stop_block, full)
            b.loop(self.first_block, stop, lambda i: channels(i * block, block))
        if plan.products.tail:
            b.when(self.stop_block > full, lambda: channels(b.integer(full * block), plan.products.tail))

    def place(self, tile: Value) -> _Place:
        """Where a tile lies: tiles count along a phase's columns, its rows, and then the phases."""
        s, (down, across) = self.shape, self.spec.dilation
        j, rest = tile % s["tile_columns"] * TILE, tile // s["tile_columns"]
        i, phase = rest % s["tile_rows"] * TILE, rest // s["tile_rows"]
        row, column = phase // across + i * down, phase % across + j * across
        return _Place(row, column, row - s["pad_top"], column - s["pad_left"])

    def transform_in(self, start: Value, q: Value) -> None:
        """Transform the inputs of one tile, in place or, where it reaches into the padding, from a copy."""
        b, s, spec, plan = self.b, self.shape, self.spec, self.plan
        place = self.place(start + q)
        ih, iw = place.ih, place.iw
        down, across = spec.dilation
        inside = b.both(
            b.both(ih >= 0, ih + (PATCH - 1) * down < s["height"]),
            b.both(iw >= 0, iw + (PATCH - 1) * across < s["width"]),
        )

        def in_place() -> list[Value]:
            x = b.at(self.x, ih * s["x_row"] + iw * spec.pixel_stride)
            return [x, s["x_row"] * down, b.integer(across * spec.pixel_stride)]

        def in_patch() -> list[Value]:
            b.call("fill", self.patch, self.x, ih, iw, s["height"], s["width"], s["x_row"], self.integers)
            return [self.patch, b.integer(PATCH * plan.channels), b.integer(plan.channels)]

        # Where channels do not fill whole vectors, the padded copy does.
        source = b.when(inside, in_place, in_patch) if plan.channels == spec.group_in else in_patch()
        b.call("transform_input", *source, b.at(self.v, q * plan.channels))

    def multiply(self, k: Value, weights: Value, width: int, count: Value) -> None:
        """The products of all channels at one point."""
        b, plan = self.b, self.plan
        padded = plan.products.padded_width(width)
        w = b.at(weights, k * (plan.channels * padded))
        part = plan.products.chunk[2]
        many, some = plan.at_once
        in_many = self.in_many(count)

        def some_tiles(tiles: int, t: Value, channel: Value, channels: Value, mode: Value) -> None:
            call(
                b, f"products_{tiles}x{padded}",
                x=b.at(self.v, (k * plan.tiles + t) * plan.channels + channel), x_row=0, x_channel=1,
                w=b.at(w, channel * padded), y=b.at(self.m, (k * plan.tiles + t) * plan.products.out_block),
                y_channel=1, bias=self.zeros, rows=1, columns=1, channels=channels, mode=mode,
                count=b.minimum(b.integer(tiles), count - t),
            )  # fmt: skip

        def all_tiles(channel: Value, channels: Value, mode: Value) -> None:
            b.loop(0, in_many, lambda t: some_tiles(many, t, channel, channels, mode), step=many)
            b.loop(in_many, count, lambda t: some_tiles(some, t, channel, channels, mode), step=some)

        def some_channels(channel: Value) -> None:
            left = b.minimum(b.integer(part), b.integer(plan.channels) - channel)
            mode = b.select(channel.equals(0), 1, 0) + b.select((channel + left).equals(plan.channels), 2, 0)
            all_tiles(channel, left, mode)

        if part == plan.channels:
            all_tiles(b.integer(0), b.integer(plan.channels), b.integer(3))
        else:
            b.loop(0, plan.channels, some_channels, step=part, once=True)

    def in_many(self, count: Value) -> Value:
        """How many of the tiles are multiplied in large groups; small groups fit the rest with the least waste.

        Two small groups are 4/3 of a large one: a rest of up to a third makes the last large group two small ones, a
        rest of up to two thirds is one small group, and a longer one a large group that is not full.
        """
        b = self.b
        many, some = self.plan.at_once
        whole, rest = count // many, count % many
        fewer = b.select(b.both(rest > 0, rest <= 2 * some - many), b.maximum(whole - 1, 0), whole)
        return b.select(rest > some, whole + 1, fewer) * many

    def transform_out(self, start: Value, q: Value, first: Value, width: int) -> None:
        """Transform the products of one tile back; where a result is not finite, compute the tile directly."""
        b, s, spec, plan = self.b, self.shape, self.spec, self.plan
        place = self.place(start + q)
        down, across = spec.dilation
        # Outputs of the tile that are in the image; phases that end sooner than others have tiles without any.
        rows = b.minimum((b.maximum(s["out_height"] - place.row, 0) + (down - 1)) // down, TILE)
        columns = b.minimum((b.maximum(s["out_width"] - place.column, 0) + (across - 1)) // across, TILE)
        y_row, y_column = s["y_row"] * down, across * spec.out_pixel_stride
        out = place.row * s["y_row"] + place.column * spec.out_pixel_stride + first
        y, residual = b.at(self.y, out), b.at(self.residual, out)
        bias = b.at(self.bias, first)
        m = b.at(self.m, q * plan.products.out_block)
        b.call(f"transform_output_{width}", m, y, y_row, residual, bias, rows, columns, self.flag)

        def again() -> None:
            b.call("fill", self.patch, self.x, place.ih, place.iw, s["height"], s["width"], s["x_row"], self.integers)
            w = b.at(self.w, POINTS * plan.channels * plan.products.padded_out)
            w = b.at(w, first * (9 * plan.channels))

            def pixel(r: Value, c: Value) -> None:
                at = r * y_row + c * y_column
                call(
                    b, f"direct_{width}",
                    x=b.at(self.patch, (r * PATCH + c) * plan.channels), x_row=PATCH * plan.channels, x_channel=1, w=w,
                    y=b.at(y, at), y_channel=1, residual=b.at(residual, at) if spec.residual else None, bias=bias,
                    rows=3, columns=3, channels=plan.channels, mode=3, count=1,
                )  # fmt: skip

            b.loop(0, rows, lambda r: b.loop(0, columns, lambda c: pixel(r, c)))

        b.when(b.load_integer(self.flag, 0).equals(1), again)
