"""The board: starts the measuring process, shows each line as it comes, and keeps the whole as a value."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tweakconv.bench import report
from tweakconv.bench.geometries import Line, select_lines
from tweakconv.bench.machine import best_cpus
from tweakconv.bench.measure import Request
from tweakconv.bench.peers import select_peers
from tweakconv.bench.results import Board, Finding, LineResult, Setting, Working

__all__ = ["findings", "run_board"]

Echo = Callable[[str], object]


def run_board(
    lines: Sequence[str] | None = None,
    *,
    peers: Sequence[str] | None = None,
    rounds: int = 7,
    threads: int = 1,
    data_format: str | None = None,
    json_path: str | os.PathLike[str] | None = None,
    echo: Echo = print,
) -> Board:
    """Measure tweakconv against the libraries that are installed, and print the board.

    Parameters
    ----------
    lines : sequence of str, optional
        Kinds of lines (``"foundation"``, ``"image"``, ``"network"``, ``"tiny"``) or parts of their names
        (``"stride 2"``); None measures all of them.
    peers : sequence of str, optional
        Keys of libraries (``"torch"``, ``"onnxruntime"``, ...); None takes all that are installed, an empty
        sequence none.
    rounds : int
        How many turns each contender gets on each line.
    threads : int
        How many threads each contender may use. The process is pinned to that many CPUs where the system
        allows it.
    data_format : {"channels_last", "channels_first"}, optional
        The format of our arrays on every line; None takes the format each line states. Peers always work in
        the layout that suits them best.
    json_path : path, optional
        A file for the findings in JSON, times in seconds.
    echo : callable
        Takes each line of the report as it comes.

    Returns
    -------
    Board
        What was printed, as values.

    Raises
    ------
    ValueError
        For lines, peers, rounds, threads or a data format that do not exist; the message says what does.
    RuntimeError
        Where the measuring process died; the message says at which contender and line.
    """
    request = Request(
        lines=_in_format(select_lines(lines), data_format),
        peers=select_peers(peers),
        rounds=_count("rounds", rounds),
        threads=_count("threads", threads),
    )
    if threads > len(best_cpus()):
        raise ValueError(f"threads: this process may use {len(best_cpus())} CPUs, got {threads} threads")
    setting: Setting | None = None
    results: list[LineResult] = []
    for finding in findings(request):
        match finding:
            case Setting():
                setting = finding
                _show(report.header(setting), echo)
            case LineResult():
                results.append(finding)
                echo(report.row(finding))
    assert setting is not None, "the measuring process sends the setting before it ends well"
    board = Board(setting, tuple(results))
    _show(report.summary(board), echo)
    if json_path is not None:
        Path(json_path).write_text(json.dumps(board.as_json(), indent=1) + "\n", encoding="utf-8")
    return board


def findings(request: Request) -> Iterator[Finding]:
    """Start the measuring process on a request and yield what it finds."""
    command = [sys.executable, "-c", "from tweakconv.bench.measure import main; main()"]
    environment = os.environ | _thread_settings(request.threads)
    at = "its start"
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin:
            pickle.dump(request, process.stdin)
        try:
            while True:
                finding: Finding = pickle.load(process.stdout)
                if isinstance(finding, Working):
                    at = finding.at
                yield finding
        except (EOFError, pickle.UnpicklingError):
            process.wait()  # it has ended, well or not: the exit status tells
        finally:
            process.kill()  # if it has not ended, nobody listens any more
    if process.returncode:
        raise RuntimeError(f"the measuring process ended with exit status {process.returncode} at {at}")


def _thread_settings(threads: int) -> Mapping[str, str]:
    """The environment in which libraries use this many threads, and none that spins while it waits."""
    counts = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TWEAKCONV_NUM_THREADS")
    return dict.fromkeys(counts, str(threads)) | {
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "0",
        "KMP_BLOCKTIME": "0",
    }


def _in_format(lines: Sequence[Line], data_format: str | None) -> tuple[Line, ...]:
    """The lines in this data format, where one is given, each once."""
    if data_format is None:
        return tuple(lines)
    if data_format not in {"channels_last", "channels_first"}:
        raise ValueError(f"data_format: expected 'channels_last' or 'channels_first', got {data_format!r}")
    return tuple(dict.fromkeys(replace(line, data_format=data_format) for line in lines))


def _count(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name}: expected at least 1, got {value}")
    return value


def _show(lines: Sequence[str], echo: Echo) -> None:
    for line in lines:
        echo(line)
