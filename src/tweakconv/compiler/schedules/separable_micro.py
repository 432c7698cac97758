"""The microkernels of the schedule `separable`: a block of sums along the columns, one of outputs along the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.epilogue import Epilogue

if TYPE_CHECKING:
    from tweakconv.compiler.schedules.separable import SeparablePlan

_Pairs = Sequence[tuple[int, int]]

_UNROLLED_PRODUCTS = 96


def emit_down(b: Builder, plan: SeparablePlan, vectors: int) -> None:
    """Define ``down_V(x, x_row, w, sums, sums_row)``: a factor's sums along the columns, a block of rows of them.

    With stride and dilation 1, an input row that has been loaded is multiplied for every output row that it is under.
    """
    spec, lanes = plan.spec, b.lanes
    taps, block = spec.kernel[0], plan.block
    dense = spec.strides[0] == spec.dilation[0] == 1

    def body(x: Value, x_row: Value, w: Value, sums: Value, sums_row: Value) -> None:
        def under(row: Value | int, weights: Value, pairs: _Pairs, totals: Sequence[Value]) -> list[Value]:
            """Multiply an input row for output rows, each by the weight of a number."""
            new, at = list(totals), b.at(x, x_row * row)
            inputs = [b.load(b.at(at, v * lanes), lanes) for v in range(vectors)]
            for r, k in pairs:
                weight = b.broadcast(b.load(b.at(weights, k)))
                for v in range(vectors):
                    new[r * vectors + v] = b.multiply_add(weight, inputs[v], new[r * vectors + v])
            return new

        totals = [b.zero()] * (block * vectors)
        if dense:
            full = range(block - 1, taps)  # input rows under all output rows

            def all_rows(i: Value, *carry: Value) -> list[Value]:
                return under(i, b.at(w, i), [(r, -r) for r in range(block)], carry)

            for i in range(taps + block - 1):
                if i not in full:
                    totals = under(i, w, [(r, i - r) for r in range(block) if 0 <= i - r < taps], totals)
                elif i == full.start:
                    totals = list(b.loop(full.start, full.stop, all_rows, totals, once=True))
        else:

            def each_row(k: Value, *carry: Value) -> list[Value]:
                new, weights = list(carry), b.at(w, k)
                for r in range(block):
                    new = under(k * spec.dilation[0] + r * spec.strides[0], weights, [(r, 0)], new)
                return new

            totals = list(b.loop(0, taps, each_row, totals, once=True))
        for r in range(block):
            for v in range(vectors):
                b.store(totals[r * vectors + v], b.at(b.at(sums, sums_row * r), v * lanes))

    kinds = {"x": "ptr", "x_row": "i64", "w": "ptr", "sums": "ptr", "sums_row": "i64"}
    b.function(f"down_{vectors}", kinds, body)


def emit_across(b: Builder, plan: SeparablePlan, vectors: int) -> None:
    """Define ``across_V(sums, sums_row, sums_factor, rows, x, x_row, w, y, y_row, bias)``: a block of outputs.

    They are sums of what ``down`` has left along the rows, by all factors' `rows`; where those are not finite, of the
    input at `x` by the kernel `w`. With a residual, where its first element is comes last.
    """
    spec, lanes, block = plan.spec, b.lanes, plan.block
    (high, wide), (stride_h, stride_w), (dilation_h, dilation_w) = spec.kernel, spec.strides, spec.dilation
    unroll = _unrolled(plan, wide, vectors)

    def body(
        sums: Value, sums_row: Value, sums_factor: Value, rows: Value, x: Value, x_row: Value, w: Value,
        y: Value, y_row: Value, bias: Value, *residuals: Value,
    ) -> None:  # fmt: skip
        def along(source: Value, row: Value, weights: Value, totals: Sequence[Value]) -> Sequence[Value]:
            """Add to the totals of a block: taps along a row of each of its rows."""

            def some(j: Value, *carry: Value) -> list[Value]:
                new = list(carry)
                for u in range(unroll):
                    weight, column = b.broadcast(b.load(b.at(weights, j + u))), b.at(source, (j + u) * dilation_w)
                    for r in range(block):
                        at = b.at(column, row * r)
                        for v in range(vectors):
                            inputs = b.load_strided(b.at(at, v * lanes * stride_w), stride_w)
                            new[r * vectors + v] = b.multiply_add(weight, inputs, new[r * vectors + v])
                return new

            return b.loop(0, wide, some, totals, step=unroll, once=True)

        def of_factor(i: Value, *carry: Value) -> Sequence[Value]:
            return along(b.at(sums, i * sums_factor), sums_row, b.at(rows, i * wide), carry)

        def of_kernel_row(k: Value, *carry: Value) -> Sequence[Value]:
            return along(b.at(x, k * dilation_h * x_row), x_row * stride_h, b.at(w, k * wide), carry)

        zeros = [b.zero()] * (block * vectors)
        totals = list(b.loop(0, plan.rank, of_factor, zeros, once=True))
        marks = [b.subtract(total, total) for total in totals]  # NaN where it is not finite, else 0
        mark = marks[0]
        for other in marks[1:]:
            mark = b.add(mark, other)

        def by_definition() -> list[Value]:
            exact = b.loop(0, high, of_kernel_row, zeros, once=True)
            bad = [b.order("uno", m, m) for m in marks]
            return [b.choose(*three) for three in zip(bad, exact, totals, strict=True)]

        totals = list(b.when(b.any_nan(mark) > 0, by_definition, lambda: totals))
        residual = residuals[0] if residuals else None
        end = Epilogue.of(b, spec, b.integer(0), residual, whole=True)
        addend = b.broadcast(b.load(bias))
        for r in range(block):
            for v in range(vectors):
                total = b.add(totals[r * vectors + v], addend)
                if residual is not None:
                    total = end.with_residual(total, b.load(b.at(b.at(residual, y_row * r), v * lanes), lanes))
                b.store(end.finish(total), b.at(b.at(y, y_row * r), v * lanes))
        end.activate(y, y_row, block, vectors * lanes)

    names = ("sums", "sums_row", "sums_factor", "rows", "x", "x_row", "w", "y", "y_row", "bias")
    pointers = {**dict.fromkeys(("sums", "rows", "x", "w", "bias"), "ptr"), "y": spec.pointers["y"]}
    kinds = {name: pointers.get(name, "i64") for name in names}
    b.function(f"across_{vectors}", {**kinds, **({"residual": spec.pointers["y"]} if spec.residual else {})}, body)


def _unrolled(plan: SeparablePlan, taps: int, vectors: int) -> int:
    most = _UNROLLED_PRODUCTS // (vectors * plan.block) if vectors == plan.vectors else 1
    return max(u for u in range(1, max(1, most) + 1) if taps % u == 0)
