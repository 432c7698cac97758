"""The board as text: a table that fits 120 columns and reads as well in a log as in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from tweakconv.bench.geometries import KINDS
from tweakconv.bench.results import Board, Entry, LineResult, Setting

__all__ = ["header", "row", "summary"]

_NAME = 34
_COLUMNS = (
    # heading, width
    ("ours ms", 9),
    ("GFLOP/s", 8),
    ("of limit", 9),
    ("best peer", 14),
    ("ms", 9),
    ("ratio", 6),
    ("PyTorch", 8),
    ("error", 8),
    ("peer's", 8),
)


def header(setting: Setting) -> list[str]:
    """What ran where: the machine, the versions, and the headings of the table."""
    machine = setting.machine
    pinned = f", pinned to CPU {' and '.join(map(str, machine.pinned))}" if machine.pinned else ", not pinned"
    versions = ", ".join(f"{name} {number}" for name, number in setting.versions.items())
    return [
        f"{machine.cpu}: {machine.cpus} CPUs; {_plural(machine.threads, 'thread')}{pinned}",
        f"measured: {machine.fma_gflops:.1f} GFLOP/s of multiply-adds ({machine.vector_bits}-bit vectors), "
        f"{machine.memory_gbytes:.1f} GB/s of memory (copy, read and written)",
        versions,
        *(_peer_line(peer.title, peer.version, peer.note) for peer in setting.peers),
        f"float32, batch 1; median of {_plural(setting.rounds, 'interleaved round')}; ratio: best peer's time over ours, "
        "PyTorch: its better format's",
        "of limit: the larger of operations at the multiply-add peak and traffic at the speed of a plain loop, over our time",
        "",
        f"{'':{_NAME}}" + "".join(f"{heading:>{width}}" for heading, width in _COLUMNS),
    ]


def row(line: LineResult) -> str:
    """One line of the table."""
    ours, best = line.ours.seconds, line.best()
    cells = (
        _milliseconds(ours),
        "-" if ours is None else f"{line.flops / ours / 1e9:.1f}",
        "-" if ours is None else f"{100 * line.limit_seconds / ours:.0f} %",
        "-" if best is None else best.contender,
        _milliseconds(best.seconds if best else None),
        _ratio(line.ratio()),
        _ratio(line.ratio("PyTorch")),
        _error(line.ours),
        _error(best),
    )
    widths = (width for _, width in _COLUMNS)
    return f"{line.name:{_NAME}}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def summary(board: Board) -> list[str]:
    """The geometric means, every contender's time, and whatever did not compete, with the reason."""
    lines: list[str] = []
    for kind, meaning in KINDS.items():
        best, torch = board.mean_ratio(kind), board.mean_ratio(kind, "PyTorch")
        if best is not None:
            lines.append(f"{kind} ({meaning}): geometric mean ratio {best:.2f}, to PyTorch {_ratio(torch)}")
    return [*lines, *_every_time(board), *_absences(board)]


def _every_time(board: Board) -> list[str]:
    names = list(dict.fromkeys(entry.contender for line in board.lines for entry in (line.ours, *line.peers)))
    if len(names) < 2:
        return []
    widths = [max(len(name), 8) + 1 for name in names]
    rows = ["", f"{'milliseconds':{_NAME}}" + "".join(f"{n:>{w}}" for n, w in zip(names, widths, strict=True))]
    for line in board.lines:
        cells = [_milliseconds(entry.seconds) for entry in (line.ours, *line.peers)]
        rows.append(f"{line.name:{_NAME}}" + "".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True)))
    return rows


def _absences(board: Board) -> list[str]:
    entries = [(line, entry) for line in board.lines for entry in (line.ours, *line.peers)]
    notes = [f"{entry.contender}, {line.name}: {entry.note}" for line, entry in entries if entry.note]
    return ["", *notes] if notes else []


def _peer_line(title: str, version: str | None, note: str) -> str:
    return f"{title} {version}" + (f" ({note})" if note else "") if version else f"{title}: {note}"


def _milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    value = 1e3 * seconds
    return f"{value:.2f}" if value >= 10 else f"{value:.3f}" if value >= 0.1 else f"{value:.5f}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _error(entry: Entry | None) -> str:
    return "-" if entry is None or entry.error is None else f"{entry.error:.1e}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
