"""The parameters of a request: text by name, each taken once, checked, and refused in words where it makes no sense."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final, TypeVar
from urllib.parse import parse_qsl, urlencode

from tweakconv.cli.values import padding_from
from tweakconv.cli.values import per_axis as typed_per_axis
from tweakconv.geometry.arguments import per_axis, rank_of
from tweakconv.geometry.padding import PADDING_MODES, AxisPadding, padding_per_axis

Padding = str | tuple[tuple[int, int], ...]
_Word = TypeVar("_Word", bound=str)
Edits = Mapping[tuple[int, int], float]

_WHOLE: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d{1,9}(\.\d{0,9})?|\.\d{1,9})", re.ASCII)
_EDIT: Final = re.compile(r"(\d{1,4})\.(\d{1,4}):(.+)", re.ASCII)
_MOST_FIELDS: Final = 200
_SHOWN: Final = 60


class ParameterError(ValueError):
    """A parameter that makes no sense.

    Parameters
    ----------
    argument
        Its name.
    message
        What is wrong, for a person.
    """

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(message)
        self.argument = argument


class Parameters:
    """Text by name; whoever reads takes what it knows, and `finish` refuses the rest.

    Parameters
    ----------
    pairs
        Names and texts in the order of the request.

    Examples
    --------
    >>> parameters = Parameters.from_query("strides=2x1&padding=1:2,0:3&seed=7")
    >>> parameters.per_axis("strides", rank=2), parameters.padding(rank=2), parameters.whole("seed")
    ((2, 1), ((1, 2), (0, 3)), 7)
    >>> parameters.finish()
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._texts: dict[str, list[str]] = {}
        self._known: set[str] = set()
        for name, text in pairs:
            self._texts.setdefault(name, []).append(text)

    @classmethod
    def from_query(cls, query: str) -> Parameters:
        """Those of a query string, or of a form's body, which is written the same way.

        Raises
        ------
        ParameterError
            Where it is not UTF-8, or has very many parameters.
        """
        try:
            return cls(
                parse_qsl(query.removeprefix("?"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
            )
        except UnicodeDecodeError:
            raise ParameterError("", "the parameters must be written in UTF-8") from None
        except ValueError:
            raise ParameterError("", f"there may be {_MOST_FIELDS} parameters at most") from None

    def finish(self) -> None:
        """Refuse what nobody has taken.

        Raises
        ------
        ParameterError
            Naming the first one, and the names there are.
        """
        for name in self._texts:
            if name not in self._known:
                names = ", ".join(sorted(self._known))
                raise ParameterError(name[:_SHOWN], f"there is no parameter {shown(name)}; there are {names}")

    def text(self, name: str, default: str = "", *, longest: int = 100_000) -> str:
        """The text of a parameter that is given once.

        Raises
        ------
        ParameterError
            Where it is given several times, or is too long.
        """
        texts = self.texts(name, longest=longest)
        if len(texts) > 1:
            raise ParameterError(name, f"{name} is given {len(texts)} times; once is enough")
        return texts[0] if texts else default

    def texts(self, name: str, *, longest: int = 1000) -> list[str]:
        """Every text of a parameter that may be given several times."""
        self._known.add(name)
        texts = self._texts.get(name, [])
        for text in texts:
            if len(text) > longest:
                raise ParameterError(name, f"{name} has {len(text)} letters; {longest} at most are read")
        return texts

    def choice(self, name: str, choices: Collection[_Word], default: _Word) -> _Word:
        """One of some words."""
        text = self.text(name, default)
        for word in choices:
            if word == text:
                return word
        raise ParameterError(name, f"{name} must be one of {', '.join(choices)}, received {shown(text)}")

    def flag(self, name: str) -> bool:
        """Whether it is 1; 0 where it is left out."""
        text = self.text(name, "0")
        if text not in ("0", "1"):
            raise ParameterError(name, f"{name} must be 1 or 0, received {shown(text)}")
        return text == "1"

    def whole(self, name: str, default: int = 0, *, at_least: int = 0, at_most: int = 10**9) -> int:
        """A whole number within bounds."""
        text = self.text(name, str(default))
        number = int(text) if _WHOLE.fullmatch(text) else None
        if number is None or not at_least <= number <= at_most:
            raise ParameterError(
                name, f"{name} must be a whole number from {at_least} to {at_most}, received {shown(text)}"
            )
        return number

    def number(self, name: str, default: float = 0.0, *, at_most: float) -> float:
        """A number whose magnitude is bounded."""
        return _number(name, self.text(name, number_text(default)), at_most)

    def per_axis(self, name: str, default: str = "1", *, rank: int | None = None, at_least: int = 1) -> tuple[int, ...]:
        """A whole number for each axis, a single one for all; `rank` None takes as many axes as are written."""
        try:
            typed = typed_per_axis(name, self.text(name, default, longest=200))
            return per_axis(name, typed, rank or rank_of(typed), at_least=at_least)
        except ValueError as problem:
            raise ParameterError(name, str(problem)) from None

    def padding(self, rank: int, default: str = "valid", *, transposed: bool = False) -> Padding:
        """A name, or (before, after) for each axis."""
        return padding_of(self.text("padding", default, longest=200), rank, transposed=transposed)

    def padding_mode(self) -> str:
        """What the padding holds."""
        return self.choice("padding_mode", PADDING_MODES, "zeros")

    def edits(
        self, name: str, size: tuple[int, int], *, most: int, value_at_most: float
    ) -> dict[tuple[int, int], float]:
        """Cells with a value of their own, such as ``0.3:7,2.1:-4``, in the order of their rows and columns.

        Examples
        --------
        >>> Parameters([("input_edits", "2.1:-4,0.3:7")]).edits("input_edits", (3, 4), most=9, value_at_most=99)
        {(0, 3): 7.0, (2, 1): -4.0}
        """
        entries = [entry for entry in self.text(name).split(",") if entry]
        if len(entries) > most:
            raise ParameterError(name, f"{name} has {len(entries)} cells; {most} at most are edited")
        edits = {}
        for entry in entries:
            written = _EDIT.fullmatch(entry)
            if written is None:
                raise ParameterError(
                    name, f"{name} must be written row.column:value, such as 0.3:7, received {shown(entry)}"
                )
            row, column = int(written[1]), int(written[2])
            if row >= size[0] or column >= size[1]:
                raise ParameterError(
                    name, f"{name}: there is no cell {row}.{column}; there are {size[0]} rows and {size[1]} columns"
                )
            edits[row, column] = _number(name, written[3], value_at_most)
        return dict(sorted(edits.items()))


def padding_of(text: str, rank: int, *, transposed: bool = False) -> Padding:
    """The padding that a text means: a name, or (before, after) for each axis.

    Raises
    ------
    ParameterError
        Where it means none.

    Examples
    --------
    >>> padding_of("same", 2), padding_of("1", 2), padding_of("1:2,0:3", 2)
    ('same', ((1, 1), (1, 1)), ((1, 2), (0, 3)))
    """
    try:
        entries: tuple[AxisPadding, ...] = padding_per_axis(padding_from(text, rank), rank, transposed=transposed)
    except ValueError as problem:
        raise ParameterError("padding", str(problem).replace("--padding", "padding")) from None
    named = next((entry for entry in entries if isinstance(entry, str)), None)
    return named if named is not None else tuple(entry for entry in entries if not isinstance(entry, str))


def padding_text(padding: Padding) -> str:
    """A padding as it is written, as short as it goes.

    Examples
    --------
    >>> [padding_text(padding) for padding in ("same", ((1, 1), (1, 1)), ((1, 1), (2, 2)), ((1, 2), (0, 3)))]
    ['same', '1', '1,2', '1:2,0:3']
    """
    if isinstance(padding, str):
        return padding
    if any(lo != hi for lo, hi in padding):
        return ",".join(f"{lo}:{hi}" for lo, hi in padding)
    sides = [lo for lo, _ in padding]
    return str(sides[0]) if len(set(sides)) == 1 else ",".join(map(str, sides))


def per_axis_text(numbers: tuple[int, ...]) -> str:
    """Numbers per axis as they are written, one for all where they are equal.

    Examples
    --------
    >>> per_axis_text((2, 1)), per_axis_text((3, 3))
    ('2x1', '3')
    """
    return str(numbers[0]) if len(set(numbers)) == 1 else size_text(numbers)


def size_text(numbers: tuple[int, ...]) -> str:
    """Sizes as they are written, every axis named.

    Examples
    --------
    >>> size_text((5, 5)), size_text((28,))
    ('5x5', '28')
    """
    return "x".join(map(str, numbers))


def number_text(number: float) -> str:
    """A number as it is written.

    Examples
    --------
    >>> number_text(7.0), number_text(-0.25), number_text(1000000.0), number_text(-0.0)
    ('7', '-0.25', '1000000', '0')
    """
    text = f"{number:.9f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def edits_text(edits: Edits) -> str:
    """Edited cells as they are written.

    Examples
    --------
    >>> edits_text({(0, 3): 7, (2, 1): -0.5})
    '0.3:7,2.1:-0.5'
    """
    return ",".join(f"{row}.{column}:{number_text(value)}" for (row, column), value in edits.items())


def query_of(pairs: Iterable[tuple[str, str]]) -> str:
    """Parameters as a query string; what an address may hold as it is stays readable.

    Examples
    --------
    >>> query_of([("input_size", "5x7"), ("padding", "1:2,0:3"), ("kernel", "1 0; 0 1")])
    'input_size=5x7&padding=1:2,0:3&kernel=1+0%3B+0+1'
    """
    return urlencode(list(pairs), safe=":,")


def argument_in(message: str, names: Collection[str]) -> str | None:
    """The parameter that the error of a deeper function speaks of: the one named first, where one is.

    Examples
    --------
    >>> argument_in("strides must be at least 1, received 0", ["padding", "strides"])
    'strides'
    >>> argument_in("axis 0 (height): kernel 3 with dilation 9 spans 19 pixels", ["kernel_size", "kernel_edits"])
    'kernel_size'
    """
    spoken = {name.partition("_")[0]: name for name in reversed(list(names))} | {name: name for name in names}
    places = {found.start(): name for stem, name in spoken.items() if (found := re.search(rf"\b{stem}\b", message))}
    return places[min(places)] if places else None


def shown(text: str) -> str:
    """What was received, quoted, and cut where it is long."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def _number(name: str, text: str, at_most: float) -> float:
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    if abs(number) > at_most:
        raise ParameterError(
            name, f"{name} must hold numbers from {-at_most:,} to {at_most:,}, such as -0.5, received {shown(text)}"
        )
    return number + 0.0  # no -0
