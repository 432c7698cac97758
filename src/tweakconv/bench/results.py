"""What a board found, as plain values: the times of each contender on each line, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tweakconv.bench.intervals import Estimate, mean_ratio, median_ratio
from tweakconv.bench.machine import Machine

__all__ = [
    "Board",
    "Entry",
    "Finding",
    "LeftOut",
    "LineResult",
    "PeerStatus",
    "Section",
    "Setting",
    "Working",
    "mean",
]


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """A library and its version; where it does not take part, `note` says why, or how to install it."""

    key: str
    title: str
    version: str | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One of a library's ways that did not count.

    Attributes
    ----------
    how : str
        Which.
    note : str
        Why: it failed, or its result is wrong.
    error : float or None
        Relative RMS error of its result.
    seconds : float or None
        What it took, where the result is of the right kind but not precise enough.
    """

    how: str
    note: str
    error: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One contender on one line.

    Attributes
    ----------
    contender : str
        Its name.
    seconds : float or None
        Median of its rounds; None where it did not compete, for the reason in `note`.
    rounds : tuple of float
        The median time of a call in each round, in seconds; slow contenders have fewer rounds.
    error : float or None
        Relative RMS error of its result against float64.
    cpus : float or None
        How many CPUs the process kept busy while it ran.
    how : str
        Which of the library's ways it used.
    note : str
        Why it has no time.
    left_out : tuple of LeftOut
        Ways of the library that did not count.
    """

    contender: str
    seconds: float | None = None
    rounds: tuple[float, ...] = ()
    error: float | None = None
    cpus: float | None = None
    how: str = ""
    note: str = ""
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class LineResult:
    """All contenders on one line.

    Attributes
    ----------
    name, kind, source : str
        The line, its class, and where it comes from.
    batch : int
        Images in a call.
    flops : int
        Floating-point operations of its definition.
    compute_seconds, traffic_seconds : float
        What its operations take as multiply-adds in registers; what reading its input and weights and writing
        its output, each once, takes in a tight loop. Both as measured in turns with the contenders.
    ours : tuple of Entry
        Us, prepared, in each data format that was measured; the first is the one that ratios are about.
    peers : tuple of Entry
        Everybody else, prepared.
    functional : tuple of Entry
        The functional calls, which pack the weights each time: ours, then PyTorch's.
    waiting : float or None
        The share of its CPUs' time that other programs took during the rounds; None where that is not known.
    restless : tuple of str
        Contenders whose threads did not go to sleep after their turns, and so may have disturbed the next.
    """

    name: str
    kind: str
    source: str
    batch: int
    flops: int
    compute_seconds: float
    traffic_seconds: float
    ours: tuple[Entry, ...]
    peers: tuple[Entry, ...]
    functional: tuple[Entry, ...] = ()
    waiting: float | None = None
    restless: tuple[str, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Ours, then the peers', then the functional calls."""
        return (*self.ours, *self.peers, *self.functional)

    @property
    def seconds(self) -> float | None:
        """Our time."""
        return self.ours[0].seconds

    @property
    def limit_seconds(self) -> float:
        """The time that no direct convolution can beat on this machine (the roofline at this line).

        A fast algorithm such as Winograd's does fewer operations than the definition and may.
        """
        return max(self.compute_seconds, self.traffic_seconds)

    @property
    def memory_bound(self) -> bool:
        """Whether moving its bytes takes longer than its operations."""
        return self.traffic_seconds > self.compute_seconds

    @property
    def of_limit(self) -> float | None:
        """The share of our time that the binding limit needs."""
        return None if self.seconds is None else self.limit_seconds / self.seconds

    def best(self, library: str = "") -> Entry | None:
        """The quickest peer whose name starts with `library`; None where there is none."""
        timed = [peer for peer in self.peers if peer.seconds is not None and peer.contender.startswith(library)]
        return min(timed, key=lambda peer: peer.seconds or 0.0, default=None)

    def ratios(self, library: str = "") -> tuple[float, ...]:
        """The best peer's time over ours (above 1: we are quicker), round by round; nothing where either is missing."""
        return _ratios(self.best(library), self.ours[0])

    def ratio(self, library: str = "") -> Estimate | None:
        """The median of the rounds' ratios, and its interval."""
        return _estimate(self.ratios(library))

    @property
    def layouts_ratio(self) -> Estimate | None:
        """Our time in the second data format over that in the first."""
        return _estimate(_ratios(self.ours[1], self.ours[0])) if len(self.ours) > 1 else None

    @property
    def functional_ratio(self) -> Estimate | None:
        """The time of PyTorch's functional call over that of ours."""
        return _estimate(_ratios(self.functional[1], self.functional[0])) if len(self.functional) > 1 else None


def _ratios(theirs: Entry | None, ours: Entry) -> tuple[float, ...]:
    rounds = () if theirs is None else theirs.rounds
    return tuple(their_time / our_time for their_time, our_time in zip(rounds, ours.rounds, strict=False))


def _estimate(ratios: Sequence[float]) -> Estimate | None:
    return median_ratio(ratios) if ratios else None


def mean(lines: Iterable[LineResult], library: str = "") -> Estimate | None:
    """The geometric mean of the lines' ratios, and its interval; lines without a ratio do not count."""
    return mean_ratio([ratios for line in lines if (ratios := line.ratios(library))])


@dataclass(frozen=True, slots=True)
class Setting:
    """What lines were measured with.

    Attributes
    ----------
    machine : Machine
        Where, on how many threads, and the limits there.
    versions : mapping of str to str
        Versions of Python, of ours and of what ours needs, by name.
    peers : tuple of PeerStatus
        Which libraries took part.
    rounds : int
        How many turns each contender had on each line.
    date : str
        When, as year-month-day.
    """

    machine: Machine
    versions: Mapping[str, str]
    peers: tuple[PeerStatus, ...]
    rounds: int
    date: str


@dataclass(frozen=True, slots=True)
class Working:
    """What the measuring process does next; said so that a crash can be traced to it.

    `contender` is who prepares for a line, None while nobody does.
    """

    at: str
    contender: str | None = None


#: What the measuring process sends: once the setting, then the lines.
Finding = Setting | Working | LineResult


@dataclass(frozen=True, slots=True)
class Section:
    """Lines that were measured in one setting: the same machine, at the same number of threads."""

    setting: Setting
    lines: tuple[LineResult, ...]

    @property
    def batches(self) -> tuple[int, ...]:
        """The batch sizes, in the order in which they were measured."""
        return tuple(dict.fromkeys(line.batch for line in self.lines))

    def with_batch(self, batch: int) -> Section:
        """Its lines of this batch size alone."""
        return Section(self.setting, tuple(line for line in self.lines if line.batch == batch))


@dataclass(frozen=True, slots=True)
class Board:
    """A whole board: a section for each number of threads."""

    sections: tuple[Section, ...]

    @property
    def lines(self) -> tuple[LineResult, ...]:
        """Those of all sections."""
        return tuple(line for section in self.sections for line in section.lines)
