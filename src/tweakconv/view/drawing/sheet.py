"""A drawing without its surroundings, and the SVG document around it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from tweakconv.view.drawing.markup import element, group, number, text
from tweakconv.view.drawing.theme import Theme, stylesheet

_MARGIN: Final = 24
_TITLE: Final = 16  # size of the title's letters, and
_NOTE: Final = 13  # of the lines below it
_LETTER: Final = 0.62  # of its size is a letter wide, at most


@dataclass(frozen=True, slots=True)
class Sheet:
    """Elements, and the box that they fill.

    Parameters
    ----------
    content
        SVG elements.
    left, top, right, bottom
        In the units of the elements.
    """

    content: str
    left: float
    top: float
    right: float
    bottom: float

    def beside(self, other: Sheet, gap: float) -> Sheet:
        """Both sheets as one, the other to the right, their middles on one line."""
        x = self.right + gap - other.left
        y = (self.top + self.bottom - other.top - other.bottom) / 2
        return Sheet(
            self.content + group([other.content], transform=f"translate({number(x)} {number(y)})"),
            self.left,
            min(self.top, other.top + y),
            other.right + x,
            max(self.bottom, other.bottom + y),
        )

    def over(self, other: Sheet, gap: float) -> Sheet:
        """Both sheets as one, the other below, their left sides on one line."""
        x, y = self.left - other.left, self.bottom + gap - other.top
        return Sheet(
            self.content + group([other.content], transform=f"translate({number(x)} {number(y)})"),
            self.left,
            self.top,
            max(self.right, other.right + x),
            other.bottom + y,
        )


def document(
    sheet: Sheet,
    *,
    title: str,
    description: str,
    caption: Sequence[str],
    theme: Theme,
    class_: str,
    style: bool,
    data: Mapping[str, str],
) -> str:
    """The SVG document that shows a sheet on paper, under a caption of a title and further lines, if it has any."""
    sizes = [_TITLE, *[_NOTE] * (len(caption) - 1)] if caption else []
    room = sum(1.5 * size for size in sizes) + 10 * bool(caption)
    written = max((_LETTER * size * len(line) for size, line in zip(sizes, caption, strict=True)), default=0)
    missing = max(written - (sheet.right - sheet.left), 0)
    left, top = sheet.left - _MARGIN - missing / 2, sheet.top - _MARGIN - room
    # Whole numbers, so that every program makes the same pixels of it.
    width, height = map(math.ceil, (sheet.right + _MARGIN + missing / 2 - left, sheet.bottom + _MARGIN - top))
    rules = f"<style>{stylesheet(theme)}</style>" if style else ""
    return element(
        "svg",
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(description)}</desc>",
        rules,
        element("rect", class_="tc-paper", x=left, y=top, width=width, height=height, rx=12),
        *_lines(caption, sizes, left + _MARGIN, top + _MARGIN),
        sheet.content,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=" ".join(map(number, (left, top, width, height))),
        width=width,
        height=height,
        role="img",
        class_=f"tc-scene tc-{theme} {class_}",
        **{f"data_{key}": value for key, value in data.items()},
    )


def _lines(caption: Sequence[str], sizes: Sequence[int], x: float, y: float) -> Iterator[str]:
    for line, size, class_ in zip(caption, sizes, ("tc-title", *["tc-note"] * len(caption)), strict=False):
        yield text(line, x, y + 0.8 * size, class_=class_, font_size=size)
        y += 1.5 * size
