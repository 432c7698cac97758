"""SVG as text: elements with their attributes, numbers in as few digits as show."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

Attribute: TypeAlias = str | float | None


def element(name: str, *children: str, **attributes: Attribute) -> str:
    """An element; attributes that are None are left out.

    Underscores in attribute names stand for hyphens, and a last one is dropped.

    Examples
    --------
    >>> element("rect", class_="tc-cell", data_row=1, x=2.50, rx=None)
    '<rect class="tc-cell" data-row="1" x="2.5"/>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_written(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(children)
    return f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>"


def text(content: str, x: float, y: float, **attributes: Attribute) -> str:
    """Escaped text at a point."""
    return element("text", escape(content, quote=False), x=x, y=y, **attributes)


def group(children: Iterable[str], **attributes: Attribute) -> str:
    """Elements under one parent."""
    return element("g", *children, **attributes)


def number(value: float) -> str:
    """A length with at most two decimals.

    Examples
    --------
    >>> number(40.0), number(1 / 3), number(-0.001)
    ('40', '0.33', '0')
    """
    written = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def _written(value: str | float) -> str:
    return escape(value, quote=True) if isinstance(value, str) else number(value)
