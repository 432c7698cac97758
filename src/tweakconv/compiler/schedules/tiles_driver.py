"""The function ``run`` of the schedule by tiles: regions, output channels, and pairs of tiles of pixels.

Threads take regions of outputs from a shared counter. A region's input is found in the image, or laid out; then for 32
output channels after another, whose weights stay in cache meanwhile, tiles of pixels are taken by twos.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tweakconv.compiler.emit import Value
from tweakconv.compiler.emit.tiles import CONFIG_INTEGERS, ROW_BYTES, ROWS, TileBuilder
from tweakconv.compiler.schedules.epilogue import emit_activate
from tweakconv.compiler.schedules.tasks import define_run, emit_tasks
from tweakconv.compiler.schedules.tiles_layout import emit_lay_out
from tweakconv.compiler.schedules.tiles_micro import emit_finish, emit_sums, finish_name, sums_name
from tweakconv.compiler.schedules.tiles_regions import FIELDS

if TYPE_CHECKING:
    from tweakconv.compiler.schedules.tiles import TilesPlan


def emit_run(b: TileBuilder, plan: TilesPlan) -> None:
    """Define ``run``, and what it calls."""
    emit_lay_out(b, plan)
    emit_activate(b, plan.spec)
    for across in sorted({_tiles(width) for width in plan.widths}):
        emit_sums(b, plan, across)
    for width in sorted(set(plan.widths)):
        emit_finish(b, plan, width)
    stored = {**plan.spec.pointers, "w": "ptr bfloat16", "window": "ptr bfloat16"}
    define_run(b, _Driver(b, plan).run, stored)


def _tiles(width: int) -> int:
    """Tiles that so many output channels take."""
    return -(-width // ROWS)


@dataclass(frozen=True, slots=True)
class _Region:
    """A region of outputs of an image.

    Attributes
    ----------
    x : Value
        The first tap of the first output.
    x_row, x_tap : Value
        Elements from an output row's input to the next's, and from a kernel row's.
    y, residual : Value
        The first output.
    columns : Value
        Of the region.
    length, lines : Value
        Pixels that tiles cover one after another, and how often: those of a row for all rows, or of all rows at once.
    wrap : Value
        Pixels from a row to the next in such a line, where there are several.
    """

    x: Value
    x_row: Value
    x_tap: Value
    y: Value
    residual: Value
    columns: Value
    length: Value
    lines: Value
    wrap: Value


class _Driver:
    def __init__(self, b: TileBuilder, plan: TilesPlan) -> None:
        self.b, self.plan, self.spec = b, plan, plan.spec

    def run(
        self, x: Value, w: Value, bias: Value, y: Value, residual: Value, shape: Value, shared: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        """Take regions until none is left."""
        b = self.b
        s = self.shape = b.load_integers(shape, FIELDS, CONFIG_INTEGERS)
        self.integers, self.window, self.w, self.bias = shape, window, w, bias
        self.sums, self.unwanted = b.stack_room(4 * ROWS * ROWS), b.stack_room(2 * ROWS, "bfloat16")
        b.fill_zero(self.unwanted, 2 * ROWS)
        b.configure_tiles(shape)

        def one(ticket: Value) -> None:
            piece, rest = ticket % s["slices"], ticket // s["slices"]
            strip, rest = rest % s["strips"], rest // s["strips"]
            band, image = rest % s["bands"], rest // s["bands"]
            out = image * s["y_image"]
            self.region(
                b.at(x, image * s["x_image"]), b.at(y, out), b.at(residual, out),
                self.part(s["out_height"], s["bands"], band), self.part(s["out_width"], s["strips"], strip),
                self.part(b.integer(len(self.plan.widths)), s["slices"], piece),
            )  # fmt: skip

        emit_tasks(b, shared, flags, s["batch"] * s["bands"] * s["strips"] * s["slices"], one)
        b.release_tiles()

    def part(self, whole: Value, parts: Value, number: Value) -> tuple[Value, Value]:
        """The first of one of some even parts, and how many it has."""
        first = number * whole // parts
        return first, (number + 1) * whole // parts - first

    def region(
        self, x: Value, y: Value, residual: Value,
        down: tuple[Value, Value], across: tuple[Value, Value], blocks: tuple[Value, Value],
    ) -> None:  # fmt: skip
        """Find the input of a region, and run over some blocks of its output channels."""
        b, s, spec = self.b, self.shape, self.spec
        (oh, rows), (ow, columns) = down, across
        top, left = oh * spec.strides[0] - s["pad_top"], ow * spec.strides[1] - s["pad_left"]

        def in_place() -> list[Value]:
            start = b.at(x, top * s["x_row"] + left * spec.in_channels)
            return [start, s["x_row"] * spec.strides[0], s["x_row"] * spec.dilation[0]]

        start, x_row, x_tap = b.when(
            self.reads_in_place(x), in_place, lambda: self.laid_out(x, top, left, rows, columns)
        )
        joined, out = s["wrap"] > 0, oh * s["y_row"] + ow * spec.out_channels
        length = b.select(joined, (rows - 1) * s["wrap"] + columns, columns)
        # Where nothing lies between rows, neither of input nor of output, they are one.
        seamless = b.both(s["wrap"].equals(columns), s["y_row"].equals(columns * spec.out_channels))
        region = _Region(
            start, x_row, x_tap, b.at(y, out), b.at(residual, out), b.select(seamless, length, columns),
            length, b.select(joined, 1, rows), b.select(joined, b.select(seamless, length, s["wrap"]), length),
        )  # fmt: skip
        weights = 2 * self.plan.steps * self.plan.tile_weights
        first, stop = blocks[0], blocks[0] + blocks[1]
        *whole, last = self.plan.widths
        if whole:
            width = whole[0]
            end = b.minimum(stop, len(whole))
            b.loop(first, end, lambda i: self.block(region, i * width, b.at(self.w, i * weights), width))
        start = b.integer(sum(whole))
        b.when(stop > len(whole), lambda: self.block(region, start, b.at(self.w, len(whole) * weights), last))

    def reads_in_place(self, x: Value) -> Value:
        """Whether tiles are loaded from the image: not where each of their rows would lie in two cache lines."""
        b, told = self.b, self.shape["in_place"].equals(1)
        whole_lines = 2 * self.spec.in_channels % ROW_BYTES == 0
        return b.both(told, b.is_aligned(x)) if whole_lines else told

    def laid_out(self, x: Value, top: Value, left: Value, rows: Value, columns: Value) -> list[Value]:
        """Lay out a region's input; returns where it begins and the steps between rows."""
        b, s, (kh, kw) = self.b, self.shape, self.spec.kernel
        (down, across), (apart_down, apart_across) = self.spec.strides, self.spec.dilation
        apart = s["apart"].equals(1)
        line = s["pitch"] * self.plan.channels
        b.call(
            "lay_out", self.window, x, self.integers, top, left,
            b.select(apart, kh, 1), apart_down,
            b.select(apart, rows, (rows - 1) * down + ((kh - 1) * apart_down + 1)), b.select(apart, down, 1),
            (columns - 1) * across + ((kw - 1) * apart_across + 1),
            s["pitch"], s["height"], s["width"], s["x_row"],
        )  # fmt: skip
        return [self.window, line * b.select(apart, 1, down), line * b.select(apart, rows, apart_down)]

    def block(self, region: _Region, channel: Value, w: Value, width: int) -> None:
        """All pixels of a region for some output channels."""
        b, s = self.b, self.shape
        in_line = (region.length + s["tile_rows"] - 1) // s["tile_rows"]
        tiles = in_line * region.lines
        across = _tiles(width)

        def pair(number: Value) -> None:
            both = (number, b.minimum(number + 1, tiles - 1))  # the last may be computed twice
            places = [self.place(region, tile // in_line, tile % in_line) for tile in both]
            b.call(sums_name(across), *(at for at, _, _ in places), region.x_tap, w, self.sums)
            for half, (_, out, column) in enumerate(places):
                at = out + channel
                b.call(
                    finish_name(width), b.at(self.sums, half * across * ROWS * ROWS), b.at(self.bias, channel),
                    b.at(region.y, at), b.at(region.residual, at), self.unwanted,
                    column, region.columns, region.wrap, s["y_row"], s["tile_rows"],
                )  # fmt: skip

        b.loop(0, tiles, pair, step=2, once=True)

    def place(self, region: _Region, line: Value, number: Value) -> tuple[Value, Value, Value]:
        """The input of a tile's first pixel, its output counted from the region's first, and its column.

        The last tile of a line begins within the one before where need be, and computes the same once more.
        """
        b, s = self.b, self.shape
        first = b.minimum(number * s["tile_rows"], region.length - s["tile_rows"])
        row, column = line + first // region.wrap, first % region.wrap
        x = line * region.x_row + first * (self.spec.strides[1] * self.plan.channels)
        return b.at(region.x, x), row * s["y_row"] + column * self.spec.out_channels, column
