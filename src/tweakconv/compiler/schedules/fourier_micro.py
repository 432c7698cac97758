"""What happens to tiles in the schedule `fourier` besides transforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tweakconv.compiler.emit import Builder, Value

if TYPE_CHECKING:
    from tweakconv.compiler.schedules.fourier import FourierPlan

_BLOCK = 4
"""Rows of outputs that are summed together where that is done tap by tap."""


def emit_multiply(b: Builder, plan: FourierPlan) -> None:
    """Define ``multiply(lines, w)``: rows that have been turned over, by the kernel's transform."""

    def body(lines: Value, w: Value) -> None:
        def column(i: Value) -> None:
            places = [(b.at(at, i), b.at(b.at(at, i), b.lanes)) for at in (lines, w)]
            (a, c), (d, e) = ([b.load(place, b.lanes) for place in pair] for pair in places)
            b.store(b.subtract(b.combine("fmul", a, d), b.combine("fmul", c, e)), places[0][0])
            b.store(b.multiply_add(a, e, b.combine("fmul", c, d)), places[0][1])

        b.loop(0, 2 * b.lanes * plan.tile[1], column, step=2 * b.lanes, once=True)

    b.function("multiply", {"lines": "ptr", "w": "ptr"}, body)


def emit_finish(b: Builder, plan: FourierPlan) -> None:
    """Define ``finish(plane, rows, columns, bias, mark)``: adds the bias, and marks with 1 where not all is finite."""

    def body(plane: Value, rows: Value, columns: Value, bias: Value, mark: Value) -> None:
        addend = b.broadcast(b.load(bias))

        def row(r: Value, found: Value) -> list[Value]:
            def some(c: Value, found: Value) -> list[Value]:
                at = b.at(plane, r * plan.row + c)
                total = b.load(at, b.lanes)
                b.store(b.add(total, addend), at)
                return [b.add(found, b.subtract(total, total))]

            return list(b.loop(0, columns, some, [found], step=b.lanes, once=True))

        (found,) = b.loop(0, rows, row, [b.zero()], once=True)
        b.when(b.any_nan(found) > 0, lambda: b.store(b.integer(1), mark))

    b.function("finish", {"plane": "ptr", "rows": "i64", "columns": "i64", "bias": "ptr", "mark": "ptr"}, body)


def emit_taps(b: Builder, plan: FourierPlan) -> None:
    """Define ``taps(inputs, sums, rows, columns, w, bias)``: a tile's outputs by the definition."""
    spec = plan.spec
    (high, wide), (dilation_h, dilation_w) = spec.kernel, spec.dilation

    def body(inputs: Value, sums: Value, rows: Value, columns: Value, w: Value, bias: Value) -> None:
        addend = b.broadcast(b.load(bias))

        def block(r: Value, c: Value) -> None:
            row = b.minimum(r, plan.outputs[0] - _BLOCK)

            def kernel_row(k: Value, *carry: Value) -> list[Value]:
                def tap(j: Value, *carry: Value) -> list[Value]:
                    weight = b.broadcast(b.load(b.at(w, k * wide + j)))
                    start = (row + k * dilation_h) * plan.row + c + j * dilation_w
                    places = (b.at(inputs, start + i * plan.row) for i in range(_BLOCK))
                    return [
                        b.multiply_add(weight, b.load(place, b.lanes), total)
                        for place, total in zip(places, carry, strict=True)
                    ]

                return list(b.loop(0, wide, tap, carry, once=True))

            totals = b.loop(0, high, kernel_row, [b.zero()] * _BLOCK, once=True)
            for i, total in enumerate(totals):
                b.store(b.add(total, addend), b.at(sums, (row + i) * plan.row + c))

        def of_rows(r: Value) -> None:
            def of_column(c: Value) -> None:
                block(r, c)

            b.loop(0, columns, of_column, step=b.lanes)

        b.loop(0, rows, of_rows, step=_BLOCK)

    kinds = dict.fromkeys(("inputs", "sums", "w", "bias"), "ptr")
    names = ("inputs", "sums", "rows", "columns", "w", "bias")
    b.function("taps", {name: kinds.get(name, "i64") for name in names}, body)
