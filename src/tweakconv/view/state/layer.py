"""The state of one layer: its tweaks, the values it works on, and how it is looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from tweakconv.geometry import ConvGeometry
from tweakconv.view.drawing import THEMES, VIEWS, Theme, View
from tweakconv.view.limits import LIMITS
from tweakconv.view.parameters import (
    Edits,
    Padding,
    ParameterError,
    Parameters,
    edits_text,
    number_text,
    padding_text,
    per_axis_text,
    size_text,
)
from tweakconv.view.state.writing import check_at_most, check_pads, shortest


@dataclass(frozen=True, slots=True)
class LayerState:
    """One layer, the values it works on, and how it is looked at.

    Attributes
    ----------
    input_size, kernel_size, strides, dilation_rate
        An entry for each axis, of which there are one or two.
    padding
        A name, or (before, after) for each axis.
    padding_mode, pad_value
        What the padding holds; the value is that of "constant".
    transposed, output_padding
        As in `ConvGeometry.transposed`.
    input_channel, output_channel
        Those that are drawn; None takes the first that the output channel reads.
    seed
        What the values of input and kernel are drawn from.
    input_edits, kernel_edits
        Values that a person has put in their place, by (row, column).
    view, theme
        One of `VIEWS` and of `THEMES`.
    step, pin
        The output shown, and the one pinned, in reading order.

    Examples
    --------
    >>> state = LayerState.from_query("input_size=5x7&strides=2&padding=same&input_edits=0.3:9")
    >>> state.geometry().output_size, state.input_edits
    ((3, 4), {(0, 3): 9.0})
    >>> state.query()
    'input_size=5x7&strides=2&padding=same&input_edits=0.3:9'
    """

    input_size: tuple[int, ...] = (5, 5)
    kernel_size: tuple[int, ...] = (3, 3)
    strides: tuple[int, ...] = (1, 1)
    dilation_rate: tuple[int, ...] = (1, 1)
    padding: Padding = "valid"
    padding_mode: str = "zeros"
    pad_value: float = 0
    transposed: bool = False
    output_padding: tuple[int, ...] | None = None
    in_channels: int = 1
    out_channels: int = 1
    groups: int = 1
    input_channel: int | None = None
    output_channel: int = 0
    seed: int = 0
    input_edits: Edits = field(default_factory=dict)
    kernel_edits: Edits = field(default_factory=dict)
    view: View = "tilted"
    step: int = 0
    pin: int | None = None
    theme: Theme = "auto"

    @classmethod
    def from_query(cls, query: str) -> LayerState:
        """The state that a query string means, nothing else standing in it.

        Raises
        ------
        ParameterError
            As `read`; also for a parameter that there is not.
        """
        parameters = Parameters.from_query(query)
        state = cls.read(parameters)
        parameters.finish()
        return state

    @classmethod
    def read(cls, parameters: Parameters) -> LayerState:
        """The state that parameters mean.

        Raises
        ------
        ParameterError
            Where one cannot be read, or is beyond the limits.
        ValueError
            Where the geometry refuses them.
        """
        input_size = parameters.per_axis("input_size", "5x5")
        rank = len(input_size)
        if rank > 2:
            raise ParameterError("input_size", f"input_size must have 1 or 2 axes to be drawn, received {input_size}")
        transposed = parameters.flag("transposed")
        kernel_size = parameters.per_axis("kernel_size", "3", rank=rank)
        state = cls(
            input_size=input_size,
            kernel_size=kernel_size,
            strides=parameters.per_axis("strides", rank=rank),
            dilation_rate=parameters.per_axis("dilation_rate", rank=rank),
            padding=parameters.padding(rank, transposed=transposed),
            padding_mode=parameters.padding_mode(),
            pad_value=parameters.number("pad_value", at_most=LIMITS.value),
            transposed=transposed,
            output_padding=_output_padding(parameters, rank, transposed),
            in_channels=parameters.whole("in_channels", 1, at_least=1, at_most=LIMITS.channels),
            out_channels=parameters.whole("out_channels", 1, at_least=1, at_most=LIMITS.channels),
            groups=parameters.whole("groups", 1, at_least=1, at_most=LIMITS.channels),
            input_channel=parameters.whole("input_channel") if parameters.text("input_channel") else None,
            output_channel=parameters.whole("output_channel"),
            seed=parameters.whole("seed", at_most=2**32 - 1),
            view=parameters.choice("view", VIEWS, "tilted"),
            step=parameters.whole("step"),
            pin=parameters.whole("pin") if parameters.text("pin") else None,
            theme=parameters.choice("theme", THEMES, "auto"),
            input_edits=_edits(parameters, "input_edits", input_size),
            kernel_edits=_edits(parameters, "kernel_edits", kernel_size),
        )
        state._check()
        return state

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> LayerState:
        """The state of a layer given by the arguments of `ConvGeometry.of` or `.transposed`.

        Examples
        --------
        >>> LayerState.of({"input_size": [5, 5], "kernel_size": [3, 3], "padding": [[1, 1], [0, 2]]}).query()
        'padding=1:1,0:2'
        """
        names = [each.name for each in fields(cls) if each.name in arguments]
        plain: dict[str, Any] = {name: _plain(arguments[name]) for name in names}
        if isinstance(plain.get("padding"), tuple):
            plain["padding"] = tuple(map(tuple, plain["padding"]))
        rank = len(plain["input_size"])
        for name in ("kernel_size", "strides", "dilation_rate"):
            plain.setdefault(name, (3 if name == "kernel_size" else 1,) * rank)
        return cls(**plain)

    def query(self) -> str:
        """The shortest query string that means this state."""
        pairs = [
            ("input_size", size_text(self.input_size), "5x5"),
            ("kernel_size", per_axis_text(self.kernel_size), "3"),
            ("strides", per_axis_text(self.strides), "1"),
            ("dilation_rate", per_axis_text(self.dilation_rate), "1"),
            ("padding", padding_text(self.padding), "valid"),
            ("padding_mode", self.padding_mode, "zeros"),
            ("pad_value", number_text(self.pad_value), "0"),
            ("transposed", str(int(self.transposed)), "0"),
            ("output_padding", per_axis_text(self.output_padding) if self.output_padding is not None else "", ""),
            ("in_channels", str(self.in_channels), "1"),
            ("out_channels", str(self.out_channels), "1"),
            ("groups", str(self.groups), "1"),
            ("input_channel", "" if self.input_channel is None else str(self.input_channel), ""),
            ("output_channel", str(self.output_channel), "0"),
            ("seed", str(self.seed), "0"),
            ("input_edits", edits_text(self.input_edits), ""),
            ("kernel_edits", edits_text(self.kernel_edits), ""),
            ("view", self.view, "tilted"),
            ("step", str(self.step), "0"),
            ("pin", "" if self.pin is None else str(self.pin), ""),
            ("theme", self.theme, "auto"),
        ]
        return shortest(pairs)

    def arguments(self) -> dict[str, Any]:
        """What defines the layer, in the words of Keras, as plain data."""
        padding = self.padding if isinstance(self.padding, str) else [list(pair) for pair in self.padding]
        return {
            "input_size": list(self.input_size),
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "dilation_rate": list(self.dilation_rate),
            "padding": padding,
            "padding_mode": self.padding_mode,
            "pad_value": self.pad_value,
            "transposed": self.transposed,
            "output_padding": None if self.output_padding is None else list(self.output_padding),
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "groups": self.groups,
        }

    def as_json(self) -> dict[str, Any]:
        """Every parameter with its value, as plain data."""
        return self.arguments() | {
            "seed": self.seed,
            "input_channel": self.input_channel,
            "output_channel": self.output_channel,
            "input_edits": [[row, column, value] for (row, column), value in self.input_edits.items()],
            "kernel_edits": [[row, column, value] for (row, column), value in self.kernel_edits.items()],
            "view": self.view,
            "step": self.step,
            "pin": self.pin,
            "theme": self.theme,
        }

    def geometry(self) -> ConvGeometry:
        """The geometry of the layer.

        Raises
        ------
        ValueError
            As `ConvGeometry.of` and `ConvGeometry.transposed`.
        """
        channels = {"in_channels": self.in_channels, "out_channels": self.out_channels, "groups": self.groups}
        tweaks: dict[str, Any] = {
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            **channels,
        }
        if self.transposed:
            return ConvGeometry.transposed(
                self.input_size, self.kernel_size, output_padding=self.output_padding, **tweaks
            )
        return ConvGeometry.of(self.input_size, self.kernel_size, **tweaks)

    def _check(self) -> None:
        check_at_most("input_size", self.input_size, LIMITS.input_size)
        check_at_most("kernel_size", self.kernel_size, LIMITS.kernel_size)
        check_at_most("strides", self.strides, LIMITS.strides)
        check_at_most("dilation_rate", self.dilation_rate, LIMITS.dilation_rate)
        check_pads(self.padding, LIMITS.pad)
        geometry = self.geometry()
        if self.transposed and self.padding_mode != "zeros":
            raise ParameterError(
                "padding_mode", f"padding_mode must be zeros with transposed=1, received {self.padding_mode!r}"
            )
        outputs = math.prod(geometry.output_size)
        products = outputs * math.prod(geometry.kernel_size) * (self.in_channels // self.groups)
        if products > LIMITS.products:
            raise ParameterError(
                "kernel_size",
                f"kernel_size {size_text(self.kernel_size)} at {size_text(geometry.output_size)} outputs over "
                f"{self.in_channels // self.groups} channels takes {products:,} products; {LIMITS.products:,} at most "
                f"are drawn",
            )
        cells = math.prod(len(axis.positions) for axis in geometry.axes) + outputs
        if cells > LIMITS.cells:
            raise ParameterError(
                "input_size",
                f"input_size {size_text(self.input_size)} with its padding, and an output of "
                f"{size_text(geometry.output_size)}, make {cells:,} cells; {LIMITS.cells:,} at most are drawn",
            )
        for name, cell in (("step", self.step), ("pin", self.pin)):
            if cell is not None and cell >= outputs:
                raise ParameterError(name, f"{name} must be below the {outputs} outputs there are, received {cell}")


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _output_padding(parameters: Parameters, rank: int, transposed: bool) -> tuple[int, ...] | None:
    if not parameters.text("output_padding"):
        return None
    numbers = parameters.per_axis("output_padding", rank=rank, at_least=0)
    if not transposed:
        raise ParameterError("output_padding", "output_padding needs transposed=1: it is added to what that puts out")
    check_at_most("output_padding", numbers, LIMITS.output_padding)
    return numbers


def _edits(parameters: Parameters, name: str, size: tuple[int, ...]) -> Edits:
    """Edits of an array that is drawn; what has one axis is drawn as one row."""
    drawn = (1, size[0]) if len(size) == 1 else (size[0], size[1])
    return parameters.edits(name, drawn, most=LIMITS.edits, value_at_most=LIMITS.value)
