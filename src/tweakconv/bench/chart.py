"""The board as a chart: for each line, how many times our time each library takes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tweakconv.bench.classes import CLASSES, LineClass
from tweakconv.bench.results import Board, LineResult, Section, mean

__all__ = ["chart"]

#: Inches.
_WIDTH, _ROW, _ABOVE, _BELOW = 10.5, 0.19, 1.15, 0.4
_NAMES, _PLOT = 0.27, 0.46  # shares of the width
#: The ends of the scale, unless something lies beyond them.
_LEAST, _MOST = 0.8, 4.0
_TICKS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128)
#: Colours with a contrast of 3 to white and to a dark page, and a marker each for those who do not tell them apart.
_LIBRARIES = {
    "PyTorch": ("#e4572e", "o"),
    "ONNX Runtime": ("#3d85c6", "s"),
    "OpenVINO": ("#8e6bd0", "D"),
    "ncnn": ("#17958b", "^"),
    "MNN": ("#d0529a", "v"),
    "OpenCV": ("#7d9418", "P"),
    "SciPy": ("#a9774a", "X"),
}


@dataclass(frozen=True, slots=True)
class _Palette:
    page: str
    ink: str
    faint: str
    band: str
    ahead: str
    behind: str


_LIGHT = _Palette("#ffffff", "#1f2328", "#656d76", "#f3f5f7", "#1a7f37", "#cf222e")
_DARK = _Palette("#0d1117", "#e6edf3", "#8d96a0", "#161b22", "#3fb950", "#f85149")


@dataclass(frozen=True, slots=True)
class _Row:
    """A place on the vertical axis: a class's heading, or one of its lines."""

    y: int
    known: LineClass
    line: LineResult | None = None


def chart(board: Board, *, dark: bool = False) -> str:
    """The chart as SVG, of the lines with one image and one thread, or of the first that were measured.

    Parameters
    ----------
    board : Board
    dark : bool
        For a dark page.

    Returns
    -------
    str
        The same text for the same board.
    """
    import matplotlib  # noqa: PLC0415 - heavy, and only needed here
    from matplotlib.figure import Figure  # noqa: PLC0415

    palette, section = _DARK if dark else _LIGHT, _shown(board)
    rows = list(_rows(section.lines))
    height = _ABOVE + _ROW * len(rows) + _BELOW
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "board", "font.size": 8.5}):
        figure = Figure(figsize=(_WIDTH, height), facecolor=palette.page)
        axes = figure.add_axes((_NAMES, _BELOW / height, _PLOT, _ROW * len(rows) / height), facecolor=palette.page)
        _scale(axes, rows, palette)
        for row in rows:
            if row.line is None:
                _heading(axes, row, rows, palette)
            else:
                _draw(axes, row.y, row.line, palette)
        _titles(figure, axes, section, height, palette)
        text = io.StringIO()
        title = "How many times the time of tweakconv each library takes"
        figure.savefig(text, format="svg", metadata={"Date": None, "Title": title})
    return text.getvalue()


def _shown(board: Board) -> Section:
    parts = [section.with_batch(batch) for section in board.sections for batch in section.batches]
    if not parts:
        raise ValueError("board: there are no lines to draw")
    return min(parts, key=lambda part: (part.setting.machine.threads, part.lines[0].batch))


def _rows(lines: Sequence[LineResult]) -> Iterator[_Row]:
    y = 0
    for known in CLASSES:
        of_class = [line for line in lines if line.kind == known.key and line.seconds is not None]
        for line in (None, *of_class) if of_class else ():
            yield _Row(y, known, line)
            y += 1


def _scale(axes: Any, rows: Sequence[_Row], palette: _Palette) -> None:
    values = [value for row in rows if row.line for _, value in _relative(row.line)]
    least, most = min([_LEAST, *(0.95 * value for value in values)]), max([_MOST, *(1.1 * value for value in values)])
    axes.set(xscale="log", xlim=(least, most), ylim=(len(rows) - 0.5, -0.5), yticks=[])
    axes.set_xticks([tick for tick in _TICKS if least <= tick <= most], minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(lambda tick, _: f"{tick:g}×")
    axes.tick_params(axis="x", colors=palette.faint, length=0, labeltop=True)
    axes.grid(axis="x", color=palette.faint, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _relative(line: LineResult) -> list[tuple[str, float]]:
    """How many times our time each library takes, in the better of its formats."""
    best = {name: peer.seconds for name in _LIBRARIES if (peer := line.best(name)) is not None and peer.seconds}
    return [(name, seconds / line.seconds) for name, seconds in best.items() if line.seconds]


def _draw(axes: Any, y: int, line: LineResult, palette: _Palette) -> None:
    axes.annotate(
        line.name,
        (0, y),
        (-6, 0),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        ha="right",
        va="center",
        color=palette.ink,
    )
    for name, value in sorted(_relative(line), key=lambda pair: -pair[1]):
        colour, marker = _LIBRARIES[name]
        axes.plot(value, y, marker, color=colour, markersize=4.2, markeredgewidth=0, zorder=3)
    ratio, best = line.ratio(), line.best()
    if ratio is None or best is None:
        return
    colour = palette.ahead if ratio.value >= 1 else palette.behind
    axes.plot([1, ratio.value], [y, y], color=colour, linewidth=1.4, solid_capstyle="butt", zorder=1)
    if ratio.low is not None and ratio.high is not None:
        axes.plot([ratio.low, ratio.high], [y, y], color=colour, linewidth=4.5, alpha=0.45, zorder=2)
    _right(axes, y, f"{ratio}  {best.contender}", palette.ink)


def _heading(axes: Any, heading: _Row, rows: Sequence[_Row], palette: _Palette) -> None:
    """What the class is, its mean, and its goal as a mark through its lines."""
    known, y = heading.known, heading.y
    axes.axhspan(y - 0.5, y + 0.5, xmin=-2, xmax=3, clip_on=False, color=palette.band, zorder=0.6)  # over the grid
    axes.annotate(
        f"{known.key}: {known.meaning}",
        (-_NAMES / _PLOT + 0.01, y),
        xycoords=axes.get_yaxis_transform(),
        va="center",
        color=palette.ink,
        weight="bold",
        annotation_clip=False,
    )
    lines = [row.line for row in rows if row.known is known and row.line is not None]
    extent = [y + 0.5, y + len(lines) + 0.5]
    axes.plot([1, 1], extent, color=palette.ink, linewidth=1.2)
    goal = known.best or known.opencv
    words = [] if (whole := mean(lines)) is None else [f"mean {whole.value:.2f}"]
    if goal is not None:
        words.append(f"goal {goal:g}" + (" (OpenCV)" if known.best is None else ""))
        axes.plot([goal, goal], extent, color=palette.ink, linewidth=1, linestyle=(0, (2, 2)))
    _right(axes, y, ", ".join(words), palette.faint)


def _right(axes: Any, y: int, text: str, colour: str) -> None:
    axes.annotate(
        text,
        (1, y),
        (6, 0),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        va="center",
        color=colour,
        annotation_clip=False,
    )


def _titles(figure: Any, axes: Any, section: Section, height: float, palette: _Palette) -> None:
    whole = mean(section.lines)
    title = "How many times our time the others take"
    if whole is not None:
        title += f": the best of them {whole.value:.2f} in the geometric mean"
    figure.text(0.01, 1 - 0.12 / height, title, va="top", color=palette.ink, size=13, weight="bold")
    figure.text(0.01, 1 - 0.38 / height, _subtitle(section), va="top", color=palette.faint, linespacing=1.4)
    present = {name for line in section.lines for name, _ in _relative(line)}
    handles = [
        axes.plot([], [], marker, color=colour, markersize=5.5, markeredgewidth=0, label=name)[0]
        for name, (colour, marker) in _LIBRARIES.items()
        if name in present
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 1 - 0.66 / height),
        ncols=max(1, len(handles)),
        frameon=False,
        labelcolor=palette.ink,
        columnspacing=1.4,
        handletextpad=0.3,
    )


def _subtitle(section: Section) -> str:
    machine = section.setting.machine
    threads = f"{machine.threads} {'thread' if machine.threads == 1 else 'threads'}"
    return (
        f"{machine.cpu}, {machine.target}, {threads}, batch {section.lines[0].batch}, float32, weights packed "
        f"beforehand; {section.setting.date}.\n"
        "Right of 1× we are quicker; bars are 95% intervals, dashes the goal of each class."
    )
