"""The sum behind one output, as numbers and as the line a person would write."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

_DECIMALS: Final = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Term:
    """One weight and what it meets.

    Parameters
    ----------
    ky, kx
        Which weight.
    row, col
        The position on the padded canvas where it stands.
    value, weight
        The two numbers that are multiplied.
    """

    ky: int
    kx: int
    row: int
    col: int
    value: float
    weight: float

    @property
    def product(self) -> float:
        """What it adds to the sum."""
        return self.value * self.weight

    @property
    def factor(self) -> str:
        """The weight behind a sign of multiplication."""
        return _factor(self.weight)

    def __str__(self) -> str:
        return f"{show_number(self.value)}·{self.factor}"


@dataclass(frozen=True, slots=True)
class Expression:
    """The sum behind one output.

    Parameters
    ----------
    oy, ox
        The output.
    terms
        In the order of the weights. In a transposed convolution those that meet no pixel are left out.
    share
        Sum of the terms.
    total
        The output: with what the other input channels add.
    others
        Number of those channels.
    """

    oy: int
    ox: int
    terms: tuple[Term, ...]
    share: float
    total: float
    others: int

    def parts(self, most: int | None = None) -> tuple[str, ...]:
        """The line in pieces that stay whole where it is broken into several.

        Parameters
        ----------
        most
            How many terms to write out, at least 2; of more, those in the middle are only counted.

        Examples
        --------
        >>> terms = tuple(Term(0, k, 0, k, 2.0, -1.0) for k in range(4))
        >>> Expression(0, 0, terms, share=-8.0, total=-3.0, others=2).parts(most=2)
        ('2·(−1)', '+ … 2 more …', '+ 2·(−1)', '= −8', 'with 2 other channels: −8 + 5 = −3')
        """
        written = [str(term) for term in self.terms] or ["nothing"]
        if most is not None and len(written) > most:
            first = -(-most // 2)
            last = most - first
            written[first : len(written) - last] = [f"… {len(written) - most} more …"]
        pieces = [written[0], *(f"+ {term}" for term in written[1:]), f"= {show_number(self.share)}"]
        if self.others:
            rest = _factor(self.total - self.share)
            whose = "1 other channel" if self.others == 1 else f"{self.others} other channels"
            pieces.append(f"with {whose}: {show_number(self.share)} + {rest} = {show_number(self.total)}")
        return tuple(pieces)

    def __str__(self) -> str:
        return " ".join(self.parts())


def show_number(value: float) -> str:
    """A number as a cell shows it: at most three decimals, halves away from zero, and a minus sign.

    The page's own `showNumber` (``static/player.js``) writes the same.

    Examples
    --------
    >>> [show_number(value) for value in (3.0, -1.0, 0.0625, -0.0001)]
    ['3', '−1', '0.063', '0']
    """
    rounded = Decimal(value).quantize(_DECIMALS, ROUND_HALF_UP)
    text = f"{rounded:f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text.replace("-", "−")


def _factor(value: float) -> str:
    """A number behind a sign, in brackets where it has one of its own."""
    text = show_number(value)
    return f"({text})" if text.startswith("−") else text
