"""What takes part in the board: something that has one or more ways to compute a problem, again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tweakconv.bench.problem import Problem
from tweakconv.bench.timing import interleave

__all__ = ["CannotExpressError", "Contender", "Prepared", "Ways", "race"]

#: How long a library's way is on, in each round of the race between them.
RACE_SECONDS = 0.01
#: Where the quickest takes longer than this for a call, one round decides.
ENOUGH_SECONDS = 0.05


class CannotExpressError(Exception):
    """A library has no way to compute this line; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A convolution with its weights packed and its input in place.

    Attributes
    ----------
    run : callable
        Computes the convolution once and returns the library's own output, in the library's own layout.
    to_nhwc : callable
        Turns that output into a float array of shape (N, OH, OW, CO); never timed.
    """

    run: Callable[[], Any]
    to_nhwc: Callable[[Any], NDArray[np.floating]]


#: By a few words that name it, what prepares each of the ways in which a library can compute a problem.
Ways: TypeAlias = Mapping[str, Callable[[], Prepared]]


class Contender(Protocol):
    """One library, or one memory format of a library, on the board."""

    @property
    def name(self) -> str:
        """What the board calls it."""

    def ways(self, problem: Problem) -> Ways:
        """How it can compute the problem; the quickest right one will count.

        Raises
        ------
        CannotExpressError
            Where the library cannot compute this line.
        """


def race(ways: Mapping[str, Prepared]) -> dict[str, float]:
    """Seconds per call of several ways in which one library computes the same problem.

    A library appears on the board at its best, and no guess of ours about what suits it stands in its way.
    A first round sorts out the ways that take more than twice the quickest one's time; further rounds decide
    between the others, unless they take so long that one is enough.
    """
    if not ways:
        return {}
    times = _medians(ways, rounds=1)
    close = {name: way for name, way in ways.items() if times[name] <= 2 * min(times.values())}
    if len(close) > 1 and min(times.values()) < ENOUGH_SECONDS:
        times |= _medians(close, rounds=3)
    return times


def _medians(ways: Mapping[str, Prepared], rounds: int) -> dict[str, float]:
    turns = interleave({name: way.run for name, way in ways.items()}, rounds, RACE_SECONDS)
    return {name: median(way.seconds) for name, way in turns.items()}
