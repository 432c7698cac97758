"""What is on the screen as a file: an SVG or a GIF that moves, or a single step as SVG or PNG."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.responses import Response

from tweakconv.view.films import gif, still_png
from tweakconv.view.limits import LIMITS
from tweakconv.view.look import Look
from tweakconv.view.motion import animated_svg
from tweakconv.view.one_layer import scene_of
from tweakconv.view.parameters import ParameterError, Parameters, shown
from tweakconv.view.scene import Scene
from tweakconv.view.server.answers import file_answer, in_words
from tweakconv.view.server.layers import LAYER_NAMES
from tweakconv.view.state import LayerState

_TYPES: Final = {"svg": "image/svg+xml", "gif": "image/gif", "png": "image/png"}
_GIF_WIDTH: Final = 800
_PNG_WIDTH: Final = 1600
_SLOWEST: Final = 10.0
"""Seconds that a step is shown at most."""


class _Abandoned(Exception):
    """Whoever asked for it has gone."""


def export_answer(parameters: Parameters, gone: Callable[[], bool]) -> Response:
    """A layer as a file to be saved.

    Parameters
    ----------
    parameters
        Of the request.
    gone
        Whether its sender has gone, asked while the file is made.

    Raises
    ------
    Refusal
        For parameters that make no sense or ask for too much.
    """
    with in_words((*LAYER_NAMES, "format", "seconds")):
        form = parameters.choice("format", tuple(_TYPES), "svg")
        still = parameters.flag("still") or form == "png"
        seconds = parameters.number("seconds", 0.8, at_most=_SLOWEST)
        state = LayerState.read(parameters)
        parameters.finish()
        if seconds < 0.02:
            raise ParameterError("seconds", f"seconds must be from 0.02 to {_SLOWEST:g}, received {seconds:g}")
        scene = scene_of(state)
        if not still:
            _check_length(scene, form)
    try:
        content = _still(scene, state, form) if still else _moving(scene, state, form, seconds, gone)
    except _Abandoned:
        return Response(status_code=204)
    return file_answer(content, f"convolution.{form}", _TYPES[form])


def _still(scene: Scene, state: LayerState, form: str) -> bytes:
    if form == "svg":
        return Look(state.view, state.theme).drawing(scene, state.step).encode()
    return still_png(scene, Look(state.view, state.theme, width=_PNG_WIDTH), state.step)


def _moving(scene: Scene, state: LayerState, form: str, seconds: float, gone: Callable[[], bool]) -> bytes:
    def stop_where_gone() -> None:
        if gone():
            raise _Abandoned

    if form == "svg":
        return animated_svg(scene, Look(state.view, state.theme), seconds=seconds).encode()
    stop_where_gone()
    look = Look(state.view, state.theme, width=_GIF_WIDTH)
    return gif(scene, look, seconds=seconds, on_frame=stop_where_gone)


def _check_length(scene: Scene, form: str) -> None:
    cells = scene.output.rows * scene.output.cols + len(scene.rows.kinds) * len(scene.cols.kinds)
    if scene.steps > LIMITS.export_steps:
        raise ParameterError(
            "format",
            f"format {shown(form)} would have {scene.steps:,} steps; {LIMITS.export_steps:,} at most are drawn in one "
            f"file: take a smaller input, or still=1",
        )
    if form == "gif" and scene.steps * cells > LIMITS.gif_cells:
        raise ParameterError(
            "format",
            f"format 'gif' would have {scene.steps:,} frames of {cells:,} cells, which takes long: svg moves as well, "
            f"and tweakconv animate writes long films",
        )
