"""The board as text: a table that fits 120 columns and reads as well in a log as in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tweakconv.bench.goals import WHOLE_BOARD, ClassSummary, class_summaries, first_few, thread_verdicts, verdicts
from tweakconv.bench.intervals import Estimate
from tweakconv.bench.results import Board, LeftOut, LineResult, PeerStatus, Section, Setting, mean

__all__ = [
    "absences",
    "column_titles",
    "disturbances",
    "header",
    "left_out",
    "machine_lines",
    "milliseconds",
    "row",
    "summary",
]

#: The share of a line's time that other programs may take before the report says so.
MOST_WAITING = 0.03

#: Contenders whose times fit beside each other.
MOST_COLUMNS = 5

_NAME_WIDTH = 38
_COLUMNS = {
    "ours ms": 9,
    "GFLOP/s": 8,
    "of limit": 9,
    "best peer": 14,
    "ratio": 7,
    "interval": 14,
    "PyTorch": 8,
    "NCHW": 6,
    "call": 6,
}


def header(setting: Setting) -> list[str]:
    """What ran where, and what the columns mean."""
    return [
        *machine_lines(setting),
        f"float32; medians of {_plural(setting.rounds, 'interleaved round')}, with 95% intervals",
        "of limit: the share of our time that the operations need as multiply-adds in registers (f) or the bytes in a",
        "  plain loop (b), whichever is more, in turns with it; fast algorithms need fewer and go beyond 100%",
        "ratio: best peer's time over ours, prepared; PyTorch: its better format's; NCHW: our time in channels_first",
        "  over that in channels_last; call: time of PyTorch's functional call, which packs the weights, over ours",
    ]


def machine_lines(setting: Setting) -> list[str]:
    """What it was measured on, and against whom."""
    machine = setting.machine
    pinned = f"pinned to CPU {' and '.join(map(str, machine.pinned))}" if machine.pinned else "not pinned"
    return [
        f"{machine.cpu}, {machine.target}, {_plural(machine.cpus, 'CPU')}, {machine.system}, {setting.date}; "
        f"measured with {_plural(machine.threads, 'thread')}, {pinned}:",
        f"  {machine.fma_gflops:.1f} GFLOP/s of multiply-adds in {machine.vector_bits}-bit vectors, "
        f"{machine.memory_gbytes:.1f} GB/s of memory (a copy, read and written together)",
        ", ".join(f"{name} {version}" for name, version in setting.versions.items()),
        *_peers(setting.peers),
    ]


def column_titles(batch: int, threads: int) -> list[str]:
    """Which lines follow, and the headings."""
    return ["", _table_row(f"batch {batch}, {_plural(threads, 'thread')}", _COLUMNS, _COLUMNS.values())]


def row(line: LineResult) -> str:
    """One line of the table."""
    ours, best, ratio = line.seconds, line.best(), line.ratio()
    share = line.of_limit
    cells = (
        milliseconds(ours),
        "-" if ours is None else f"{line.flops / ours / 1e9:.1f}",
        "-" if share is None else f"{share:.0%} {'b' if line.memory_bound else 'f'}",
        "-" if best is None else best.contender,
        _value(ratio),
        (ratio.interval if ratio else "") or "-",
        _value(line.ratio("PyTorch")),
        _value(line.layouts_ratio),
        _value(line.functional_ratio),
    )
    return _table_row(line.name, cells, _COLUMNS.values())


def summary(board: Board) -> list[str]:
    """The means of each class, the goals, every contender's time, and who did not compete, with the reason."""
    parts: list[list[str]] = []
    for section in board.sections:
        for batch in section.batches:
            part = section.with_batch(batch)
            title = f"batch {batch}, {_plural(section.setting.machine.threads, 'thread')}"
            parts += [_means(part, title), _times(part, title)]
    parts += [
        [str(verdict) for verdict in thread_verdicts(board)],
        absences(board),
        left_out(board),
        disturbances(board),
    ]
    return [text for part in parts if part for text in ("", *part)]


def absences(board: Board) -> list[str]:
    """Who has no time where: each reason once, with the lines it was given for."""
    lines: dict[tuple[str, str], list[str]] = {}
    for line in board.lines:
        for entry in line.entries:
            if entry.note:
                lines.setdefault((entry.contender, entry.note), []).append(line.name)
    return [
        f"{contender}: {note} ({names[0] if len(names) == 1 else f'{len(names)} lines'})"
        for (contender, note), names in lines.items()
    ]


def left_out(board: Board) -> list[str]:
    """Ways of libraries that are not precise enough to count: how many lines, how large errors, and what they took.

    Where one would have been the quickest, the line is named with its time.
    """
    ways: dict[tuple[str, str], list[tuple[LineResult, LeftOut]]] = {}
    for line in board.lines:
        for entry in line.entries:
            for way in entry.left_out:
                if way.seconds is not None:
                    ways.setdefault((entry.contender, way.how), []).append((line, way))
    found = []
    for (contender, how), cases in ways.items():
        worst = max(way.error or 0.0 for _, way in cases)
        text = f"{contender} with {how}: not float32 on {_plural(len(cases), 'line')}, relative error up to {worst:.0e}"
        quicker = [
            f"{line.name} {milliseconds(way.seconds)} ms"
            for line, way in cases
            if (best := line.best()) is not None and (way.seconds or 0.0) < (best.seconds or 0.0)
        ]
        found.append(text + (f"; it would be the quickest peer on {first_few(quicker)}" if quicker else ""))
    return found


def disturbances(board: Board) -> list[str]:
    """What makes the findings less sure."""
    found = []
    waiting = [line.waiting for line in board.lines if line.waiting is not None and line.waiting > MOST_WAITING]
    if waiting:
        lines = _plural(len(waiting), "line")
        found.append(f"other programs had the CPU for up to {max(waiting):.0%} of the time ({lines}): measure in peace")
    restless = sorted({name for line in board.lines for name in line.restless})
    if restless:
        found.append(f"threads that went on spinning into the next turn: {', '.join(restless)}")
    return found


def milliseconds(seconds: float | None) -> str:
    """A time in milliseconds with three or four digits."""
    if seconds is None:
        return "-"
    value = 1e3 * seconds
    digits = 2 if value >= 10 else 3 if value >= 0.1 else 5
    return f"{value:.{digits}f}"


def _peers(peers: Sequence[PeerStatus]) -> list[str]:
    present = [f"{peer.title} {peer.version}" for peer in peers if peer.version and not peer.note]
    absent = [f"{peer.title}: {peer.note}" for peer in peers if peer.note]
    return [f"against {', '.join(present)}" if present else "against nobody", *absent]


def _means(part: Section, title: str) -> list[str]:
    whole = mean(part.lines)
    if whole is None:
        return []
    lines = [f"{title}: geometric means of the ratios, with 95% intervals"]
    for summary_of_class in class_summaries(part.lines):
        lines += _of_class(summary_of_class)
    pytorch = mean(part.lines, "PyTorch")
    lines.append(f"whole board: best peer {whole} (goal {WHOLE_BOARD}){_and_pytorch(pytorch)}")
    return lines + [str(verdict) for verdict in verdicts(part.lines)]


def _of_class(of_class: ClassSummary) -> list[str]:
    known, lowest = of_class.line_class, of_class.lowest
    if of_class.best is None:
        return []
    worst = "" if lowest is None else f"; lowest {_value(lowest.ratio())} ({lowest.name})"
    return [
        f"{known.key}: {known.meaning}",
        f"  best peer {of_class.best}{_and_pytorch(of_class.pytorch)}{worst}",
        f"  goal: {known.goal}" + (f"; {of_class.kept} of {of_class.judged} lines" if of_class.judged else ""),
    ]


def _and_pytorch(estimate: Estimate | None) -> str:
    return "" if estimate is None else f", PyTorch {estimate}"


def _times(part: Section, title: str) -> list[str]:
    names = list(dict.fromkeys(entry.contender for line in part.lines for entry in line.entries))
    if len(names) <= len(part.lines[0].ours):
        return []
    half = (len(names) + 1) // 2
    columns = [names] if len(names) <= MOST_COLUMNS else [names[:half], names[half:]]
    return [text for few in columns for text in _times_of(part, title, few)]


def _times_of(part: Section, title: str, names: Sequence[str]) -> list[str]:
    widths = [max(len(name), 8) + 1 for name in names]
    rows = [_table_row(f"{title}: milliseconds", names, widths)]
    for line in part.lines:
        seconds = {entry.contender: entry.seconds for entry in line.entries}
        rows.append(_table_row(line.name, [milliseconds(seconds.get(name)) for name in names], widths))
    return rows


def _table_row(name: str, cells: Iterable[str], widths: Iterable[int]) -> str:
    return f"{name:{_NAME_WIDTH}}" + "".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))


def _value(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.value:.2f}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
