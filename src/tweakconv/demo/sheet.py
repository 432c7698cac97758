"""Several pictures on one sheet, with two lines of caption under each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import ImageDraw, ImageFont

# A dark sheet with light letters reads well on a light page and on a dark one.
_SHEET, _TITLE, _LINE = "#161b22", "#f0f6fc", "#9da7b3"
_MARGIN, _GAP = 28, 24
_CAPTION, _TITLE_SIZE, _LINE_SIZE = 62, 20, 16
_ENLARGED: Final = 2  # from this scale on, pixels are shown as squares


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture and its caption.

    Attributes
    ----------
    title, line
        What it is, and how it came about.
    pixels
        Of shape (height, width) or (height, width, 3), uint8.
    """

    title: str
    line: str
    pixels: NDArray[Any]


def contact_sheet(tiles: Sequence[Tile], *, columns: int, tile_size: tuple[int, int] = (256, 300)) -> NDArray[np.uint8]:
    """Put the tiles on one sheet, row by row; the caption of one that is much enlarged says so.

    Parameters
    ----------
    tiles
        At least one.
    columns
        Tiles in a row.
    tile_size
        Width and height in pixels of the room that each picture is scaled to fit.

    Returns
    -------
    ndarray
        The sheet, of shape (height, width, 3).

    Examples
    --------
    >>> tile = Tile("blur:8", "stride 8", np.zeros((4, 4), np.uint8))
    >>> contact_sheet([tile] * 3, columns=2, tile_size=(40, 40)).shape
    (284, 160, 3)
    """
    width, height = tile_size
    rows = -(-len(tiles) // columns)
    across, down = width + _GAP, height + _CAPTION + _GAP
    sheet = pillow.new("RGB", (columns * across - _GAP + 2 * _MARGIN, rows * down - _GAP + 2 * _MARGIN), _SHEET)
    draw = ImageDraw.Draw(sheet)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        left, top = _MARGIN + column * across, _MARGIN + row * down
        scale = min(width / tile.pixels.shape[1], height / tile.pixels.shape[0])
        picture = _scaled(tile.pixels, scale)
        sheet.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))
        middle = left + width // 2
        _write(draw, (middle, top + height + 10), tile.title, _TITLE_SIZE, _TITLE)
        _write(
            draw, (middle, top + height + 38), f"{tile.line}{', enlarged' * (scale >= _ENLARGED)}", _LINE_SIZE, _LINE
        )
    return np.asarray(sheet)


def _scaled(pixels: NDArray[Any], scale: float) -> pillow.Image:
    picture = pillow.fromarray(pixels)
    size = (round(picture.width * scale), round(picture.height * scale))
    method = pillow.Resampling.NEAREST if scale >= _ENLARGED else pillow.Resampling.LANCZOS
    return picture.resize(size, method)


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, colour: str) -> None:
    draw.text(place, text, fill=colour, font=ImageFont.load_default(size), anchor="mt")
