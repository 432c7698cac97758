"""What happens to a sum on its way from registers to memory: earlier chunks, bias and activation."""

from __future__ import annotations

from dataclasses import dataclass

from tweakconv.compiler.emit import Builder, Value


@dataclass(frozen=True, slots=True)
class Epilogue:
    """The end of a microkernel, without branches.

    A sum's first chunk starts from the bias, later ones from what the output holds; the activation is a lower
    bound that is minus infinity until the last chunk.

    Attributes
    ----------
    whole : bool
        Whether the sum has one chunk, known when the code is made.
    first : Value
        One bit: this is the sum's first chunk.
    floor : Value or None
        A vector: what results are raised to; None where there is no activation.
    """

    builder: Builder
    whole: bool
    first: Value
    floor: Value | None

    @classmethod
    def of(cls, builder: Builder, mode: Value, *, whole: bool, relu: bool) -> Epilogue:
        """Prepare the end of a microkernel; bit 0 of `mode` says first chunk, bit 1 last."""
        floor = None
        if relu:
            floor = builder.zero()
            if not whole:
                floor = builder.select((mode & 2).equals(2), floor, builder.minus_infinity())
        return cls(builder, whole, (mode & 1).equals(1), floor)

    def addends(self, bias: Value, old: Value, old_stride: int) -> tuple[Value, Value]:
        """Where the addends of successive pixels lie, and how far apart."""
        b = self.builder
        if self.whole:
            return bias, b.integer(0)
        return b.select(self.first, bias, old), b.select(self.first, 0, old_stride)

    def finish(self, total: Value) -> Value:
        """The activation of a total, where there is one; NaN stays NaN."""
        return total if self.floor is None else self.builder.raise_to(total, self.floor)
