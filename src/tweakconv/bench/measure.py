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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

from tweakconv.bench.contender import CannotExpressError, Contender, Prepared
from tweakconv.bench.geometries import Line
from tweakconv.bench.limits import stream_seconds
from tweakconv.bench.machine import Machine, best_cpus, measure_machine, pin
from tweakconv.bench.ours import Ours
from tweakconv.bench.peers import Peer
from tweakconv.bench.problem import Problem, relative_rms_error
from tweakconv.bench.results import Entry, Finding, LineResult, PeerStatus, Setting, Working
from tweakconv.bench.timing import interleave, median, quantile

__all__ = ["WORST_ERROR", "Request", "main", "measure_line", "serve"]

#: A contender whose relative RMS error is larger computed something else (float32 gives 1e-6, bfloat16 4e-3).
WORST_ERROR = 1e-4

Emit = Callable[[Finding], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure."""

    lines: tuple[Line, ...]
    peers: tuple[Peer, ...]
    rounds: int
    threads: int


def main() -> None:
    """Serve one request: pickled on standard input, the findings pickled on standard output."""
    request: Request = pickle.load(sys.stdin.buffer)
    # Whatever a library prints goes to standard error: standard output belongs to the findings.
    findings = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def emit(finding: Finding) -> None:
        pickle.dump(finding, findings)
        findings.flush()

    serve(request, emit)


def serve(request: Request, emit: Emit) -> None:
    """Measure everything the request asks for, and emit each finding as it comes."""
    cpus = best_cpus()
    pinned = pin(cpus[: request.threads])
    machine = measure_machine(request.threads, len(cpus), pinned)
    contenders: list[Contender] = []
    peers: list[PeerStatus] = []
    for peer in request.peers:
        emit(Working(f"the import of {peer.title}"))
        status, sent = _invite(peer, request.threads)
        peers.append(status)
        contenders += sent
    emit(Setting(machine, _versions(), tuple(peers), request.rounds))
    ours = Ours(request.threads)
    for line in request.lines:
        emit(measure_line(line, ours, contenders, rounds=request.rounds, machine=machine, emit=emit))


def measure_line(
    line: Line,
    ours: Contender,
    peers: Sequence[Contender],
    *,
    rounds: int,
    machine: Machine,
    emit: Emit = lambda finding: None,
) -> LineResult:
    """All contenders on one line: results compared with float64, then times in interleaved rounds."""
    problem = Problem.of(line)
    expected = problem.expected()
    entries: dict[str, Entry] = {}
    ready: dict[str, Prepared] = {}
    for contender in (ours, *peers):
        emit(Working(f"{contender.name} on {line.name}"))
        try:
            prepared = contender.prepare(problem)
            error = relative_rms_error(prepared.to_nhwc(prepared.run()), expected)
        except CannotExpressError as reason:
            entry = Entry(contender.name, note=str(reason))
        except Exception as failure:  # whatever fails in a library is a finding, not the end of the board
            entry = Entry(contender.name, note=f"failed: {_in_short(failure)}")
        else:
            entry = Entry(contender.name, error=error, how=prepared.how)
            if error <= WORST_ERROR:
                ready[contender.name] = prepared
            else:
                entry = replace(entry, note=f"excluded: its result is wrong, relative error {error:.1e}")
        entries[contender.name] = entry
    emit(Working(f"the rounds of {line.name}"))
    wall, cpu = time.perf_counter(), time.process_time()
    samples = interleave({name: prepared.run for name, prepared in ready.items()}, rounds)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for name, seconds in samples.items():
        quartiles = (quantile(seconds, 0.25), quantile(seconds, 0.75))
        entries[name] = replace(entries[name], seconds=median(seconds), quartiles=quartiles)
    return LineResult(
        name=line.name,
        kind=line.kind,
        flops=line.flops,
        compute_seconds=line.flops / (machine.fma_gflops * 1e9),
        traffic_seconds=stream_seconds(line.read_bytes, line.write_bytes, machine.threads),
        ours=entries[ours.name],
        peers=tuple(entries[peer.name] for peer in peers),
        waiting=max(0.0, 1 - cpu / wall) if machine.threads == 1 else None,
    )


def _invite(peer: Peer, threads: int) -> tuple[PeerStatus, tuple[Contender, ...]]:
    """What a library sends to the board, or why it sends nothing."""
    if peer.missing:
        return PeerStatus(peer.key, peer.title, None, f"not installed: {peer.how_to_install}"), ()
    try:
        return PeerStatus(peer.key, peer.title, peer.version), peer.contenders(threads)
    except Exception as failure:  # a broken installation is reported like a missing one
        return PeerStatus(peer.key, peer.title, peer.version, f"failed: {_in_short(failure)}"), ()


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("tweakconv", "numpy", "llvmlite")}
    return {"Python": platform.python_version(), **packages}


def _in_short(failure: Exception) -> str:
    """The first line of an exception's message, under its name."""
    words = str(failure).strip().splitlines() or ["no message"]
    return f"{type(failure).__name__}: {words[0][:200]}"
