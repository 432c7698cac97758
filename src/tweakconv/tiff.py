"""TIFF files in and out, through tifffile, which keeps every bit of 16-bit colour."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import tifffile

from tweakconv.picture import ImageFileError, Picture, Pixels, check_size, split_channels, upright

#: Colour channels of the photometric interpretations that are read.
_COLOURS: Final = {"MINISWHITE": 1, "MINISBLACK": 1, "PALETTE": 1, "RGB": 3, "YCBCR": 3}


def decode_tiff(data: bytes) -> Picture:
    """The first page of a TIFF or BigTIFF file as a picture.

    Palettes and samples of fewer than 8 (or 9 to 15) bits are expanded, white-is-zero is turned over, colours
    stored multiplied with alpha are divided by it, and the orientation is applied.

    Raises
    ------
    ImageFileError
        Where the page holds what a picture cannot: CMYK, Lab, more than one alpha channel, a volume, integers
        that are signed or of more than 16 bits. Damaged files raise whatever tifffile meets.

    Examples
    --------
    >>> decode_tiff(encode_tiff(Picture(np.full((1, 2, 1), 40_000, np.uint16)))).pixels.tolist()
    [[[40000], [40000]]]
    """
    with _quietly(), tifffile.TiffFile(io.BytesIO(data)) as opened:
        page = opened.pages.first
        _check_page(page)
        notes = [f"only the first of {len(opened.pages)} pages was read"] if len(opened.pages) > 1 else []
        samples = _colours_of(page, _channels_last(page.asarray(squeeze=False)), notes)
        picture = split_channels(samples, page.tags.valueof("InterColorProfile"), notes, _resolution_of(page))
        return upright(picture, page.tags.valueof("Orientation", 1))


def encode_tiff(picture: Picture) -> bytes:
    """A TIFF file of the picture, losslessly compressed (deflate with a predictor), with its colour profile
    and resolution.

    Examples
    --------
    >>> encode_tiff(Picture(np.zeros((2, 2, 3), np.uint8)))[:3]
    b'II*'
    """
    buffer = io.BytesIO()
    is_plain_grey = picture.is_grey and picture.alpha is None
    tifffile.imwrite(
        buffer,
        picture.interleaved,
        byteorder="<",
        photometric="minisblack" if picture.is_grey else "rgb",
        planarconfig=None if is_plain_grey else "contig",
        extrasamples=None if picture.alpha is None else ("unassalpha",),
        compression="zlib",
        predictor=True,
        iccprofile=picture.icc_profile,
        resolution=picture.resolution and picture.resolution[::-1],
        resolutionunit="inch" if picture.resolution else None,
        metadata=None,
    )
    return buffer.getvalue()


def _check_page(page: Any) -> None:
    check_size(page.imagelength, page.imagewidth)
    if page.imagedepth > 1:
        raise ImageFileError(f"is a volume, {page.imagedepth} slices deep; split it into pictures first")
    photometric = tifffile.PHOTOMETRIC(page.photometric).name
    # Only JPEG compression stores these colours in a form that tifffile decodes to RGB.
    is_raw_ycbcr = photometric == "YCBCR" and page.compression != tifffile.COMPRESSION.JPEG
    if photometric not in _COLOURS or is_raw_ycbcr:
        raise ImageFileError(f"holds {photometric} colours; convert it to RGB or grey first")
    colours = _COLOURS[photometric]
    if page.samplesperpixel not in (colours, colours + 1):
        expected = f"{colours}, or {colours + 1} with alpha"
        raise ImageFileError(f"has {page.samplesperpixel} samples a pixel, where {photometric} has {expected}")
    kind, bits = page.dtype.kind, page.bitspersample
    is_float = kind == "f" and bits in (32, 64) and photometric in ("MINISBLACK", "RGB")
    is_integer = kind in "bu" and bits <= 16
    if not (is_float or is_integer):
        held = f"{photometric} samples of type {page.dtype}"
        raise ImageFileError(f"holds {held}; unsigned ones of up to 16 bits, float32 and float64 are read")


def _resolution_of(page: Any) -> tuple[float, float] | None:
    """Pixels per inch down and across; None where they are counted in no unit of length."""
    if page.tags.valueof("XResolution") is None or page.resolutionunit == tifffile.RESUNIT.NONE:
        return None
    try:
        across, down = page.get_resolution("inch")
    except (ValueError, ZeroDivisionError):  # a fraction of 0/0, or a unit that nobody knows
        return None
    return down, across


def _colours_of(page: Any, samples: Pixels, notes: list[str]) -> Pixels:
    """Grey or RGB, black at zero, in 8, 16, 32 or 64 bits, with straight alpha."""
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        notes.append("palette expanded")
        # The entries have 16 bits, and nearly every writer fills them from 8.
        return np.moveaxis((page.colormap >> 8).astype(np.uint8)[:, samples[..., 0]], 0, -1)
    samples = _whole_depth(samples, page.bitspersample, notes)
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        samples = np.concatenate([~samples[..., :1], samples[..., 1:]], axis=2)  # ~v is top - v
    if tifffile.EXTRASAMPLE.ASSOCALPHA in page.extrasamples:
        notes.append("colours divided by the alpha they were stored multiplied with")
        samples = _straight(samples)
    return samples


def _whole_depth(samples: Pixels, bits: int, notes: list[str]) -> Pixels:
    """Samples as uint8, uint16 or floats in native byte order; 1, 4 or 12 bits are stretched to 8 or 16."""
    if bits in (8, 16, 32, 64):
        return samples.astype(samples.dtype.newbyteorder("="), copy=False)
    dtype = np.dtype(np.uint8 if bits < 8 else np.uint16)
    notes.append(f"{bits}-bit samples expanded to {dtype.itemsize * 8} bits")
    wider: Pixels = np.rint(samples * ((2 ** (8 * dtype.itemsize) - 1) / (2**bits - 1))).astype(dtype)
    return wider


def _straight(samples: Pixels) -> Pixels:
    """Colours divided by the alpha in the last channel, black where that is 0."""
    colour, alpha = samples[..., :-1].astype(np.float64), samples[..., -1:]
    top = _top(samples)
    colour = np.divide(colour * top, alpha, out=np.zeros_like(colour), where=alpha != 0)
    if samples.dtype.kind != "f":
        colour = np.rint(colour.clip(0, top))
    return np.concatenate([colour.astype(samples.dtype), alpha], axis=2)


def _channels_last(samples: Pixels) -> Pixels:
    """(planes, depth 1, height, width, samples) as tifffile gives it, to (height, width, channels)."""
    planes, _, height, width, together = samples.shape
    return np.moveaxis(samples[:, 0], 0, -1).reshape(height, width, together * planes)


def _top(samples: Pixels) -> int:
    return 1 if samples.dtype.kind == "f" else 2 ** (8 * int(samples.dtype.itemsize)) - 1


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep tifffile's log off the screen: what it says about a damaged file comes as one error."""
    logger = logging.getLogger("tifffile")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was_disabled
