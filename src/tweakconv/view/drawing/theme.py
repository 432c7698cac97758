"""Colours and type, light and dark: one stylesheet for every picture.

Text has a contrast of at least 4.5 to 1 with what it stands on (WCAG 2.2, 1.4.3), and nothing is told by colour
alone: padding is dashed, unread pixels are hatched, the window is outlined.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

Theme: TypeAlias = Literal["light", "dark", "auto"]
THEMES: Final = ("light", "dark", "auto")

_LIGHT: Final = {
    "paper": "#ffffff",
    "ink": "#101a2b",
    "muted": "#55637a",
    "floor": "#f3f6fa",
    "floor-out": "#e9f5ef",
    "pad-side": "#cfd8e5",
    "wire": "#c0cbdb",
    "input": "#336fcd",
    "input-side": "#2455a4",
    "input-ink": "#ffffff",
    "unread": "#c3d8f7",
    "unread-ink": "#24477e",
    "hatch": "#9fbde9",
    "copy": "#c9dcf8",
    "pad-line": "#8a98ae",
    "pad-ink": "#1b2638",
    "shadow": "#0a1c3b",
    "kernel": "#f7a928",
    "kernel-ink": "#3f2800",
    "pale": "#fdebcd",
    "output": "#178554",
    "output-side": "#0f5c3a",
    "output-ink": "#ffffff",
    "todo": "#dcefe5",
    "todo-line": "#a4cfb9",
    "beam": "#f2a01d",
}
_DARK: Final = {
    "paper": "#0e1420",
    "ink": "#e9eef7",
    "muted": "#9aa8be",
    "floor": "#161f2f",
    "floor-out": "#12261f",
    "pad-side": "#2c384c",
    "wire": "#3a4961",
    "input": "#3871cb",
    "input-side": "#234a8a",
    "input-ink": "#ffffff",
    "unread": "#1b2536",
    "unread-ink": "#a3b4d0",
    "hatch": "#364866",
    "copy": "#1d3154",
    "pad-line": "#6f7f98",
    "pad-ink": "#cdd7e6",
    "shadow": "#030812",
    "kernel": "#ffbe4d",
    "kernel-ink": "#2e1d00",
    "pale": "#5b4f3a",
    "output": "#1c8458",
    "output-side": "#115a3b",
    "output-ink": "#ffffff",
    "todo": "#14302a",
    "todo-line": "#2f6350",
    "beam": "#ffc45e",
}

_FONT: Final = 'system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif'

_RULES: Final = (
    ".tc-scene{font-family:" + _FONT + ";font-variant-numeric:tabular-nums}"
    ".tc-paper{fill:var(--tc-paper)}"
    ".tc-title{fill:var(--tc-ink);font-weight:600}"
    ".tc-label,.tc-note{fill:var(--tc-muted)}"
    ".tc-sum{fill:var(--tc-ink)}"
    ".tc-sign{fill:var(--tc-muted)}"
    ".tc-mid{text-anchor:middle}"
    ".tc-input{fill:var(--tc-input)}"
    ".tc-unread{fill:var(--tc-unread)}"
    ".tc-hatch{stroke:var(--tc-hatch);fill:none}"
    ".tc-pad,.tc-gap{fill:var(--tc-floor);stroke:var(--tc-pad-line);stroke-dasharray:4;stroke-dashoffset:2}"
    ".tc-gap{stroke-opacity:.5}"
    ".tc-copy{fill:var(--tc-copy)}"
    ".tc-floor{fill:var(--tc-floor)}"
    ".tc-floor-out{fill:var(--tc-floor-out);fill-opacity:.75}"
    ".tc-side-input{fill:var(--tc-input-side)}"
    ".tc-side-pad,.tc-side-gap{fill:var(--tc-pad-side)}"
    ".tc-side-output{fill:var(--tc-output-side)}"
    ".tc-right{fill-opacity:.85}"
    ".tc-value{fill:var(--tc-input-ink);text-anchor:middle}"
    ".tc-value-unread{fill:var(--tc-unread-ink)}"
    ".tc-value-pad{fill:var(--tc-pad-ink)}"
    ".tc-shade{fill:var(--tc-shadow);fill-opacity:.4;stroke:var(--tc-kernel);stroke-width:1.5}"
    ".tc-frame{fill:none;stroke:var(--tc-kernel);stroke-width:2.5;stroke-linejoin:round}"
    ".tc-weight{fill:var(--tc-kernel-ink);text-anchor:middle}"
    ".tc-kernel,.tc-chip{fill:var(--tc-kernel)}"
    ".tc-product{fill:none;stroke:var(--tc-kernel)}"
    ".tc-product-value{fill:var(--tc-ink);text-anchor:middle}"
    ".tc-beam{fill:var(--tc-beam);stroke:var(--tc-beam);stroke-linejoin:round}"
    ".tc-behind{fill-opacity:.2;stroke-opacity:.7}"
    ".tc-before{fill-opacity:.1;stroke-opacity:.7}"
    ".tc-output{fill:var(--tc-output);stroke:var(--tc-output)}"
    ".tc-output.tc-todo{fill:var(--tc-todo);fill-opacity:.8;stroke:var(--tc-todo-line)}"
    ".tc-output.tc-current{stroke:var(--tc-kernel);stroke-width:3}"
    ".tc-wire,.tc-wire-shown{fill:none;stroke:var(--tc-wire)}"
    ".tc-wire-shown{stroke:var(--tc-kernel);stroke-width:2}"
    ".tc-ring{fill:none;stroke:var(--tc-kernel);stroke-width:3}"
    ".tc-output-value{fill:var(--tc-output-ink);text-anchor:middle}"
    ".tc-output-value.tc-todo{fill-opacity:0}"
    ".tc-pale{fill:var(--tc-pale)}"
    ".tc-path{fill:var(--tc-kernel)}"
    ".tc-mesh{fill:none;stroke:var(--tc-paper);stroke-opacity:.5;stroke-width:.75}"
    ".tc-nest{fill:none;stroke:var(--tc-kernel-ink);stroke-opacity:.6;stroke-width:1.25}"
    ".tc-lost{fill:none;stroke:var(--tc-input-ink);stroke-opacity:.8}"
    ".tc-kept{fill:var(--tc-output);stroke:var(--tc-input-ink)}"
    ".tc-rest .tc-window,.tc-rest .tc-beam{visibility:hidden}"
)


def stylesheet(theme: Theme | None = None) -> str:
    """The rules of every picture.

    Parameters
    ----------
    theme
        "light" or "dark" gives rules with the colours written into them, for programs that know no variables;
        "auto" and None give variables: pictures of the class ``tc-light`` or ``tc-dark`` are that, those of the
        class ``tc-auto`` follow what their reader prefers.

    Returns
    -------
    str
        CSS.

    Examples
    --------
    >>> ".tc-paper{fill:#ffffff}" in stylesheet("light")
    True
    """
    if theme in (None, "auto"):
        light, dark = (
            ";".join(f"--tc-{name}:{colour}" for name, colour in colours.items()) for colours in (_LIGHT, _DARK)
        )
        return f".tc-scene{{{light}}}.tc-dark{{{dark}}}@media (prefers-color-scheme:dark){{.tc-auto{{{dark}}}}}{_RULES}"
    colours = colours_of(theme)
    return re.sub(r"var\(--tc-([a-z-]+)\)", lambda found: colours[found[1]], _RULES)


def colours_of(theme: Theme) -> dict[str, str]:
    """The colours of "light" or "dark" by name, as #rrggbb, for those who draw by other means."""
    return dict(_DARK if theme == "dark" else _LIGHT)
