"""One layer as the page and the notebook show it: the scene, its drawing, its code and what there is to say."""

from __future__ import annotations

from typing import Any

from tweakconv.view.drawing import draw
from tweakconv.view.frameworks import code_for
from tweakconv.view.scene import Scene, make_scene
from tweakconv.view.state import LayerState


def answer_for(state: LayerState) -> dict[str, Any]:
    """What there is to show of a layer, as plain data.

    Returns
    -------
    dict
        "query", the shortest query string that means the state; "state", every parameter with its value; "scene";
        "svg", the drawing without its style sheet; "code" for each framework; "warnings", sentences.

    Raises
    ------
    ValueError
        As `make_scene`.

    Examples
    --------
    >>> answer = answer_for(LayerState.from_query("input_size=5x7&strides=2"))
    >>> answer["scene"]["facts"]["output_size"], sorted(answer)
    ([2, 3], ['code', 'query', 'scene', 'state', 'svg', 'warnings'])
    """
    scene = scene_of(state)
    code = code_for(**state.arguments())
    drawn = scene.as_json()
    return {
        "query": state.query(),
        "state": state.as_json(),
        "scene": drawn,
        "svg": draw(scene, view=state.view, theme=state.theme, style=False),
        "code": {framework: snippet.as_json() for framework, snippet in code.items()},
        "warnings": drawn["warnings"],
    }


def scene_of(state: LayerState) -> Scene:
    """The scene that a state means.

    Raises
    ------
    ValueError
        As `make_scene`.
    """
    return make_scene(
        state.geometry(),
        seed=state.seed,
        input_edits=state.input_edits,
        kernel_edits=state.kernel_edits,
        padding_mode=state.padding_mode,
        pad_value=state.pad_value,
        output_channel=state.output_channel,
        input_channel=state.input_channel,
    )
