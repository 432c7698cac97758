"""The flat view: input, kernel, products and output side by side, every number readable, the sum written out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, product
from typing import Final

from tweakconv.view.captions import input_label, kernel_label, output_label
from tweakconv.view.drawing.cells import (
    BASELINE,
    CELL,
    grid,
    input_plane,
    input_values,
    letter_size,
    output_plane,
    square,
    window,
)
from tweakconv.view.drawing.markup import element, group, text
from tweakconv.view.drawing.sheet import Sheet
from tweakconv.view.expression import Expression, Term, show_number
from tweakconv.view.parts import Grid
from tweakconv.view.scene import Scene

_TALL: Final = 440  # the input and the output are at most this high
_LONG: Final = 640  # and this long,
_SMALL: Final = 170  # the kernel and its products this
_WIDE: Final = 2.2  # from this ratio of its sides on, an input stands over the rest
_APART: Final = 44  # between panels
_BETWEEN: Final = 46  # and between one and the label of the next
_LEGIBLE: Final = 0.5
_MIDDLE: Final = (0.42, 0.36)  # of a number in a cell of the input, clear of the weight in the corner
_LABEL: Final = 22  # room for the label above a panel,
_LABEL_LETTER: Final = 7.4  # and for each of its letters
_ABOVE_SUM: Final = 40
_LETTER: Final = 8.4  # width of a character of the sum, at most
_LINE: Final = 24
_MOST_LINES: Final = 3
_NARROW: Final = 50  # characters; twice as many lines as that where fewer fit into one
PRODUCT: Final = 14  # size of the products' numbers


@dataclass(frozen=True, slots=True)
class Panel:
    """A grid: its size in cells, the scale of its cells, and where its first corner goes."""

    label: str
    rows: int
    cols: int
    scale: float
    x: float = 0
    y: float = 0

    @property
    def room(self) -> float:
        """Width on the sheet, of the label too."""
        return max(self.width, _LABEL_LETTER * len(self.label))

    @property
    def width(self) -> float:
        """On the sheet."""
        return self.cols * CELL * self.scale

    @property
    def height(self) -> float:
        """On the sheet."""
        return self.rows * CELL * self.scale

    @property
    def legible(self) -> bool:
        """Whether its numbers can be read."""
        return self.scale >= _LEGIBLE

    def holding(self, *content: str, plane: str) -> str:
        """The panel with what is in it."""
        label = text(self.label, self.x, self.y - 9, class_="tc-label", font_size=13)
        return label + group(
            content,
            data_plane=plane,
            transform=f"matrix({self.scale:.6f} 0 0 {self.scale:.6f} {self.x:.2f} {self.y:.2f})",
        )


def draw_flat(scene: Scene, step: int | None, *, narrow: bool = False) -> Sheet:
    """Draw the panels and the sum under them."""
    is_wide = len(scene.cols.kinds) > _WIDE * len(scene.rows.kinds)
    panels = _stacked(scene) if narrow or is_wide else _side_by_side(scene)
    source, kernel, products, output = panels
    right = max(panel.x + panel.room for panel in panels)
    foot = max(panel.y + panel.height for panel in panels)
    lines = _Lines.of(scene, right - source.x)
    parts = [
        source.holding(
            input_plane(scene, step),
            window(scene, weights=source.legible and kernel.legible, step=step),
            input_values(scene, middle=_MIDDLE) if source.legible else "",
            plane="input",
        ),
        kernel.holding(grid("weight", scene.kernel, "tc-kernel", "tc-weight"), plane="kernel"),
        products.holding(_products(scene, step), plane="products"),
        output.holding(output_plane(scene, step, values=output.legible), plane="output"),
        _sum(scene, step, lines, source.x, foot + _ABOVE_SUM),
    ]
    return Sheet("".join(parts), source.x, -_LABEL, right, foot + _ABOVE_SUM + (lines.count - 1) * _LINE + 4)


def expression_lines(expression: Expression, most: int, fits: int) -> list[str]:
    """The sum of an output in lines of at most `fits` characters, with `most` of its terms written out.

    ``broken`` in ``static/player.js`` does the same.
    """
    lines = [""]
    for part in expression.parts(most):
        if lines[-1] and len(lines[-1]) + 1 + len(part) > fits:
            lines.append(part)
        else:
            lines[-1] = f"{lines[-1]} {part}" if lines[-1] else part
    return lines


def _side_by_side(scene: Scene) -> tuple[Panel, Panel, Panel, Panel]:
    """The input, then the kernel over its products, then the output, their middles on one line."""
    source, kernel, products, output = _unplaced(scene)
    column = kernel.height + _BETWEEN + products.height
    height = max(source.height, column, output.height)
    across = source.room + _APART
    beyond = across + max(kernel.room, products.room) + _APART
    top = (height - column) / 2
    return (
        replace(source, y=(height - source.height) / 2),
        replace(kernel, x=across, y=top),
        replace(products, x=across, y=top + kernel.height + _BETWEEN),
        replace(output, x=beyond, y=(height - output.height) / 2),
    )


def _stacked(scene: Scene) -> tuple[Panel, Panel, Panel, Panel]:
    """A long input over the kernel and its products, the output beside these if it fits there or else below."""
    source, kernel, products, output = _unplaced(scene)
    down = source.height + _BETWEEN
    across = kernel.room + _APART
    beyond = across + products.room + _APART
    fits = beyond + output.room <= 1.15 * source.room
    return (
        source,
        replace(kernel, y=down),
        replace(products, x=across, y=down),
        replace(output, x=beyond, y=down) if fits else replace(output, y=down + kernel.height + _BETWEEN),
    )


def _unplaced(scene: Scene) -> tuple[Panel, Panel, Panel, Panel]:
    rows, cols = len(scene.rows.kinds), len(scene.cols.kinds)
    taken, out = scene.kernel, scene.output
    large = min(1.0, _TALL / (CELL * max(rows, out.rows)), _LONG / (CELL * max(cols, out.cols)))
    small = min(1.0, _SMALL / (CELL * max(taken.rows, taken.cols)))
    return (
        Panel(input_label(scene), rows, cols, large),
        Panel(f"× {kernel_label(scene)}", taken.rows, taken.cols, small),
        Panel("= products", taken.rows, taken.cols, small),
        Panel(f"→ their sum: {output_label(scene)}", out.rows, out.cols, large),
    )


def _products(scene: Scene, step: int | None) -> str:
    taken = scene.kernel
    places = list(product(range(taken.rows), range(taken.cols)))
    found = {} if step is None else {(term.ky, term.kx): term.product for term in scene.expression(step).terms}
    cells = [square("product", ky, kx, "tc-product") for ky, kx in places]
    numbers = []
    for ky, kx in places:
        content = show_number(found[ky, kx]) if (ky, kx) in found else ""
        size = letter_size(content, PRODUCT)
        numbers.append(
            text(
                content,
                (kx + 0.5) * CELL,
                (ky + 0.5) * CELL,
                dy=f"{BASELINE}em",
                class_="tc-product-value",
                font_size=size if size < PRODUCT else None,
                data_part="product-value",
                data_row=ky,
                data_col=kx,
            )
        )
    return group(cells) + group(numbers, font_size=PRODUCT, data_text="products")


def _sum(scene: Scene, step: int | None, room: _Lines, x: float, y: float) -> str:
    lines = [] if step is None else expression_lines(scene.expression(step), room.terms, room.fits)
    lines += [""] * (room.count - len(lines))
    spans = [element("tspan", line, x=x, y=y + i * _LINE) for i, line in enumerate(lines)]
    return element(
        "text", *spans, class_="tc-sum", font_size=15, data_text="sum", data_terms=room.terms, data_fits=room.fits
    )


@dataclass(frozen=True, slots=True)
class _Lines:
    """The room for the sum: how many lines of how many characters, with how many of its terms."""

    count: int
    fits: int
    terms: int

    @classmethod
    def of(cls, scene: Scene, width: float) -> _Lines:
        """As much as the longest sum there can be needs, within the most."""
        fits = max(int(width / _LETTER), 24)
        factors = [len(Term(0, 0, 0, 0, 0, weight).factor) for weight in _all(scene.kernel)]
        value = max(len(show_number(value)) for value in (*_all(scene.input), scene.pad_value)) + len(" + ·")
        longest = value + max(factors)
        total = max(len(show_number(total)) for total in (*_all(scene.output), *_all(scene.share)))
        closing = (
            3 * total + len(" = with 1000 other channels:  + () = ") if len(scene.channels.read) > 1 else total + 3
        )
        needed = sum(factors) + len(factors) * value + closing
        # A line may end as early as a whole term before its end.
        count = 1 if needed <= fits else -(-needed // (fits - longest))
        most = _MOST_LINES * (2 if fits < _NARROW else 1)
        if count <= most:
            return cls(count, fits, len(factors))
        room = most * (fits - longest) - closing - len(f" + … {len(factors)} more …")
        return cls(most, fits, max(room // longest, 2))


def _all(plane: Grid) -> Iterator[float]:
    return chain.from_iterable(plane.values)
