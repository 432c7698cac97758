"""What takes part in the board: something that prepares a problem and then runs it, again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tweakconv.bench.problem import Problem
from tweakconv.bench.timing import interleave, median

__all__ = ["CannotExpressError", "Contender", "Prepared", "fastest"]

#: How long a library's way is on, in each round of the race between them.
RACE_SECONDS = 0.01


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
        Turns that output into a float array of shape (1, OH, OW, CO); never timed.
    how : str
        In a few words, which of the library's ways this is.
    """

    run: Callable[[], Any]
    to_nhwc: Callable[[Any], NDArray[np.floating]]
    how: str = ""


class Contender(Protocol):
    """One library, or one memory format of a library, on the board."""

    @property
    def name(self) -> str:
        """What the board calls it."""

    def prepare(self, problem: Problem) -> Prepared:
        """Get ready to compute the problem.

        Raises
        ------
        CannotExpressError
            Where the library cannot compute this line.
        """


def fastest(ways: Mapping[str, Prepared]) -> Prepared:
    """The quickest of several ways in which one library computes the same problem.

    A library appears on the board at its best, and no guess of ours about what suits it stands in its way.
    A first round sorts out the ways that take more than twice the quickest one's time; further rounds decide
    between the others.
    """
    times = _medians(ways, rounds=1)
    close = {name: way for name, way in ways.items() if times[name] <= 2 * min(times.values())}
    if len(close) > 1:
        times = _medians(close, rounds=3)
    best = min(close, key=times.__getitem__)
    return replace(ways[best], how=best)


def _medians(ways: Mapping[str, Prepared], rounds: int) -> dict[str, float]:
    samples = interleave({name: way.run for name, way in ways.items()}, rounds, RACE_SECONDS)
    return {name: median(values) for name, values in samples.items()}
