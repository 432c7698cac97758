"""One layer and many: scenes with their drawing and code, and what becomes of an image along a chain."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from tweakconv.view import layers
from tweakconv.view.one_layer import answer_for
from tweakconv.view.parameters import Parameters
from tweakconv.view.server.answers import in_words, json_answer
from tweakconv.view.state import ChainState, LayerState

LAYER_NAMES: Final = tuple(LayerState.__dataclass_fields__)
_CHAIN_NAMES: Final = ("input_size", "layer", "output")


def scene_answer(parameters: Parameters) -> Response:
    """A layer as a scene, with its drawing, its code and what there is to say about it.

    Raises
    ------
    Refusal
        For parameters that make no sense or ask for too much.
    """
    with in_words(LAYER_NAMES):
        state = LayerState.read(parameters)
        parameters.finish()
        answer = answer_for(state)
    return json_answer(answer)


def chain_answer(parameters: Parameters) -> Response:
    """Many layers: sizes, borders, receptive field, warnings and a picture.

    Raises
    ------
    Refusal
        For parameters that make no sense or ask for too much.
    """
    with in_words(_CHAIN_NAMES):
        state = ChainState.read(parameters)
        parameters.finish()
        chain = [layer.arguments() for layer in state.layers]
        output = None if state.output is None else list(state.output)
        answer = layers.many_layers(list(state.input_size), chain, output=output, theme=state.theme, style=False)
    return json_answer({"query": state.query(), "state": state.as_json(), **answer})


def with_query(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer that speaks of a layer, with the query string that shows it, under "query"."""
    state = answer.get("state")
    return answer | {"query": None if state is None else LayerState.of(state).query()}
