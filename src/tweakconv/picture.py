"""The pixels of an image file, and what reading and writing them in any format share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]

#: The most pixels an image may have, in a file or after a filter. Pillow refuses beyond this as well: a small
#: file can claim to be enormous, and only decoding it would show that the claim fills the memory.
MAX_PIXELS: Final = 178_956_970


class ImageFileError(ValueError):
    """An image file that cannot be read or written; the message is one line meant for a person."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The pixels of an image file, in the file's own units.

    Attributes
    ----------
    pixels
        Colour, of shape (height, width, 1) for grey or (height, width, 3) for red, green and blue; uint8,
        uint16, float32 or float64.
    alpha
        Opacity, of shape (height, width) and the dtype of `pixels`; None where the file has none.
    icc_profile
        The colour profile that says what the numbers mean, carried from file to file.
    resolution
        Pixels per inch down and across, which say how large the image is in the world; None where the file
        does not tell.
    notes
        What reading changed or left behind, each a phrase for a person.

    Examples
    --------
    >>> Picture(np.zeros((4, 6, 3), np.uint16)).kind
    '16-bit RGB'
    """

    pixels: Pixels
    alpha: Pixels | None = None
    icc_profile: bytes | None = field(default=None, repr=False)
    resolution: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def bits(self) -> int:
        """Bits per sample: 8, 16, 32 or 64 (the last two are floating point)."""
        return self.pixels.dtype.itemsize * 8

    @property
    def is_float(self) -> bool:
        """Whether the samples are floating-point numbers, which have no black and no white."""
        return self.pixels.dtype.kind == "f"

    @property
    def is_grey(self) -> bool:
        """Whether there is one colour channel and not three."""
        return bool(self.pixels.shape[2] == 1)

    @property
    def kind(self) -> str:
        """The kind of samples in words, such as '8-bit RGB with alpha'."""
        depth = f"{self.bits}-bit float" if self.is_float else f"{self.bits}-bit"
        colour = "grey" if self.is_grey else "RGB"
        return f"{depth} {colour}" if self.alpha is None else f"{depth} {colour} with alpha"

    @property
    def interleaved(self) -> Pixels:
        """All channels in one C-ordered array, alpha last; (height, width) for grey without alpha."""
        if self.alpha is not None:
            return np.concatenate([self.pixels, self.alpha[..., None]], axis=2)
        return np.ascontiguousarray(self.pixels[..., 0] if self.is_grey else self.pixels)


def split_channels(
    samples: Pixels,
    icc_profile: bytes | None,
    notes: Sequence[str],
    resolution: tuple[float, float] | None = None,
) -> Picture:
    """The picture in samples of shape (height, width) or (height, width, 1 to 4): grey or RGB, alpha last.

    Examples
    --------
    >>> split_channels(np.zeros((4, 6, 2), np.uint8), None, []).kind
    '8-bit grey with alpha'
    """
    if samples.ndim == 2:
        samples = samples[..., None]
    colours = 1 if samples.shape[2] <= 2 else 3
    alpha = samples[..., colours] if samples.shape[2] > colours else None
    known = resolution is not None and all(0 < along < math.inf for along in resolution)  # some writers store 0
    return Picture(samples[..., :colours], alpha, icc_profile or None, resolution if known else None, tuple(notes))


def upright(picture: Picture, orientation: int) -> Picture:
    """The picture as the camera was held, from the orientation (1 to 8) that EXIF and TIFF store.

    The values 2 to 8 are a transposition (from 5 on), then mirrors; any other value leaves the picture alone.

    Examples
    --------
    >>> turned = upright(Picture(np.array([[[1], [2], [3]]], np.uint8)), 6)
    >>> turned.pixels[..., 0].tolist()
    [[1], [2], [3]]
    """
    if orientation not in range(2, 9):
        return picture

    def turned(plane: Pixels) -> Pixels:
        if orientation >= 5:
            plane = plane.swapaxes(0, 1)
        if orientation in (2, 3, 6, 7):
            plane = plane[:, ::-1]
        if orientation in (3, 4, 7, 8):
            plane = plane[::-1]
        return np.ascontiguousarray(plane)

    alpha = None if picture.alpha is None else turned(picture.alpha)
    resolution = picture.resolution
    if orientation >= 5 and resolution is not None:
        resolution = resolution[::-1]
    notes = (*picture.notes, "turned upright as its orientation tag says")
    return replace(picture, pixels=turned(picture.pixels), alpha=alpha, resolution=resolution, notes=notes)


def check_size(height: int, width: int, what: str = "image", most: int = MAX_PIXELS) -> None:
    """Refuse an image of more than `most` pixels, from its header alone.

    Raises
    ------
    ImageFileError
        Where it has more, with the numbers.

    Examples
    --------
    >>> check_size(20_000, 30_000, "output")
    Traceback (most recent call last):
    ...
    tweakconv.picture.ImageFileError: output of 30000 x 20000 = 600,000,000 pixels; at most ...
    """
    pixels = height * width
    if pixels > most:
        size = f"{width} x {height} = {pixels:,} pixels"
        raise ImageFileError(f"{what} of {size}; at most {most:,} are held at once")
