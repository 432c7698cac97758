"""Image files: every bit that goes in comes out, and what cannot be read or written is said in one line."""

from __future__ import annotations

import io
import itertools
import os
import random
import stat
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as pillow

from tweakconv.images import check_writable, read_image, write_image
from tweakconv.picture import ImageFileError, Picture, upright

RNG = np.random.default_rng(20)
GREY, GREY_ALPHA, RGB, PALETTE, RGBA = 0, 4, 2, 3, 6  # PNG's colour types


def samples_of(dtype, channels, height=5, width=7):
    return RNG.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype=dtype, endpoint=True)


def picture_of(dtype, *, grey, alpha):
    samples = samples_of(dtype, (1 if grey else 3) + alpha)
    return Picture(samples[..., : 1 if grey else 3], samples[..., -1] if alpha else None)


def png_file(rows, width, depth, colour_type, chunks=()):
    """A PNG file written out by hand; `rows` are the packed bytes of each row."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in parts)


def decode_png(data):
    """The bit depth and samples of a non-interlaced PNG file, after the standard (RFC 2083, section 6)."""
    chunks, place = [], 8
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        chunks.append((kind, data[place + 8 : place + 8 + length]))
        place += 12 + length
    width, height, depth, colour_type = struct.unpack(">IIBB", chunks[0][1][:10])
    channels = {GREY: 1, GREY_ALPHA: 2, RGB: 3, RGBA: 4}[colour_type]
    pixel = channels * depth // 8
    packed = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    rows, above = [], bytearray(width * pixel)
    for start in range(0, len(packed), 1 + width * pixel):
        row = bytearray(packed[start + 1 : start + 1 + width * pixel])
        for i in range(len(row)):
            a, b = row[i - pixel] if i >= pixel else 0, above[i]
            c = above[i - pixel] if i >= pixel else 0
            paeth = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            row[i] = (row[i] + (0, a, b, (a + b) // 2, paeth)[packed[start]]) % 256
        rows.append(bytes(row))
        above = row
    samples = np.frombuffer(b"".join(rows), f">u{depth // 8}").reshape(height, width, channels)
    return depth, samples, dict(chunks)


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize(("dtype", "grey", "alpha"), [*itertools.product([np.uint8, np.uint16], [0, 1], [0, 1])])
def test_every_bit_survives_a_round_trip(tmp_path, ending, dtype, grey, alpha):
    written = picture_of(dtype, grey=grey, alpha=alpha)
    write_image(tmp_path / f"a.{ending}", written)
    read = read_image(tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(read.pixels, written.pixels, strict=True)
    assert (read.alpha is None) == (written.alpha is None)
    if alpha:
        np.testing.assert_array_equal(read.alpha, written.alpha, strict=True)
    assert read.notes == ()


@pytest.mark.parametrize(("colour_type", "channels"), [(GREY, 1), (GREY_ALPHA, 2), (RGB, 3), (RGBA, 4)], ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_png_file_written_by_hand_is_read_bit_for_bit(tmp_path, dtype, colour_type, channels):
    samples = samples_of(dtype, channels)
    depth = 8 * samples.itemsize
    rows = [row.astype(samples.dtype.newbyteorder(">")).tobytes() for row in samples]
    (tmp_path / "a.png").write_bytes(png_file(rows, 7, depth, colour_type))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").interleaved.reshape(5, 7, -1), samples, strict=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("grey", "alpha"), [*itertools.product([0, 1], [0, 1])])
def test_a_png_file_is_written_bit_for_bit_as_the_standard_says(tmp_path, dtype, grey, alpha):
    picture = picture_of(dtype, grey=grey, alpha=alpha)
    write_image(tmp_path / "a.png", picture)
    depth, samples, _ = decode_png((tmp_path / "a.png").read_bytes())
    assert depth == picture.bits
    np.testing.assert_array_equal(samples, picture.interleaved.reshape(samples.shape))


@pytest.mark.parametrize(("dtype", "mode"), [(np.uint8, "RGB"), (np.uint16, "I;16")])
def test_a_tiff_file_reads_the_same_elsewhere(tmp_path, dtype, mode):
    picture = picture_of(dtype, grey=mode == "I;16", alpha=False)
    write_image(tmp_path / "a.tif", picture)
    with pillow.open(tmp_path / "a.tif") as opened:
        assert opened.mode == mode
        np.testing.assert_array_equal(np.asarray(opened), picture.interleaved)


def test_an_uncompressed_big_endian_tiff_file_written_by_hand_is_read(tmp_path):
    samples = samples_of(np.uint16, 3)
    entries = [
        (256, 4, 7), (257, 4, 5), (258, 3, 16 << 16), (259, 3, 1 << 16), (262, 3, 2 << 16),
        (273, 4, 8 + 2 + 12 * 9 + 4), (277, 3, 3 << 16), (278, 4, 5), (279, 4, samples.nbytes),
    ]  # fmt: skip
    directory = b"".join(struct.pack(">HHII", tag, kind, 1, value) for tag, kind, value in entries)
    header = b"MM\0*" + struct.pack(">IH", 8, len(entries))
    data = header + directory + struct.pack(">I", 0) + samples.astype(">u2").tobytes()
    (tmp_path / "a.tif").write_bytes(data)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, samples, strict=True)


def test_a_jpeg_file_keeps_its_size_and_about_its_colours(tmp_path):
    down, across = np.mgrid[:40, :60]
    smooth = Picture(np.stack([4 * across, 6 * down, 200 - across - down], axis=2).astype(np.uint8))
    write_image(tmp_path / "a.jpg", smooth)
    read = read_image(tmp_path / "a.jpg")
    assert read.kind == "8-bit RGB"
    assert np.abs(read.pixels.astype(int) - smooth.pixels).max() <= 8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_floating_point_tiff_file_keeps_every_value(tmp_path, dtype):
    values = RNG.standard_normal((4, 6, 1)).astype(dtype)
    values[1, 2, 0], values[3, 0, 0] = np.nan, -np.inf
    write_image(tmp_path / "a.tif", Picture(values))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, values, strict=True)


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_colour_profile_is_carried_along(tmp_path, ending, dtype):
    if ending == "jpg" and dtype == np.uint16:
        dtype = np.uint8
    picture = picture_of(dtype, grey=False, alpha=False)
    profile = bytes(range(200))
    write_image(tmp_path / f"a.{ending}", Picture(picture.pixels, icc_profile=profile))
    assert read_image(tmp_path / f"a.{ending}").icc_profile == profile


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_the_resolution_is_carried_along_both_axes(tmp_path, ending):
    picture = picture_of(np.uint8, grey=False, alpha=False)
    path = tmp_path / f"a.{ending}"
    write_image(path, replace(picture, resolution=(150.0, 300.0)))  # down, across
    with pillow.open(path) as opened:
        assert tuple(map(float, opened.info["dpi"])) == pytest.approx((300, 150), rel=1e-4)
    assert read_image(path).resolution == pytest.approx((150, 300), rel=1e-4)
    write_image(path, picture, overwrite=True)
    assert read_image(path).resolution is None


def test_a_resolution_per_centimetre_is_one_per_inch_too(tmp_path):
    pixels = samples_of(np.uint8, 3)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", resolution=(100, 50), resolutionunit="CENTIMETER")
    assert read_image(tmp_path / "a.tif").resolution == pytest.approx((127, 254))
    tifffile.imwrite(tmp_path / "b.tif", pixels, photometric="rgb", resolution=(2, 1), resolutionunit="NONE")
    assert read_image(tmp_path / "b.tif").resolution is None


def test_a_picture_turned_upright_turns_its_resolution():
    picture = Picture(samples_of(np.uint8, 3), resolution=(150.0, 300.0))
    assert upright(picture, 6).resolution == (300.0, 150.0)
    assert upright(picture, 3).resolution == (150.0, 300.0)


# What is not simply samples


def test_a_palette_is_expanded_to_its_colours(tmp_path):
    colours = bytes([10, 20, 30, 200, 100, 50, 7, 8, 9])
    rows = [bytes([2, 0, 1]), bytes([1, 1, 2])]
    (tmp_path / "a.png").write_bytes(png_file(rows, 3, 8, PALETTE, [(b"PLTE", colours)]))
    read = read_image(tmp_path / "a.png")
    assert read.pixels[0].tolist() == [[7, 8, 9], [10, 20, 30], [200, 100, 50]]
    assert read.notes == ("palette expanded",)


def test_a_transparent_palette_entry_becomes_alpha(tmp_path):
    chunks = [(b"PLTE", bytes([10, 20, 30, 200, 100, 50])), (b"tRNS", bytes([0, 128]))]
    (tmp_path / "a.png").write_bytes(png_file([bytes([1, 0])], 2, 8, PALETTE, chunks))
    read = read_image(tmp_path / "a.png")
    assert read.alpha.tolist() == [[128, 0]]
    assert read.pixels.tolist() == [[[200, 100, 50], [10, 20, 30]]]


@pytest.mark.parametrize(
    ("depth", "row", "values"),
    [(1, 0b10110000, [255, 0, 255, 255]), (2, 0b11100100, [255, 170, 85, 0])],
)
def test_samples_of_fewer_than_8_bits_are_stretched_to_8(tmp_path, depth, row, values):
    (tmp_path / "a.png").write_bytes(png_file([bytes([row])], 4, depth, GREY))
    read = read_image(tmp_path / "a.png")
    assert read.pixels.ravel().tolist() == values
    assert read.pixels.dtype == np.uint8


@pytest.mark.parametrize(("depth", "row"), [(1, b"\xb0"), (8, b"\xff\x00\xff\xff")])
def test_the_transparent_grey_becomes_alpha(tmp_path, depth, row):
    transparent = struct.pack(">H", 0)
    (tmp_path / "a.png").write_bytes(png_file([row], 4, depth, GREY, [(b"tRNS", transparent)]))
    read = read_image(tmp_path / "a.png")
    assert read.pixels.ravel().tolist() == [255, 0, 255, 255]
    assert read.alpha.ravel().tolist() == [255, 0, 255, 255]


def test_the_transparent_colour_of_16_bits_becomes_alpha(tmp_path):
    row = struct.pack(">6H", 1, 2, 3, 4, 5, 60000)
    transparent = struct.pack(">3H", 4, 5, 60000)
    (tmp_path / "a.png").write_bytes(png_file([row], 2, 16, RGB, [(b"tRNS", transparent)]))
    read = read_image(tmp_path / "a.png")
    assert read.pixels.tolist() == [[[1, 2, 3], [4, 5, 60000]]]
    assert read.alpha.tolist() == [[65535, 0]]


def test_an_odd_colour_profile_of_a_16_bit_file_prints_nothing(tmp_path, capfd):
    chunks = [(b"iCCP", b"x\0\0" + zlib.compress(b"too short"))]
    (tmp_path / "a.png").write_bytes(png_file([b"\1\2"], 1, 16, GREY, chunks))
    assert read_image(tmp_path / "a.png").pixels.item() == 258
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_the_orientation_is_applied(tmp_path, ending, orientation):
    stored = (np.arange(24 * 40).reshape(24, 40) % 251).astype(np.uint8)
    if ending == "jpg":
        stored[:] = np.linspace(0, 200, 40)[None] + np.linspace(0, 50, 24)[:, None]
    if ending == "tif":
        tifffile.imwrite(tmp_path / "a.tif", stored, extratags=[(274, 3, 1, orientation, True)])
    else:
        exif = pillow.Exif()
        exif[0x0112] = orientation
        pillow.fromarray(stored).save(tmp_path / f"a.{ending}", exif=exif)
    # The words of the standard: where the stored row 0 and column 0 are seen (TIFF 6.0, page 36).
    seen = {
        1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1], 5: stored.T,
        6: np.rot90(stored, -1), 7: stored[::-1, ::-1].T, 8: np.rot90(stored),
    }[orientation]  # fmt: skip
    read = read_image(tmp_path / f"a.{ending}").pixels[..., 0]
    assert read.shape == seen.shape
    assert np.abs(read.astype(int) - seen).max() <= (2 if ending == "jpg" else 0)


def test_alpha_is_turned_upright_with_the_colours():
    samples = samples_of(np.uint8, 2)
    turned = upright(Picture(samples[..., :1], samples[..., 1]), 8)
    np.testing.assert_array_equal(turned.alpha, np.rot90(samples[..., 1]))
    np.testing.assert_array_equal(turned.pixels[..., 0], np.rot90(samples[..., 0]))


def test_exif_data_left_behind_is_mentioned(tmp_path):
    exif = pillow.Exif()
    exif[0x010F] = "a camera"
    pillow.new("RGB", (3, 2)).save(tmp_path / "a.jpg", exif=exif)
    assert "EXIF" in read_image(tmp_path / "a.jpg").notes[0]


def test_further_pages_left_behind_are_mentioned(tmp_path):
    pages = samples_of(np.uint16, 6)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in (pages[..., :3], pages[..., 3:]):
            file.write(page, photometric="rgb")
    read = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.pixels, pages[..., :3])
    assert read.notes == ("only the first of 2 pages was read",)


def test_tiff_samples_of_12_bits_are_stretched_to_16(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 1, 4095]], np.uint16), bitspersample=12)
    read = read_image(tmp_path / "a.tif")
    assert read.pixels.ravel().tolist() == [0, 16, 65535]
    assert read.notes == ("12-bit samples expanded to 16 bits",)


def test_tiff_grey_with_white_at_zero_is_turned_over(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 1, 65535]], np.uint16), photometric="miniswhite")
    assert read_image(tmp_path / "a.tif").pixels.ravel().tolist() == [65535, 65534, 0]


def test_a_tiff_palette_is_expanded(tmp_path):
    colormap = samples_of(np.uint16, 1, 3, 256)[..., 0]
    index = np.array([[3, 250]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", index, photometric="palette", colormap=colormap)
    assert read_image(tmp_path / "a.tif").pixels.tolist() == [(colormap[:, [3, 250]].T // 256).tolist()]


def test_tiff_colours_stored_multiplied_with_alpha_are_divided_by_it(tmp_path):
    stored = np.array([[[100, 50, 0, 128], [9, 9, 9, 0]]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    read = read_image(tmp_path / "a.tif")
    assert read.pixels.tolist() == [[[199, 100, 0], [0, 0, 0]]]  # 100 * 255 / 128 = 199.2, 50: 99.6
    assert read.alpha.tolist() == [[128, 0]]


def test_tiff_channels_stored_as_planes_are_read_as_colours(tmp_path):
    planes = samples_of(np.uint16, 5, 3, 4).transpose(0, 2, 1)  # (3, 5, 4)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, np.moveaxis(planes, 0, -1))


# What is refused


def refusal(path):
    with pytest.raises(ImageFileError) as caught:
        read_image(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_missing_empty_and_foreign_files_are_refused_with_words(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "animation.gif").write_bytes(b"GIF89a\1\0\1\0\0\0\0;")
    os.mkfifo(tmp_path / "pipe.png")
    assert refusal(tmp_path / "missing.png") == "no such file"
    assert refusal(tmp_path) == "is a folder, not an image file"
    assert refusal(tmp_path / "empty.png") == "is empty (0 bytes)"
    assert refusal(tmp_path / "text.png") == "is not a PNG, JPEG or TIFF image"
    assert refusal(tmp_path / "animation.gif") == "is not a PNG, JPEG or TIFF image"
    assert refusal(tmp_path / "pipe.png") == "is not an ordinary file"


def test_kinds_that_would_not_survive_are_refused(tmp_path):
    pillow.new("CMYK", (3, 2)).save(tmp_path / "cmyk.jpg")
    tifffile.imwrite(tmp_path / "cmyk.tif", samples_of(np.uint8, 4), photometric="separated")
    tifffile.imwrite(tmp_path / "int16.tif", np.zeros((2, 3), np.int16))
    tifffile.imwrite(tmp_path / "uint32.tif", np.zeros((2, 3), np.uint32))
    tifffile.imwrite(tmp_path / "many.tif", samples_of(np.uint8, 5), photometric="minisblack", planarconfig="contig")
    tifffile.imwrite(tmp_path / "volume.tif", np.zeros((32, 16, 16), np.uint8), volumetric=True, tile=(16, 16, 16))
    assert "CMYK" in refusal(tmp_path / "cmyk.jpg")
    assert "SEPARATED" in refusal(tmp_path / "cmyk.tif")
    assert "int16" in refusal(tmp_path / "int16.tif")
    assert "uint32" in refusal(tmp_path / "uint32.tif")
    assert "5 samples a pixel" in refusal(tmp_path / "many.tif")
    assert "32 slices" in refusal(tmp_path / "volume.tif")


@pytest.mark.parametrize("depth", [8, 16])
def test_an_image_that_claims_to_be_huge_is_refused_before_it_is_decoded(tmp_path, depth):
    data = png_file([b"\0\0"], 1, depth, GREY)
    header = struct.pack(">II", 60_000, 60_000) + data[24:29]
    data = data[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:]
    (tmp_path / "bomb.png").write_bytes(data)
    assert "178,956,970" in refusal(tmp_path / "bomb.png")


def test_an_image_just_above_the_limit_is_refused_with_its_numbers(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, samples_of(np.uint8, 1)[..., 0], byteorder="<")
    data = bytearray(path.read_bytes())
    for place in (18, 30):  # the values of the first two entries of the directory, width and height
        struct.pack_into("<I", data, place, 13_378)
    path.write_bytes(data)
    assert "13378 x 13378 = 178,970,884 pixels" in refusal(path)


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_damaged_files_are_refused_in_one_line_or_read_but_never_crash(tmp_path, capfd, ending, dtype):
    if ending == "jpg":
        dtype = np.uint8
    path = tmp_path / f"a.{ending}"
    write_image(path, picture_of(dtype, grey=False, alpha=False))
    whole = path.read_bytes()
    dice, refusals = random.Random(7), []
    for turn in range(60):
        data = bytearray(whole[: dice.randrange(1, len(whole))] if turn % 2 else whole)
        for _ in range(dice.randrange(4)):
            data[dice.randrange(min(len(data), 300))] = dice.randrange(256)
        path.write_bytes(data)
        try:
            read_image(path)
        except ImageFileError as problem:
            refusals.append(str(problem))
    assert len(refusals) > 20
    assert not any("\n" in message for message in refusals)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_a_file_cut_short_in_its_pixels_is_never_read_as_whole(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    write_image(path, Picture(samples_of(np.uint8, 3, 40, 60)))
    path.write_bytes(path.read_bytes()[:-200])
    assert refusal(path).startswith("damaged or cut short")


# Writing


def test_what_a_format_cannot_hold_is_refused_and_says_what_can():
    deep = picture_of(np.uint16, grey=False, alpha=False)
    transparent = picture_of(np.uint8, grey=True, alpha=True)
    floating = Picture(np.zeros((2, 2, 1), np.float32))
    with pytest.raises(ImageFileError, match=r"JPEG cannot hold 16-bit samples; write \.png or \.tif"):
        check_writable("a.jpg", deep)
    with pytest.raises(ImageFileError, match=r"JPEG cannot hold an alpha channel; write \.png or \.tif"):
        check_writable("a.JPEG", transparent)
    with pytest.raises(ImageFileError, match=r"PNG cannot hold floating-point samples; write \.tif"):
        check_writable("a.png", floating)
    with pytest.raises(ImageFileError, match=r"ends in '\.gif', not in one of \.png"):
        check_writable("a.gif", transparent)
    with pytest.raises(ImageFileError, match="has no ending"):
        check_writable("a", transparent)


def test_an_existing_file_is_replaced_only_when_asked(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")
    picture = picture_of(np.uint8, grey=True, alpha=False)
    with pytest.raises(ImageFileError, match="exists already; choose another name"):
        write_image(path, picture)
    assert path.read_bytes() == b"precious"
    write_image(path, picture, overwrite=True)
    np.testing.assert_array_equal(read_image(path).pixels, picture.pixels)


def test_writing_over_the_picture_that_was_read_is_refused_in_its_own_words(tmp_path):
    path = tmp_path / "a.png"
    write_image(path, picture_of(np.uint8, grey=True, alpha=False))
    (tmp_path / "link.png").symlink_to(path)
    for name in ("a.png", "link.png"):
        with pytest.raises(ImageFileError, match="is the picture that was read"):
            check_writable(tmp_path / name, read_image(path), source=path)


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    picture = picture_of(np.uint8, grey=True, alpha=False)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageFileError, match="is a folder"):
        write_image(tmp_path / "folder.png", picture, overwrite=True)
    with pytest.raises(ImageFileError, match="there is no folder"):
        write_image(tmp_path / "none" / "a.png", picture)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageFileError, match="is not an ordinary file"):
        write_image(tmp_path / "pipe.png", picture, overwrite=True)


def test_a_picture_too_wide_for_jpeg_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(ImageFileError, match="JPEG ends at 65535 pixels a side"):
        write_image(tmp_path / "a.jpg", Picture(np.zeros((1, 65_536, 1), np.uint8)))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_half_way_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")

    def refuse(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ImageFileError, match="No space left on device"):
        write_image(path, picture_of(np.uint8, grey=True, alpha=False), overwrite=True)
    assert path.read_bytes() == b"precious"
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_a_replaced_file_keeps_its_permissions_and_a_link_its_target(tmp_path):
    path, link = tmp_path / "a.png", tmp_path / "link.png"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    write_image(link, picture_of(np.uint8, grey=True, alpha=False), overwrite=True)
    assert link.is_symlink()
    assert read_image(path).kind == "8-bit grey"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_reading_does_not_depend_on_the_name(tmp_path):
    buffer = io.BytesIO()
    pillow.new("L", (3, 2), 77).save(buffer, "PNG")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    assert read_image(tmp_path / "a.jpg").pixels.tolist() == [[[77]] * 3] * 2
