"""The board as a page in Markdown: what was measured on, how each class does, every line, and who is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tweakconv.bench.goals import WHOLE_BOARD, ClassSummary, class_summaries, thread_verdicts, verdicts
from tweakconv.bench.intervals import Estimate
from tweakconv.bench.report import absences, disturbances, left_out, machine_lines, milliseconds
from tweakconv.bench.results import Board, LineResult, Section, mean

__all__ = ["page"]

_ABOUT = """\
# The board

Convolutions from well-known networks and from image processing, in float32, against the best of the libraries named
below. Made by `tweakconv bench --write docs`, with `--threads` and `--batch` for each setting; on your machine,
`tweakconv bench` measures the same.

<picture>
  <source media="(prefers-color-scheme: dark)" srcset="board-dark.svg">
  <img alt="For each line, how many times our time each library takes" src="board.svg">
</picture>
"""

_HOW = """\
## How to read it
- **ratio**: the best peer's time over ours; above 1 we are quicker. *Best* is the quickest library on that line, each
  in the memory layout, optimization level or engine that suits it best there, with its weights packed beforehand.
- In brackets: 95% intervals. All contenders of a line run in one process, pinned, in turns, in an order that rotates
  from round to round, each warmed up first; a turn starts when the threads of the one before have gone to sleep. The
  ratio is the median of the rounds' ratios, and its interval is between two of them, by the order statistics of the
  median (Conover, *Practical Nonparametric Statistics*, 1999, section 3.2). Intervals of geometric means are
  percentile bootstraps over the rounds of each line (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993,
  chapter 13).
- **of limit**: the share of our time that the definition's operations need as multiply-adds in registers (*f*), or
  that moving input, weights and output once needs in a plain loop over as many bytes (*b*), whichever is more; both
  have their turns in each round, in which a processor is slower than at its best, which is told above. Winograd needs
  fewer operations and goes beyond 100%.
- **NCHW**: our time with channels_first arrays over that with channels_last.
- **call**: the time of `torch.nn.functional.conv2d` over that of our `conv2d`; both pack the weights in the call.
- **error**: relative RMS error against float64, ours and the best peer's. A result that is wrong is not timed.
"""


def page(board: Board) -> str:
    """The whole page.

    Examples
    --------
    >>> page(Board(())).splitlines()[0]
    '# The board'
    """
    parts = [_ABOUT, _settings(board), _HOW]
    measured = [(section.with_batch(batch), batch) for section in board.sections for batch in section.batches]
    for number, (part, batch) in enumerate(measured):
        parts += _part(part, batch, folded=number > 0)
    parts += _list("## Several threads", map(str, thread_verdicts(board)))
    parts += _list("## Who is missing where", [*absences(board), *left_out(board)])
    parts += _list("## What disturbed", disturbances(board))
    return "\n".join(parts)


def _list(title: str, texts: Iterable[str]) -> list[str]:
    """A titled list, or nothing."""
    points = [f"- {text}" for text in texts]
    return ["\n".join([title, *points, ""])] if points else []


def _settings(board: Board) -> str:
    """What it was measured on: for each number of threads, because the limits differ."""
    settings = dict.fromkeys("\n".join(machine_lines(section.setting)) for section in board.sections)
    return "\n".join(["## Measured on", *(f"```\n{text}\n```" for text in settings), ""])


def _part(section: Section, batch: int, *, folded: bool) -> Iterator[str]:
    """The lines of one batch size and one number of threads; all but its classes may be folded away."""
    threads = section.setting.machine.threads
    yield f"## Batch {batch}, {threads} {'thread' if threads == 1 else 'threads'}\n"
    yield _classes(section)
    yield "\n".join([*(f"- {verdict}" for verdict in verdicts(section.lines)), ""])
    if folded:
        yield "<details><summary>Every line</summary>\n"
    for of_class in class_summaries(section.lines):
        yield f"### {of_class.line_class.key}: {of_class.line_class.meaning}\n"
        yield _lines(of_class.lines)
    if folded:
        yield "</details>\n"


def _classes(section: Section) -> str:
    head = ("class", "goal", "best peer / ours", "PyTorch / ours", "lowest", "lines at the goal")
    rows = [_class_row(of_class) for of_class in class_summaries(section.lines)]
    whole = mean(section.lines), mean(section.lines, "PyTorch")
    rows.append(("**whole board**", f"best peer {WHOLE_BOARD}", *(f"**{_text(one)}**" for one in whole), "", ""))
    return _table(head, rows)


def _class_row(of_class: ClassSummary) -> tuple[str, ...]:
    known, lowest = of_class.line_class, of_class.lowest
    ratio = None if lowest is None else lowest.ratio()
    return (
        known.key,
        known.goal,
        _text(of_class.best),
        _text(of_class.pytorch),
        "-" if lowest is None or ratio is None else f"{ratio.value:.2f} ({lowest.name})",
        f"{of_class.kept} of {of_class.judged}" if of_class.judged else "-",
    )


def _lines(lines: Iterable[LineResult]) -> str:
    head = ("line", "from", "ours ms", "of limit", "best peer", "its ms", "ratio", "PyTorch", "NCHW", "call", "error")
    return _table(head, [_line_row(line) for line in lines])


def _line_row(line: LineResult) -> tuple[str, ...]:
    best, share = line.best(), line.of_limit
    errors = [entry.error for entry in (line.ours[0], best) if entry is not None]
    return (
        line.name,
        line.source,
        milliseconds(line.seconds),
        "-" if share is None else f"{share:.0%} {'b' if line.memory_bound else 'f'}",
        "-" if best is None else best.contender,
        milliseconds(None if best is None else best.seconds),
        _text(line.ratio()),
        _value(line.ratio("PyTorch")),
        _value(line.layouts_ratio),
        _value(line.functional_ratio),
        ", ".join("-" if error is None else f"{error:.0e}" for error in errors),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose columns after the first two are aligned to the right."""
    marks = ["---"] * min(2, len(head)) + ["---:"] * (len(head) - 2)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, marks, *rows)) + "\n"


def _text(estimate: Estimate | None) -> str:
    return "-" if estimate is None else str(estimate)


def _value(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.value:.2f}"
