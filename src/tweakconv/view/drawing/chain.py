"""The picture of a chain of layers: what one output sees of the image, and what the border loses.

On the left lie the image and the field of one output. Pixels that it reads are in the colour of the kernel, the
stronger the more ways lead there; frames within frames are the fields of the layers before. On the right stand the
same layers under "valid" and under "same": each frame goes through the middles of the outermost fields, so that the
border of pixels without an output of their own is what lies outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain as chain_of
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Final, TypeAlias

import numpy as np

from tweakconv.geometry import AxisGeometry
from tweakconv.receptive_fields import FloatArray, relative_paths
from tweakconv.view.captions import by
from tweakconv.view.chain import Chain, Size
from tweakconv.view.drawing.markup import element, group, number, text
from tweakconv.view.drawing.sheet import Sheet, document
from tweakconv.view.drawing.theme import Theme

_SIDE: Final = 440.0  # of the image with its surroundings, on the longer side
_SMALL: Final = 168.0  # and of the two small ones
_APART: Final = 56.0
_LABEL: Final = 22.0
_LETTER: Final = 7.0
_FINE: Final = 7.0  # pixels at least as wide are drawn apart from each other
_THINNEST: Final = 0.5
_HATCHED: Final = 4.0
_MOST_PATCHES: Final = 48  # of different colour along an axis
_STRENGTHS: Final = 24  # of colour that are told apart


#: Rows and columns, each from position to position.
_Box: TypeAlias = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _View:
    """A part of the plane of the image, and how large a pixel is in the picture."""

    rows: tuple[float, float]
    columns: tuple[float, float]
    scale: float
    x: float = 0
    y: float = 0

    @classmethod
    def of(cls, size: Size, around: _Box, side: float) -> _View:
        """The image with what is around it, at most half an image on each side."""
        rows, columns = (
            (max(min(0.0, first), -pixels / 2), min(max(pixels, last), 1.5 * pixels))
            for pixels, (first, last) in zip(size, around, strict=True)
        )
        return cls(rows, columns, side / max(rows[1] - rows[0], columns[1] - columns[0]))

    @property
    def width(self) -> float:
        return (self.columns[1] - self.columns[0]) * self.scale

    @property
    def height(self) -> float:
        return (self.rows[1] - self.rows[0]) * self.scale

    def box(self, box: _Box, class_: str) -> str:
        """A rectangle from position to position, as far as it lies in view."""
        rows, columns = box
        top, bottom = (self._y(min(max(row, self.rows[0]), self.rows[1])) for row in rows)
        left, right = (self._x(min(max(column, self.columns[0]), self.columns[1])) for column in columns)
        return element("rect", class_=class_, x=left, y=top, width=right - left, height=bottom - top)

    def outline(self, box: _Box) -> str:
        """The same rectangle as a part of a path."""
        rows, columns = box
        x, y = self._x(columns[0]), self._y(rows[0])
        right, foot = number(self._x(columns[1])), number(self._y(rows[1]))
        return f"M{number(x)} {number(y)}H{right}V{foot}H{number(x)}z"

    def mesh(self, size: Size) -> str:
        """Lines between the pixels of the image."""
        height, width = size
        down = f"V{number(self._y(height))}"
        across = f"H{number(self._x(width))}"
        lines = [f"M{number(self._x(column))} {number(self._y(0))}{down}" for column in range(1, width)]
        lines += [f"M{number(self._x(0))} {number(self._y(row))}{across}" for row in range(1, height)]
        return element("path", class_="tc-mesh", d="".join(lines)) if lines else ""

    def hatching(self, box: _Box) -> Iterator[str]:
        """Diagonal strokes over a rectangle, as parts of a path."""
        rows, columns = box
        top, bottom, left, right = self._y(rows[0]), self._y(rows[1]), self._x(columns[0]), self._x(columns[1])
        apart, height = 7.0, bottom - top
        if min(height, right - left) < _HATCHED:
            return
        foot = left - height + apart
        while foot < right:
            start, end = max(foot, left), min(foot + height, right)
            yield f"M{number(start)} {number(bottom - (start - foot))}L{number(end)} {number(bottom - (end - foot))}"
            foot += apart

    def _x(self, column: float) -> float:
        return self.x + (column - self.columns[0]) * self.scale

    def _y(self, row: float) -> float:
        return self.y + (row - self.rows[0]) * self.scale


def draw_chain(chain: Chain, output: Size, *, description: str, theme: Theme = "light", style: bool = True) -> str:
    """Draw a chain and the field of one output of its last layer, as SVG.

    Parameters
    ----------
    chain
        What is drawn; only layers that have an output are.
    output
        Row and column of the output.
    description
        The picture in sentences, for screen readers.
    theme, style
        As in `tweakconv.view.drawing.draw`.
    """
    left = _field(chain, output)
    right = _borders(chain, left.right + _APART)
    legend = _legend(left.bottom + 30)
    sheet = Sheet(
        left.content + right.content + legend.content,
        min(left.left, legend.left),
        -_LABEL,
        max(right.right, legend.right),
        max(legend.bottom, right.bottom),
    )
    title = f"{len(chain.geometries)} layers over {by(chain.input_size)} pixels"
    return document(
        sheet,
        title=title,
        description=description,
        caption=(),
        theme=theme,
        class_="tc-chain",
        style=style,
        data={"view": "chain"},
    )


def _field(chain: Chain, output: Size) -> Sheet:
    """The image, and on it the field of one output."""
    fields = _fields(chain, output)
    view = _View.of(chain.input_size, fields[-1], _SIDE)
    (top, bottom), (left, right) = image = _image(chain)
    around = view.rows != (top, bottom) or view.columns != (left, right)
    label = _field_label(chain, output)
    parts = [
        view.box((view.rows, view.columns), "tc-pad") if around else "",
        view.box(image, "tc-input"),
        _unread(chain, view),
        _read(chain, output, view),
        view.mesh(chain.input_size) if view.scale >= _FINE else "",
        *(view.box(field, "tc-nest") for field in fields[:-1]),
        view.box(fields[-1], "tc-frame"),
        _label(label, 0, 0),
    ]
    return Sheet("".join(parts), 0, 0, max(view.width, _LETTER * len(label)), view.height)


def _image(chain: Chain) -> _Box:
    height, width = chain.input_size
    return (0, height), (0, width)


def _field_label(chain: Chain, output: Size) -> str:
    spans = by(tuple(axis.effective_kernel for axis in chain.as_one_layer()))
    if not chain.geometries:
        return f"image {by(chain.input_size)}, no layer yet"
    return f"image {by(chain.input_size)}, field {spans} of output {output[0]}, {output[1]}"


def _fields(chain: Chain, output: Size) -> list[_Box]:
    """The field of an output, last, and before it those of the outputs in the middle of its windows, layer by layer."""
    chosen, found = output, []
    for layers in range(len(chain.geometries), 0, -1):
        found.append(_box(chain, layers, chosen))
        row, column = (
            min(max(axis.position(o, axis.kernel // 2), 0), axis.input - 1)
            for axis, o in zip(chain.geometries[layers - 1].axes, chosen, strict=True)
        )
        chosen = row, column
    return found[::-1] or [_box(chain, 0, chosen)]


def _box(chain: Chain, layers: int, output: Size) -> _Box:
    """What an output of one of the layers sees."""
    rows, columns = (
        (one.first(o), one.first(o) + one.effective_kernel)
        for one, o in zip(chain.as_one_layer(layers), output, strict=True)
    )
    return rows, columns


def _unread(chain: Chain, view: _View) -> str:
    """The rows and columns that reach no output of the last layer, hatched where they are wide enough to show it."""
    rows, columns = _image(chain)
    boxes: list[_Box] = [(run, columns) for run in _runs_of_zero(chain.along(0), view.scale)]
    boxes += [(rows, run) for run in _runs_of_zero(chain.along(1), view.scale)]
    strokes = "".join(stroke for box in boxes for stroke in view.hatching(box))
    hatched = element("path", class_="tc-hatch", d=strokes) if strokes else ""
    return group(view.box(box, "tc-unread") for box in boxes) + hatched if boxes else ""


def _runs_of_zero(chain: Sequence[AxisGeometry], scale: float) -> Iterator[tuple[int, int]]:
    """Pixels that reach no output, from and to, without runs that are too thin to be seen."""
    place = 0
    for empty, run in groupby(relative_paths(chain) == 0):
        length = len(list(run))
        if empty and length * scale >= _THINNEST:
            yield place, place + length
        place += length


def _read(chain: Chain, output: Size, view: _View) -> str:
    """The pixels that an output reads, the stronger the more ways lead there: a path for each strength."""
    rows, columns = (list(_patches(relative_paths(chain.along(axis), output[axis]))) for axis in range(2))
    paths: dict[int, list[str]] = {}
    for top, bottom, across in rows:
        # Ways thin out fast from the middle; their root is still seen there.
        strengths = [(round(_STRENGTHS * (across * down) ** 0.5), left, right) for left, right, down in columns]
        for strength, run in groupby(strengths, key=itemgetter(0)):
            for left, right in _joined((left, right) for _, left, right in run):
                paths.setdefault(strength, []).append(view.outline(((top, bottom), (left, right))))
    everything = element("path", class_="tc-pale", d="".join(chain_of(*paths.values())))
    layers = [
        element("path", class_="tc-path", fill_opacity=strength / _STRENGTHS, d="".join(outlines))
        for strength, outlines in sorted(paths.items())
    ]
    return group([everything, *layers], shape_rendering="crispEdges")


def _joined(runs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Neighbouring runs of pixels as one."""
    held: tuple[int, int] | None = None
    for first, last in runs:
        if held is not None and held[1] == first:
            held = held[0], last
        else:
            if held is not None:
                yield held
            held = first, last
    if held is not None:
        yield held


def _patches(ways: FloatArray) -> Iterator[tuple[int, int, float]]:
    """The pixels that are read, those with as many ways taken together: from, to, how many.

    Where there would be too many patches, several pixels share the mean of their ways.
    """
    read = np.flatnonzero(ways)
    if not len(read):
        return
    stop = int(read[-1]) + 1
    changes = np.flatnonzero(np.diff(ways[:stop])) + 1
    edges = [int(read[0]), *(int(change) for change in changes if change > read[0]), stop]
    if len(edges) > _MOST_PATCHES:
        edges = [int(edge) for edge in np.linspace(edges[0], stop, _MOST_PATCHES)]
    for first, last in pairwise(edges):
        mean = float(ways[first:last].mean())
        if mean > 0:
            yield first, last, mean


def _borders(chain: Chain, x: float) -> Sheet:
    """The same layers under "valid" and under "same", one above the other."""
    y, parts, right = 0.0, [], x
    for padding in ("valid", "same"):
        padded = chain.padded(padding)
        view = replace(_View.of(chain.input_size, _image(chain), _SMALL), x=x, y=y)
        label = f"{padding}: {by(chain.input_size)} → {by(padded.sizes[-1])}"
        if padded.stop is not None:
            label = f"{padding}: no output from layer {padded.stop.layer} on"
        rings = [_ring(padded, layers) for layers in range(1, len(padded.geometries) + 1)]
        parts += [
            _label(label, x, y),
            view.box(_image(chain), "tc-input"),
            *(view.box(ring, "tc-lost") for ring in rings[:-1]),
            *(view.box(ring, "tc-kept") for ring in rings[-1:] if padded.stop is None),
        ]
        right = max(right, x + view.width, x + _LETTER * len(label))
        y += view.height + _LABEL + 22
    return Sheet("".join(parts), x, 0, right, y - _LABEL - 22)


def _ring(chain: Chain, layers: int) -> _Box:
    """Through the middles of the outermost fields, each with the pixel around it."""
    rows, columns = ((first, last + 1) for first, last in chain.middles(layers))
    return rows, columns


def _legend(y: float) -> Sheet:
    """What the colours mean."""
    parts, x, size = [], 0.0, 13
    for class_, words in (
        ("tc-path", "read by the output"),
        ("tc-input", "not read by it"),
        ("tc-unread", "reaches no output"),
        ("tc-pad", "padding"),
        ("tc-kept", "has an output of its own"),
    ):
        parts.append(element("rect", class_=class_, x=x, y=y - 10, width=12, height=12))
        if class_ == "tc-unread":
            parts.append(element("path", class_="tc-hatch", d=f"M{number(x)} {number(y + 2)}l12 -12"))
        parts.append(text(words, x + 18, y, class_="tc-label", font_size=size))
        x += 18 + _LETTER * len(words) + 18
    return Sheet("".join(parts), 0, y - 10, x - 18, y + 4)


def _label(words: str, x: float, y: float) -> str:
    return text(words, x, y - 9, class_="tc-label", font_size=13)
