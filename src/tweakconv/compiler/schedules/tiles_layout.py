"""The input of a region of outputs laid out for tiles, with what the padding holds, and channels that are added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tweakconv.compiler.emit import Value
from tweakconv.compiler.emit.tiles import TileBuilder
from tweakconv.compiler.schedules.border import tables_of
from tweakconv.compiler.schedules.tiles_regions import BORDER_START

if TYPE_CHECKING:
    from tweakconv.compiler.schedules.tiles import TilesPlan

PARAMETERS = {
    "room": "ptr bfloat16",  # where it is laid out
    "x": "ptr bfloat16",  # the image
    "shape": "ptr",  # the run-time integers, where the border is told of
    "top": "i64",  # the first row of input, below 0 in the padding
    "left": "i64",  # and its first column
    "sets": "i64",  # rows come in so many sets, each of which begins `set_step` rows below the last
    "set_step": "i64",
    "rows": "i64",  # of a set, each `row_step` below the last
    "row_step": "i64",
    "span": "i64",  # pixels of a row
    "pitch": "i64",  # pixels from a row to the next where they are laid out
    "height": "i64",  # of the image
    "width": "i64",
    "x_row": "i64",  # elements from a row of the image to the next
}


def emit_lay_out(b: TileBuilder, plan: TilesPlan) -> None:
    """Define ``lay_out``, which takes `PARAMETERS`."""

    def body(*values: Value) -> None:
        _Layout(b, plan, dict(zip(PARAMETERS, values, strict=True))).rows()

    b.function("lay_out", PARAMETERS, body)


class _Layout:
    """Copies rows of pixels, and writes what the padding holds."""

    def __init__(self, b: TileBuilder, plan: TilesPlan, given: dict[str, Value]) -> None:
        self.b, self.given = b, given
        self.channels, self.stored = plan.channels, plan.spec.in_channels
        self.tables = tables_of(b, plan.spec, given["shape"], BORDER_START)
        self.constant = b.scalar_zero() if self.tables is None else self.tables.constant()

    def rows(self) -> None:
        """All of them."""
        b, given = self.b, self.given

        def row(part: Value, number: Value) -> None:
            position = given["top"] + part * given["set_step"] + number * given["row_step"]
            target = b.at(given["room"], (part * given["rows"] + number) * given["pitch"] * self.channels)
            tables = self.tables
            found = position if tables is None else tables.pixel("row", position, given["height"])
            line = b.at(given["x"], found * given["x_row"])
            b.when(
                found.below(given["height"]),
                lambda: self.line(target, line),
                lambda: self.nothing(target, b.integer(0), given["span"]),
            )

        b.loop(0, given["sets"], lambda part: b.loop(0, given["rows"], lambda number: row(part, number)))

    def line(self, target: Value, source: Value) -> None:
        """A row that the image has: the border before it, its pixels, and the border behind."""
        b, left, span = self.b, self.given["left"], self.given["span"]
        first = b.minimum(b.maximum(b.integer(0) - left, 0), span)
        stop = b.maximum(b.minimum(self.given["width"] - left, span), first)
        self.border(target, source, b.integer(0), first)
        start = b.at(source, (left + first) * self.stored)
        if self.channels == self.stored:
            b.move(b.at(target, first * self.channels), start, (stop - first) * self.channels)
        else:
            b.loop(first, stop, lambda i: self.pixel(target, i, b.at(start, (i - first) * self.stored)))
        self.border(target, source, stop, span)

    def border(self, target: Value, source: Value, start: Value, stop: Value) -> None:
        """Pixels of a row beyond the ends of the image."""
        b, tables, left = self.b, self.tables, self.given["left"]
        if tables is None:
            self.nothing(target, start, stop)
            return

        def one(i: Value) -> None:
            column = tables.pixel("column", left + i, self.given["width"])
            b.when(
                column < 0,
                lambda: self.nothing(target, i, i + 1),
                lambda: self.pixel(target, i, b.at(source, column * self.stored)),
            )

        b.loop(start, stop, one)

    def pixel(self, target: Value, number: Value, source: Value) -> None:
        """One pixel, and zeros for the channels that are added to it."""
        b = self.b
        at = b.at(target, number * self.channels)
        b.move(at, source, b.integer(self.stored))
        self.added(at)

    def nothing(self, target: Value, start: Value, stop: Value) -> None:
        """What stands where there is no pixel."""
        b = self.b
        if self.channels == self.stored or self.tables is None:
            b.fill(b.at(target, start * self.channels), self.constant, (stop - start) * self.channels)
            return

        def one(i: Value) -> None:
            at = b.at(target, i * self.channels)
            b.fill(at, self.constant, self.stored)
            self.added(at)

        b.loop(start, stop, one)

    def added(self, at: Value) -> None:
        """Zeros behind a pixel's own channels."""
        self.b.fill_zero(self.b.at(at, self.stored), self.channels - self.stored)
