"""What the board is meant to reach, and where it does: for each class of lines, and for all of them together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tweakconv.bench.classes import CLASSES, LineClass
from tweakconv.bench.intervals import Estimate
from tweakconv.bench.results import Board, LineResult, Section, mean

__all__ = ["ClassSummary", "Verdict", "class_summaries", "first_few", "keeps", "thread_verdicts", "verdicts"]

#: The geometric mean of the ratios to the best peer over the whole board.
WHOLE_BOARD = 1.7
#: No line's interval may lie wholly below this.
NOT_BEHIND = 0.97
#: The functional call against PyTorch's, on lines whose prepared time is above FUNCTIONAL_SECONDS.
FUNCTIONAL = 1.0
FUNCTIONAL_SECONDS = 0.2e-3
#: The second data format's time over the first's.
LAYOUTS = 1.1
#: One thread's time over two threads', on lines that computing binds and that take longer than SCALING_SECONDS.
SCALING = 1.8
SCALING_SECONDS = 2e-3
#: Where lines are named, no more than this number.
MOST_NAMED = 4
#: The share of the bandwidth on lines that memory binds, with several threads.
BANDWIDTH = 0.85


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """How the lines of one class do.

    Attributes
    ----------
    line_class : LineClass
    lines : tuple of LineResult
    best, pytorch : Estimate or None
        Geometric means of the ratios to the best peer and to PyTorch.
    lowest : LineResult or None
        The line with the lowest ratio to the best peer.
    kept, judged : int
        How many lines reach the goals of the class, of how many of which that can be said.
    """

    line_class: LineClass
    lines: tuple[LineResult, ...]
    best: Estimate | None
    pytorch: Estimate | None
    lowest: LineResult | None
    kept: int
    judged: int


def class_summaries(lines: Iterable[LineResult]) -> list[ClassSummary]:
    """One for each class that has lines here, in the order of the board."""
    by_class = {known: tuple(line for line in lines if line.kind == known.key) for known in CLASSES}
    return [_summary(known, of_class) for known, of_class in by_class.items() if of_class]


def _summary(known: LineClass, lines: tuple[LineResult, ...]) -> ClassSummary:
    compared = [line for line in lines if line.ratio() is not None]
    judged = [kept for line in lines if (kept := keeps(known, line)) is not None]
    return ClassSummary(
        line_class=known,
        lines=lines,
        best=mean(lines),
        pytorch=mean(lines, "PyTorch"),
        lowest=min(compared, key=lambda line: _value(line.ratio()), default=None),
        kept=sum(judged),
        judged=len(judged),
    )


def keeps(known: LineClass, line: LineResult) -> bool | None:
    """Whether a line reaches all goals of its class; None where none of them can be judged."""
    verdicts = [verdict for verdict in _judgements(known, line) if verdict is not None]
    return all(verdicts) if verdicts else None


def _judgements(known: LineClass, line: LineResult) -> Iterator[bool | None]:
    share = line.of_limit
    for library, goal in (("", known.best), ("PyTorch", known.pytorch), ("OpenCV", known.opencv)):
        ratio = line.ratio(library)
        if goal is None or ratio is None:
            yield None
        elif not library and known.bandwidth is not None and line.memory_bound and share is not None:
            yield ratio.value >= goal or share >= known.bandwidth
        else:
            yield ratio.value >= goal
    if known.peak is not None and share is not None and not line.memory_bound:
        yield share >= known.peak


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal for many lines, how many reach it, and which do not, farthest first."""

    goal: str
    reached: int
    missed: tuple[str, ...]

    def __str__(self) -> str:
        """In words; of the lines that miss it, the first few.

        Examples
        --------
        >>> print(Verdict("quick", 3, ("5x5", "7x7")))
        quick: 3 of 5 lines; not 5x5, 7x7
        """
        others = f"; not {first_few(self.missed)}" if self.missed else ""
        return f"{self.goal}: {self.reached} of {self.reached + len(self.missed)} lines{others}"


def first_few(names: Sequence[str]) -> str:
    """Some names, and how many more there are.

    Examples
    --------
    >>> first_few(["1", "2", "3"]), first_few("123456")
    ('1, 2, 3', '1, 2, 3, 4 and 2 more')
    """
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def verdicts(lines: Sequence[LineResult]) -> list[Verdict]:
    """What is asked of every line, whatever its class."""
    above = [line for line in lines if line.seconds is not None and line.seconds > FUNCTIONAL_SECONDS]
    found = [
        _verdict(
            f"95% interval of the ratio to the best peer not wholly below {NOT_BEHIND}",
            [(line, ratio.high or ratio.value) for line in lines if (ratio := line.ratio()) is not None],
            lambda high: high >= NOT_BEHIND,
        ),
        _verdict(
            f"functional call at least {FUNCTIONAL:.1f} times PyTorch's speed, above {1e3 * FUNCTIONAL_SECONDS:g} ms",
            [(line, ratio.value) for line in above if (ratio := line.functional_ratio) is not None],
            lambda ratio: ratio >= FUNCTIONAL,
        ),
        _verdict(
            f"channels_first within {LAYOUTS - 1:.0%} of channels_last",
            [(line, -ratio.value) for line in lines if (ratio := line.layouts_ratio) is not None],
            lambda ratio: -ratio <= LAYOUTS,
        ),
    ]
    return [verdict for verdict in found if verdict.reached or verdict.missed]


def thread_verdicts(board: Board) -> list[Verdict]:
    """What is asked of several threads: against one thread where computing binds, of the bandwidth elsewhere."""
    alone = {
        (line.name, line.batch): line.seconds
        for section in board.sections
        if section.setting.machine.threads == 1
        for line in section.lines
    }
    return [
        verdict
        for section in board.sections
        if section.setting.machine.threads > 1
        for verdict in _of_threads(section, lambda line: alone.get((line.name, line.batch)))
        if verdict.reached or verdict.missed
    ]


def _of_threads(section: Section, alone: Callable[[LineResult], float | None]) -> Iterator[Verdict]:
    threads = section.setting.machine.threads
    goal = SCALING / 2 * threads
    yield _verdict(
        f"{threads} threads at least {goal:g} times as fast as one, "
        f"where computing binds and one takes above {1e3 * SCALING_SECONDS:g} ms",
        [
            (line, one / line.seconds)
            for line in section.lines
            if not line.memory_bound and line.seconds and (one := alone(line)) is not None and one > SCALING_SECONDS
        ],
        lambda speedup: speedup >= goal,
    )
    yield _verdict(
        f"{BANDWIDTH:.0%} of the bandwidth of {threads} threads where that binds",
        [(line, line.of_limit) for line in section.lines if line.memory_bound and line.of_limit is not None],
        lambda share: share >= BANDWIDTH,
    )


def _verdict(goal: str, found: Sequence[tuple[LineResult, float]], reaches: Callable[[float], bool]) -> Verdict:
    """Larger values are nearer to the goal; signs only serve that order."""
    missed = sorted((value, line.name) for line, value in found if not reaches(value))
    return Verdict(goal, len(found) - len(missed), tuple(f"{name} ({abs(value):.2f})" for value, name in missed))


def _value(ratio: Estimate | None) -> float:
    assert ratio is not None, "only lines with a ratio are asked"
    return ratio.value
