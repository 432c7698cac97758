"""Pixels that no output reads: which ones, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tweakconv.geometry.arguments import axis_name

if TYPE_CHECKING:
    from tweakconv.geometry.axis import AxisGeometry


@dataclass(frozen=True, slots=True, repr=False)
class UnreadPixels:
    """The pixels of one axis that no output reads, by reason, as ranges of pixel indices.

    Each unread pixel stands under one reason. Iterating gives the pixels in order, `len` counts them, and
    printing explains them.

    Parameters
    ----------
    axis
        The geometry whose pixels these are.
    head
        Before the first window, where a negative pad crops.
    tail
        Behind the last window, where a further stride does not fit or a negative pad crops.
    lattice
        Under the windows, but on positions where no tap can ever land: there are min(kernel, stride / gcd)
        such positions in each stride, with gcd the common factor of stride and dilation.
    gap
        Under the windows, and only windows before the first one or behind the last one would read them.

    Examples
    --------
    >>> from tweakconv.geometry import AxisGeometry
    >>> unread = AxisGeometry(input=8, kernel=3, stride=2, dilation=2).unread()
    >>> list(unread), len(unread)
    ([1, 3, 5, 7], 4)
    >>> unread.why(3), unread.why(7), unread.why(4)
    ('lattice', 'tail', None)
    """

    axis: AxisGeometry
    head: range
    tail: range
    lattice: tuple[range, ...]
    gap: tuple[range, ...]

    @classmethod
    def of(cls, axis: AxisGeometry) -> UnreadPixels:
        """Find the unread pixels; the cost grows with kernel and stride, not with the input."""
        start = axis.first(0)
        stop = axis.first(axis.output - 1) + axis.effective_kernel
        # Windows begin a stride apart, so all that matters of a tap is its remainder by the stride; the
        # remainders come round again after `period` taps.
        period = axis.stride // math.gcd(axis.stride, axis.dilation)
        first_tap = {k * axis.dilation % axis.stride: k for k in range(min(axis.kernel, period))}
        lattice, gap = [], []
        for remainder in range(min(axis.stride, stop - start)):
            if remainder not in first_tap:
                lattice.append(pixels_at(axis, start + remainder, stop, axis.stride))
                continue
            # Each tap reads one position per output; what it does not reach, the next tap of its kind may.
            reached = start + remainder
            for k in range(first_tap[remainder], axis.kernel, period):
                tap = start + k * axis.dilation
                gap.append(pixels_at(axis, reached, tap, axis.stride))
                reached = tap + axis.output * axis.stride
            gap.append(pixels_at(axis, reached, stop, axis.stride))
        return cls(
            axis,
            head=pixels_at(axis, 0, start),
            tail=pixels_at(axis, stop, axis.effective_input),
            lattice=tuple(filter(None, lattice)),
            gap=tuple(filter(None, gap)),
        )

    def counts(self) -> dict[str, int]:
        """How many pixels go unread for each reason."""
        return {reason: sum(map(len, ranges)) for reason, ranges in self._by_reason().items()}

    def why(self, pixel: int) -> str | None:
        """The reason why `pixel` is not read, "head", "tail", "lattice" or "gap"; None where it is read."""
        for reason, ranges in self._by_reason().items():
            if any(pixel in pixels for pixels in ranges):
                return reason
        return None

    def explain(self) -> str:
        """The pixels and the reasons in a few sentences."""
        axis, count = self.axis, len(self)
        if count == 0:
            return f"Every one of the {axis.input} pixels is read."
        sentences = [f"{count} of {axis.input} pixels {'is' if count == 1 else 'are'} never read."]
        if self.head:
            sentences.append(f"Head: {_named([self.head])} before the first window, cropped by the padding.")
        if self.tail:
            sentences.append(f"Tail: {_named([self.tail])} behind the last window, {self._why_tail()}.")
        if self.lattice:
            sentences.append(f"Lattice: {_named(self.lattice)} where no tap lands, for {self._why_lattice()}.")
        if self.gap:
            sentences.append(
                f"Gap: {_named(self.gap)} between taps {axis.dilation} apart, where only a window before the "
                f"first or behind the last would read."
            )
        return " ".join(sentences)

    def __str__(self) -> str:
        return self.explain()

    def __repr__(self) -> str:
        return f"<{self.explain()}>"

    def __len__(self) -> int:
        return sum(self.counts().values())

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(pixel for ranges in self._by_reason().values() for r in ranges for pixel in r))

    def _by_reason(self) -> dict[str, tuple[range, ...]]:
        return {"head": (self.head,), "tail": (self.tail,), "lattice": self.lattice, "gap": self.gap}

    def _why_tail(self) -> str:
        axis = self.axis
        reasons = []
        if axis.pad_hi < 0:
            reasons.append("cropped by the padding")
        if axis.slack % axis.stride:
            reasons.append(f"where another step of {axis.stride} does not fit")
        return " and ".join(reasons)

    def _why_lattice(self) -> str:
        axis = self.axis
        common = math.gcd(axis.stride, axis.dilation)
        if axis.kernel < axis.stride // common:
            taps = "1 tap" if axis.kernel == 1 else f"{axis.kernel} taps"
            return f"{taps} cannot reach all of the {axis.stride} positions in a stride"
        return f"stride {axis.stride} and dilation {axis.dilation} share the factor {common}"


class UnreadPerAxis(tuple[UnreadPixels, ...]):
    """The unread pixels of every axis of a convolution: a tuple that prints as sentences.

    Examples
    --------
    >>> from tweakconv.geometry import AxisGeometry
    >>> print(UnreadPerAxis([AxisGeometry(8, 3, stride=2).unread()] * 2))
    on every axis: 1 of 8 pixels is never read. Tail: pixel 7 lies behind the last window, where another \
step of 2 does not fit.
    """

    __slots__ = ()

    def __str__(self) -> str:
        words = [unread.explain() for unread in self]
        if len(words) == 1:
            return words[0]
        if len(set(words)) == 1:
            return f"on every axis: {words[0]}"
        return "\n".join(f"{axis_name(axis, len(words))}: {text}" for axis, text in enumerate(words))


def pixels_at(axis: AxisGeometry, start: int, stop: int, step: int = 1) -> range:
    """The pixels that stand at the positions start, start + step, ... below stop.

    Examples
    --------
    >>> from tweakconv.geometry import AxisGeometry
    >>> pixels_at(AxisGeometry(input=5, kernel=3, input_dilation=2), -1, 9, 3)
    range(1, 5, 3)
    """
    start = start if start >= 0 else start % step
    stop = min(stop, axis.effective_input)
    spacing = axis.input_dilation
    # Of every `spacing` positions in this sequence at least one is a pixel's, or none ever is.
    for position in range(start, min(stop, start + spacing * step), step):
        if position % spacing == 0:
            return range(position // spacing, (stop - 1) // spacing + 1, step // math.gcd(step, spacing))
    return range(0)


def _named(ranges: Sequence[range]) -> str:
    """The first few pixels of some ranges, with their verb."""
    count = sum(map(len, ranges))
    if len(ranges) == 1 and ranges[0].step == 1 and count > 1:
        return f"pixels {ranges[0][0]} to {ranges[0][-1]} lie"
    shown = sorted(pixel for pixels in ranges for pixel in pixels[:4])[:4]
    listed = ", ".join(map(str, shown))
    return f"pixel {listed} lies" if count == 1 else f"pixels {listed}{', ...' * (count > 4)} lie"
