"""The measuring process: takes a request, and sends back what it finds, one finding at a time.

It is a process of its own because libraries take their thread settings from the environment when they are
imported, and because one that crashes must not take the report with it. `board.run_board` starts it.
"""

from __future__ import annotations

import os
import pickle
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from statistics import median
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from tweakconv.bench.contender import CannotExpressError, Contender, Prepared, race
from tweakconv.bench.geometries import Line
from tweakconv.bench.limits import fma_sample, stream_sample
from tweakconv.bench.machine import Machine, best_cpus, busy_seconds, measure_machine, pin
from tweakconv.bench.ours import Ours, OursFunctional
from tweakconv.bench.peers import Peer
from tweakconv.bench.problem import Expected, Problem, relative_rms_error
from tweakconv.bench.results import Entry, Finding, LeftOut, LineResult, PeerStatus, Setting, Working
from tweakconv.bench.timing import LONG_SECONDS, interleave

__all__ = ["WORST_ERROR", "Field", "Request", "main", "measure_line", "serve"]

#: What has a larger relative RMS error is not float32: sums in float32 have errors around 1e-6, Winograd's with tiles
#: of 6x6 outputs some 1e-6, arithmetic in half precision 3e-4.
WORST_ERROR = 3e-5
#: What has a larger one computed something else.
WRONG_ERROR = 1e-2

_PRODUCTS, _TRAFFIC = "the limit of products", "the limit of traffic"

Emit = Callable[[Finding], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure.

    `excused` has the contenders that are not to prepare for the first line, with the reason.
    """

    lines: tuple[Line, ...]
    peers: tuple[Peer, ...]
    rounds: int
    threads: int
    data_formats: tuple[str, ...] = ("channels_last",)
    excused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Field:
    """Everybody who takes part: us in each data format, the peers, and the functional calls (ours first)."""

    ours: Sequence[Contender]
    peers: Sequence[Contender] = ()
    functional: Sequence[Contender] = ()

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """All of them."""
        return (*self.ours, *self.peers, *self.functional)


def main() -> None:
    """Serve one request: pickled on standard input, the findings pickled on standard output."""
    request: Request = pickle.load(sys.stdin.buffer)
    # Standard output belongs to the findings: what libraries print there (MNN's converter does not stop) is dropped.
    findings = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def emit(finding: Finding) -> None:
        pickle.dump(finding, findings)
        findings.flush()

    serve(request, emit)


def serve(request: Request, emit: Emit) -> None:
    """Measure everything the request asks for, and emit each finding as it comes."""
    cpus = best_cpus()
    pinned = pin(cpus[: request.threads])
    machine = measure_machine(request.threads, len(cpus), pinned)
    ours = [Ours(request.threads, data_format) for data_format in request.data_formats]
    peers: list[Contender] = []
    functional: list[Contender] = [OursFunctional(request.threads, request.data_formats[0])]
    statuses: list[PeerStatus] = []
    for peer in request.peers:
        emit(Working(f"the import of {peer.title}"))
        status, prepared, calls = _invite(peer, request.threads)
        statuses.append(status)
        peers += prepared
        functional += calls
    today = time.strftime("%Y-%m-%d")
    emit(Setting(machine, _versions(), tuple(statuses), request.rounds, today))
    everybody = Field(ours, peers, functional)
    excused = request.excused
    for line in request.lines:
        emit(measure_line(line, everybody, request.rounds, machine, excused=excused, emit=emit))
        excused = {}


def measure_line(
    line: Line,
    everybody: Field,
    rounds: int,
    machine: Machine,
    *,
    excused: Mapping[str, str] = MappingProxyType({}),
    emit: Emit = lambda finding: None,
) -> LineResult:
    """All contenders on one line: results compared with float64 and with ours, then times in interleaved rounds.

    The machine's limits have their turns as well.
    """
    problem = Problem.of(line)
    judge = _Judge(problem.expected())
    entries: dict[str, Entry] = {}
    ready: dict[str, Prepared] = {}
    for contender in everybody.contenders:
        name = contender.name
        if name in excused:
            entries[name] = Entry(name, note=excused[name])
            continue
        emit(Working(f"{name} on {line.name}", name))
        entries[name], prepared = _prepare(contender, problem, judge)
        if prepared is not None:
            ready[name] = prepared
    emit(Working(f"the rounds of {line.name}"))
    products = fma_sample(line.flops, machine.target, machine.threads)
    traffic = stream_sample(line.read_bytes, line.write_bytes, machine.threads)
    runs = {name: prepared.run for name, prepared in ready.items()}
    others = _Others(machine.pinned)
    limits = {_PRODUCTS: products.run, _TRAFFIC: traffic.run}
    turns = interleave({**runs, **limits}, rounds, settling=machine.threads > 1)
    waiting = others.share()
    for name in runs:
        mine = turns[name]
        entries[name] = replace(
            entries[name], seconds=median(mine.seconds), rounds=tuple(mine.seconds), cpus=median(mine.cpus)
        )
    return LineResult(
        name=line.name,
        kind=line.kind,
        source=line.source,
        batch=line.batch,
        flops=line.flops,
        compute_seconds=median(turns[_PRODUCTS].seconds) / products.times,
        traffic_seconds=median(turns[_TRAFFIC].seconds) / traffic.times,
        ours=tuple(entries[contender.name] for contender in everybody.ours),
        peers=tuple(entries[contender.name] for contender in everybody.peers),
        functional=tuple(entries[contender.name] for contender in everybody.functional),
        waiting=waiting,
        restless=tuple(name for name in runs if turns[name].restless),
    )


class _Others:
    """What other programs do on our CPUs from here on."""

    def __init__(self, cpus: tuple[int, ...]) -> None:
        self.cpus = cpus
        self.begin = self._clocks()

    def share(self) -> float | None:
        """The share of the CPUs' time that was not ours and not idle; None where the system does not say."""
        (wall, own, busy), (began, own_then, busy_then) = self._clocks(), self.begin
        if busy is None or busy_then is None:
            return None
        theirs = (busy - busy_then) - (own - own_then)
        return max(0.0, theirs / ((wall - began) * len(self.cpus)))

    def _clocks(self) -> tuple[float, float, float | None]:
        return time.perf_counter(), time.process_time(), busy_seconds(self.cpus)


@dataclass(slots=True)
class _Judge:
    """Compares results with the definition on a part of the output, and with the first right one on all of it.

    The first is ours, where ours is right.
    """

    expected: Expected
    whole: NDArray[Any] | None = None

    def error(self, result: NDArray[Any]) -> float:
        """The relative RMS error against float64; the difference from the first right result if too large."""
        error = self.expected.error(result)
        if error > WORST_ERROR:
            return error
        if self.whole is None:
            self.whole = result.copy()
            return error
        difference = relative_rms_error(result, self.whole)
        return difference if difference > WORST_ERROR else error


def _prepare(contender: Contender, problem: Problem, judge: _Judge) -> tuple[Entry, Prepared | None]:
    """What is known of a contender before the rounds, and its quickest way among those whose result is right."""
    name = contender.name
    try:
        ways = contender.ways(problem)
    except CannotExpressError as reason:
        return Entry(name, note=str(reason)), None
    except Exception as failure:  # whatever fails in a library is a finding, not the end of the board
        return Entry(name, note=f"failed: {_in_short(failure)}"), None
    ready: dict[str, Prepared] = {}
    errors: dict[str, float] = {}
    once: dict[str, float] = {}
    left_out: dict[str, LeftOut] = {}
    for how, way in ways.items():
        try:
            prepared = way()
            start = time.perf_counter()
            result = prepared.run()
            once[how] = time.perf_counter() - start
            error = judge.error(prepared.to_nhwc(result))
        except Exception as failure:  # as above
            left_out[how] = LeftOut(how, f"failed: {_in_short(failure)}")
            continue
        errors[how] = error
        if error > WORST_ERROR:
            left_out[how] = LeftOut(how, f"excluded: its result is {_fault(error)}", error)
        if error <= WRONG_ERROR:
            ready[how] = prepared
    short = {how: prepared for how, prepared in ready.items() if once[how] < LONG_SECONDS}
    times = once | race(short if len(short) > 1 or left_out else {})
    left = tuple(replace(way, seconds=times[how] if how in ready else None) for how, way in left_out.items())
    right = [how for how in ready if how not in left_out]
    if not right:
        return Entry(name, note="; ".join(dict.fromkeys(way.note for way in left)), left_out=left), None
    best = min(right, key=times.__getitem__)
    return Entry(name, error=errors[best], how=best, left_out=left), ready[best]


def _fault(error: float) -> str:
    return f"{'not float32' if error <= WRONG_ERROR else 'wrong'}, relative error {error:.0e}"


def _invite(peer: Peer, threads: int) -> tuple[PeerStatus, Sequence[Contender], Sequence[Contender]]:
    """What a library sends to the board (prepared, and as a functional call), or why it sends nothing."""
    if peer.missing:
        return PeerStatus(peer.key, peer.title, None, f"not installed: {peer.how_to_install}"), (), ()
    try:
        sent = peer.contenders(threads), peer.functional(threads)
    except Exception as failure:  # a broken installation is reported like a missing one
        return PeerStatus(peer.key, peer.title, peer.version, f"failed: {_in_short(failure)}"), (), ()
    return PeerStatus(peer.key, peer.title, peer.version), *sent


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("tweakconv", "numpy", "llvmlite")}
    return {"Python": platform.python_version(), **packages}


def _in_short(failure: Exception) -> str:
    """The first line of an exception's message, under its name."""
    words = str(failure).strip().splitlines() or ["no message"]
    return f"{type(failure).__name__}: {words[0][:200]}"
