"""Asking for memory ahead: while a block is multiplied, what the next one copies is brought to the second-level cache.

Copies take their time waiting for memory, and products take none of it. So with each pixel a microkernel asks for a
little of what lies behind the block, which with channels_last is the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

from tweakconv.compiler.emit import Builder, Value

PARAMETERS = {"near": "ptr", "near_step": "i64", "far": "ptr", "far_step": "i64"}
"""What a microkernel takes besides: two places in memory, and elements that each pixel moves on."""


def ask(b: Builder, pixel: Value, near: Value, near_step: Value, far: Value, far_step: Value) -> None:
    """Ask for the cache lines of a pixel."""
    b.prefetch(b.at(near, pixel * near_step))
    b.prefetch(b.at(far, pixel * far_step))


@dataclass(frozen=True, slots=True)
class Ahead:
    """Two ranges of memory, of the inputs and of the outputs' gradients, of which each microkernel asks for a part.

    Attributes
    ----------
    cell : Value
        Two integers: how many elements of each range have been asked for.
    starts, steps : tuple of Value
        Where the ranges begin, and elements that each pixel asks for.
    """

    b: Builder
    cell: Value
    starts: tuple[Value, Value]
    steps: tuple[Value, Value]

    @classmethod
    def of(cls, b: Builder, cell: Value, blocks: tuple[tuple[Value, Value], ...], pixels: Value) -> Ahead:
        """What lies behind blocks, each with its start and its elements, for microkernels of so many pixels in all."""
        for i in range(2):
            b.store(b.integer(0), b.integer_at(cell, i))
        (x, x_size), (y, y_size) = blocks
        steps = [(size + (pixels - 1)) // pixels for size in (x_size, y_size)]
        return cls(b, cell, (b.at(x, x_size), b.at(y, y_size)), (steps[0], steps[1]))

    def arguments(self, pixels: Value) -> list[Value]:
        """Those of a microkernel of some pixels."""
        b, values = self.b, []
        for i, (start, step) in enumerate(zip(self.starts, self.steps, strict=True)):
            done = b.load_integer(self.cell, i)
            b.store(done + step * pixels, b.integer_at(self.cell, i))
            values += [b.at(start, done), step]
        return values
