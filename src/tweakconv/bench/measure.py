"""The measuring process: reads a request on standard input, writes what it measures as lines of JSON.

It is a process of its own because the libraries take their thread settings from the environment when they
are imported, and because one that crashes must not take the report with it. Run by `board.run_board`.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from tweakconv.bench.contender import CannotExpressError, Contender, Prepared
from tweakconv.bench.geometries import LINES, Line
from tweakconv.bench.limits import stream_seconds
from tweakconv.bench.machine import Machine, best_cpus, measure_machine, pin
from tweakconv.bench.ours import OURS, Ours
from tweakconv.bench.peers import Peer, select_peers
from tweakconv.bench.problem import Problem, relative_rms_error
from tweakconv.bench.results import Entry, LineResult, PeerStatus
from tweakconv.bench.timing import interleave, median, quantile

__all__ = ["WORST_ERROR", "Request", "measure_line", "serve"]

#: A contender whose relative RMS error is larger computed something else (float32 gives 1e-6, bfloat16 4e-3).
WORST_ERROR = 1e-4

Emit = Callable[[str, Any], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure: names of lines, keys of peers, rounds, threads, data format of ours."""

    lines: tuple[Line, ...]
    peers: tuple[str, ...]
    rounds: int
    threads: int


def serve(request: Request, emit: Emit) -> None:
    """Measure everything that is asked for, and emit each finding as it comes."""
    allowed = len(best_cpus(os.cpu_count() or 1))
    pinned = pin(best_cpus(request.threads))
    machine = measure_machine(request.threads, pinned, allowed)
    emit("machine", asdict(machine))
    emit("versions", {name: version(name) for name in ("tweakconv", "numpy", "llvmlite")} | {"python": platform.python_version()})
    contenders: list[Contender] = []
    for peer in select_peers(request.peers):
        status, sent = _invite(peer, request.threads)
        emit("peer", asdict(status))
        contenders += sent
    for line in request.lines:
        emit("line", asdict(measure_line(line, Ours(request.threads), contenders, request.rounds, machine, emit)))


def measure_line(
    line: Line,
    ours: Contender,
    peers: Sequence[Contender],
    rounds: int,
    machine: Machine,
    emit: Emit = lambda kind, value: None,
) -> LineResult:
    """All contenders on one line, in interleaved rounds, each result compared with float64."""
    problem = Problem.of(line)
    expected = problem.expected()
    ready: dict[str, Prepared] = {}
    entries: dict[str, Entry] = {}
    for contender in (ours, *peers):
        name = contender.name
        emit("working", f"{name} on {line.name}")
        try:
            prepared = contender.prepare(problem)
            error = relative_rms_error(prepared.to_nhwc(prepared.run()), expected)
        except CannotExpressError as reason:
            entries[name] = Entry(name, note=str(reason))
        except Exception as failure:  # noqa: BLE001  a library's failure is a finding, not an end
            entries[name] = Entry(name, note=f"failed: {type(failure).__name__}: {failure}")
        else:
            if error > WORST_ERROR:
                entries[name] = Entry(name, error=error, how=prepared.how, note=f"excluded: relative error {error:.1e}")
            else:
                ready[name] = prepared
                entries[name] = Entry(name, error=error, how=prepared.how)
    emit("working", line.name)
    samples = interleave({name: prepared.run for name, prepared in ready.items()}, rounds)
    for name, seconds in samples.items():
        entry = entries[name]
        quartiles = (quantile(seconds, 0.25), quantile(seconds, 0.75))
        entries[name] = Entry(name, median(seconds), quartiles, entry.error, entry.how)
    own = entries.pop(ours.name)
    return LineResult(
        name=line.name,
        kind=line.kind,
        flops=line.flops,
        compute_seconds=line.flops / (machine.fma_gflops * 1e9),
        traffic_seconds=stream_seconds(line.read_bytes, line.write_bytes, machine.threads),
        ours=own,
        peers=tuple(entries.values()),
    )
