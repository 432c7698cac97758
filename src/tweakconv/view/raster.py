"""From drawings to pixels: SVG rendered by resvg, in fonts that come along, so that pictures are the same anywhere."""

from __future__ import annotations

import io
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import resvg_py
from PIL import Image

_FONTS: Final = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")


def png_of(drawing: str, width: int | None = None) -> bytes:
    r"""A drawing as the bytes of a PNG file.

    Parameters
    ----------
    drawing
        SVG in the theme "light" or "dark"; the renderer knows no variables.
    width
        In pixels, the height follows; None takes a pixel for each unit of the drawing.

    Examples
    --------
    >>> square = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="2"><path d="M0 0h4v2h-4z"/></svg>'
    >>> png_of(square, width=8)[:4]
    b'\x89PNG'
    """
    rendered: bytes = resvg_py.svg_to_bytes(
        svg_string=drawing,
        width=width,
        skip_system_fonts=True,
        font_files=_fonts(),
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
    )
    return rendered


def pixels_of(drawing: str, width: int | None = None, *, background: str = "#ffffff") -> Image.Image:
    """A drawing as an RGB image on a background, `#rrggbb`; otherwise as `png_of`."""
    with Image.open(io.BytesIO(png_of(drawing, width))) as rendered:
        pixels = rendered.convert("RGBA")
    paper = Image.new("RGBA", pixels.size, background)
    paper.alpha_composite(pixels)
    return paper.convert("RGB")


@cache
def _fonts() -> list[str]:
    """DejaVu Sans, which matplotlib brings: found without importing all of matplotlib."""
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    return [str(folder / name) for name in _FONTS]
