"""Decks: the cases of a kind and a level, shuffled once; a seed is a place in the deck."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any, Final, TypeVar

from tweakconv.view.practice.exercise import Kind

Case = TypeVar("Case")

#: Cases of a deck, at most.
LARGEST: Final = 400
#: Draws without a new case after which a deck counts as complete.
_STALE: Final = 300


def deal(kind: Kind[Case, Any], level: int, seed: int) -> Case:
    """The case at a place; as many places in a row as there are cases hold different ones.

    Examples
    --------
    >>> from tweakconv.view.practice.kinds import output_size
    >>> deal(output_size.KIND, 1, 5) == deal(output_size.KIND, 1, 5 + len(deck_of(output_size.KIND, 1)))
    True
    """
    cases = deck_of(kind, level)
    case: Case = cases[seed % len(cases)]
    return case


@cache
def deck_of(kind: Kind[Any, Any], level: int) -> tuple[Any, ...]:
    """The cases of a level, in an order that says nothing."""
    generator = Random(f"{kind.name} {level}")
    found: dict[Any, None] = {}
    stale = 0
    while len(found) < LARGEST and stale < _STALE:
        case = kind.draw(level, generator)
        stale = 0 if case is not None and case not in found else stale + 1
        if case is not None:
            found[case] = None
    cases = list(found)
    generator.shuffle(cases)
    return tuple(cases)
