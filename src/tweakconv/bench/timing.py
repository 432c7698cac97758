"""Timing several callables in turns, so that whatever the machine does meanwhile happens to all of them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence

__all__ = ["interleave", "median", "quantile"]

#: Calls thrown away after each switch between contenders: PyTorch's depthwise needs about five to recover.
#: Long calls need fewer, and stop being thrown away after WARMUP_SECONDS.
WARMUPS = 5
WARMUP_SECONDS = 0.1
#: A contender is on for this long in each round (and for at least MIN_SAMPLES samples).
VISIT_SECONDS = 0.02
MIN_SAMPLES = 3
#: Shorter calls are timed several at once, so that reading the clock does not count.
SAMPLE_SECONDS = 20e-6

Run = Callable[[], object]


def interleave(runs: Mapping[str, Run], rounds: int, visit_seconds: float = VISIT_SECONDS) -> dict[str, list[float]]:
    """Seconds per call of every callable, sampled in `rounds` rounds in which each has its turn.

    Each turn starts with calls that are not counted. The order rotates from round to round, so that
    nobody always follows the same neighbour. The garbage collector waits.

    Parameters
    ----------
    runs : mapping of str to callable
        What to time.
    rounds : int
        How many turns each gets.
    visit_seconds : float
        How long a turn lasts, in seconds, warm-up excluded.

    Returns
    -------
    dict of str to list of float
        All samples, in seconds per call.

    Examples
    --------
    >>> samples = interleave({"nothing": lambda: None}, rounds=2, visit_seconds=1e-4)
    >>> median(samples["nothing"]) > 0
    True
    """
    samples: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    collecting = gc.isenabled()
    gc.disable()
    try:
        for turn in range(rounds):
            shift = turn % len(names) if names else 0
            for name in names[shift:] + names[:shift]:
                samples[name] += _visit(runs[name], visit_seconds)
    finally:
        if collecting:
            gc.enable()
    return samples


def _visit(run: Run, seconds: float) -> list[float]:
    end = time.perf_counter() + WARMUP_SECONDS
    for _ in range(WARMUPS):
        last = _time(run, 1)
        if time.perf_counter() > end:
            break
    calls = max(1, round(SAMPLE_SECONDS / max(last, 1e-7)))
    samples: list[float] = []
    end = time.perf_counter() + seconds
    while len(samples) < MIN_SAMPLES or time.perf_counter() < end:
        samples.append(_time(run, calls))
    return samples


def _time(run: Run, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def median(values: Sequence[float]) -> float:
    """The middle of the values."""
    return quantile(values, 0.5)


def quantile(values: Sequence[float], fraction: float) -> float:
    """The value below which this fraction of the values lies, interpolated linearly between neighbours.

    Examples
    --------
    >>> quantile([3.0, 1.0, 2.0], 0.5), quantile([0.0, 1.0], 0.25)
    (2.0, 0.25)
    """
    ordered = sorted(values)
    place = fraction * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
