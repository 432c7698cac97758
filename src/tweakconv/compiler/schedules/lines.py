"""Rows of an image laid out anew, padding included: the channels of a pixel side by side, or apart in planes."""

from __future__ import annotations

from collections.abc import Callable

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.border import tables_of
from tweakconv.compiler.spec import ConvSpec

_INTEGERS = (
    "x_row", "x_channel", "row", "left", "height", "width", "step", "columns", "channels",
)  # fmt: skip


_PLANE_INTEGERS = ("x_row", "row", "left", "height", "width", "plane", "columns")


def emit_line(b: Builder, spec: ConvSpec, name: str, turn: str, fields: int, *, clears: bool = False) -> None:
    """Define ``name(x, x_row, x_channel, row, left, height, width, step, columns, channels, target, shape)``.

    It lays out some columns of one row, from the column `left` on, both of which may lie in the padding; a pixel's
    channels are followed by the next one's `step` elements on. `shape` are the run-time integers of the call, in which
    the tables of the border stand behind `fields` others.

    Parameters
    ----------
    turn
        The name of a transpose that spills over what follows, or one that is only called with whole vectors.
    clears
        Whether elements between one pixel's channels and the next pixel are set to zero where they are not spilled
        over, because they are read.
    """

    def body(
        x: Value, x_row: Value, x_channel: Value, row: Value, left: Value, height: Value, width: Value, step: Value,
        columns: Value, channels: Value, target: Value, shape: Value,
    ) -> None:  # fmt: skip
        tables = tables_of(b, spec, shape, fields)
        constant = b.scalar_zero() if tables is None else tables.constant()
        first = b.minimum(b.maximum(b.integer(0) - left, 0), columns)
        stop = b.maximum(b.minimum(width - left, columns), first)
        position = row if tables is None else tables.pixel("row", row, height)

        def beyond(source: Value, start: Value, stop: Value) -> None:
            """Columns that lie beyond the ends of the image's."""
            if tables is None:
                b.fill_zero(b.at(target, start * step), (stop - start) * step)
                return

            def one(i: Value) -> None:
                column, at = tables.pixel("column", left + i, width), b.at(target, i * step)
                b.when(
                    column < 0,
                    lambda: b.fill(at, constant, channels),
                    lambda: b.call(turn, b.at(source, column), x_channel, channels, at, step, 1),
                )

            b.loop(start, stop, one)

        def inside() -> None:
            source = b.at(x, position * x_row)
            at = b.at(target, first * step)
            b.call(turn, b.at(source, left + first), x_channel, channels, at, step, stop - first)
            beyond(source, stop, columns)  # behind first: few channels spill over what follows
            beyond(source, b.integer(0), first)

        if clears:
            b.fill_zero(target, columns * step)
        b.when(position.below(height), inside, lambda: b.fill(target, constant, columns * step))

    b.function(name, {"x": "ptr", **dict.fromkeys(_INTEGERS, "i64"), "target": "ptr", "shape": "ptr"}, body)


def emit_plane_line(
    b: Builder, spec: ConvSpec, name: str, turn: Callable[[Value, Value, Value, Value], None], fields: int
) -> None:
    """Define ``name(x, x_row, row, left, height, width, plane, columns, target, shape)``.

    It lays out some columns of one row with channels_last, from the column `left` on, as a row of each of the planes,
    which lie `plane` elements apart, by ``turn(pixels, planes, plane, count)``. All else is as in `emit_line`.
    """
    channels = spec.in_channels

    def body(
        x: Value, x_row: Value, row: Value, left: Value, height: Value, width: Value, plane: Value, columns: Value,
        target: Value, shape: Value,
    ) -> None:  # fmt: skip
        tables = tables_of(b, spec, shape, fields)
        constant = b.scalar_zero() if tables is None else tables.constant()
        first = b.minimum(b.maximum(b.integer(0) - left, 0), columns)
        stop = b.maximum(b.minimum(width - left, columns), first)
        position = row if tables is None else tables.pixel("row", row, height)

        def fill(start: Value, stop: Value) -> None:
            b.loop(0, channels, lambda c: b.fill(b.at(target, c * plane + start), constant, stop - start))

        def beyond(source: Value, start: Value, stop: Value) -> None:
            """Columns that lie beyond the ends of the image's."""
            if tables is None:
                b.when(start < stop, lambda: fill(start, stop), lambda: None)
                return

            def one(i: Value) -> None:
                column, at = tables.pixel("column", left + i, width), b.at(target, i)

                def copy() -> None:
                    pixel = b.at(source, column * channels)
                    b.loop(0, channels, lambda c: b.store(b.load(b.at(pixel, c)), b.at(at, c * plane)))

                b.when(column < 0, lambda: fill(i, i + 1), copy)

            b.loop(start, stop, one)

        def inside() -> None:
            source = b.at(x, position * x_row)
            pixels = b.at(source, (left + first) * channels)
            turn(pixels, b.at(target, first), plane, stop - first)
            beyond(source, b.integer(0), first)
            beyond(source, stop, columns)

        b.when(position.below(height), inside, lambda: fill(b.integer(0), columns))

    b.function(name, {"x": "ptr", **dict.fromkeys(_PLANE_INTEGERS, "i64"), "target": "ptr", "shape": "ptr"}, body)
