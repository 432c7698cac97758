"""Timing several callables in turns, so that whatever the machine does meanwhile happens to all of them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

__all__ = ["LONG_SECONDS", "Turns", "interleave"]

#: Calls thrown away after each switch between contenders: PyTorch's depthwise needs about five to recover.
#: Long calls need fewer, and stop being thrown away after WARMUP_SECONDS.
WARMUPS = 5
WARMUP_SECONDS = 0.05
#: A contender is on for this long in each round, and for MIN_SAMPLES samples unless they take PATIENCE_SECONDS.
VISIT_SECONDS = 0.02
MIN_SAMPLES = 3
PATIENCE_SECONDS = 0.06
#: Shorter calls are timed several at once, so that reading the clock does not count.
SAMPLE_SECONDS = 20e-6
#: A call that takes longer than this needs no call before it to warm up.
LONG_SECONDS = 0.25
#: A contender whose turns have taken this long has no more of them, once it has had MIN_TURNS.
BUDGET_SECONDS = 3.0
MIN_TURNS = 3
#: Threads that wait for work often spin: GNU's OpenMP for about 6 ms, ONNX Runtime's for about 35 ms. The next
#: contender waits in these steps until the process uses less than QUIET_CPUS, at most for SETTLE_SECONDS.
#: (A kernel may count a thread's time only at its 4 ms ticks.)
SETTLE_STEP_SECONDS = 0.008
SETTLE_SECONDS = 0.4
QUIET_CPUS = 0.1

Run = Callable[[], object]


@dataclass(slots=True)
class Turns:
    """What the turns of one contender gave, in the order of the rounds.

    Attributes
    ----------
    seconds : list of float
        The median time of a call in each turn.
    cpus : list of float
        How many CPUs the process used in each turn.
    spent : float
        How long all its turns took, in seconds.
    restless : int
        After how many turns its threads did not go to sleep.
    """

    seconds: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    spent: float = 0.0
    restless: int = 0


def interleave(
    runs: Mapping[str, Run], rounds: int, visit_seconds: float = VISIT_SECONDS, *, settling: bool = False
) -> dict[str, Turns]:
    """Time every callable in `rounds` rounds in which each has its turn.

    Each turn starts with calls that are not counted. The order rotates from round to round, so that
    nobody always follows the same neighbour. The garbage collector waits. Where a call takes seconds, a
    contender has fewer turns than there are rounds, always the first of them.

    Parameters
    ----------
    runs : mapping of str to callable
        What to time.
    rounds : int
        How many turns each gets.
    visit_seconds : float
        How long a turn lasts, in seconds, warm-up excluded.
    settling : bool
        Whether to wait, after each turn, until the threads that it woke have gone to sleep.

    Returns
    -------
    dict of str to Turns

    Examples
    --------
    >>> turns = interleave({"nothing": lambda: None}, rounds=2, visit_seconds=1e-4)
    >>> [seconds > 0 for seconds in turns["nothing"].seconds]
    [True, True]
    """
    turns = {name: Turns() for name in runs}
    names = list(runs)
    collecting = gc.isenabled()
    gc.disable()
    try:
        for turn in range(rounds):
            shift = turn % len(names) if names else 0
            for name in names[shift:] + names[:shift]:
                mine = turns[name]
                if turn >= MIN_TURNS and mine.spent > BUDGET_SECONDS:
                    continue
                _visit(runs[name], visit_seconds, mine)
                if settling and not _settled():
                    mine.restless += 1
    finally:
        if collecting:
            gc.enable()
    return turns


def _visit(run: Run, seconds: float, turns: Turns) -> None:
    """One turn, noted down in `turns`."""
    wall, cpu = time.perf_counter(), time.process_time()
    turns.seconds.append(median(_samples(run, seconds)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    turns.cpus.append(cpu / wall)
    turns.spent += wall


def _samples(run: Run, seconds: float) -> list[float]:
    """Seconds per call, measured for so long after some calls that are not counted."""
    last = _time(run, 1)
    if last > LONG_SECONDS:
        return [last]
    begin = time.perf_counter()
    for _ in range(WARMUPS - 1):
        if time.perf_counter() > begin + WARMUP_SECONDS:
            break
        last = _time(run, 1)
    calls = max(1, round(SAMPLE_SECONDS / max(last, 1e-7)))
    samples: list[float] = []
    begin = time.perf_counter()
    while (passed := time.perf_counter() - begin) < seconds or (
        len(samples) < MIN_SAMPLES and passed < PATIENCE_SECONDS
    ):
        samples.append(_time(run, calls))
    return samples


def _time(run: Run, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def _settled() -> bool:
    """Wait until no thread of this process works, or spins, any more; False where one goes on and on."""
    end = time.perf_counter() + SETTLE_SECONDS
    while time.perf_counter() < end:
        wall, cpu = time.perf_counter(), time.process_time()
        time.sleep(SETTLE_STEP_SECONDS)
        if time.process_time() - cpu < QUIET_CPUS * (time.perf_counter() - wall):
            return True
    return False
