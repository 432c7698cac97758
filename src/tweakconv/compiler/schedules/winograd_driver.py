"""The function ``run`` of the Winograd schedule: tasks, and within each some tiles at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from tweakconv.compiler.call import Shared
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.micro import call
from tweakconv.compiler.schedules.tasks import define_run, emit_tasks, wait_for
from tweakconv.compiler.schedules.winograd_strips import IN_TILES, Strips, elements, out_tiles

if TYPE_CHECKING:
    from tweakconv.compiler.schedules.winograd import WinogradPlan

FIELDS = (
    "batch", "height", "width", "out_height", "out_width", "pad_top", "pad_left", "tile_rows", "tile_columns",
    "rounds", "tiles_per_round", "tasks_per_round", "loads", "tiles_per_load", "first_use",
    "channel_shares", "blocks_per_share", "tile_shares", "tiles_per_share",
    "x_image", "x_row", "x_channel", "y_image", "y_row", "y_channel",
)  # fmt: skip
"""The run-time integers of one call, in order; strides count elements.

A round is some tiles of a group, counted through all images. It is one task, or it is cut into tasks that load and,
from the number ``first_use`` on, tasks that use what all of them loaded: a share of the blocks of channels, and of the
tiles.
"""

FLAG_ELEMENTS = 16
"""Room at the start of the working space for the note that a tile is not finite."""

_FEW_GROUPS = 5
"""Groups of tiles that share weights, up to which each asks for more of the next ones: 5 groups are 0.93 of the time
with that (17x17 with 256 channels), 9 groups 1.2 (28x28 with 512)."""


def products_name(tiles: int, padded: int, ahead: int) -> str:
    """The microkernel that multiplies so many tiles by a block of channels and asks for so many lines ahead."""
    return f"products_{tiles}x{padded}_{ahead}"


def emit_run(b: Builder, plan: WinogradPlan, name: str, *, public: bool) -> None:
    """Define ``run``, by a name, over the transforms, the microkernels and ``fill``."""
    define_run(b, _Driver(b, plan).run, plan.spec.pointers, name=name, public=public)


class _Place(NamedTuple):
    """The image that a tile lies in, row and column of its first output, and of its first input."""

    image: Value
    row: Value
    column: Value
    ih: Value
    iw: Value


class _Target(NamedTuple):
    """Where a tile's outputs go, how far apart they lie there, and how many of them are wanted."""

    y: Value
    residual: Value
    y_row: Value
    y_column: int
    rows: Value
    columns: Value


class _Round(NamedTuple):
    """Some tiles of a group, counted through all images.

    Attributes
    ----------
    first, tiles : Value
        The first tile, and how many.
    v : Value
        Where their transformed inputs go.
    loaded, used : Value
        Where it is announced that some were loaded and, share by share, that all were used.
    before : Value
        Rounds before this one that announce at the same places.
    """

    first: Value
    tiles: Value
    v: Value
    loaded: Value
    used: Value
    before: Value


class _Driver:
    """Emits ``run``: rounds of some tiles; transform them, multiply at each point, transform back."""

    def __init__(self, b: Builder, plan: WinogradPlan) -> None:
        self.b = b
        self.plan = plan
        self.spec = plan.spec
        self.form = plan.form

    def run(
        self, x: Value, w: Value, bias: Value, y: Value, residual: Value, shape: Value, shared: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        """Take tasks until none is left."""
        b, spec, plan = self.b, self.spec, self.plan
        s = self.shape = b.load_integers(shape, FIELDS)
        self.integers, self.shared = shape, shared
        self.flag = window
        self.m = b.at(window, FLAG_ELEMENTS)
        self.patch = b.at(self.m, self.form.points * plan.products_apart)
        self.zeros = b.at(bias, spec.groups * plan.products.padded_out)
        self.apart = s["tasks_per_round"] > 1
        self.pixel = b.at(self.patch, self.form.points * plan.channels)
        self.some_weights = b.at(self.pixel, self.form.tap_count * plan.channels)
        own = b.at(self.some_weights, plan.weights_room)
        if not spec.channels_last:
            self.strips = Strips(b, plan, s, shape, own)
            own = b.at(own, elements(plan))
        self.tiles_per_image = s["tile_rows"] * s["tile_columns"] * (spec.dilation[0] * spec.dilation[1])
        tiles = s["batch"] * self.tiles_per_image

        def one(ticket: Value) -> None:
            step, number = ticket % s["tasks_per_round"], ticket // s["tasks_per_round"]
            part, group = number % s["rounds"], number // s["rounds"]
            self.w = b.at(w, group * plan.group_weights)
            self.bias = b.at(bias, group * plan.products.padded_out)
            self.x = b.at(x, group * spec.group_in * s["x_channel"])
            out = group * spec.group_out * s["y_channel"]
            self.y, self.residual = b.at(y, out), b.at(residual, out)
            first, parity = part * s["tiles_per_round"], number % 2
            ours = _Round(
                first=first,
                tiles=b.minimum(tiles - first, s["tiles_per_round"]),
                v=self.transformed(own, parity),
                loaded=b.integer_at(shared, parity + Shared.LOADED),
                used=b.integer_at(shared, parity + Shared.USED),
                before=number // 2,
            )
            b.when(step < s["loads"], lambda: self.load(ours, step))
            b.when(step >= s["first_use"], lambda: self.use(ours, step - s["first_use"]))

        emit_tasks(b, shared, flags, s["rounds"] * spec.groups * s["tasks_per_round"], one)

    def transformed(self, own: Value, parity: Value) -> Value:
        """Where a round's transformed inputs go: the thread's own space, or one of two that the threads share."""
        b, plan = self.b, self.plan
        if not plan.weights_stream:
            return own
        space = b.at(b.load_address(self.shared, Shared.SPACE), parity * plan.transformed_elements)
        return b.select(self.apart, space, own)

    def load(self, ours: _Round, step: Value) -> None:
        """Transform the inputs of some of a round's tiles, once what lay there before has been used."""
        b, s = self.b, self.shape
        uses = s["tasks_per_round"] - s["first_use"]
        self.when_apart(lambda: wait_for(b, self.shared, ours.used, ours.before * uses))
        start = step * s["tiles_per_load"]
        stop = b.minimum(start + s["tiles_per_load"], ours.tiles)

        def strip(q: Value, place: _Place, tiles: Value) -> None:
            x = b.at(self.x, place.image * s["x_image"])
            self.strips.bring(x, place.ih, place.iw, tiles, b.at(ours.v, q * self.plan.channels))

        if self.spec.channels_last:
            b.loop(start, stop, lambda q: self.transform_in(ours, q))
        else:
            self.along_rows(ours.first, start, stop, IN_TILES, strip)
        self.when_apart(lambda: b.announce(ours.loaded))

    def use(self, ours: _Round, step: Value) -> None:
        """For a share of the blocks of output channels and of the tiles, multiply and transform back."""
        b, s, plan = self.b, self.shape, self.plan
        self.when_apart(lambda: wait_for(b, self.shared, ours.loaded, (ours.before + 1) * s["loads"]))
        share, tiles = step % s["channel_shares"], step // s["channel_shares"]
        start = tiles * s["tiles_per_share"]
        count = b.minimum(s["tiles_per_share"], ours.tiles - start)
        first_block = share * s["blocks_per_share"]
        stop_block = first_block + s["blocks_per_share"]
        block, full = plan.products.out_block, plan.products.full_blocks
        v = b.at(ours.v, start * plan.channels)

        def channels(first: Value, width: int) -> None:
            if plan.late:
                self.multiply_late(v, first, width, count)
            else:
                self.multiply_at_points(v, first, width, count)
            outputs = ours.first + start

            def strip(q: Value, place: _Place, tiles: Value) -> None:
                self.strip_out(place, q, tiles, first, width)

            if self.spec.channels_last:
                b.loop(0, count, lambda q: self.transform_out(self.place(outputs + q), q, first, width))
            else:
                self.along_rows(outputs, b.integer(0), count, out_tiles(plan), strip)

        def all_channels() -> None:
            if full:
                b.loop(first_block, b.minimum(stop_block, full), lambda i: channels(i * block, block))
            if plan.products.tail:
                b.when(stop_block > full, lambda: channels(b.integer(full * block), plan.products.tail))

        b.when(count > 0, all_channels)
        self.when_apart(lambda: b.announce(ours.used))

    def when_apart(self, body: Callable[[], None]) -> None:
        """Run a body where rounds are cut into tasks, which is never so where the weights stay in cache."""
        if self.plan.weights_stream:
            self.b.when(self.apart, body)

    def place(self, tile: Value) -> _Place:
        """Where a tile lies: tiles count along a phase's columns, its rows, then the phases, and then the images."""
        s, (down, across) = self.shape, self.spec.dilation
        image, tile = tile // self.tiles_per_image, tile % self.tiles_per_image
        j, rest = tile % s["tile_columns"] * self.form.tile[1], tile // s["tile_columns"]
        i, phase = rest % s["tile_rows"] * self.form.tile[0], rest // s["tile_rows"]
        row, column = phase // across + i * down, phase % across + j * across
        ih, iw = (place * stride for place, stride in zip((row, column), self.form.strides, strict=True))
        return _Place(image, row, column, ih - s["pad_top"], iw - s["pad_left"])

    def transform_in(self, ours: _Round, q: Value) -> None:
        """Transform the inputs of one tile, in place or, where it reaches into the padding, from a copy."""
        b, s, spec, plan = self.b, self.shape, self.spec, self.plan
        place = self.place(ours.first + q)
        ih, iw, image = place.ih, place.iw, b.at(self.x, place.image * s["x_image"])
        down, across = spec.dilation
        inside = b.both(
            b.both(ih >= 0, ih + (self.form.patch[0] - 1) * down < s["height"]),
            b.both(iw >= 0, iw + (self.form.patch[1] - 1) * across < s["width"]),
        )

        def in_place() -> list[Value]:
            x = b.at(image, ih * s["x_row"] + iw * spec.pixel_stride)
            return [x, s["x_row"] * down, b.integer(across * spec.pixel_stride)]

        def in_patch() -> list[Value]:
            b.call("fill", self.patch, image, ih, iw, s["height"], s["width"], s["x_row"], self.integers)
            return [self.patch, b.integer(self.form.patch[1] * plan.channels), b.integer(plan.channels)]

        # Where channels do not fill whole vectors, the padded copy does.
        v = b.at(ours.v, q * plan.channels)
        if plan.channels != spec.group_in:
            b.call("transform_input", *in_patch(), v)
        elif spec.x_stored:
            name = f"transform_input_{spec.x_stored}"
            b.when(inside, lambda: b.call(name, *in_place(), v), lambda: b.call("transform_input", *in_patch(), v))
        else:
            b.call("transform_input", *b.when(inside, in_place, in_patch), v)

    def multiply_at_points(self, v: Value, first: Value, width: int, count: Value) -> None:
        """The products of all channels at all points, with weights that are packed there."""
        b, plan = self.b, self.plan
        padded = plan.products.padded_width(width)
        weights = b.at(self.w, first * (self.form.weights * plan.channels))

        def point(k: Value) -> None:
            at_point = b.at(weights, self.values_at(k) * (plan.channels * padded))

            def some(channel: Value, channels: Value, mode: Value) -> None:
                w = b.at(at_point, channel * padded)
                self.multiply(v, k, w, plan.channels * padded, width, count, channel, channels, mode)

            self.in_parts(some)

        b.loop(0, self.form.points, point, once=True)

    def multiply_late(self, v: Value, first: Value, width: int, count: Value) -> None:
        """The same with weights packed as they are: those of some channels are brought to the points at a time."""
        b, plan = self.b, self.plan
        padded, room = plan.products.padded_width(width), self.some_weights
        weights = b.at(self.w, first * (self.form.tap_count * plan.channels))

        def some(channel: Value, channels: Value, mode: Value) -> None:
            source = b.at(weights, channel * (self.form.tap_count * padded))
            b.call(f"transform_kernel_{padded}", source, room, channels)

            ahead_of_point = plan.lines_ahead[0] * b.line_elements * plan.channels_at_once // 4
            following = b.at(source, channels * (self.form.tap_count * padded))

            def point(k: Value) -> None:
                at_point = b.at(room, self.values_at(k) * plan.weights_apart(padded))
                ahead = b.at(following, k * ahead_of_point)
                later = b.distance(at_point, ahead)
                self.multiply(v, k, at_point, later, width, count, channel, channels, mode)

            b.loop(0, self.form.points, point, once=True)

        self.in_parts(some)

    def values_at(self, k: Value) -> Value:
        """Which of a kernel's values stand at a point: at stride 2 the last ones at that of every odd input."""
        b, (high, wide), form = self.b, self.form.values, self.form
        if form.weights == form.points:
            return k
        i, j = k // form.patch[1], k % form.patch[1]
        return b.minimum(i, high - 1) * wide + b.minimum(j, wide - 1)

    def in_parts(self, body: Callable[[Value, Value, Value], None]) -> None:
        """Run ``body(first, channels, mode)`` for some input channels at a time."""
        b, plan, part = self.b, self.plan, self.plan.channels_at_once

        def some(channel: Value) -> None:
            left = b.minimum(b.integer(part), b.integer(plan.channels) - channel)
            mode = b.select(channel.equals(0), 1, 0) + b.select((channel + left).equals(plan.channels), 2, 0)
            body(channel, left, mode)

        if part == plan.channels:
            body(b.integer(0), b.integer(plan.channels), b.integer(3))
        else:
            b.loop(0, plan.channels, some, step=part, once=True)

    def multiply(
        self, v: Value, k: Value, w: Value, later: Value | int, width: int, count: Value,
        channel: Value, channels: Value, mode: Value,
    ) -> None:  # fmt: skip
        """The products of some channels at one point, with their weights there; `later` elements on, others follow."""
        b, plan = self.b, self.plan
        padded = plan.products.padded_width(width)
        many, some = plan.at_once
        in_many = self.in_many(count)

        def some_tiles(tiles: int, t: Value, lines: int) -> None:
            # The groups of tiles one after another ask for the weights that follow; where these are few, the first one.
            ahead = lines * b.line_elements * plan.channels // 4
            call(
                b, products_name(tiles, padded, lines),
                x=b.at(v, k * plan.inputs_apart + t * plan.channels + channel), x_row=0,
                x_channel=b.select((t // many).equals(0), later, 0) if plan.late else t // many * ahead + later,
                w=w, y=b.at(self.m, k * plan.products_apart + t * plan.products.out_block),
                y_channel=1, bias=self.zeros, rows=1, columns=1, channels=channels, mode=mode,
                count=b.minimum(b.integer(tiles), count - t),
            )  # fmt: skip

        def all_tiles(lines: int) -> None:
            b.loop(0, in_many, lambda t: some_tiles(many, t, lines), step=many)
            b.loop(in_many, count, lambda t: some_tiles(some, t, lines), step=some)

        usual, *more = plan.lines_ahead
        if more:
            b.when(count <= _FEW_GROUPS * many, lambda: all_tiles(more[0]), lambda: all_tiles(usual))
        else:
            all_tiles(usual)

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

    def along_rows(
        self, first: Value, start: Value, stop: Value, most: int, body: Callable[[Value, _Place, Value], None]
    ) -> None:
        """Run ``body(q, place, tiles)`` for strips of neighbouring tiles, `first` + q and those behind it in a row."""
        b, across = self.b, self.shape["tile_columns"]

        def one(q: Value) -> None:
            column = (first + q) % across
            in_strip = column % most
            tiles = b.minimum(b.minimum(b.integer(most) - in_strip, across - column), stop - q)
            b.when(b.minimum(in_strip, q - start).equals(0), lambda: body(q, self.place(first + q), tiles))

        b.loop(start, stop, one)

    def strip_out(self, place: _Place, q: Value, tiles: Value, first: Value, width: int) -> None:
        """Transform the products of a strip of tiles back, side by side, and take the outputs to where they belong."""
        b, s, strips, (high, wide) = self.b, self.shape, self.strips, self.form.tile
        rows = b.minimum(s["out_height"] - place.row, high)
        columns = b.minimum(s["out_width"] - place.column, tiles * wide)
        out = place.image * s["y_image"] + place.row * s["y_row"] + place.column + first * s["y_channel"]
        if self.spec.residual:
            strips.bring_residual(b.at(self.residual, out), rows, columns, width)

        strips.ask_for(b.at(self.y, out), rows, columns, width)

        def tile(t: Value) -> None:
            at = t * (wide * strips.pixel)
            where = _Target(
                b.at(strips.room, at), b.at(strips.residual, at), b.integer(strips.row), strips.pixel,
                b.integer(high), b.integer(wide),
            )  # fmt: skip
            self.transform_back(
                place._replace(iw=place.iw + t * (wide * self.form.strides[1])), q + t, first, width, where
            )

        b.loop(0, tiles, tile, once=True)
        strips.take(b.at(self.y, out), rows, columns, width)

    def transform_out(self, place: _Place, q: Value, first: Value, width: int) -> None:
        """Transform the products of one tile back, to where its outputs belong."""
        b, s, spec = self.b, self.shape, self.spec
        down, across = spec.dilation
        # Outputs of the tile that are in the image; phases that end sooner than others have tiles without any.
        rows = b.minimum((b.maximum(s["out_height"] - place.row, 0) + (down - 1)) // down, self.form.tile[0])
        columns = b.minimum((b.maximum(s["out_width"] - place.column, 0) + (across - 1)) // across, self.form.tile[1])
        out = place.image * s["y_image"] + place.row * s["y_row"] + place.column * spec.out_pixel_stride + first
        y, residual = b.at(self.y, out), b.at(self.residual, out)
        where = _Target(y, residual, s["y_row"] * down, across * spec.out_pixel_stride, rows, columns)
        self.transform_back(place, q, first, width, where)

    def transform_back(self, place: _Place, q: Value, first: Value, width: int, to: _Target) -> None:
        """Transform the products of one tile back; where a result is not finite, compute the tile directly."""
        b, s, spec, plan = self.b, self.shape, self.spec, self.plan
        bias = b.at(self.bias, first)
        m = b.at(self.m, q * plan.products.out_block)
        b.call(f"transform_output_{width}", m, to.y, to.y_row, to.residual, bias, to.rows, to.columns, self.flag)

        def again() -> None:
            x = b.at(self.x, place.image * s["x_image"])
            b.call("fill", self.patch, x, place.ih, place.iw, s["height"], s["width"], s["x_row"], self.integers)
            w = b.at(b.at(self.w, plan.as_they_are), first * (self.form.tap_count * plan.channels))

            def pixel(r: Value, c: Value) -> None:
                at = r * to.y_row + c * to.y_column
                self.gather(r, c)
                call(
                    b, f"direct_{width}", x=self.pixel, x_row=0, x_channel=1, w=w,
                    y=b.at(to.y, at), y_channel=1, residual=b.at(to.residual, at) if spec.residual else None, bias=bias,
                    rows=1, columns=1, channels=self.form.tap_count * plan.channels, mode=3, count=1,
                )  # fmt: skip

            b.loop(0, to.rows, lambda r: b.loop(0, to.columns, lambda c: pixel(r, c)))

        b.when(b.load_integer(self.flag, 0).equals(1), again)

    def gather(self, row: Value, column: Value) -> None:
        """Bring the inputs of one output of the patch together: those of a channel's taps, then the next channel's."""
        b, (rows, columns), channels = self.b, self.form.taps, self.plan.channels
        row, column = row * self.form.strides[0], column * self.form.strides[1]

        def tap(i: Value, j: Value) -> None:
            source = b.at(self.patch, ((row + i) * self.form.patch[1] + column + j) * channels)
            target = b.at(self.pixel, i * columns + j)
            b.loop(0, channels, lambda c: b.store(b.load(b.at(source, c)), b.at(target, c * (rows * columns))))

        b.loop(0, rows, lambda i: b.loop(0, columns, lambda j: tap(i, j), once=True), once=True)
