"""Drawings of scenes, as SVG: drawn here once, for the page, the notebook and the files alike.

`draw` draws a scene, at rest or at a step. The page and the widget draw nothing: they take the drawing at rest, and
``static/player.js`` moves it to a step by changing the elements below, and to the same as `draw` would have drawn.

The contract between the two:

- The root ``svg.tc-scene`` has ``data-view`` and ``data-cell``, the side of a cell on its own plane. The class
  ``tc-rest`` hides window and light: no step is shown, and every output is done. It also has one of the classes
  ``tc-light``, ``tc-dark`` and ``tc-auto``, which may be exchanged for another.
- Cells have ``data-part`` and ``data-row``, ``data-col``: "input", "pad" or "gap" with positions on the padded
  canvas; "kernel", the cells of the moving window, and in the flat view "weight" and "product", with the place of
  the weight; "output". Channels, where there are several, have "input-channel" and "output-channel" with
  ``data-index``. The numbers of outputs, weights and products have "output-value", "weight-value" and
  "product-value".
- At a step that computes output (oy, ox), in reading order:

  - the cells at the positions ``row_taps[oy]`` x ``col_taps[ox]`` have the class ``tc-read``;
  - outputs and their numbers have the class ``tc-done`` before the step, ``tc-current`` at it, ``tc-todo`` after it;
  - ``[data-moves=window]`` is translated to ``cols.starts[ox]``, ``rows.starts[oy]`` cells on its plane;
  - the polygons ``[data-beam]`` of the tilted view join the corners of the window, ``span`` cells wide, on
    ``[data-plane=input]`` to those of the output cell on ``[data-plane=output]``, each through its plane's matrix;
  - in the flat view the product of each weight stands in its "product-value", and ``[data-text=sum]`` holds the
    expression in its lines, ``data-fits`` characters long at most and with ``data-terms`` terms at most.

Drawings have no identifiers and no ``style`` attributes, so that many can stand in one document, under a content
security policy without inline styles: draw with ``style=False`` there and serve `stylesheet` as a file.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from tweakconv.view.captions import description_of, formula_lines, title_of
from tweakconv.view.drawing.cells import CELL
from tweakconv.view.drawing.channels import draw_channels
from tweakconv.view.drawing.flat import draw_flat
from tweakconv.view.drawing.sheet import document
from tweakconv.view.drawing.theme import THEMES, Theme, stylesheet
from tweakconv.view.drawing.tilted import draw_tilted
from tweakconv.view.scene import Scene

View: TypeAlias = Literal["tilted", "flat"]
VIEWS: Final = ("tilted", "flat")
_APART: Final = 36

__all__ = ["THEMES", "VIEWS", "Theme", "View", "draw", "stylesheet"]


def draw(
    scene: Scene,
    *,
    view: View = "tilted",
    theme: Theme = "light",
    step: int | None = None,
    narrow: bool = False,
    caption: bool = False,
    style: bool = True,
) -> str:
    """Draw a scene as SVG.

    Parameters
    ----------
    scene
        What to draw.
    view
        "tilted", the two planes that everybody knows, or "flat", with every number.
    theme
        "light", "dark", or "auto": what the reader prefers.
    step
        The output that is being computed, in reading order; None draws the scene at rest, every output done.
    narrow
        Whether the parts stand under each other rather than side by side, for a narrow page.
    caption
        Whether the title and the size formulas stand above.
    style
        Whether the rules of `stylesheet` are in the drawing; leave them out where the page has them.

    Returns
    -------
    str
        An SVG document.

    Raises
    ------
    ValueError
        For an unknown view or theme, or a step that is not there.
    TypeError
        Where `step` is not an integer.

    Examples
    --------
    >>> from tweakconv.geometry import ConvGeometry
    >>> from tweakconv.view.scene import make_scene
    >>> drawing = draw(make_scene(ConvGeometry.of((5, 5), 3, padding="same")), step=7)
    >>> drawing.count('data-part="pad"'), drawing.count("tc-read")
    (24, 9)
    """
    if view not in VIEWS:
        raise ValueError(f"view must be one of {', '.join(map(repr, VIEWS))}, received {view!r}")
    if theme not in THEMES:
        raise ValueError(f"theme must be one of {', '.join(map(repr, THEMES))}, received {theme!r}")
    if step is not None:
        scene.output_at(step)
    title = title_of(scene.geometry)
    sheet = draw_flat(scene, step, narrow=narrow) if view == "flat" else draw_tilted(scene, step)
    channels = draw_channels(scene)
    if channels is not None:
        sheet = sheet.over(channels, _APART) if narrow else sheet.beside(channels, _APART)
    return document(
        sheet,
        title=title,
        description=description_of(scene, step),
        caption=(title, *formula_lines(scene.geometry)) if caption else (),
        theme=theme,
        class_=f"tc-{view}{' tc-rest' * (step is None)}",
        style=style,
        data={"view": view, "cell": str(CELL)},
    )
