"""Stretches of an output row: neighbouring outputs under which the same kernel columns lie in the image.

Where taps stand far apart, whole blocks of pixels have some of their taps in the padding, all the same ones. Such a row
is cut into stretches, and each is computed with the kernel columns that it meets: nothing is multiplied by the zeros of
the padding, and no window is copied to hold them. Sums come out as they would with the zeros, to the last bit.

Which stretches there are follows from the geometry of a call, and is handed to the code as a table among its run-time
integers. A kernel with an infinity or a NaN, whose product with zero counts, has all of a row in one stretch.
"""

from __future__ import annotations

from typing import NamedTuple

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.blocking import Blocking, split_width
from tweakconv.compiler.spec import ConvSpec
from tweakconv.geometry import AxisPhase

_SIZES = 4
"""Sizes of blocks of pixels, at most."""

_FIELDS = ("start", "stop", "skipped", "columns", *(f"blocks_{i}" for i in range(_SIZES)))
"""Of a stretch: its outputs, kernel columns left out before the first that is met, and how many are met; and how many
blocks of pixels of each size it is made of."""

_EACH_BLOCK = 0.5
"""What a block of pixels costs besides its taps: reading and writing its sums, in taps."""


def has_stretches(spec: ConvSpec, pixels: tuple[int, ...]) -> bool:
    """Whether taps stand so far apart that whole blocks of pixels may differ in those they meet."""
    plain = not spec.mapped_padding and not spec.skips_padding
    return plain and spec.kernel[1] > 1 and spec.dilation[1] > pixels[-1]


def stretch_integers(phase: AxisPhase, size: int, pixels: tuple[int, ...]) -> tuple[int, ...]:
    """A table of the stretches of a row over an image of so many columns, after a first entry for the row as a whole.

    Examples
    --------
    >>> phase = AxisPhase(0, 1, outputs=33, taps=range(3), start=-18, stride=1, dilation=18)
    >>> table = stretch_integers(phase, 33, (6, 5, 4, 2))
    >>> for entry in range(0, len(table), 8):
    ...     print(table[entry : entry + 8])
    (0, 33, 0, 3, 3, 3, 0, 0)
    (0, 15, 1, 2, 0, 3, 0, 0)
    (15, 18, 1, 1, 0, 0, 1, 0)
    (18, 33, 0, 2, 0, 3, 0, 0)
    """
    found = [(range(phase.outputs), range(len(phase.taps))), *_joined(phase.stretches(size), pixels)]
    return tuple(number for outputs, taps in found for number in _entry(outputs, taps, pixels))


def stretch_count(table: tuple[int, ...]) -> int:
    """How many stretches a table has, besides the row as a whole."""
    return len(table) // len(_FIELDS) - 1


class Stretch(NamedTuple):
    """A stretch as the code sees it.

    Attributes
    ----------
    start, stop : Value
        Its outputs.
    skipped, columns : Value
        Kernel columns that are left out before the first, and how many are met.
    blocks : tuple of Value
        Blocks of pixels of each size.
    """

    start: Value
    stop: Value
    skipped: Value
    columns: Value
    blocks: tuple[Value, ...]

    def under(self, b: Builder, first: Value, count: Value) -> Stretch:
        """What is left of it under `count` kernel columns from `first` on: those of a part of the sum."""
        before = b.minimum(b.maximum(self.skipped - first, 0), count)
        behind = b.minimum(b.maximum(self.skipped + self.columns - first, 0), count)
        return self._replace(skipped=before, columns=b.maximum(behind - before, 0))


def load_stretch(b: Builder, table: Value, number: Value, blocking: Blocking) -> Stretch:
    """An entry of a table."""
    entry = b.integer_at(table, number * len(_FIELDS))
    start, stop, skipped, columns, *blocks = (b.load_integer(entry, i) for i in range(len(_FIELDS)))
    return Stretch(start, stop, skipped, columns, tuple(blocks[: len(blocking.pixels)]))


def _entry(outputs: range, taps: range, pixels: tuple[int, ...]) -> tuple[int, ...]:
    blocks = split_width(len(outputs), pixels)
    return outputs.start, outputs.stop, taps.start, len(taps), *blocks, *(0,) * (_SIZES - len(blocks))


def _joined(stretches: tuple[tuple[range, range], ...], pixels: tuple[int, ...]) -> list[tuple[range, range]]:
    """Stretches, some of them joined where cutting would cost more than it leaves out."""
    best: list[tuple[float, list[tuple[range, range]]]] = [(0.0, [])]
    for last in range(len(stretches)):
        options = []
        for first in range(last + 1):
            outputs = range(stretches[first][0].start, stretches[last][0].stop)
            taps = _hull([met for _, met in stretches[first : last + 1]])
            cost = _blocks_cost(len(outputs), pixels) * (len(taps) + _EACH_BLOCK)
            before, cut = best[first]
            options.append((before + cost, [*cut, (outputs, taps)]))
        best.append(min(options, key=lambda option: option[0]))
    return best[-1][1]


def _hull(ranges: list[range]) -> range:
    """From the first of all to the last."""
    some = [each for each in ranges if each]
    return range(min(each.start for each in some), max(each.stop for each in some)) if some else range(0)


def _blocks_cost(width: int, pixels: tuple[int, ...]) -> float:
    """What `split_width` finds least, in pixels."""
    return sum(
        count * (max(size, pixels[0] / 3) + 0.25)
        for count, size in zip(split_width(width, pixels), pixels, strict=True)
    )
