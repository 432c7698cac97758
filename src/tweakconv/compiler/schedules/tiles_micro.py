"""What is done with two tiles of pixels: their sums under all taps, and what follows a sum on its way to memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tweakconv.compiler.emit import Value
from tweakconv.compiler.emit.tiles import ROW_BYTES, ROWS, TileBuilder
from tweakconv.compiler.schedules.epilogue import Epilogue, rounds_late

if TYPE_CHECKING:
    from tweakconv.compiler.schedules.tiles import TilesPlan

_PIXELS, _WEIGHTS = (4, 5), (6, 7)
"""Tiles of what is multiplied; those of sums come before them."""


def sums_name(across: int) -> str:
    """The function that sums for so many tiles of output channels."""
    return f"sums_{across}"


def finish_name(width: int) -> str:
    """The function that ends sums of so many output channels."""
    return f"finish_{width}"


def emit_sums(b: TileBuilder, plan: TilesPlan, across: int) -> None:
    """Define ``sums(first, second, x_tap, w, room)``: the sums of two tiles of pixels, left in memory.

    `first` and `second` are the input of the tiles' first pixels under the first tap, `x_tap` the elements from a
    kernel row's input to the next's. A pixel's sums lie side by side, the second tile's pixels behind the first's 16.
    """
    spec, depth = plan.spec, plan.depth
    pixel_bytes = 2 * spec.strides[1] * plan.channels
    sums = [(half, of) for half in range(2) for of in range(across)]

    def body(first: Value, second: Value, x_tap: Value, w: Value, room: Value) -> None:
        def products(at: tuple[Value, Value], w: Value) -> list[Value]:
            for of in range(across):
                b.load_tile(_WEIGHTS[of], b.at(w, of * plan.tile_weights), ROW_BYTES)
            for half in range(2):
                b.load_tile(_PIXELS[half], at[half], pixel_bytes)
                for of in range(across):
                    b.multiply_tiles(half * across + of, _PIXELS[half], _WEIGHTS[of])
            b.stay_awake(room)
            return [b.at(w, across * plan.tile_weights)]

        def run(row: tuple[Value, Value], number: Value, w: Value) -> list[Value]:
            start = number * (spec.dilation[1] * plan.channels)
            at = b.at(row[0], start), b.at(row[1], start)
            return list(
                b.loop(
                    0, plan.run, lambda i, w: products((b.at(at[0], i), b.at(at[1], i)), w), [w], step=depth, once=True
                )
            )

        def row(number: Value, w: Value) -> list[Value]:
            at = b.at(first, number * x_tap), b.at(second, number * x_tap)
            return list(b.loop(0, plan.runs, lambda i, w: run(at, i, w), [w], once=True))

        for number in range(len(sums)):
            b.zero_tile(number)
        b.loop(0, spec.kernel[0], row, [w], once=True)
        for number, (half, of) in enumerate(sums):
            b.store_tile(number, b.at(room, half * across * ROWS * ROWS + of * ROWS), across * ROW_BYTES)

    kinds = {"first": "ptr bfloat16", "second": "ptr bfloat16", "x_tap": "i64", "w": "ptr bfloat16", "room": "ptr"}
    b.function(sums_name(across), kinds, body)


def emit_finish(b: TileBuilder, plan: TilesPlan, width: int) -> None:
    """Define ``finish(sums, bias, y, residual, unwanted, column, columns, wrap, y_row, count)``: store a tile's sums.

    `y` and `residual` are those of the first of `count` pixels, at a column of a region of so many columns. Every
    `wrap` pixels another row begins; those between `columns` and `wrap` are not stored, but go to `unwanted`.
    """
    spec = plan.spec
    vectors = -(-width // b.lanes)
    late = rounds_late(spec)

    def body(
        sums: Value, bias: Value, y: Value, residual: Value, unwanted: Value,
        column: Value, columns: Value, wrap: Value, y_row: Value, count: Value,
    ) -> None:  # fmt: skip
        end = Epilogue.of(b, spec, b.integer(3), residual if spec.residual else None, whole=True)

        def pixels(each: Callable[[Value, Value, Value], None]) -> None:
            """Run ``each(sums, y, residual)`` for each pixel."""

            def apart(i: Value, column: Value, at: Value) -> list[Value]:
                wanted = column < columns
                target, besides = (b.select(wanted, b.at(p, at), unwanted) for p in (y, residual))
                each(b.at(sums, i * (vectors * b.lanes)), target, besides)
                following = column + 1
                ends = following.equals(wrap)
                further = b.select(ends, y_row - wrap * spec.out_channels, 0)
                return [b.select(ends, 0, following), at + spec.out_channels + further]

            def side_by_side(i: Value) -> None:
                at = i * spec.out_channels
                each(b.at(sums, i * (vectors * b.lanes)), b.at(y, at), b.at(residual, at))

            b.when(
                column + count <= columns,
                lambda: b.loop(0, count, side_by_side, once=True),
                lambda: b.loop(0, count, apart, [column, b.integer(0)], once=True) and None,
            )

        def total(sums: Value, residual: Value, v: int) -> Value:
            start, filled = v * b.lanes, min(b.lanes, width - v * b.lanes)
            found = b.add(b.load(b.at(sums, start), b.lanes), b.load(b.at(bias, start), b.lanes))
            if not spec.residual:
                return found
            return end.with_residual(found, b.load_part(b.at(residual, start), filled))

        def at_once(sums: Value, y: Value, residual: Value) -> None:
            for v in range(vectors):
                start, filled = v * b.lanes, min(b.lanes, width - v * b.lanes)
                b.store_part(end.finish(total(sums, residual, v)), b.at(y, start), filled)

        def added(sums: Value, _: Value, residual: Value) -> None:
            for v in range(vectors):
                b.store(total(sums, residual, v), b.at(sums, v * b.lanes))

        def stored(sums: Value, y: Value, _: Value) -> None:
            for v in range(vectors):
                start = v * b.lanes
                b.store_part(b.load(b.at(sums, start), b.lanes), b.at(y, start), min(b.lanes, width - start))

        if not late:
            pixels(at_once)
            return
        pixels(added)
        numbers = count * (vectors * b.lanes)
        b.call("activate", sums, numbers, 1, numbers)
        pixels(stored)

    pointers = {"sums": "ptr", "bias": "ptr", **dict.fromkeys(("y", "residual", "unwanted"), "ptr bfloat16")}
    integers = dict.fromkeys(("column", "columns", "wrap", "y_row", "count"), "i64")
    b.function(finish_name(width), {**pointers, **integers}, body)
