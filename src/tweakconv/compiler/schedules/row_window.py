"""The window of a block of outputs of one channel, with channels_first: its inputs, padding and all, row behind row."""

from __future__ import annotations

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.border import tables_of
from tweakconv.compiler.spec import ConvSpec


def emit_fill(b: Builder, spec: ConvSpec, fields: int) -> None:
    """Define ``fill(window, x, ih, iw, rows, span, step, height, width, x_row, shape)``.

    It copies `rows` rows of `span` columns, the first at row `ih` and column `iw` of the image, to rows `step` elements
    apart, and widens numbers that are stored in another type. `shape` are the run-time integers of the call, in which
    the tables of the border stand behind `fields` others.
    """

    def body(
        window: Value, x: Value, ih: Value, iw: Value, rows: Value, span: Value, step: Value,
        height: Value, width: Value, x_row: Value, shape: Value,
    ) -> None:  # fmt: skip
        tables = tables_of(b, spec, shape, fields)
        nothing = b.scalar_zero() if tables is None else tables.constant()
        left = b.minimum(b.maximum(b.integer(0) - iw, 0), span)
        right = b.maximum(b.minimum(width - iw, span), left)

        def row(r: Value) -> None:
            target, position = b.at(window, r * step), ih + r
            source_row = position if tables is None else tables.pixel("row", position, height)
            source = b.at(x, source_row * x_row)

            def beside(start: Value, stop: Value) -> None:
                if tables is None:
                    b.fill(b.at(target, start), nothing, stop - start)
                    return

                def one(i: Value) -> None:
                    column, at = tables.pixel("column", iw + i, width), b.at(target, i)
                    inside = column.below(width)
                    b.when(inside, lambda: b.copy(at, b.at(source, column), 1), lambda: b.fill(at, nothing, 1))

                b.loop(start, stop, one)

            def inside() -> None:
                beside(b.integer(0), left)
                b.copy(b.at(target, left), b.at(source, iw + left), right - left)
                beside(right, span)

            b.when(source_row.below(height), inside, lambda: b.fill(target, nothing, span))

        b.loop(0, rows, row, once=True)

    pointers = {"window": "ptr", "x": spec.pointers["x"], "shape": "ptr"}
    names = ("window", "x", "ih", "iw", "rows", "span", "step", "height", "width", "x_row", "shape")
    b.function("fill", {name: pointers.get(name, "i64") for name in names}, body)
