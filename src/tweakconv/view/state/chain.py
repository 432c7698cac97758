"""The state of many layers, one after the other."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, Final

from tweakconv.view.drawing import THEMES, Theme
from tweakconv.view.limits import LIMITS
from tweakconv.view.parameters import (
    Padding,
    ParameterError,
    Parameters,
    padding_of,
    padding_text,
    per_axis_text,
    shown,
    size_text,
)
from tweakconv.view.state.writing import check_at_most, check_pads, shortest

_WINDOW: Final = re.compile(r"\d{1,4}(x\d{1,4})?", re.ASCII)
_STEP: Final = re.compile(r"([sd])(\d{1,4}(?:x\d{1,4})?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ChainLayer:
    """A convolution or pooling layer of a chain, as `tweakconv.Layer` takes it."""

    kernel_size: tuple[int, ...]
    strides: tuple[int, ...] = (1, 1)
    dilation_rate: tuple[int, ...] = (1, 1)
    padding: Padding = "valid"

    @classmethod
    def of(cls, text: str) -> ChainLayer:
        """The layer that words mean.

        Raises
        ------
        ParameterError
            Where they mean none.

        Examples
        --------
        >>> ChainLayer.of("3x3 s2 same"), ChainLayer.of("3 d2 1").text()
        (ChainLayer(kernel_size=(3, 3), strides=(2, 2), dilation_rate=(1, 1), padding='same'), '3 d2 1')
        """
        window, *words = text.split() or [""]
        if not _WINDOW.fullmatch(window):
            raise ParameterError(
                "layer", f"layer must begin with the size of its window, as in '3x3 s2 same', received {shown(text)}"
            )
        given: dict[str, tuple[int, ...] | Padding] = {}
        for word in words:
            step = _STEP.fullmatch(word)
            name = "padding" if step is None else {"s": "strides", "d": "dilation_rate"}[step[1]]
            if name in given:
                raise ParameterError("layer", f"layer has two words for its {name}: {shown(text)}")
            try:
                given[name] = padding_of(word, 2) if step is None else _two(step[2])
            except ParameterError as problem:
                raise ParameterError("layer", f"layer {shown(text)}: {problem}") from None
        layer = cls(_two(window), **given)  # type: ignore[arg-type]
        for name, most in (("strides", LIMITS.picture_strides), ("dilation_rate", LIMITS.dilation_rate)):
            check_at_most("layer", getattr(layer, name), most, name)
        check_at_most("layer", layer.kernel_size, LIMITS.kernel_size, "kernel_size")
        check_pads(layer.padding, LIMITS.pad)
        return layer

    def text(self) -> str:
        """The words that mean this layer, as few as it takes."""
        words = [per_axis_text(self.kernel_size)]
        words += [f"s{per_axis_text(self.strides)}"] if set(self.strides) != {1} else []
        words += [f"d{per_axis_text(self.dilation_rate)}"] if set(self.dilation_rate) != {1} else []
        words += [padding_text(self.padding)] if self.padding != "valid" else []
        return " ".join(words)

    def arguments(self) -> dict[str, Any]:
        """The arguments of `tweakconv.Layer`."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True)
class ChainState:
    """Many layers, one after the other.

    Attributes
    ----------
    input_size
        Height and width of what the first layer takes.
    layers
        First to last.
    output
        Row and column of the last layer's output whose field is drawn; the middle one where None.
    theme
        One of `THEMES`.

    Examples
    --------
    >>> state = ChainState.from_query("input_size=28x32&layer=3x3+s2+same&layer=3+d2&output=0x5")
    >>> len(state.layers), state.output
    (2, (0, 5))
    >>> state.query()
    'input_size=28x32&layer=3+s2+same&layer=3+d2&output=0x5'
    """

    input_size: tuple[int, ...] = (28, 28)
    layers: tuple[ChainLayer, ...] = ()
    output: tuple[int, ...] | None = None
    theme: Theme = "auto"

    @classmethod
    def from_query(cls, query: str) -> ChainState:
        """As that of `LayerState`."""
        parameters = Parameters.from_query(query)
        state = cls.read(parameters)
        parameters.finish()
        return state

    @classmethod
    def read(cls, parameters: Parameters) -> ChainState:
        """The state that parameters mean.

        Raises
        ------
        ParameterError
            Where one cannot be read, or is beyond the limits.
        """
        texts = parameters.texts("layer")
        if len(texts) > LIMITS.layers:
            raise ParameterError("layer", f"there are {len(texts)} layers; {LIMITS.layers} at most are shown")
        state = cls(
            input_size=parameters.per_axis("input_size", "28x28", rank=2),
            layers=tuple(map(ChainLayer.of, texts)),
            output=parameters.per_axis("output", rank=2, at_least=0) if parameters.text("output") else None,
            theme=parameters.choice("theme", THEMES, "auto"),
        )
        check_at_most("input_size", state.input_size, LIMITS.chain_size)
        return state

    def query(self) -> str:
        """The shortest query string that means this state."""
        pairs = [("input_size", size_text(self.input_size), "28x28")]
        pairs += [("layer", layer.text(), "") for layer in self.layers]
        pairs += [("output", size_text(self.output) if self.output else "", ""), ("theme", self.theme, "auto")]
        return shortest(pairs)

    def as_json(self) -> dict[str, Any]:
        """Every parameter with its value, as plain data; a layer as its words."""
        return {
            "input_size": list(self.input_size),
            "layer": [layer.text() for layer in self.layers],
            "output": None if self.output is None else list(self.output),
            "theme": self.theme,
        }


def _two(text: str) -> tuple[int, int]:
    first, _, second = text.partition("x")
    return int(first), int(second or first)
