"""The board as text: a table that fits 120 columns and reads as well in a log as in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tweakconv.bench.geometries import KINDS
from tweakconv.bench.results import Board, Entry, LineResult, PeerStatus, Setting, geometric_mean

__all__ = ["header", "row", "summary"]

#: The share of a line's time that other programs may take before the report says so.
MOST_WAITING = 0.03

_NAME_WIDTH = 33
_COLUMNS = {
    "ours ms": 9,
    "GFLOP/s": 9,
    "of limit": 9,
    "best peer": 14,
    "its ms": 9,
    "ratio": 7,
    "PyTorch": 8,
    "our error": 11,
    "its error": 10,
}


def header(setting: Setting) -> list[str]:
    """What ran where, what the columns mean, and their headings."""
    machine = setting.machine
    threads = _plural(machine.threads, "thread")
    pinned = f"pinned to CPU {' and '.join(map(str, machine.pinned))}" if machine.pinned else "not pinned"
    return [
        f"{machine.cpu}, {_plural(machine.cpus, 'CPU')}; measured with {threads}, {pinned}:",
        f"  {machine.fma_gflops:.1f} GFLOP/s of multiply-adds in {machine.vector_bits}-bit vectors, "
        f"{machine.memory_gbytes:.1f} GB/s of memory (a copy, read and written together)",
        ", ".join(f"{name} {version}" for name, version in setting.versions.items()),
        *_peers(setting.peers),
        "",
        f"float32, batch 1, {threads}; medians of {_plural(setting.rounds, 'interleaved round')}",
        "of limit: the share of our time that operations at the peak, or bytes at a plain loop's speed, need; the",
        "  definition's operations are counted, so an algorithm that needs fewer goes beyond 100%",
        "ratio: best peer's time over ours; PyTorch: its better format's; error: relative RMS against float64",
        "",
        _table_row("", _COLUMNS, _COLUMNS.values()),
    ]


def row(line: LineResult) -> str:
    """One line of the table."""
    ours, best = line.ours.seconds, line.best()
    cells = (
        _milliseconds(ours),
        "-" if ours is None else f"{line.flops / ours / 1e9:.1f}",
        "-" if ours is None else f"{line.limit_seconds / ours:.0%}",
        "-" if best is None else best.contender,
        _milliseconds(best.seconds if best else None),
        _ratio(line.ratio()),
        _ratio(line.ratio("PyTorch")),
        _error(line.ours),
        _error(best),
    )
    return _table_row(line.name, cells, _COLUMNS.values())


def summary(board: Board) -> list[str]:
    """The means of each kind of lines, every contender's time, and who did not compete, with the reason."""
    parts = [_means(board), _times(board), _absences(board), _disturbances(board)]
    return [text for part in parts if part for text in ("", *part)]


def _peers(peers: Sequence[PeerStatus]) -> list[str]:
    present = [f"{peer.title} {peer.version}" for peer in peers if peer.version and not peer.note]
    absent = [f"{peer.title}: {peer.note}" for peer in peers if peer.note]
    return [f"against {', '.join(present)}" if present else "against nobody", *absent]


def _means(board: Board) -> list[str]:
    lines: list[str] = []
    for kind, meaning in KINDS.items():
        of_kind = [line for line in board.lines if line.kind == kind]
        means = [_mean(of_kind, rival, family) for rival, family in (("the best peer", ""), ("PyTorch", "PyTorch"))]
        if any(means):
            lines += [f"{kind}: {meaning}", *filter(None, means)]
    return lines


def _mean(lines: Sequence[LineResult], rival: str, family: str) -> str:
    ratios = {line.name: ratio for line in lines if (ratio := line.ratio(family)) is not None}
    mean = geometric_mean(ratios.values())
    if mean is None:
        return ""
    worst = min(ratios, key=ratios.__getitem__)
    return f"  ratio to {rival}: geometric mean {mean:.2f}, lowest {ratios[worst]:.2f} ({worst})"


def _times(board: Board) -> list[str]:
    names = list(dict.fromkeys(entry.contender for line in board.lines for entry in line.entries))
    if len(names) < 2:
        return []
    widths = [max(len(name), 8) + 1 for name in names]
    rows = [_table_row("milliseconds of everybody", names, widths)]
    for line in board.lines:
        rows.append(_table_row(line.name, [_milliseconds(entry.seconds) for entry in line.entries], widths))
    return rows


def _absences(board: Board) -> list[str]:
    """Each reason once, with the lines it was given for."""
    lines: dict[tuple[str, str], list[str]] = {}
    for line in board.lines:
        for entry in line.entries:
            if entry.note:
                lines.setdefault((entry.contender, entry.note), []).append(line.name)
    return [
        f"{contender}: {note} ({names[0] if len(names) == 1 else f'{len(names)} lines'})"
        for (contender, note), names in lines.items()
    ]


def _disturbances(board: Board) -> list[str]:
    waiting = [line.waiting for line in board.lines if line.waiting is not None and line.waiting > MOST_WAITING]
    if not waiting:
        return []
    lines = _plural(len(waiting), "line")
    return [f"other programs had the CPU for up to {max(waiting):.0%} of the time ({lines}): measure again in peace"]


def _table_row(name: str, cells: Iterable[str], widths: Iterable[int]) -> str:
    return f"{name:{_NAME_WIDTH}}" + "".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))


def _milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    value = 1e3 * seconds
    digits = 2 if value >= 10 else 3 if value >= 0.1 else 5
    return f"{value:.{digits}f}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _error(entry: Entry | None) -> str:
    return "-" if entry is None or entry.error is None else f"{entry.error:.1e}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
