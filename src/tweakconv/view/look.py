"""How a picture is to appear, whatever kind of file it becomes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from tweakconv.geometry.arguments import integer
from tweakconv.view.drawing import THEMES, VIEWS, Theme, View, draw
from tweakconv.view.drawing.theme import colours_of
from tweakconv.view.scene import Scene

MAX_WIDTH: Final = 4096


@dataclass(frozen=True, slots=True)
class Look:
    """View and colours of a picture, and its width where it becomes pixels.

    Parameters
    ----------
    view
        "tilted" or "flat".
    theme
        "light", "dark" or "auto": what the reader prefers, and light in pixels, which cannot change.
    caption
        Whether sizes and formulas stand above.
    width
        In pixels, 16 to `MAX_WIDTH`.

    Raises
    ------
    ValueError
        For anything else.
    TypeError
        Where `width` is not an integer.
    """

    view: View = "tilted"
    theme: Theme = "auto"
    caption: bool = True
    width: int = 800

    def __post_init__(self) -> None:
        for name, value, known in (("view", self.view, VIEWS), ("theme", self.theme, THEMES)):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, received {value!r}")
        if integer("width", self.width, at_least=16) > MAX_WIDTH:
            raise ValueError(f"width must be at most {MAX_WIDTH} pixels, received {self.width}")

    @property
    def settled(self) -> Theme:
        """The theme of pixels."""
        return "dark" if self.theme == "dark" else "light"

    @property
    def paper(self) -> str:
        """The colour behind pixels, as #rrggbb."""
        return colours_of(self.settled)["paper"]

    def drawing(self, scene: Scene, step: int | None, *, for_pixels: bool = False) -> str:
        """The SVG of a step, or of the scene at rest."""
        theme = self.settled if for_pixels else self.theme
        return draw(scene, view=self.view, theme=theme, step=step, caption=self.caption)

    def size(self, scene: Scene) -> tuple[int, int]:
        """Width and height in pixels.

        Examples
        --------
        >>> from tweakconv.geometry import ConvGeometry
        >>> from tweakconv.view.scene import make_scene
        >>> Look(width=300).size(make_scene(ConvGeometry.of((5, 5), 3)))[0]
        300
        """
        drawing = self.drawing(scene, None)
        across, down = (float(drawing.split(f' {name}="', 1)[1].split('"', 1)[0]) for name in ("width", "height"))
        return self.width, math.ceil(self.width * down / across)
