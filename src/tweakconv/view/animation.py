"""Animations of convolutions, written to files."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

from tweakconv.files import check_place, write_whole
from tweakconv.geometry import ConvGeometry
from tweakconv.picture import ImageFileError
from tweakconv.view.drawing import Theme, View
from tweakconv.view.look import Look
from tweakconv.view.motion import animated_svg
from tweakconv.view.scene import Scene, make_scene

FORMATS: Final = (".svg", ".gif", ".mp4", ".png")
#: The most steps of one animation, and the most pixels of all its frames together.
MAX_STEPS: Final = 1024
MAX_PIXELS: Final = 2**28
_SECONDS: Final = (0.02, 60.0)


def animate(
    what: ConvGeometry | Scene,
    path: str | os.PathLike[str],
    *,
    view: View = "tilted",
    theme: Theme = "auto",
    step: int | None = None,
    steps: range | None = None,
    seconds: float = 0.8,
    width: int = 800,
    caption: bool = True,
    overwrite: bool = False,
    on_frame: Callable[[], object] | None = None,
) -> Path:
    """Draw a convolution step by step into a file.

    Parameters
    ----------
    what
        A geometry with one axis or two, shown with small whole numbers; or a scene, whose numbers were chosen
        (`tweakconv.view.scene.make_scene`).
    path
        Ends in ``.svg`` (an animation that is small, sharp at any size, and runs in a README), ``.gif``, ``.mp4``
        (where an encoder is installed) or ``.png`` (a single step).
    view
        "tilted": the input below, the output above; "flat": every number, the products and the sum.
    theme
        "light", "dark", or "auto", which in SVG is what the reader prefers, and light in the others.
    step
        Draws this step only, counted from 0, as PNG or SVG; PNG takes the one in the middle by default.
    steps
        The consecutive steps to show, such as ``range(100)``; None for all.
    seconds
        How long each is shown, 0.02 to 60; the last one twice as long.
    width
        In pixels, of all but SVG.
    caption
        Whether sizes and formulas stand above.
    overwrite
        Whether an existing file may be replaced.
    on_frame
        Called after each frame of a GIF or MP4.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        For a name that ends in something else, a file that is there already, an unknown view or theme, a step that
        is not there, more than `MAX_STEPS` steps or `MAX_PIXELS` pixels, and what `make_scene` refuses.
    TypeError
        Where a number is not one, and as `make_scene`.
    RuntimeError
        Where there is no encoder for MP4, or it fails.
    ModuleNotFoundError
        Where ``tweakconv[view]`` is not installed; SVG needs nothing of it.

    Examples
    --------
    >>> import tempfile
    >>> geometry = ConvGeometry.of((5, 5), 3, strides=2, padding="same")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     animate(geometry, Path(folder) / "same.svg").stat().st_size < 40_000
    True
    """
    path = Path(path)
    check_target(path, overwrite=overwrite)
    kind = path.suffix.lower()
    look, seconds = Look(view, theme, caption, width), _checked_seconds(seconds)
    scene = what if isinstance(what, Scene) else make_scene(what)
    if step is not None or kind == ".png":
        shown = scene.steps // 2 if step is None else step
        scene.output_at(shown)
        content = _still(scene, look, kind, shown)
    else:
        content = _moving(scene, look, kind, steps_of(scene, steps), seconds, on_frame)
    try:
        write_whole(path, content)
    except OSError as problem:
        raise ImageFileError(f"{path}: cannot be written ({problem.strerror or problem})") from None
    return path


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse, before any work is done, a file that cannot or may not be written.

    Raises
    ------
    ImageFileError
        A ValueError in one line, with the path.
    """
    try:
        if path.suffix.lower() not in FORMATS:
            ending = f"ends in {path.suffix!r}" if path.suffix else "has no ending"
            raise ImageFileError(f"the name {ending}, not in one of {', '.join(FORMATS)}")
        check_place(path, overwrite=overwrite)
    except ImageFileError as problem:
        raise ImageFileError(f"{path}: {problem}") from None
    except OSError as problem:
        raise ImageFileError(f"{path}: cannot be written ({problem.strerror or problem})") from None


def steps_of(scene: Scene, steps: range | None = None) -> range:
    """The steps to show, all by default.

    Raises
    ------
    ValueError
        Where they are not consecutive steps of the scene, or too many.
    """
    chosen = range(scene.steps) if steps is None else steps
    if not isinstance(chosen, range) or chosen.step != 1 or not 0 <= chosen.start < chosen.stop <= scene.steps:
        raise ValueError(
            f"steps must be a range of consecutive steps from 0 to {scene.steps} at most, received {steps!r}"
        )
    if len(chosen) > MAX_STEPS:
        rows, cols = scene.output.rows, scene.output.cols
        raise ValueError(
            f"steps must be at most {MAX_STEPS} in one animation, received {len(chosen)} of the {rows} x {cols} "
            f"outputs; choose some, such as the first {MAX_STEPS // cols * cols or MAX_STEPS}"
        )
    return chosen


def _still(scene: Scene, look: Look, kind: str, step: int) -> bytes:
    """One step as the bytes of a file."""
    if kind == ".svg":
        return look.drawing(scene, step).encode()
    if kind != ".png":
        raise ValueError(f"step must be left out for {kind}, which shows many; a single one goes to .png or .svg")
    _check_pixels(scene, look, 1)
    content: bytes = _films().still_png(scene, look, step)
    return content


def _moving(
    scene: Scene, look: Look, kind: str, steps: range, seconds: float, on_frame: Callable[[], object] | None
) -> bytes:
    """Many steps as the bytes of a file."""
    if kind == ".svg":
        return animated_svg(scene, look, seconds=seconds, steps=steps).encode()
    _check_pixels(scene, look, len(steps))
    write = _films().gif if kind == ".gif" else _films().mp4
    content: bytes = write(scene, look, seconds=seconds, steps=steps, on_frame=on_frame)
    return content


def _check_pixels(scene: Scene, look: Look, frames: int) -> None:
    width, height = look.size(scene)
    if frames * width * height > MAX_PIXELS:
        raise ValueError(
            f"width must be smaller: {frames} frames of {width} x {height} are {frames * width * height:,} pixels, and "
            f"a file holds at most {MAX_PIXELS:,}"
        )


def _checked_seconds(seconds: float) -> float:
    least, most = _SECONDS
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"seconds must be a number, received {seconds!r}")
    if not (math.isfinite(seconds) and least <= seconds <= most):
        raise ValueError(f"seconds must be from {least:g} to {most:g}, received {seconds!r}")
    return float(seconds)


def _films() -> ModuleType:
    """The module that makes pixels, loaded when they are wanted."""
    try:
        return import_module("tweakconv.view.films")
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f'{missing.name} is not installed; run: pip install "tweakconv[view]"', name=missing.name
        ) from None
