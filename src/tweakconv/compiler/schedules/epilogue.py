"""What happens to a sum on its way from registers to memory: earlier chunks, bias, residual and activation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tweakconv.compiler import activations
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.lanes import Lanes
from tweakconv.compiler.spec import ConvSpec


@dataclass(frozen=True, slots=True)
class Epilogue:
    """The end of a microkernel, without branches but for the activations that take many instructions.

    A sum's first chunk starts from the bias, later ones from what the output holds; the last one adds the residual.

    Attributes
    ----------
    whole : bool
        Whether the sum has one chunk, known when the code is made.
    first, last : Value
        One bit: this is the sum's first chunk, and its last.
    residual : Value or None
        The residual of the first output; None where there is none.
    numbers : tuple of Lanes
        Those of a short activation, such as the lower bound of a ReLU; before the last chunk, ones that change nothing.
    """

    builder: Builder
    spec: ConvSpec
    whole: bool
    first: Value
    last: Value
    residual: Value | None
    numbers: tuple[Lanes, ...]

    @classmethod
    def of(cls, builder: Builder, spec: ConvSpec, mode: Value, residual: Value | None, *, whole: bool) -> Epilogue:
        """Prepare the end of a microkernel; bit 0 of `mode` says first chunk, bit 1 last."""
        first, last, numbers = (mode & 1).equals(1), (mode & 2).equals(2), []
        if spec.activation is not None and activations.is_short(spec.activation):
            for number, neutral in activations.short_numbers(spec.activation):
                value = builder.constant(number)
                value = value if whole else builder.select(last, value, builder.constant(neutral))
                numbers.append(Lanes(builder, value))
        return cls(builder, spec, whole, first, last, residual, tuple(numbers))

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
        unwanted
            `spare_room` for them.
        pixel
            Elements from one output pixel to the next.
        width
            Output channels.
        """
        b = self.builder
        vectors = -(-width // b.lanes)
        if rounds_late(self.spec):
            self._by_way_of(unwanted, sums, y, bias, count, pixel=pixel, width=width)
            return
        addend, addend_stride = bias, b.integer(0)
        residual, residual_stride = self.residual or unwanted, b.integer(pixel)
        if not self.whole:  # what is not to be added is read from where reading costs nothing
            addend, addend_stride = b.select(self.first, bias, y), b.select(self.first, 0, pixel)
            residual, residual_stride = b.select(self.last, residual, unwanted), b.select(self.last, pixel, 0)
        for p in range(len(sums) // vectors):
            target, before = b.at(y, p * pixel), b.at(addend, addend_stride * p)
            besides = b.at(residual, residual_stride * p)
            if p:
                wanted = count > p
                target, besides = b.select(wanted, target, unwanted), b.select(wanted, besides, unwanted)
                before = before if self.whole else b.select(wanted, before, unwanted)
            for v in range(vectors):
                filled = min(b.lanes, width - v * b.lanes)
                total = b.add(sums[p * vectors + v], b.load_part(b.at(before, v * b.lanes), filled))
                if self.residual is not None:
                    total = self.with_residual(total, b.load_part(b.at(besides, v * b.lanes), filled))
                b.store_part(self.finish(total), b.at(target, v * b.lanes), filled)
        self.activate(y, pixel, count, width)

    def _by_way_of(
        self, room: Value, sums: Sequence[Value], y: Value, bias: Value, count: Value, *, pixel: int, width: int
    ) -> None:
        """Store the sums of a whole chunk unrounded, apply the activation there, and only then round them."""
        b = self.builder
        vectors = -(-width // b.lanes)
        for number, products in enumerate(sums):
            p, v = number // vectors, number % vectors * b.lanes
            filled = min(b.lanes, width - v)
            total = b.add(products, b.load_part(b.at(bias, v), filled))
            if self.residual is not None:
                besides = b.at(self.residual, p * pixel)
                besides = b.select(count > p, besides, self.residual) if p else besides
                total = self.with_residual(total, b.load_part(b.at(besides, v), filled))
            b.store(total, b.at(room, number * b.lanes))
        b.call("activate", room, len(sums) * b.lanes, 1, len(sums) * b.lanes)
        b.loop(0, count, lambda p: b.copy(b.at(y, p * pixel), b.at(room, p * (vectors * b.lanes)), width))

    def with_residual(self, total: Value, residual: Value) -> Value:
        """The total with the residual added where this is the sum's last chunk."""
        b = self.builder
        return b.add(total, residual if self.whole else b.select(self.last, residual, b.zero()))

    def finish(self, total: Value) -> Value:
        """The activation of a total, where it is a short one and this is the sum's last chunk; NaN stays NaN."""
        if not self.numbers or self.spec.activation is None:
            return total
        return activations.apply_short(self.spec.activation, Lanes(self.builder, total), self.numbers).value

    def activate(self, y: Value, step: Value | int, pieces: Value | int, count: Value | int) -> None:
        """Apply an activation of many instructions to what the sum's last chunk has stored.

        It goes over `pieces` runs of `count` elements, the first at `y` and each `step` elements from the last.
        """
        b = self.builder
        if not activates_in_memory(self.spec):
            return
        if self.whole:
            b.call("activate", y, step, pieces, count)
        else:
            b.when(self.last, lambda: b.call("activate", y, step, pieces, count))


def rounds_late(spec: ConvSpec) -> bool:
    """Whether results cannot be stored and then activated, since storing them rounds them."""
    return bool(spec.y_stored) and activates_in_memory(spec)


def spare_room(b: Builder, spec: ConvSpec, pixels: int, padded: int) -> Value:
    """Room on the stack for pixels of so many channels: for one that is not stored, or for all before rounding."""
    return b.stack_room(pixels * padded) if rounds_late(spec) else b.stack_room(padded, spec.y_stored)


def activates_in_memory(spec: ConvSpec) -> bool:
    """Whether the code needs the function ``activate``."""
    return spec.activation is not None and not activations.is_short(spec.activation)


def emit_activate(b: Builder, spec: ConvSpec) -> None:
    """Define ``activate(y, step, pieces, count)``, see `Epilogue.activate`, where the code needs it.

    One function for all microkernels keeps the code small; the sums it reads have just been written, and so are in the
    first-level cache.
    """
    activation = spec.activation
    if activation is None or not activates_in_memory(spec):
        return

    def body(y: Value, step: Value, pieces: Value, count: Value) -> None:
        rest = b.stack_room(b.lanes)
        b.store(b.zero(), rest)
        joined = step.equals(count)  # runs one behind another are one
        length, turns = b.select(joined, pieces * count, count), b.select(joined, 1, pieces)

        def vector(at: Value) -> None:
            b.store(activations.apply(activation, Lanes(b, b.load(at, b.lanes))).value, at)

        def piece(i: Value) -> None:
            start = b.at(y, i * step)
            whole = length & -b.lanes
            left, end = length - whole, b.at(start, whole)
            b.loop(0, whole, lambda j: vector(b.at(start, j)), step=b.lanes)

            def last() -> None:
                b.copy(rest, end, left)
                vector(rest)
                b.copy(end, rest, left)

            b.when(left > 0, last)

        b.loop(0, turns, piece)

    b.function("activate", {"y": "ptr", "step": "i64", "pieces": "i64", "count": "i64"}, body)
