"""The board: starts the measuring process, shows each line as it comes, and keeps the whole as a value."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tweakconv.bench import report
from tweakconv.bench.geometries import in_batches
from tweakconv.bench.lines import select_lines
from tweakconv.bench.machine import best_cpus
from tweakconv.bench.measure import Request
from tweakconv.bench.ours import LAYOUTS
from tweakconv.bench.peers import select_peers
from tweakconv.bench.publish import check_can_publish, publish, write_json
from tweakconv.bench.results import Board, Finding, LineResult, Section, Setting, Working

__all__ = ["findings", "run_board"]

Echo = Callable[[str], object]


def run_board(
    lines: Sequence[str] | None = None,
    *,
    classes: Sequence[str] | None = None,
    peers: Sequence[str] | None = None,
    rounds: int = 9,
    threads: Sequence[int] = (1,),
    batches: Sequence[int] = (1,),
    data_formats: Sequence[str] = tuple(LAYOUTS),
    json_path: str | os.PathLike[str] | None = None,
    folder: str | os.PathLike[str] | None = None,
    echo: Echo = print,
) -> Board:
    """Measure tweakconv against the libraries that are installed, and print the board.

    Parameters
    ----------
    lines : sequence of str, optional
        Parts of the names of lines (``"stride 2"``) or of networks (``"ResNet"``), or ``"foundation"``; None measures
        all of them.
    classes : sequence of str, optional
        Keys of classes (``"depthwise"``); None takes all.
    peers : sequence of str, optional
        Keys of libraries (``"torch"``, ``"onnxruntime"``, ...); None takes all that are installed, an empty
        sequence none.
    rounds : int
        How many turns each contender gets on each line; six or more give intervals.
    threads : sequence of int
        How many threads each contender may use; everything is measured with each of these numbers. The process is
        pinned to that many CPUs where the system allows it.
    batches : sequence of int
        Images in a call; everything is measured with each of these numbers, but for a few lines that are only
        measured one image at a time.
    data_formats : sequence of str
        The formats of our arrays; ratios are about the first. Peers always work in the layout that suits them best.
    json_path : path, optional
        A file for the findings in JSON, times in seconds. It is written anew after each line.
    folder : path, optional
        A folder for the findings as JSON, as a table and as charts: see `tweakconv.bench.publish`.
    echo : callable
        Takes each line of the report as it comes.

    Returns
    -------
    Board
        What was printed, as values.

    Raises
    ------
    ValueError
        For lines, classes, peers, rounds, threads, batches or data formats that do not exist; the message says what
        does.
    ModuleNotFoundError
        For a folder without matplotlib, which draws the charts.
    RuntimeError
        Where the measuring process died; the message says at which contender and line.
    """
    chosen = in_batches(select_lines(lines, classes), _counts("batches", batches))
    request = Request(
        lines=chosen,
        peers=select_peers(peers),
        rounds=_counts("rounds", [rounds])[0],
        threads=1,
        data_formats=_formats(data_formats),
    )
    cpus = len(best_cpus())
    for count in _counts("threads", threads):
        if count > cpus:
            raise ValueError(f"threads: this process may use {cpus} CPUs, got {count} threads")
    if folder is not None:
        check_can_publish(folder)
        json_path = json_path or Path(folder, "board.json")
    board = Board(())
    for count in threads:
        for section in _sections(replace(request, threads=count), echo):
            so_far = Board((*board.sections, section))
            if json_path is not None:
                write_json(so_far, json_path)
        board = so_far
    _show(report.summary(board), echo)
    if folder is not None:
        publish(board, folder)
    return board


def _sections(request: Request, echo: Echo) -> Iterator[Section]:
    """One section as it grows, line by line, and printed as it does."""
    section: Section | None = None
    for finding in findings(request):
        match finding:
            case Setting():
                section = Section(finding, ())
                _show(report.header(finding), echo)
                yield section
            case LineResult():
                assert section is not None, "the measuring process sends the setting before the lines"
                if not section.lines or section.lines[-1].batch != finding.batch:
                    _show(report.column_titles(finding.batch, request.threads), echo)
                echo(report.row(finding))
                section = replace(section, lines=(*section.lines, finding))
                yield section


class _EndedError(Exception):
    """The measuring process ended before its work was done; the message says how."""


def findings(request: Request) -> Iterator[Finding]:
    """What the measuring process finds.

    Where it dies while a contender prepares for a line, another is started for the lines that are left, and that
    contender is excused from that line, with words.

    Raises
    ------
    RuntimeError
        Where it dies anywhere else.
    """
    known = False
    while True:
        at = Working("its start")
        try:
            for finding in _findings_of_one_process(request):
                match finding:
                    case Working():
                        at = finding
                    case LineResult():
                        request = replace(request, lines=request.lines[1:], excused={})
                if not (known and isinstance(finding, Setting)):
                    yield finding
                known = known or isinstance(finding, Setting)
            return
        except _EndedError as end:
            if at.contender is None:
                raise RuntimeError(f"the measuring process {end} at {at.at}") from None
            request = replace(request, excused={**request.excused, at.contender: f"crashed: its process {end}"})


def _findings_of_one_process(request: Request) -> Iterator[Finding]:
    command = [sys.executable, "-c", "from tweakconv.bench.measure import main; main()"]
    environment = os.environ | _thread_settings(request.threads)
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin:
            pickle.dump(request, process.stdin)
        try:
            while True:
                yield pickle.load(process.stdout)
        except (EOFError, pickle.UnpicklingError):
            process.wait()  # it has ended, well or not: the exit status tells
        finally:
            process.kill()  # if it has not ended, nobody listens any more
    if process.returncode:
        raise _EndedError(f"ended with exit status {process.returncode}")


def _thread_settings(threads: int) -> Mapping[str, str]:
    """The environment in which libraries use this many threads.

    Whether threads spin while they wait is left to the libraries, for it makes some twice as fast on short calls;
    `timing.interleave` sees to it that they sleep before the next contender's turn.
    """
    counts = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TWEAKCONV_NUM_THREADS")
    return dict.fromkeys(counts, str(threads))


def _formats(data_formats: Sequence[str]) -> tuple[str, ...]:
    for name in data_formats:
        if name not in LAYOUTS:
            raise ValueError(f"data_formats: expected {' or '.join(map(repr, LAYOUTS))}, got {name!r}")
    if not data_formats:
        raise ValueError(f"data_formats: expected at least one of {', '.join(map(repr, LAYOUTS))}, got none")
    return tuple(dict.fromkeys(data_formats))


def _counts(name: str, values: Sequence[int]) -> tuple[int, ...]:
    for value in values:
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    if not values:
        raise ValueError(f"{name}: expected at least one number, got none")
    return tuple(dict.fromkeys(values))


def _show(lines: Sequence[str], echo: Echo) -> None:
    for line in lines:
        echo(line)
