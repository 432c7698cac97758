"""Pixels: stills, GIFs and videos decode, have a frame for each step, and show in each what the step is."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor
from tests.view.scenes import scene
from tests.view.test_drawing import numbers, one

from tweakconv.view import films
from tweakconv.view.drawing import draw
from tweakconv.view.drawing.cells import CELL
from tweakconv.view.drawing.theme import colours_of
from tweakconv.view.films import find_encoder, gif, mp4, still_png
from tweakconv.view.look import Look
from tweakconv.view.scene import Scene

FLAT = Look(view="flat", theme="light", width=640)


def middle_of_output(shown: Scene, look: Look, row: int, col: int) -> tuple[int, int]:
    """Where a spot of an output cell, clear of its number, is in the frames."""
    drawing = draw(shown, view=look.view, theme="light", caption=look.caption)
    left, top, width, _ = numbers(drawing.split('viewBox="')[1].split('"')[0])
    a, b, c, d, e, f = numbers(one(drawing, "data-plane", "output").attrib["transform"])
    x, y = (col + 0.5) * CELL, (row + 0.86) * CELL
    scale = look.width / width
    return round((a * x + c * y + e - left) * scale), round((b * x + d * y + f - top) * scale)


def near(colour: tuple[int, ...], wanted: str) -> bool:
    return bool(np.abs(np.subtract(colour[:3], ImageColor.getrgb(wanted))).max() <= 12)


def check_frames(frames: list[Image.Image], shown: Scene, look: Look, theme: str) -> None:
    """At each step the outputs before it are filled in, and those after it are not."""
    colours = colours_of(theme)
    for step, frame in enumerate(frames):
        for index in range(shown.steps):
            if index == step:
                continue  # its ring runs near the spot
            row, col = divmod(index, shown.output.cols)
            colour = frame.convert("RGB").getpixel(middle_of_output(shown, look, row, col))
            assert near(colour, colours["output"]) == (index < step), (step, index, colour)


@pytest.mark.parametrize("look", [FLAT, Look(view="tilted", theme="light", width=500, caption=False)])
def test_a_gif_has_a_frame_for_each_step_that_shows_it(look: Look) -> None:
    shown = scene("lecture")
    told: list[int] = []
    with Image.open(io.BytesIO(gif(shown, look, seconds=0.5, on_frame=lambda: told.append(1)))) as film:
        assert film.format == "GIF"
        assert film.n_frames == shown.steps == len(told)
        assert film.size[0] == look.width
        assert film.info["loop"] == 0
        frames, durations = [], []
        for index in range(film.n_frames):
            film.seek(index)
            frames.append(film.convert("RGB"))
            durations.append(film.info["duration"])
    assert durations == [500] * 8 + [1000]
    assert frames[0].size == look.size(shown)
    check_frames(frames, shown, look, "light")
    assert all(np.any(np.asarray(before) != np.asarray(after)) for before, after in pairwise(frames))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_paper_of_a_gif_has_exactly_its_colour_up_to_the_corners(theme: str) -> None:
    with Image.open(io.BytesIO(gif(scene("single"), Look(theme=theme, width=200)))) as film:
        corner = film.convert("RGB").getpixel((0, 0))
    assert corner == ImageColor.getrgb(colours_of(theme)["paper"])


def test_a_gif_of_some_steps_shows_these() -> None:
    shown = scene("lecture")
    with Image.open(io.BytesIO(gif(shown, FLAT, steps=range(4, 6)))) as film:
        assert film.n_frames == 2
        first = film.convert("RGB")
    spots = [first.getpixel(middle_of_output(shown, FLAT, *divmod(index, 3))) for index in (3, 5)]
    assert [near(colour, colours_of("light")["output"]) for colour in spots] == [True, False]


def test_a_still_shows_its_step_in_its_theme() -> None:
    shown = scene("lecture")
    for theme in ("light", "dark"):
        with Image.open(io.BytesIO(still_png(shown, Look(view="flat", theme=theme, width=640), step=5))) as picture:
            assert picture.format == "PNG"
            assert picture.size == FLAT.size(shown)
            spots = [picture.getpixel(middle_of_output(shown, FLAT, *divmod(index, 3))) for index in (4, 6)]
        assert [near(colour, colours_of(theme)["output"]) for colour in spots] == [True, False]


def decoded(video: bytes, folder: Path) -> np.ndarray:
    """The frames of a video, by the encoder's own decoder."""
    path = folder / "video.mp4"
    path.write_bytes(video)
    told = subprocess.run([find_encoder(), "-i", path], capture_output=True, text=True, check=False).stderr
    size = next(part for part in told.replace(",", " ").split() if part.count("x") == 1 and part[0] in "123456789")
    width, height = map(int, size.split("x"))
    raw = subprocess.run(
        [find_encoder(), "-loglevel", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        capture_output=True,
        check=True,
    ).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def test_a_video_shows_each_step_for_its_time(tmp_path: Path) -> None:
    shown, look = scene("lecture"), Look(view="flat", theme="light", width=635)
    frames = decoded(mp4(shown, look, seconds=0.3), tmp_path)
    assert len(frames) == (9 + 1) * 3
    assert frames.shape[2] == 636  # even
    pictures = [Image.fromarray(frames[3 * step + 1]) for step in range(9)]
    check_frames(pictures, shown, look, "light")


def test_without_an_encoder_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(films, "import_module", lambda name: (_ for _ in ()).throw(ModuleNotFoundError(name)))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match=r"pip install imageio-ffmpeg, or install ffmpeg; or write \.gif or \.svg"):
        mp4(scene("single"), Look())


@pytest.mark.skipif(sys.platform == "win32", reason="the encoder of this test is a shell script")
def test_an_encoder_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    encoder = tmp_path / "encoder"
    encoder.write_text("#!/bin/sh\necho no such codec >&2\nexit 3\n")
    encoder.chmod(0o755)
    monkeypatch.setattr(films, "find_encoder", lambda: str(encoder))
    with pytest.raises(RuntimeError, match="the video encoder failed: no such codec"):
        mp4(scene("lecture"), Look(width=600))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"view": "round"}, "view must be one of"),
        ({"theme": "blue"}, "theme must be one of"),
        ({"width": 15}, "width must be at least 16, received 15"),
        ({"width": 5000}, "width must be at most 4096 pixels, received 5000"),
    ],
)
def test_a_look_that_cannot_be_is_refused_in_words(arguments: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Look(**arguments)
