"""What lies in the padding where it is not zeros: each position outside of the image leads to a pixel, or to none.

Where it leads follows from the geometry (`tweakconv.geometry.padding.border`) and is handed to the code as tables among
the run-time integers of a call: for each axis one entry for every position of padding. They are only looked up where a
window reaches into the padding; the interior runs as without.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from tweakconv.compiler.call import Border
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.spec import ConvSpec

BORDER_FIELDS = ("constant", "column_table", "columns_behind", "row_table", "rows_behind")
"""More run-time integers of one call: the bits of the number that stands where there is no pixel, and for each axis
where its table is, counted from the first integer, and how many positions of padding lie behind the image."""

_NO_PIXEL = -1


def border_integers(border: Border, fields: int) -> tuple[int, ...]:
    """The values of `BORDER_FIELDS` and the tables, to stand behind `fields` other integers.

    A table has the pixels before the image, then those behind it, and a last entry for positions that only outputs read
    which nobody wants.

    Examples
    --------
    >>> border_integers(Border(0.0, False, (((), (None, 0)), ((4,), ()))), 10)
    (0, 16, 0, 17, 2, 4, -1, -1, 0, -1)
    """
    head, tables = [_bits(border)], []
    start = fields + 1 + 2 * len(border.axes)
    for before, behind in reversed(border.axes):
        entries = [_NO_PIXEL if pixel is None else pixel for pixel in (*before, *behind)]
        head += [start + len(before), len(behind)]
        tables += [*entries, _NO_PIXEL]
        start += len(entries) + 1
    return (*head, *tables)


def _bits(border: Border) -> int:
    packed = struct.pack("<d", border.value) if border.double else struct.pack("<f", border.value) + bytes(4)
    (bits,) = struct.unpack("<q", packed)
    return int(bits)


class BorderTables(NamedTuple):
    """The tables as the code sees them.

    Attributes
    ----------
    shape : Value
        Where the run-time integers begin.
    first : int
        Which of them is the first of `BORDER_FIELDS`.
    """

    b: Builder
    shape: Value
    first: int

    def pixel(self, axis: str, position: Value, size: Value) -> Value:
        """The pixel along an axis ("row" or "column") that a position leads to, below 0 where there is none."""
        b = self.b
        table, behind = (self._field(name) for name in (f"{axis}_table", f"{axis}s_behind"))
        beyond = b.maximum(b.minimum(position - size, behind), 0)
        entry = b.select(position < 0, position, beyond)
        found = b.load_integer(b.integer_at(self.shape, table + entry), 0)
        return b.select(position.below(size), position, found)

    def constant(self) -> Value:
        """The number that stands where there is no pixel."""
        return self.b.load(self.b.integer_at(self.shape, self.first + BORDER_FIELDS.index("constant")))

    def _field(self, name: str) -> Value:
        return self.b.load_integer(self.shape, self.first + BORDER_FIELDS.index(name))


def tables_of(b: Builder, spec: ConvSpec, shape: Value, fields: int) -> BorderTables | None:
    """The tables of code for such a convolution behind `fields` other integers; None where the padding is zeros."""
    return BorderTables(b, shape, fields) if spec.mapped_padding else None
