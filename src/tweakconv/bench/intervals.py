"""How sure a ratio is: intervals from the rounds in which it was measured.

A ratio is the median of the ratios of the rounds, each of them a contender's time over ours in the same round, so
that what slows the whole machine for a while slows both.

- One ratio: the order statistics that hold the median of any continuous distribution with at least the given
  confidence (Conover, Practical Nonparametric Statistics, 3rd edition, 1999, section 3.2). No sampling, and nothing
  is assumed about the noise but that rounds are independent.
- A geometric mean over lines: the percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
  chapter 13). Each line's rounds are drawn again with replacement, line by line, and the mean of the medians formed
  anew. The lines themselves are fixed: the board's mean is a mean over its own lines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

__all__ = ["CONFIDENCE", "Estimate", "mean_ratio", "median_ratio"]

CONFIDENCE = 0.95
#: Bootstrap samples; more move the ends of the intervals by less than a thousandth.
RESAMPLES = 4000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A ratio, and the ends of its interval; they are None where there were too few rounds for one.

    Examples
    --------
    >>> print(Estimate(1.5, 1.25, 2.0), Estimate(1.5))
    1.50 [1.25, 2.00] 1.50
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        return f"{self.value:.2f} {self.interval}".rstrip()

    @property
    def interval(self) -> str:
        """Its ends in brackets, or nothing."""
        return "" if self.low is None or self.high is None else f"[{self.low:.2f}, {self.high:.2f}]"


def median_ratio(ratios: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """The median of the rounds' ratios, between two of them.

    Six rounds are the least that give 95 %: the probability that all of them lie on one side of the median is 2 / 2**6.

    Examples
    --------
    >>> median_ratio([1.3, 1.1, 1.2, 1.25, 1.15, 1.35, 1.05, 1.4, 9.0])
    Estimate(value=1.25, low=1.1, high=1.4)
    >>> median_ratio([1.0, 2.0])
    Estimate(value=1.5, low=None, high=None)
    """
    ordered = sorted(ratios)
    rank = _rank(len(ordered), confidence)
    if rank == 0:
        return Estimate(median(ordered))
    return Estimate(median(ordered), ordered[rank - 1], ordered[-rank])


def _rank(rounds: int, confidence: float) -> int:
    """The largest r such that the r-th smallest and the r-th largest hold the median with this confidence; 0 if none.

    The number of values below the median is binomial, B(rounds, 1/2).
    """
    rank, outside = 0, 0.0
    while rank < rounds // 2:
        outside += 2 * math.comb(rounds, rank) / 2**rounds
        if outside > 1 - confidence:
            break
        rank += 1
    return rank


def mean_ratio(lines: Sequence[Sequence[float]], confidence: float = CONFIDENCE) -> Estimate | None:
    """The geometric mean over lines of their median ratios; None of no lines.

    Parameters
    ----------
    lines : sequence of sequence of float
        The rounds' ratios of each line.
    confidence : float

    Examples
    --------
    >>> mean_ratio([[1.0, 1.0], [4.0, 4.0]])
    Estimate(value=2.0, low=2.0, high=2.0)
    >>> mean_ratio([]) is None
    True
    """
    if not lines:
        return None
    generator = np.random.default_rng(0)  # the same interval from the same findings
    logarithms = np.zeros(RESAMPLES)
    for ratios in lines:
        drawn = generator.integers(len(ratios), size=(RESAMPLES, len(ratios)))
        logarithms += np.log(np.median(np.asarray(ratios)[drawn], axis=1))
    tail = (1 - confidence) / 2
    low, high = np.exp(np.quantile(logarithms / len(lines), [tail, 1 - tail]))
    value = math.exp(sum(math.log(median(ratios)) for ratios in lines) / len(lines))
    return Estimate(value, float(low), float(high))
