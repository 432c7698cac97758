"""Image files in and out: PNG, JPEG and TIFF, 8 and 16 bits, with nothing lost that is not said.

Pillow reads JPEG, palettes and everything of 8 bits; it cuts 16-bit colour down to 8 bits, so PNG files of
16 bits go through imagecodecs and TIFF files through tifffile, which keep every bit.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import imagecodecs
import numpy as np
from PIL import Image as pillow
from PIL import UnidentifiedImageError

from tweakconv.files import check_place, write_whole
from tweakconv.picture import MAX_PIXELS, ImageFileError, Picture, Pixels, check_size, split_channels, upright

JPEG_QUALITY: Final = 95
_FORMATS: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE: Final = b"\xff\xd8\xff"
_TIFF_SIGNATURES: Final = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_ORIENTATION_TAG: Final = 0x0112
_METRES_PER_INCH: Final = 0.0254


def read_image(path: str | os.PathLike[str]) -> Picture:
    """Read a PNG, JPEG or TIFF file, whatever its name says.

    Palettes and samples of fewer than 8 bits are expanded, and the orientation a camera noted is applied, so
    that the pixels are as a viewer shows them; `Picture.notes` says what was done.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Picture
        Height x width pixels in the file's own units: a 16-bit file gives uint16 values, bit for bit.

    Raises
    ------
    ImageFileError
        Where the file is missing, empty, damaged, cut short, larger than `MAX_PIXELS`, or of a kind that
        would not survive (CMYK, Lab, signed or 32-bit integers).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "ramp.png"
    ...     write_image(path, Picture(np.arange(6, dtype=np.uint16).reshape(2, 3, 1) * 10_000))
    ...     read_image(path).pixels[..., 0].tolist()
    [[0, 10000, 20000], [30000, 40000, 50000]]
    """
    path = Path(path)
    try:
        data = _bytes_of(path)
        if data.startswith(_TIFF_SIGNATURES):
            from tweakconv.tiff import decode_tiff  # noqa: PLC0415  tifffile takes 0.1 s to import

            return _decoded(decode_tiff, data)
        return decode_image(data)
    except ImageFileError as problem:
        raise ImageFileError(f"{path}: {problem}") from None


def decode_image(data: bytes, *, most_pixels: int = MAX_PIXELS) -> Picture:
    """The picture in the bytes of a PNG or JPEG file; see `read_image`.

    Parameters
    ----------
    data
        The whole file.
    most_pixels
        How many it may have by its header, which is read before any of them is decoded.

    Raises
    ------
    ImageFileError
        As `read_image`, but without the name of a file.

    Examples
    --------
    >>> decode_image(encode_png(Picture(np.array([[[1], [2]]], np.uint8)))).pixels[..., 0].tolist()
    [[1, 2]]
    >>> decode_image(b"BM, a bitmap")
    Traceback (most recent call last):
    ...
    tweakconv.picture.ImageFileError: is not a PNG or JPEG image
    """
    if not data.startswith((_PNG_SIGNATURE, _JPEG_SIGNATURE)):
        raise ImageFileError("is not a PNG or JPEG image")
    with warnings.catch_warnings(action="ignore"):  # large or slightly irregular: read all the same
        return _decoded(partial(_decode_png_or_jpeg, most_pixels=most_pixels), data, most_pixels)


def check_writable(
    path: str | os.PathLike[str],
    like: Picture,
    *,
    source: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Refuse, before any work is done, what `write_image` would refuse.

    Parameters
    ----------
    path
        The file to be written.
    like
        A picture of the kind to be written; its size does not matter.
    source
        The file that was read, which gets words of its own.
    overwrite
        Whether an existing file may be replaced.

    Raises
    ------
    ImageFileError
        Where the name ends in no known format, the format cannot hold the picture, the folder is missing, or
        the file exists and `overwrite` is false.

    Examples
    --------
    >>> check_writable("edges.jpg", Picture(np.zeros((2, 2, 3), np.uint16)))
    Traceback (most recent call last):
    ...
    tweakconv.picture.ImageFileError: edges.jpg: JPEG cannot hold 16-bit samples; write .png or .tif instead
    """
    path = Path(path)
    try:
        _check_format(path, like)
        check_place(path, source, overwrite)
    except ImageFileError as problem:
        raise ImageFileError(f"{path}: {problem}") from None
    except OSError as problem:
        raise ImageFileError(f"{path}: cannot be written ({_one_line(problem)})") from None


def write_image(path: str | os.PathLike[str], picture: Picture, *, overwrite: bool = False) -> None:
    """Write a picture in the format that the file's name ends in, all of it or nothing.

    The bytes go to a file beside it that then takes its name, so that a reader never meets half a picture and
    a failure leaves what was there before. PNG and TIFF are lossless; JPEG is written at quality 95 without
    chroma subsampling. The colour profile and the resolution are carried along, other metadata is not.

    Parameters
    ----------
    path
        The file; `.png`, `.jpg`, `.jpeg`, `.tif` or `.tiff`.
    picture
        What to write; its depth and kind are kept.
    overwrite
        Whether an existing file may be replaced.

    Raises
    ------
    ImageFileError
        As `check_writable`, or where the disk refuses.
    """
    path = Path(path)
    check_writable(path, picture, overwrite=overwrite)
    try:
        data = _encode(picture, _FORMATS[path.suffix.lower()])
        write_whole(path, data)
    except ImageFileError as problem:
        raise ImageFileError(f"{path}: {problem}") from None
    except OSError as problem:
        raise ImageFileError(f"{path}: cannot be written ({_one_line(problem)})") from None


def encode_png(picture: Picture) -> bytes:
    """The bytes of a PNG file of the picture, with its colour profile and resolution.

    Parameters
    ----------
    picture
        Of 8 or 16 bits.
    """
    data = bytes(imagecodecs.png_encode(picture.interleaved))
    chunks = b""
    if picture.icc_profile is not None:
        chunks += _png_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(picture.icc_profile))
    if picture.resolution is not None:
        down, across = (min(round(along / _METRES_PER_INCH), 2**31 - 1) for along in picture.resolution)
        chunks += _png_chunk(b"pHYs", struct.pack(">IIB", across, down, 1))  # 1: pixels per metre
    # imagecodecs writes neither: they go right after the header, which takes the first 33 bytes.
    return data[:33] + chunks + data[33:]


# Reading


def _bytes_of(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ImageFileError("is a folder, not an image file")
        if path.exists() and not path.is_file():
            raise ImageFileError("is not an ordinary file")
        with path.open("rb") as file:
            start = file.read(8)
            if not start:
                raise ImageFileError("is empty (0 bytes)")
            if not start.startswith((_PNG_SIGNATURE, _JPEG_SIGNATURE, *_TIFF_SIGNATURES)):
                raise ImageFileError("is not a PNG, JPEG or TIFF image")
            file.seek(0)
            return file.read()
    except FileNotFoundError:
        raise ImageFileError("no such file") from None
    except OSError as problem:
        raise ImageFileError(f"cannot be read ({_one_line(problem)})") from None


def _decoded(decode: Callable[[bytes], Picture], data: bytes, most_pixels: int = MAX_PIXELS) -> Picture:
    """What a decoder makes of some bytes, its errors in words."""
    try:
        return decode(data)
    except ImageFileError:
        raise
    except MemoryError:
        raise ImageFileError("takes more memory than there is") from None
    except pillow.DecompressionBombError:
        raise ImageFileError(f"has more than the {most_pixels:,} pixels held at once") from None
    except ImportError:
        raise  # the extra is not installed: nothing about this file
    except Exception as problem:  # decoders meet damaged bytes with errors of every class
        raise ImageFileError(f"damaged or cut short: {_one_line(problem)}") from None


def _decode_png_or_jpeg(data: bytes, most_pixels: int) -> Picture:
    with pillow.open(io.BytesIO(data), formats=("PNG", "JPEG")) as opened:  # the header only
        check_size(opened.height, opened.width, most=most_pixels)
        notes = _notes_on(opened)
        # The bit depth is the 9th byte of the header chunk, which comes first in a PNG file.
        is_png16 = data.startswith(_PNG_SIGNATURE) and data[24] == 16
        samples = _png16(data) if is_png16 else np.asarray(_grey_or_rgb(opened))
        across, down = map(float, opened.info.get("dpi", (0, 0)))
        picture = split_channels(samples, opened.info.get("icc_profile"), notes, (down, across))
        return upright(picture, opened.getexif().get(_ORIENTATION_TAG, 1))


def _grey_or_rgb(opened: pillow.Image) -> pillow.Image:
    if opened.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        raise ImageFileError(f"holds {opened.mode} colours; convert it to RGB or grey first")
    is_grey = opened.mode in ("1", "L", "LA")
    has_alpha = opened.mode.endswith("A") or "transparency" in opened.info
    if opened.mode == "1" and has_alpha:
        opened = opened.convert("L")  # Pillow makes the one transparent grey an alpha channel from here only
    return opened.convert(("L" if is_grey else "RGB") + ("A" if has_alpha else ""))


def _png16(data: bytes) -> Pixels:
    """The samples of a PNG file of 16 bits, of shape (height, width) or (height, width, channels).

    The decoder is handed only the chunks that make up the pixels: about any other that is slightly irregular,
    a colour profile for instance, libpng would print a warning.
    """
    kept, place = [_PNG_SIGNATURE], len(_PNG_SIGNATURE)
    while place + 8 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] in (b"IHDR", b"tRNS", b"IDAT", b"IEND"):
            kept.append(data[place:end])
        place = end
    return np.asarray(imagecodecs.png_decode(b"".join(kept)))


def _notes_on(opened: pillow.Image) -> list[str]:
    notes = []
    if opened.mode in ("1", "P"):
        notes.append("palette expanded" if opened.mode == "P" else "1-bit samples expanded to 8 bits")
    frames = getattr(opened, "n_frames", 1)
    if frames > 1:
        notes.append(f"only the first of {frames} frames was read")
    if opened.getexif():
        notes.append("its EXIF data (camera, date, place) is not carried over")
    return notes


# Writing


def _check_format(path: Path, like: Picture) -> None:
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        ending = f"ends in {suffix!r}" if suffix else "has no ending"
        raise ImageFileError(f"the name {ending}, not in one of {', '.join(_FORMATS)}")
    name = _FORMATS[suffix]
    if like.is_float and name != "TIFF":
        raise ImageFileError(f"{name} cannot hold floating-point samples; write .tif instead")
    if name == "JPEG" and like.bits != 8:
        raise ImageFileError(f"JPEG cannot hold {like.bits}-bit samples; write .png or .tif instead")
    if name == "JPEG" and like.alpha is not None:
        raise ImageFileError("JPEG cannot hold an alpha channel; write .png or .tif instead")


def _encode(picture: Picture, name: str) -> bytes:
    if name == "JPEG":
        return _encode_jpeg(picture)
    if name == "PNG":
        return encode_png(picture)
    from tweakconv.tiff import encode_tiff  # noqa: PLC0415  tifffile takes 0.1 s to import

    return encode_tiff(picture)


def _png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _encode_jpeg(picture: Picture) -> bytes:
    height, width = picture.size
    if max(height, width) > 65_535:
        raise ImageFileError(f"JPEG ends at 65535 pixels a side, this is {width} x {height}; write .png")
    buffer = io.BytesIO()
    image = pillow.fromarray(picture.interleaved)
    down, across = picture.resolution or (0, 0)  # 0 is not written
    image.save(
        buffer,
        "JPEG",
        quality=JPEG_QUALITY,
        subsampling=0,
        icc_profile=picture.icc_profile,
        dpi=tuple(min(round(along), 2**16 - 1) for along in (across, down)),
    )
    return buffer.getvalue()


def _one_line(problem: BaseException) -> str:
    if isinstance(problem, UnidentifiedImageError):
        return "its header makes no sense"
    text = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
    return " ".join(text.split())[:100] or type(problem).__name__
