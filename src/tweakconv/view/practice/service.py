"""Making and checking exercises: what the page asks for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from tweakconv.geometry.arguments import integer
from tweakconv.view.practice.deck import deal
from tweakconv.view.practice.exercise import Exercise, Kind, Verdict
from tweakconv.view.practice.kinds import (
    field,
    keep_size,
    output_size,
    parameters,
    reach_size,
    reads,
    same_pads,
    transposed,
    unread,
    value,
    which_paddings,
    who_reads,
    wrong_line,
)

#: From easy to hard.
LEVELS: Final = (1, 2, 3)

#: The kinds by their names, in the order in which they are offered.
KINDS: Final[Mapping[str, Kind[Any, Any]]] = MappingProxyType(
    {
        module.KIND.name: module.KIND
        for module in (
            output_size,
            keep_size,
            reads,
            reach_size,
            wrong_line,
            value,
            which_paddings,
            same_pads,
            field,
            parameters,
            unread,
            who_reads,
            transposed,
        )
    }
)


def kinds() -> list[dict[str, Any]]:
    """The kinds of exercises there are, in the order in which they are offered.

    Examples
    --------
    >>> kinds()[0]["title"]
    'What size comes out?'
    """
    return [
        {"kind": kind.name, "title": kind.title, "about": kind.about, "levels": list(LEVELS)} for kind in KINDS.values()
    ]


def make_exercise(kind: str, level: int, seed: int) -> Exercise:
    """The question of a kind and a level at a seed.

    Raises
    ------
    ValueError
        For a kind or a level that there is not, or a negative seed.
    TypeError
        Where level or seed is not an integer.

    Examples
    --------
    >>> exercise = make_exercise("output_size", 1, 3)
    >>> exercise.question.text
    'A kernel moves over an image. What size comes out?'
    """
    found = _kind(kind, level, seed)
    return Exercise(kind, level, seed, found.title, found.ask(deal(found, level, seed)))


def check(kind: str, level: int, seed: int, answer: object) -> Verdict:
    """Judge an answer, given as JSON has it, to the question at a seed.

    Raises
    ------
    ValueError, TypeError
        As `make_exercise`; also for what is no answer at all, which is not a wrong one.

    Examples
    --------
    >>> check("keep_size", 1, 0, {"padding": 0}).right
    False
    """
    found = _kind(kind, level, seed)
    case = deal(found, level, seed)
    given = found.ask(case).form.read(answer)
    ruling = found.judge(case, given)
    return Verdict(ruling, found.explain(case, given if ruling.right else None))


def solve(kind: str, level: int, seed: int) -> Any:
    """A right answer to the question at a seed, as `check` takes it; there may be others.

    Raises
    ------
    ValueError, TypeError
        As `make_exercise`.

    Examples
    --------
    >>> check("unread", 3, 12, solve("unread", 3, 12)).right
    True
    """
    found = _kind(kind, level, seed)
    return found.solve(deal(found, level, seed))


def _kind(kind: str, level: int, seed: int) -> Kind[Any, Any]:
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, received {kind!r}")
    if integer("level", level) not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(map(str, LEVELS))}, received {level}")
    integer("seed", seed, at_least=0)
    return KINDS[kind]
