"""The parts of a picture, each in the coordinates of its own plane: position `p` begins at ``CELL * p``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product
from typing import Final

from tweakconv.view.drawing.markup import element, group, number, text
from tweakconv.view.expression import show_number
from tweakconv.view.parts import Grid
from tweakconv.view.scene import Scene

CELL: Final = 40
_GAP: Final = 1.25  # half of what is left free between two cells
_ROUND: Final = 4
_MANY: Final = 1024  # cells; of more, each is so small that one stroke hatches it
_SIDES: Final = (
    f'width="{CELL}" height="{CELL}"',
    f'width="{number(CELL - 2 * _GAP)}" height="{number(CELL - 2 * _GAP)}" rx="{_ROUND}"',
)
LETTER: Final = 16  # size of the numbers
_CHIP: Final = 10.5  # and of the weights in the corners of cells
_FITS: Final = 0.75 * CELL / 0.62  # size of a number that fills a cell, times its letters
BASELINE: Final = 0.36  # of the size of a line of digits, from their middle to their foot


def square(part: str, row: int, col: int, class_: str, *, at: tuple[int, int] | None = None, gap: bool = True) -> str:
    """A cell: row and column are what it is called, `at` where it lies if that differs.

    Cells with a gap around them are round at the corners; those without share their sides with their neighbours.

    Examples
    --------
    >>> square("output", 0, 1, "tc-output", gap=False)
    '<rect class="tc-output" data-part="output" data-row="0" data-col="1" x="40" y="0" width="40" height="40"/>'
    """
    y, x = (row, col) if at is None else at
    # Written out, for a drawing has thousands of these.
    return (
        f'<rect class="{class_}" data-part="{part}" data-row="{row}" data-col="{col}" '
        f'x="{_edge(x, gap)}" y="{_edge(y, gap)}" {_SIDES[gap]}/>'
    )


def input_plane(scene: Scene, step: int | None) -> str:
    """Every cell of the padded input, with what it is: "input", "pad" or "gap", and whether the step reads it."""
    cells, unread = [], []
    oy, ox = (None, None) if step is None else scene.output_at(step)
    read_rows = frozenset() if oy is None else frozenset(scene.rows.taps[oy])
    read_cols = frozenset() if ox is None else frozenset(scene.cols.taps[ox])
    for row, col in _places(len(scene.rows.kinds), len(scene.cols.kinds)):
        kind = scene.kind(row, col)
        missed = scene.unread(row, col)
        read = row in read_rows and col in read_cols
        look = f"tc-{kind}{' tc-unread' * missed}{' tc-copy' * scene.copies(row, col)}{' tc-read' * read}"
        cells.append(square(kind, row, col, look, gap=kind == "input"))
        if missed:
            unread.append((row, col))
    strokes = 5 if len(cells) <= _MANY else 1
    hatching = element("path", class_="tc-hatch", d="".join(_stripes(unread, strokes))) if unread else ""
    return group(cells) + hatching


def input_values(scene: Scene, *, middle: tuple[float, float] = (0.5, 0.5)) -> str:
    """The number in every cell that has one; `middle` says where in the cell."""
    numbers = []
    for row, col in _places(len(scene.rows.kinds), len(scene.cols.kinds)):
        value, kind = scene.value(row, col), scene.kind(row, col)
        if value is None:
            continue
        class_ = "tc-value" + (" tc-value-pad" if kind != "input" else " tc-value-unread" * scene.unread(row, col))
        numbers.append(_inside(show_number(value), row, col, middle, class_=class_))
    return group(numbers, font_size=LETTER)


def window(scene: Scene, *, weights: bool, motion: str = "", step: int | None) -> str:
    """The kernel's shadow: a cell for each weight, moved to where it stands at a step."""
    row_taps, col_taps = ([tap - at.starts[0] for tap in at.taps[0]] for at in (scene.rows, scene.cols))
    cells = [
        square("kernel", ky, kx, "tc-shade", at=(row, col))
        for (ky, row), (kx, col) in product(enumerate(row_taps), enumerate(col_taps))
    ]
    frame = element(
        "rect", class_="tc-frame", x=0, y=0, width=scene.cols.span * CELL, height=scene.rows.span * CELL, rx=_ROUND
    )
    chips = [_chips(scene, row_taps, col_taps)] if weights else []
    return group(
        [motion, *cells, frame, *chips],
        class_="tc-window",
        data_moves="window",
        transform=f"translate({window_place(scene, step or 0)})",
    )


def window_place(scene: Scene, step: int) -> str:
    """Where the window stands at a step, as "x y" on its plane."""
    oy, ox = scene.output_at(step)
    return f"{CELL * scene.cols.starts[ox]} {CELL * scene.rows.starts[oy]}"


def output_plane(scene: Scene, step: int | None, *, values: bool) -> str:
    """Every output: those before the step are done, that of the step is current, the rest are to do."""
    places = list(_places(scene.output.rows, scene.output.cols))
    cells = [
        square("output", row, col, f"tc-output tc-{output_state(index, step)}")
        for index, (row, col) in enumerate(places)
    ]
    if not values:
        return group(cells)
    numbers = [
        _inside(
            show_number(scene.output.values[row][col]),
            row,
            col,
            class_=f"tc-output-value tc-{output_state(index, step)}",
            part="output-value",
        )
        for index, (row, col) in enumerate(places)
    ]
    return group(cells) + group(numbers, font_size=LETTER)


def output_state(index: int, step: int | None) -> str:
    """Whether an output is "done", "current" or "todo"; without a step the picture is at rest and all are done."""
    if step is None or index < step:
        return "done"
    return "current" if index == step else "todo"


def grid(part: str, plane: Grid, class_: str, value_class: str) -> str:
    """A plane of numbers of its own, such as the kernel's weights."""
    places = list(_places(plane.rows, plane.cols))
    cells = [square(part, row, col, class_) for row, col in places]
    numbers = [
        _inside(show_number(plane.values[row][col]), row, col, class_=value_class, part=f"{part}-value")
        for row, col in places
    ]
    return group(cells) + group(numbers, font_size=LETTER)


def letter_size(content: str, most: float = LETTER) -> float:
    """Size at which a number fits into a cell; ``write`` in ``static/player.js`` is the same.

    Examples
    --------
    >>> letter_size("−12"), round(letter_size("−1234.567"), 2)
    (16, 5.38)
    """
    return min(most, _FITS / len(content)) if content else most


@cache
def _edge(index: int, gap: bool) -> str:
    """Where a cell of this row or column begins."""
    return number(CELL * index + _GAP * gap)


def _inside(
    content: str,
    row: int,
    col: int,
    middle: tuple[float, float] = (0.5, 0.5),
    *,
    class_: str,
    part: str | None = None,
) -> str:
    """A number in a cell, smaller than the others where it is long."""
    size = letter_size(content)
    return text(
        content,
        (col + middle[0]) * CELL,
        (row + middle[1]) * CELL + BASELINE * size,
        class_=class_,
        font_size=size if size < LETTER else None,
        data_part=part,
        data_row=None if part is None else row,
        data_col=None if part is None else col,
    )


def _chips(scene: Scene, row_taps: list[int], col_taps: list[int]) -> str:
    """The weights in the corners of the cells they meet."""
    chips = []
    for (ky, row), (kx, col) in product(enumerate(row_taps), enumerate(col_taps)):
        content = show_number(scene.kernel.values[ky][kx])
        size = letter_size(content, _CHIP / 0.62) * 0.62
        width = 6 + 0.62 * size * len(content)
        right, foot = (col + 1) * CELL - 3, (row + 1) * CELL - 3
        chips.append(
            element("rect", class_="tc-chip", x=right - width, y=foot - 13, width=width, height=13, rx=3)
            + text(content, right - width / 2, foot - 6.5 + BASELINE * size, class_="tc-weight", font_size=size)
        )
    return group(chips)


def _stripes(places: Iterable[tuple[int, int]], strokes: int) -> Iterator[str]:
    """Parallel strokes across cells, an odd number, as one path: no pattern that would need a name of its own."""
    near, far = _GAP + 1, CELL - _GAP - 1
    for row, col in places:
        x, y = col * CELL, row * CELL
        for stroke in range(1, strokes + 1):
            # Where the stroke would cut the left and the upper side, if these went on for ever.
            cut = near + stroke * 2 * (far - near) / (strokes + 1)
            low, high = min(cut, far), max(cut - far + near, near)
            yield f"M{number(x + high)} {number(y + low)}L{number(x + low)} {number(y + high)}"


def _places(rows: int, cols: int) -> Iterator[tuple[int, int]]:
    return product(range(rows), range(cols))
