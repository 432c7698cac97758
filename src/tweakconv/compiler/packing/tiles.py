"""Kernels as tiles of bfloat16: the code that packs for the schedule of that name.

Two tiles of 16 output channels side by side, the last perhaps alone, have all that their sums take, tile after tile. A
row of a tile has the weights of two input channels in turns, each the upper half of a float32. The code is one for all
kernels. It also finds the largest magnitude among the weights.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tweakconv.compiler.build import load
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.tasks import define_run, emit_tasks
from tweakconv.compiler.target import Target

if TYPE_CHECKING:
    from tweakconv.compiler.jit import Loaded

FIELDS = (
    "source", "row", "column", "channel", "rows", "columns", "in_channels", "out_channels", "channels", "depth",
    "steps", "blocks",
)  # fmt: skip
"""The run-time integers.

Where the kernel's first weight lies in the source, and elements from one to the next along its axes; output channels
lie side by side. Its sizes; input channels as they are padded; how many of the numbers of a pixel a tile holds, how
many tiles a sum takes, and how many blocks of up to two tiles of output channels there are, each of which is a task.
"""


@functools.cache
def tiler(target: Target) -> Loaded:
    """The code."""
    return load(emit(target), ("run",), target)


def emit(target: Target) -> str:
    """The LLVM module of the code; its one public function is ``run``, called as that of `moves`."""
    b = Builder(target, "float")
    define_run(b, _Driver(b).run)
    return b.module()


class _Driver:
    """Emits ``run``: take blocks of output channels until none is left."""

    def __init__(self, b: Builder) -> None:
        self.b = b

    def run(
        self, x: Value, w: Value, bias: Value, y: Value, residual: Value, shape: Value, shared: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        b = self.b
        s = self.shape = b.load_integers(shape, FIELDS)
        self.zeros, self.some = b.stack_room(b.lanes), b.stack_room(2 * b.lanes)
        b.fill_zero(self.zeros, b.lanes)
        self.tile = s["depth"] // 2 * b.lanes  # elements, each of two weights

        def block(ticket: Value) -> None:
            first = ticket * (2 * b.lanes)
            source, count = b.at(x, s["source"] + first), s["out_channels"] - first
            target = b.at(y, ticket * 2 * s["steps"] * self.tile)
            (largest,) = b.when(
                count > b.lanes,
                lambda: [self.outputs(source, target, 2, count)],
                lambda: [self.outputs(source, target, 1, count)],
            )
            b.raise_to(residual, b.highest(largest))

        emit_tasks(b, shared, flags, s["blocks"], block)

    def outputs(self, source: Value, target: Value, across: int, count: Value) -> Value:
        """All weights of one or two tiles of output channels; returns the largest magnitudes."""
        b, s = self.b, self.shape
        rows_of_tile = s["depth"] // 2

        def pair(start: Value, channel: Value, at: Value, left: Value, largest: Value) -> list[Value]:
            for of in range(across):
                begin = of * b.lanes
                even, odd = (self.weights(b.at(start, begin), channel + i, count - begin, i) for i in range(2))
                b.store(self.joined(even, odd), b.at(target, at + self.tile * of))
                largest = b.larger(b.larger(largest, b.magnitudes(even)), b.magnitudes(odd))
            ends = left.equals(1)
            following = at + b.lanes + b.select(ends, self.tile * (across - 1), 0)
            return [following, b.select(ends, rows_of_tile, left - 1), largest]

        def tap(row: Value, column: Value, carry: Sequence[Value]) -> Sequence[Value]:
            start = b.at(source, row * s["row"] + column * s["column"])
            return b.loop(0, s["channels"], lambda i, *carry: pair(start, i, *carry), carry, step=2, once=True)

        def row(number: Value, *carry: Value) -> Sequence[Value]:
            return b.loop(0, s["columns"], lambda i, *carry: tap(number, i, carry), carry, once=True)

        return b.loop(0, s["rows"], row, [b.integer(0), rows_of_tile, b.magnitudes(b.zero())], once=True)[-1]

    def weights(self, source: Value, channel: Value, count: Value, half: int) -> Value:
        """Those of 16 output channels, of which there may be fewer; zeros for channels that are added."""
        b, s = self.b, self.shape
        at = b.select(channel < s["in_channels"], b.at(source, channel * s["channel"]), self.zeros)
        room = b.at(self.some, half * b.lanes)

        def copied() -> list[Value]:
            b.fill_zero(room, b.lanes)
            b.copy(room, at, count)
            return [room]

        (whole,) = b.when(count < b.lanes, copied, lambda: [at])
        return b.load(whole, b.lanes)

    def joined(self, even: Value, odd: Value) -> Value:
        """The upper halves of two vectors in turns."""
        b, kind = self.b, f"<{self.b.lanes} x i32>"
        lower = b.combine("lshr", b.reinterpret(even, kind), b.splat(16, b.lanes))
        upper = b.combine("and", b.reinterpret(odd, kind), b.splat(0xFFFF0000, b.lanes))
        return b.reinterpret(b.combine("or", lower, upper), even.type)
