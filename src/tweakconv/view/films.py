"""The steps of a scene as pixels: a still picture, a GIF, a video."""

from __future__ import annotations

import io
import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final

from PIL import Image, ImageColor, ImageOps

from tweakconv.view.drawing.theme import colours_of
from tweakconv.view.look import Look
from tweakconv.view.raster import pixels_of, png_of
from tweakconv.view.scene import Scene

#: Pictures of a video in a second.
FRAME_RATE: Final = 10
_SAMPLES: Final = 4  # frames that the colours of a GIF are chosen from
_COLOURS: Final = 256
_NEAR: Final = 8  # closer colours, of 255 a channel, are taken for the same


def still_png(scene: Scene, look: Look, step: int | None = None) -> bytes:
    """One step, or the scene at rest, as the bytes of a PNG file."""
    return png_of(look.drawing(scene, step, for_pixels=True), look.width)


def gif(
    scene: Scene,
    look: Look,
    *,
    seconds: float = 0.8,
    steps: range | None = None,
    on_frame: Callable[[], object] | None = None,
) -> bytes:
    """The steps as the bytes of a GIF file that begins anew for ever, a frame for each.

    Parameters
    ----------
    scene, look
        What, and how.
    seconds
        How long each frame is shown, in whole hundredths; the last one is shown twice as long.
    steps
        Consecutive steps, None for all.
    on_frame
        Called after each.
    """
    chosen = range(scene.steps) if steps is None else steps
    samples = [_frame(scene, look, chosen[len(chosen) * n // _SAMPLES]) for n in range(_SAMPLES)]
    palette = _palette(samples, colours_of(look.settled).values())
    frames = (
        _frame(scene, look, step).quantize(palette=palette, dither=Image.Dither.NONE)
        for step in _told(chosen, on_frame)
    )
    each = max(round(seconds * 100), 2) * 10
    buffer = io.BytesIO()
    next(frames).save(
        buffer,
        "GIF",
        save_all=True,
        append_images=frames,
        duration=[each] * (len(chosen) - 1) + [2 * each],
        loop=0,
    )
    return buffer.getvalue()


def mp4(
    scene: Scene,
    look: Look,
    *,
    seconds: float = 0.8,
    steps: range | None = None,
    on_frame: Callable[[], object] | None = None,
) -> bytes:
    """The steps as the bytes of an MP4 file (H.264) at `FRAME_RATE`; otherwise as `gif`.

    Raises
    ------
    RuntimeError
        Where there is no encoder, or it fails; in its own words.
    """
    encoder = find_encoder()
    chosen = range(scene.steps) if steps is None else steps
    repeats = max(round(seconds * FRAME_RATE), 1)
    frames = (
        frame.tobytes()
        for step in _told(chosen, on_frame)
        for frame in [_even(_frame(scene, look, step), look.paper)] * (repeats * (2 if step == chosen[-1] else 1))
    )
    size = _even(_frame(scene, look, chosen[0]), look.paper).size
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "video.mp4"  # the encoder goes back to its beginning when it is done
        _encode(encoder, size, frames, video)
        return video.read_bytes()


def find_encoder() -> str:
    """The ffmpeg that imageio-ffmpeg brings, or the one that is installed.

    Raises
    ------
    RuntimeError
        Where there is neither.
    """
    try:
        brought: str = import_module("imageio_ffmpeg").get_ffmpeg_exe()
        return brought
    except (ImportError, RuntimeError):
        pass
    installed = shutil.which("ffmpeg")
    if installed is None:
        raise RuntimeError("MP4 needs an encoder: pip install imageio-ffmpeg, or install ffmpeg; or write .gif or .svg")
    return installed


def _frame(scene: Scene, look: Look, step: int) -> Image.Image:
    """The pixels of a step, RGB, without the round corners of the paper."""
    return pixels_of(look.drawing(scene, step, for_pixels=True), look.width, background=look.paper)


def _encode(encoder: str, size: tuple[int, int], frames: Iterable[bytes], video: Path) -> None:
    """Hand frames to the encoder as they are made."""
    command = [
        *(encoder, "-loglevel", "error", "-f", "rawvideo", "-pixel_format", "rgb24"),
        *("-video_size", f"{size[0]}x{size[1]}", "-framerate", str(FRAME_RATE), "-i", "pipe:0"),
        *("-codec:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "23", "-movflags", "+faststart", str(video)),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        try:
            with suppress(BrokenPipeError), process.stdin as pipe:  # an encoder that has stopped says why below
                pipe.writelines(frames)
        except BaseException:
            process.kill()
            raise
        words = process.stderr.read().decode(errors="replace")
    if process.returncode:
        raise RuntimeError(f"the video encoder failed: {' '.join(words.split())[:200]}")


def _even(frame: Image.Image, paper: str) -> Image.Image:
    """A frame with even sides, as H.264 takes its colours two by two."""
    width, height = frame.size
    return ImageOps.expand(frame, (0, 0, width % 2, height % 2), fill=paper)


def _palette(frames: Sequence[Image.Image], exact: Iterable[str]) -> Image.Image:
    """One set of colours for some frames, those of the theme in it as they are."""
    width, height = frames[0].size
    sheet = Image.new("RGB", (width, height * len(frames)))
    for index, frame in enumerate(frames):
        sheet.paste(frame, (0, index * height))
    palette = sheet.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    chosen = palette.getpalette() or []
    colours = [tuple(chosen[place : place + 3]) for place in range(0, len(chosen), 3)]
    wanted = list(map(ImageColor.getrgb, exact))
    for place, colour in enumerate(colours):
        nearest = min(wanted, key=lambda each: math.dist(each, colour))
        if math.dist(nearest, colour) < _NEAR:
            colours[place] = nearest
    palette.putpalette([part for colour in colours for part in colour])
    return palette


def _told(steps: range, on_frame: Callable[[], object] | None) -> Iterator[int]:
    """The steps, with a word to the one who waits after each."""
    for step in steps:
        yield step
        if on_frame is not None:
            on_frame()
