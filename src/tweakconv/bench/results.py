"""What a board found: plain values that go to the report, to JSON and back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tweakconv.bench.machine import Machine

__all__ = [
    "Board",
    "Entry",
    "Finding",
    "LineResult",
    "PeerStatus",
    "Setting",
    "Working",
    "geometric_mean",
]


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """A library and its version; where it does not take part, `note` says why, or how to install it."""

    key: str
    title: str
    version: str | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One contender on one line.

    Attributes
    ----------
    contender : str
        Its name.
    seconds : float or None
        Median time of a call; None where it did not compete, for the reason in `note`.
    quartiles : tuple of float
        The times below which a quarter and three quarters of the samples lie, in seconds.
    error : float or None
        Relative RMS error of its result against float64.
    how : str
        Which of the library's ways it used.
    note : str
        Why it has no time.
    """

    contender: str
    seconds: float | None = None
    quartiles: tuple[float, ...] = ()
    error: float | None = None
    how: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class LineResult:
    """All contenders on one line.

    Attributes
    ----------
    name, kind : str
        The line.
    flops : int
        Floating-point operations of its definition.
    compute_seconds, traffic_seconds : float
        What its operations take at the machine's FMA peak; what reading its input and weights and writing
        its output, each once, takes in a tight loop.
    ours : Entry
        Us.
    peers : tuple of Entry
        Everybody else.
    waiting : float or None
        The share of the rounds in which the process was ready to run and something else had its CPU; None on
        several threads, which wait for each other as well.
    """

    name: str
    kind: str
    flops: int
    compute_seconds: float
    traffic_seconds: float
    ours: Entry
    peers: tuple[Entry, ...]
    waiting: float | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Ours, then the peers'."""
        return (self.ours, *self.peers)

    @property
    def limit_seconds(self) -> float:
        """The time that no direct convolution can beat on this machine (the roofline at this line).

        A fast algorithm such as Winograd's does fewer operations than the definition and may.
        """
        return max(self.compute_seconds, self.traffic_seconds)

    def best(self, family: str = "") -> Entry | None:
        """The quickest peer whose name starts with `family`; None where there is none."""
        times = {
            peer.contender: peer.seconds
            for peer in self.peers
            if peer.seconds is not None and peer.contender.startswith(family)
        }
        if not times:
            return None
        name = min(times, key=times.__getitem__)
        return next(peer for peer in self.peers if peer.contender == name)

    def ratio(self, family: str = "") -> float | None:
        """The best peer's time over ours (above 1: we are quicker); None where either did not compete."""
        best = self.best(family)
        if best is None or best.seconds is None or self.ours.seconds is None:
            return None
        return best.seconds / self.ours.seconds


@dataclass(frozen=True, slots=True)
class Setting:
    """What a board was measured with.

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
    """

    machine: Machine
    versions: Mapping[str, str]
    peers: tuple[PeerStatus, ...]
    rounds: int


@dataclass(frozen=True, slots=True)
class Working:
    """What the measuring process does next; said so that a crash can be traced to it."""

    at: str


#: What the measuring process sends: once the setting, then the lines.
Finding = Setting | Working | LineResult


@dataclass(frozen=True, slots=True)
class Board:
    """A whole board."""

    setting: Setting
    lines: tuple[LineResult, ...]

    def as_json(self) -> dict[str, Any]:
        """Everything, in types that JSON has; ratios and limits, which follow from the rest, included."""
        board = asdict(self)
        for values, line in zip(board["lines"], self.lines, strict=True):
            values["limit_seconds"] = line.limit_seconds
            values["ratio_to_best_peer"], values["ratio_to_pytorch"] = line.ratio(), line.ratio("PyTorch")
        return board


def geometric_mean(values: Iterable[float]) -> float | None:
    """The geometric mean, or None of nothing.

    Examples
    --------
    >>> geometric_mean([1.0, 4.0])
    2.0
    >>> geometric_mean([]) is None
    True
    """
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else None
