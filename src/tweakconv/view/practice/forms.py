"""The ways to answer an exercise: what a page asks for, and how an answer is read from JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from tweakconv.geometry.arguments import integer

Answer_co = TypeVar("Answer_co", covariant=True)


class Form(Protocol[Answer_co]):
    """A way to answer."""

    def as_json(self) -> dict[str, Any]:
        """What a page needs to ask; see `tweakconv.view.practice`."""

    def read(self, answer: object) -> Answer_co:
        """An answer from JSON, checked.

        Raises
        ------
        ValueError, TypeError
            Where it is none, in words for the person who gave it.
        """


@dataclass(frozen=True, slots=True)
class Field:
    """A whole number to fill in, from `least` to `most`."""

    name: str
    label: str
    least: int = 0
    most: int = 9999


@dataclass(frozen=True, slots=True)
class Numbers:
    """Whole numbers, by their names.

    Examples
    --------
    >>> size = Numbers((Field("height", "rows", 1), Field("width", "columns", 1)))
    >>> size.read({"height": 13, "width": 10})
    {'height': 13, 'width': 10}
    >>> size.read({"height": 13})
    Traceback (most recent call last):
    ValueError: the answer needs height and width, received {'height': 13}
    """

    fields: tuple[Field, ...]

    def as_json(self) -> dict[str, Any]:
        """See `Form`."""
        fields = [
            {"name": each.name, "label": each.label, "least": each.least, "most": each.most} for each in self.fields
        ]
        return {"form": "numbers", "fields": fields}

    def read(self, answer: object) -> dict[str, int]:
        """See `Form`."""
        names = [each.name for each in self.fields]
        if not isinstance(answer, dict) or set(answer) != set(names):
            raise ValueError(f"the answer needs {' and '.join(names)}, received {answer!r}")
        for each in self.fields:
            if integer(each.name, answer[each.name], at_least=each.least) > each.most:
                raise ValueError(f"{each.name} must be at most {each.most}, received {answer[each.name]}")
        return {name: int(answer[name]) for name in names}


@dataclass(frozen=True, slots=True)
class Choice:
    """Any number of some options, each a letter and what it says; `code` where that is code."""

    options: tuple[tuple[str, str], ...]
    code: bool = False

    @classmethod
    def of(cls, labels: Sequence[str], *, code: bool = False) -> Choice:
        """Options in this order, with the letters a, b, c, ...

        Examples
        --------
        >>> Choice.of(["valid", "same"]).read(["b"])
        frozenset({'b'})
        """
        return cls(tuple((chr(ord("a") + place), label) for place, label in enumerate(labels)), code)

    def as_json(self) -> dict[str, Any]:
        """See `Form`."""
        options = [{"value": letter, "label": label, "code": self.code} for letter, label in self.options]
        return {"form": "choice", "options": options, "several": True}

    def read(self, answer: object) -> frozenset[str]:
        """See `Form`."""
        letters = [letter for letter, _ in self.options]
        if not isinstance(answer, list) or not all(isinstance(each, str) and each in letters for each in answer):
            raise ValueError(f"the answer must be a list of some of {', '.join(letters)}, received {answer!r}")
        return frozenset(answer)


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of a grid, counted from 0; `label` says of what."""

    rows: int
    columns: int
    label: str

    def as_json(self) -> dict[str, Any]:
        """See `Form`."""
        return {"form": "cells", "rows": self.rows, "columns": self.columns, "label": self.label, "least": 0}

    def read(self, answer: object) -> frozenset[tuple[int, int]]:
        """See `Form`.

        Examples
        --------
        >>> Cells(2, 3, "pixels").read([[1, 2], [0, 0]]) == {(1, 2), (0, 0)}
        True
        """
        if not isinstance(answer, list) or not all(isinstance(cell, list) and len(cell) == 2 for cell in answer):
            raise ValueError(f"the answer must be a list of [row, column], received {answer!r}")
        for row, column in answer:
            if not (0 <= integer("row", row) < self.rows and 0 <= integer("column", column) < self.columns):
                raise ValueError(
                    f"row and column must lie within {self.rows} rows and {self.columns} columns, received "
                    f"{[row, column]}"
                )
        return frozenset((row, column) for row, column in answer)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of some code; lines count from 1."""

    lines: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """See `Form`."""
        return {"form": "line", "lines": list(self.lines), "first": 1}

    def read(self, answer: object) -> int:
        """See `Form`.

        Examples
        --------
        >>> Line(("a = 1", "b = 2")).read(3)
        Traceback (most recent call last):
        ValueError: line must be from 1 to 2, received 3
        """
        line = integer("line", answer)
        if not 1 <= line <= len(self.lines):
            raise ValueError(f"line must be from 1 to {len(self.lines)}, received {line}")
        return line
