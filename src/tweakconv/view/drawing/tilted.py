"""The tilted view: the input lies below, the output floats above, and light falls from the window to one output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final, TypeAlias

from tweakconv.view.captions import input_label, output_label
from tweakconv.view.drawing.cells import CELL, input_plane, input_values, output_plane, window
from tweakconv.view.drawing.markup import element, group, number, text
from tweakconv.view.drawing.sheet import Sheet
from tweakconv.view.scene import Scene

_RIGHT: Final = (0.95, 0.17)  # where a step along a row leads on the sheet, and
_DOWN: Final = (-0.50, 0.47)  # a step along a column
_THICK: Final = 9  # of a plane, on the sheet
_WIDEST: Final = 760  # both planes fit into this
_LEGIBLE: Final = 0.55  # scale below which numbers are left out
_NEARNESS: Final = 0.45  # of the heights of both planes lies between their middles, and
_LEAST_LIFT: Final = 34  # this
_LETTER: Final = 15  # size of the labels, and
_LABEL: Final = 16  # their room above and below the planes

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Plane:
    """A plane in space as it appears on the sheet.

    Parameters
    ----------
    rows, cols
        Its size in cells.
    x, y
        Where its first corner is.
    scale
        Of its cells.
    """

    rows: int
    cols: int
    x: float
    y: float
    scale: float

    def at(self, row: float, col: float) -> Point:
        """A place, in cells, on the sheet."""
        across, down = col * CELL * self.scale, row * CELL * self.scale
        return (self.x + across * _RIGHT[0] + down * _DOWN[0], self.y + across * _RIGHT[1] + down * _DOWN[1])

    @property
    def transform(self) -> str:
        """The matrix that takes the plane's own coordinates to the sheet."""
        entries = [entry * self.scale for entry in (*_RIGHT, *_DOWN)]
        return f"matrix({' '.join(f'{entry:.6f}' for entry in entries)} {number(self.x)} {number(self.y)})"

    def corners(
        self, top: float = 0, left: float = 0, rows: float | None = None, cols: float | None = None
    ) -> list[Point]:
        """The corners of a box in it, clockwise from the first."""
        bottom = top + (self.rows if rows is None else rows)
        right = left + (self.cols if cols is None else cols)
        return [self.at(top, left), self.at(top, right), self.at(bottom, right), self.at(bottom, left)]


def draw_tilted(scene: Scene, step: int | None) -> Sheet:
    """Draw the two planes and what joins them."""
    below, above = _planes(scene)
    legible = below.scale >= _LEGIBLE
    parts = [
        _slab(below, "tc-floor", *_edges(scene)),
        group(
            [
                input_plane(scene, step),
                window(scene, weights=False, step=step),
                input_values(scene) if legible else "",
                _label(input_label(scene), below, before=True),
            ],
            data_plane="input",
            transform=below.transform,
        ),
        *_beam(scene, step or 0),
        _slab(above, "tc-floor-out", ["output"] * above.cols, ["output"] * above.rows),
        group(
            [output_plane(scene, step, values=legible), _label(output_label(scene), above, before=False)],
            data_plane="output",
            transform=above.transform,
        ),
    ]
    points = below.corners() + above.corners()
    left, right = (limit(x for x, _ in points) for limit in (min, max))
    top, bottom = (limit(y for _, y in points) for limit in (min, max))
    return Sheet("".join(parts), left, top - _LABEL, right, bottom + _THICK + _LABEL)


def beam_points(scene: Scene, step: int) -> list[str]:
    """The four sides of the light from the window to the output of a step, the two behind first."""
    below, above = _planes(scene)
    oy, ox = scene.output_at(step)
    foot = below.corners(scene.rows.starts[oy], scene.cols.starts[ox], scene.rows.span, scene.cols.span)
    head = above.corners(oy, ox, 1, 1)
    sides = ((0, 1), (3, 0), (1, 2), (2, 3))
    return [_listed((foot[a], foot[b], head[b], head[a])) for a, b in sides]


def _beam(scene: Scene, step: int) -> list[str]:
    return [
        element("polygon", class_=f"tc-beam {'tc-behind' if side < 2 else 'tc-before'}", data_beam=side, points=points)
        for side, points in enumerate(beam_points(scene, step))
    ]


def _planes(scene: Scene) -> tuple[Plane, Plane]:
    """Where the planes go: the middle of the output above the middle of all windows."""
    rows, cols = len(scene.rows.kinds), len(scene.cols.kinds)
    out = scene.output
    widest = max(width * _RIGHT[0] - height * _DOWN[0] for height, width in ((rows, cols), (out.rows, out.cols)))
    scale = min(1.0, _WIDEST / (CELL * widest))
    below, above = Plane(rows, cols, 0, 0, scale), Plane(out.rows, out.cols, 0, 0, scale)
    middle = [(at.starts[0] + at.starts[-1] + at.span) / 2 for at in (scene.rows, scene.cols)]
    x, y = below.at(middle[0], middle[1])
    half_x, half_y = above.at(above.rows / 2, above.cols / 2)
    heights = [(plane.rows * _DOWN[1] + plane.cols * _RIGHT[1]) * CELL * scale for plane in (below, above)]
    lift = _NEARNESS * sum(heights) + _LEAST_LIFT
    return below, replace(above, x=x - half_x, y=y - lift - half_y)


def _edges(scene: Scene) -> tuple[list[str], list[str]]:
    """What the cells along the front and along the right side of the input's plane are."""
    last_row, last_col = len(scene.rows.kinds) - 1, len(scene.cols.kinds) - 1
    front = [scene.kind(last_row, col) for col in range(last_col + 1)]
    right = [scene.kind(row, last_col) for row in range(last_row + 1)]
    return [*front], [*right]


def _slab(plane: Plane, floor: str, front: list[str], right: list[str]) -> str:
    """A plane that has some thickness, its two visible sides in the colours of what lies at them."""
    sides = [
        _side(plane.at(plane.rows, start), plane.at(plane.rows, stop), kind, "front")
        for kind, start, stop in _runs(front)
    ]
    sides += [
        _side(plane.at(start, plane.cols), plane.at(stop, plane.cols), kind, "right")
        for kind, start, stop in _runs(right)
    ]
    return element("polygon", class_=floor, points=_listed(plane.corners())) + "".join(sides)


def _side(start: Point, stop: Point, kind: str, facing: str) -> str:
    under = [(x, y + _THICK) for x, y in (stop, start)]
    return element("polygon", class_=f"tc-side-{kind} tc-{facing}", points=_listed([start, stop, *under]))


def _runs(kinds: list[str]) -> Iterator[tuple[str, int, int]]:
    """Stretches of one kind, as (kind, start, stop)."""
    start = 0
    for kind, run in groupby("input" if kind == "input" else kind for kind in kinds):
        stop = start + len(list(run))
        yield kind, start, stop
        start = stop


def _label(words: str, plane: Plane, *, before: bool) -> str:
    """What a plane is, written on the ground before or behind it."""
    size = _LETTER / plane.scale
    front = plane.rows * CELL + (_THICK / _DOWN[1] + 1.15 * _LETTER) / plane.scale
    return text(words, 0.2 * size, front if before else -0.5 * size, class_="tc-label", font_size=size)


def _listed(points: Iterable[Point]) -> str:
    return " ".join(f"{number(x)},{number(y)}" for x, y in points)
