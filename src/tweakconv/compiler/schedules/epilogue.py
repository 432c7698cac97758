"""What happens to a sum on its way from registers to memory: earlier chunks, bias and activation."""

from __future__ import annotations

from collections.abc import Sequence
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

    def store_pixels(
        self, sums: Sequence[Value], y: Value, bias: Value, count: Value, unwanted: Value, *, pixel: int, width: int
    ) -> None:
        """Store sums whose lanes are output channels, pixel by pixel and in each vector by vector.

        Parameters
        ----------
        sums
            As many vectors for each pixel as hold `width` channels.
        y, bias
            The first pixel's first output, and the bias of the first channel.
        count
            Pixels to store; the others go to `unwanted`, so that there is no branch and no memory of others is touched.
        pixel
            Elements from one output pixel to the next.
        width
            Output channels.
        """
        b = self.builder
        vectors = -(-width // b.lanes)
        addend, addend_stride = bias, b.integer(0)
        if not self.whole:
            addend, addend_stride = b.select(self.first, bias, y), b.select(self.first, 0, pixel)
        for p in range(len(sums) // vectors):
            target, before = b.at(y, p * pixel), b.at(addend, addend_stride * p)
            if p:
                target = b.select(count > p, target, unwanted)
                before = before if self.whole else b.select(count > p, before, unwanted)
            for v in range(vectors):
                filled = min(b.lanes, width - v * b.lanes)
                total = b.add(sums[p * vectors + v], b.load_part(b.at(before, v * b.lanes), filled))
                b.store_part(self.finish(total), b.at(target, v * b.lanes), filled)

    def finish(self, total: Value) -> Value:
        """The activation of a total, where there is one; NaN stays NaN."""
        return total if self.floor is None else self.builder.raise_to(total, self.floor)
