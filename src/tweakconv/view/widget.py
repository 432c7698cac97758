"""`tweakconv.explore`: the one-layer view of the explorer in a notebook.

The widget runs the page's own modules; what the page asks of the server, the widget asks of the notebook's kernel,
and both are answered by `tweakconv.view.one_layer.answer_for`.
"""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from tweakconv.geometry import ConvGeometry, IntPerAxis, PaddingLike
from tweakconv.geometry.arguments import per_axis, rank_of
from tweakconv.geometry.padding import padding_per_axis
from tweakconv.view.bundle import bundle, packaged
from tweakconv.view.drawing import View, stylesheet
from tweakconv.view.limits import LIMITS
from tweakconv.view.one_layer import answer_for
from tweakconv.view.parameters import ParameterError
from tweakconv.view.state import LayerState


class Explorer(anywidget.AnyWidget):
    """One layer to play with: every tweak, the drawing and its steps, the sum, the sizes, the code.

    `tweakconv.explore` makes it.

    Attributes
    ----------
    query
        The state as the address of the explorer's page holds it: what follows its ``?``. It changes with what is
        done in the notebook, and may be set.
    geometry
        The geometry that is shown.
    """

    _esm = bundle("widget.js")
    _css = stylesheet() + packaged("style.css")

    query = traitlets.Unicode("").tag(sync=True)
    first = traitlets.Dict().tag(sync=True)
    limits = traitlets.Dict(LIMITS._asdict()).tag(sync=True)

    def __init__(self, state: LayerState) -> None:
        answer = answer_for(state)
        super().__init__(query=state.query(), first=answer)
        self.on_msg(self._hear)

    @property
    def geometry(self) -> ConvGeometry:
        """The geometry that is shown."""
        return LayerState.from_query(self.query).geometry()

    @traitlets.validate("query")
    def _check_query(self, proposal: dict[str, Any]) -> str:
        """Refuse what no page could show."""
        query: str = proposal["value"]
        try:
            LayerState.from_query(query)
        except ValueError as problem:
            raise traitlets.TraitError(f"query: {problem}") from None
        return query

    def _hear(self, _: object, message: Any, buffers: object) -> None:
        """Answer what the front end asks; a number goes with each question and its answer."""
        answer: dict[str, Any]
        try:
            answer = {"answer": answer_for(LayerState.from_query(str(message["query"])))}
        except (ValueError, TypeError, OverflowError) as problem:
            argument = problem.argument if isinstance(problem, ParameterError) else None
            answer = {"error": str(problem), "argument": argument}
        self.send({"id": message["id"], **answer})


def explore(
    input_size: IntPerAxis | ConvGeometry = (5, 5),
    kernel_size: IntPerAxis = 3,
    *,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    transposed: bool = False,
    output_padding: IntPerAxis | None = None,
    groups: int = 1,
    in_channels: int = 1,
    out_channels: int = 1,
    padding_mode: str = "zeros",
    seed: int = 0,
    view: View = "tilted",
) -> Explorer:
    """A convolution to play with, in a notebook: Jupyter, VS Code, Colab or marimo.

    Parameters
    ----------
    input_size
        Pixels of each axis, of which there are one or two. Or a `ConvGeometry`, which then says everything but
        `padding_mode`, `seed` and `view`.
    kernel_size, strides, padding, dilation_rate, output_padding, groups, in_channels, out_channels
        As in `ConvGeometry.of` and, where `transposed`, in `ConvGeometry.transposed`.
    transposed
        Whether it is a transposed convolution.
    padding_mode
        What the padding holds, as in `tweakconv.conv2d`, or "constant".
    seed
        Of the values in the input and the kernel.
    view
        "tilted" or "flat".

    Returns
    -------
    Explorer
        A widget; a notebook shows it where it is the last value of a cell.

    Raises
    ------
    ValueError, TypeError
        As `ConvGeometry.of`; also for a geometry that is too large to be drawn.

    Examples
    --------
    >>> import tweakconv as tc
    >>> widget = tc.explore((6, 7), 3, strides=2, padding="same")
    >>> widget.query, widget.geometry.output_size
    ('input_size=6x7&strides=2&padding=same', (3, 4))
    """
    if isinstance(input_size, ConvGeometry):
        state = _state_of(input_size)
    else:
        rank = rank_of(input_size, kernel_size, strides, dilation_rate, padding, output_padding)
        named = padding_per_axis(padding, rank, transposed=transposed)
        state = {
            "input_size": per_axis("input_size", input_size, rank, at_least=1),
            "kernel_size": per_axis("kernel_size", kernel_size, rank, at_least=1),
            "strides": per_axis("strides", strides, rank, at_least=1),
            "dilation_rate": per_axis("dilation_rate", dilation_rate, rank, at_least=1),
            "padding": named[0] if isinstance(named[0], str) else named,
            "transposed": transposed,
            "output_padding": None
            if output_padding is None
            else per_axis("output_padding", output_padding, rank, at_least=0),
            "groups": groups,
            "in_channels": in_channels,
            "out_channels": out_channels,
        }
    asked = LayerState(**state, padding_mode=padding_mode, seed=seed, view=view).query()
    return Explorer(LayerState.from_query(asked))


def _state_of(geometry: ConvGeometry) -> dict[str, Any]:
    """A geometry as the arguments that it was made from, or could have been."""
    transposed = geometry.is_transposed
    return {
        "input_size": geometry.input_size,
        "kernel_size": geometry.kernel_size,
        "strides": geometry.input_dilation if transposed else geometry.strides,
        "dilation_rate": geometry.dilation_rate,
        "padding": tuple(axis.cuts for axis in geometry.axes) if transposed else geometry.pads,
        "transposed": transposed,
        "groups": geometry.groups,
        "in_channels": geometry.in_channels,
        "out_channels": geometry.out_channels,
    }
