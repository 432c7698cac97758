"""The microkernel of a kernel gradient: a tile of sums that stays in registers while a part's pixels go past.

For each pixel it loads the tile's output channels of `dy` as vectors, and for each row of the tile one input value that
is broadcast to all lanes, or, where every lane has an input channel of its own, a vector.
"""

from __future__ import annotations

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.kernel_grad.ahead import PARAMETERS, ask
from tweakconv.compiler.kernel_grad.plan import KernelGradPlan

_LEAST_SUMS = 8
"""Sums a processor adds to at a time; smaller tiles take several pixels, each with sums of its own."""

_MOST_SETS = 4


def micro_name(rows: int, width: int) -> str:
    """The microkernel for so many rows and output channels."""
    return f"micro_{rows}x{width}"


def emit_micro(b: Builder, plan: KernelGradPlan, rows: int, width: int, pixel: int | None = None) -> None:
    """Define ``micro(x, dy, sums, table, count, first, near, near_step, far, far_step)``.

    It takes `count` pixels: pixel `p` has its inputs ``table[p]`` elements behind `x` and its outputs the p-th in
    `dy`. The sums of the pixels are stored where `first` is 1, and else added to what is there. The rest is what each
    pixel asks for ahead.

    Parameters
    ----------
    pixel
        Elements from one pixel's outputs to the next one's; where None, they lie one behind another.
    """
    lanes, step, apart = b.lanes, plan.row_step, plan.spec.out_channels
    vectors = -(-width // lanes)
    each = vectors * lanes if pixel is None else pixel
    sets = min(_MOST_SETS, -(-_LEAST_SUMS // (rows * vectors)))

    def products(p: Value, x: Value, dy: Value, table: Value, sums: tuple[Value, ...]) -> list[Value]:
        at = b.at(x, b.load_integer(b.integer_at(table, p), 0))
        outputs = b.at(dy, p * each)
        grads = [b.load(b.at(outputs, v * lanes), lanes) for v in range(vectors)]
        new = []
        for r in range(rows):
            shared = None if plan.lanewise else b.broadcast(b.load(b.at(at, r * step)))
            for v in range(vectors):
                value = shared or b.load(b.at(at, r * step + v * lanes), lanes)
                new.append(b.multiply_add(value, grads[v], sums[r * vectors + v]))
        return new

    def body(
        x: Value, dy: Value, out: Value, table: Value, count: Value, first: Value, *later: Value
    ) -> None:  # fmt: skip
        size = rows * vectors

        def some(p: Value, *sums: Value) -> list[Value]:
            ask(b, p, *later)
            parts = (products(p + i, x, dy, table, sums[i * size : (i + 1) * size]) for i in range(sets))
            return [value for part in parts for value in part]

        whole = count // sets * sets
        sums = b.loop(0, whole, some, [b.zero()] * (size * sets), step=sets)
        for i in range(1, sets):
            sums = (*map(b.add, sums[:size], sums[i * size : (i + 1) * size]), *sums[size:])
        total = sums[:size]
        if sets > 1:
            total = b.loop(whole, count, lambda p, *sums: products(p, x, dy, table, sums), total)

        def store(*, add: bool) -> None:
            for r in range(rows):
                for v in range(vectors):
                    target, filled = b.at(out, r * apart + v * lanes), min(lanes, width - v * lanes)
                    value = total[r * vectors + v]
                    b.store_part(b.add(value, b.load_part(target, filled)) if add else value, target, filled)

        b.when(first.equals(1), lambda: store(add=False), lambda: store(add=True))

    pointers = dict.fromkeys(("x", "dy", "out", "table"), "ptr")
    b.function(micro_name(rows, width), {**pointers, "count": "i64", "first": "i64", **PARAMETERS}, body)
