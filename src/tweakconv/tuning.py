"""Measured choices: the ways to compute a convolution are timed once on this machine, and the fastest is remembered.

What was found lies beside the compiled code, in the folder that `tweakconv.compiler.cache` keeps, and is forgotten with
it: by another version, another target, another number of threads, another processor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

from tweakconv.compiler import cache
from tweakconv.compiler.choose import Choice

Run = Callable[[], object]

_ROUNDS = 9
_TURN_SECONDS = 0.003
"""How long each way runs in each round: the others' turns between them meet the same disturbances."""

_WARM_SECONDS = 0.02

clock = time.perf_counter


def fastest(ways: Sequence[Choice], prepare: Callable[[Choice], Run], *parts: object) -> Choice:
    """The way whose calls take least time, from memory or from disk if it was found before.

    Parameters
    ----------
    ways
        Those to choose from.
    prepare
        Makes a call of one of them, to be timed.
    parts
        What the answer depends on besides the ways: their ``repr`` says all that matters.
    """
    names = [way.label for way in ways]
    key = cache.key("fastest", *parts, names, [repr(way.plan) for way in ways])
    known = (_known.get(key) or cache.read(key) or b"").decode()
    if known.partition(":")[0] in names:
        _known[key] = known.encode()
        return ways[names.index(known.partition(":")[0])]._replace(reason=known.partition(":")[2])
    if len(ways) == 1:
        return ways[0]._replace(reason="nothing else computes it")
    seconds = measured([prepare(way) for way in ways])
    best = min(range(len(ways)), key=seconds.__getitem__)
    times = ", ".join(f"{name} {1e3 * took:.3f} ms" for name, took in zip(names, seconds, strict=True))
    reason = f"measured: {times}"
    _known[key] = f"{names[best]}:{reason}".encode()
    cache.write(key, _known[key])
    return ways[best]._replace(reason=reason)


def measured(runs: Sequence[Run]) -> list[float]:
    """Seconds that a call of each takes, the median of rounds in which they take turns."""
    calls = [_calls(run) for run in runs]
    rounds = [[_seconds(run, count) for run, count in zip(runs, calls, strict=True)] for _ in range(_ROUNDS)]
    return [median(turns) for turns in zip(*rounds, strict=True)]


def _calls(run: Run) -> int:
    """Calls that make a turn, after some to warm up."""
    start, count = clock(), 0
    while not count or clock() - start < _WARM_SECONDS:
        run()
        count += 1
    return max(1, round(_TURN_SECONDS * count / max(clock() - start, 1e-9)))


def _seconds(run: Run, calls: int) -> float:
    run()  # brings back to the caches what the others' turns drove out
    start = clock()
    for _ in range(calls):
        run()
    return (clock() - start) / calls


_known: dict[bytes, bytes] = {}
