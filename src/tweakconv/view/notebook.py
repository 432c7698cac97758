"""How objects show themselves in a notebook: a geometry as a picture, a plan as a table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tweakconv.explain import facts, title
from tweakconv.geometry import ConvGeometry
from tweakconv.view.drawing import draw
from tweakconv.view.scene import make_scene

if TYPE_CHECKING:
    from tweakconv.prepared import PreparedConv


def geometry_picture(geometry: ConvGeometry) -> str | None:
    """A geometry at its first step, as SVG; None where it has too many axes or cells for a picture.

    Examples
    --------
    >>> geometry_picture(ConvGeometry.of((5, 5), 3))[:4], geometry_picture(ConvGeometry.of((2000, 2000), 3))
    ('<svg', None)
    """
    try:
        scene = make_scene(geometry)
    except ValueError:
        return None
    return draw(scene, theme="auto", step=0, caption=True)


def plan_table(conv: PreparedConv) -> str:
    """What `PreparedConv.explain` says, as an HTML table."""
    rows = "".join(
        f'<tr><th style="text-align:left;vertical-align:top">{escape(name)}</th>'
        f'<td style="text-align:left">{"<br>".join(map(escape, lines))}</td></tr>'
        for name, lines in facts(conv)
    )
    return f'<table><caption style="text-align:left">{escape(title(conv))}</caption><tbody>{rows}</tbody></table>'
