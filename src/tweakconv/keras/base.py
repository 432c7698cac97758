"""What the layers have in common: arguments that Keras refuses, sizes from the geometry, and the operation itself.

Keras' constructors check strides, dilation rates and paddings by Keras' rules. Here they are checked by tweakconv's,
withheld from the constructor, and set once it is done; all else about a layer is Keras' own.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

import keras

from tweakconv.geometry import PaddingLike
from tweakconv.geometry.arguments import per_axis
from tweakconv.keras.activations import fused
from tweakconv.keras.backends import SUPPORTS_JIT, Memory, convolve
from tweakconv.keras.operation import Operation
from tweakconv.layer import AXIS_NAMES
from tweakconv.ops.general import checked_constant, checked_mode, layer_of, plain_padding

_UNKNOWN = 1 << 24
"""Stands for a size that is not known yet, where only the others are asked for: no crop takes all of it away."""

_attributes = operator.attrgetter(*sorted(set(Operation._fields) - {"rank", "kind"}))
"""What of a layer says what is computed."""

Shape = tuple[int | None, ...]


class _Known(NamedTuple):
    """What the calls of a layer have in common; kept with it, and in no file.

    Attributes
    ----------
    attributes : tuple
        Those of the layer that the rest follows from.
    sums, whole, pixels : Operation
        What the layer computes without its activation, and with it where it is one of tweakconv's; and what mixes the
        channels of a separable layer, with its activation.
    after : callable or None
        The activation, where it is to be called.
    memory : Memory
        What the backend remembers.
    """

    attributes: tuple[object, ...]
    sums: Operation
    whole: Operation
    pixels: Operation
    after: Any
    memory: Any


class TweakedLayer:
    """Stands before Keras' class in the order of resolution; see `tweakconv.keras.Conv2D`."""

    _rank: int
    _kind: str
    __signature__: inspect.Signature | None
    # What layers have that were Keras' when they were made.
    padding_mode: str = "zeros"
    constant_value: float = 0.0
    # What only some kinds have; asking a PyTorch module for what is not there takes microseconds.
    groups: int = 1
    output_padding: tuple[int, ...] | None = None
    _own_defaults: ClassVar[dict[str, Any]] = {"padding_mode": "zeros", "constant_value": 0.0}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A class that somebody derives from a layer has a constructor of its own to be described by.
        cls.__signature__ = cls._described() if "_rank" in cls.__dict__ else None

    @classmethod
    def _described(cls) -> inspect.Signature:
        """The arguments of Keras' constructor and the own ones."""
        theirs = inspect.signature(next(base for base in cls.__mro__ if base.__module__.startswith("keras.")))
        *plain, rest = theirs.parameters.values()
        own = (
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
            for name, default in cls._own_defaults.items()
        )
        return inspect.Signature([*plain, *own, rest])

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        rank, transposed = self._rank, self._kind == "transposed"
        bound = self._described().bind(*args, **kwargs)
        bound.apply_defaults()
        given = {**bound.arguments, **bound.arguments["kwargs"]}
        del given["kwargs"]
        own = {name: given.pop(name) for name in self._own_defaults}
        if own:
            own["padding_mode"] = checked_mode(own["padding_mode"])
            own["constant_value"] = checked_constant(own["constant_value"], own["padding_mode"])
        own["padding"] = plain_padding(_plain(given["padding"]), rank, transposed=transposed)
        for name in ("strides", "dilation_rate"):
            own[name] = per_axis(name, _plain(given[name]), rank, at_least=1)
        given["kernel_size"] = per_axis("kernel_size", _plain(given["kernel_size"]), rank, at_least=1)
        withheld: dict[str, Any] = {"strides": 1, "dilation_rate": 1, "padding": "valid"}
        if transposed:
            extra = given["output_padding"]
            own["output_padding"] = (
                None if extra is None else per_axis("output_padding", _plain(extra), rank, at_least=0)
            )
            withheld["output_padding"] = None
        super().__init__(**{**given, **withheld})
        self.supports_jit = SUPPORTS_JIT
        for name, value in own.items():
            setattr(self, name, value)

    def get_config(self: Any) -> dict[str, Any]:
        """Keras' configuration, and what this layer adds to it."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return {**config, **{name: getattr(self, name) for name in self._own_defaults}}

    def compute_output_shape(self: Any, input_shape: Shape) -> Shape:
        """The shape of the output, from tweakconv's geometry.

        Raises
        ------
        ValueError
            Where there is no output, with the numbers that show it.
        """
        shape, rank, last = tuple(input_shape), self._rank, self.data_format == "channels_last"
        if len(shape) != rank + 2:
            order = (*AXIS_NAMES[rank], "channels") if last else ("channels", *AXIS_NAMES[rank])
            raise ValueError(
                f"inputs: received shape {shape} with {len(shape)} axes; {rank + 2} are needed: "
                f"(batch, {', '.join(order)})"
            )
        size, channels = (shape[1:-1], shape[-1]) if last else (shape[2:], shape[1])
        operation = self._operation(None)
        layer = layer_of(rank, self._kernel_shape(channels), operation.tweaks(channels), residual=False)
        found = layer.geometry(tuple(_UNKNOWN if extent is None else extent for extent in size)).output_size
        known = tuple(None if extent is None else out for extent, out in zip(size, found, strict=True))
        filters = self._out_channels(channels)
        return (shape[0], *known, filters) if last else (shape[0], filters, *known)

    def _operation(self: Any, activation: str | None) -> Operation:
        """What is computed, as the layer's attributes say it now."""
        return Operation(
            self._rank,
            "depthwise" if self._kind == "separable" else self._kind,
            self.strides,
            self.padding,
            self.dilation_rate,
            self.groups,
            self.data_format,
            self.padding_mode,
            self.constant_value,
            activation,
            self.output_padding,
        )

    def _known(self: Any) -> _Known:
        """What calls have in common as long as the layer's attributes stay as they are."""
        attributes, known = _attributes(self), self.__dict__.get("_tweakconv_known")
        if known is None or known.attributes != attributes:
            name = fused(self.activation)
            after = None if name is not None or self.activation is keras.activations.linear else self.activation
            pixels = Operation.of_pixels(self._rank, self.data_format, name)
            found = _Known(attributes, self._operation(None), self._operation(name), pixels, after, Memory())
            known = self.__dict__["_tweakconv_known"] = found
        assert isinstance(known, _Known)
        return known

    def _finished(self: Any, inputs: Any, kernel: Any) -> Any:
        """The sums of a kernel, then bias and activation, in one go where the activation is one of tweakconv's."""
        known = self._known()
        y = convolve(known.memory, known.whole, inputs, kernel, self.bias if self.use_bias else None)
        return y if known.after is None else known.after(y)

    def _kernel_shape(self: Any, channels: int) -> tuple[int, ...]:
        match self._kind:
            case "conv":
                return (*self.kernel_size, channels // self.groups, self.filters)
            case "transposed":
                return (*self.kernel_size, self.filters, channels)
        return (*self.kernel_size, 1, channels * self.depth_multiplier)

    def _out_channels(self: Any, channels: int) -> int:
        out: int = channels * self.depth_multiplier if self._kind == "depthwise" else self.filters
        return out


class Ordinary(TweakedLayer):
    """A convolution; stands before Keras' class."""

    _kind = "conv"

    def convolution_op(self: Any, inputs: Any, kernel: Any) -> Any:
        """The operation alone, without bias and activation: what a subclass may override, as Keras'."""
        known = self._known()
        return convolve(known.memory, known.sums, inputs, kernel, None)

    def call(self: Any, inputs: Any) -> Any:
        """Convolve, add the bias and activate."""
        if type(self).convolution_op is Ordinary.convolution_op:
            return self._finished(inputs, self.kernel)
        y = self.convolution_op(inputs, self.kernel)
        if self.use_bias:
            last = self.data_format == "channels_last"
            y = y + keras.ops.reshape(self.bias, (-1,) if last else (-1, *(1,) * self._rank))
        return y if self.activation is None else self.activation(y)


class Transposed(TweakedLayer):
    """A transposed convolution; stands before Keras' class. There is no padding that something could lie in."""

    _kind = "transposed"
    _own_defaults: ClassVar[dict[str, Any]] = {}

    def call(self: Any, inputs: Any) -> Any:
        """Convolve, add the bias and activate."""
        return self._finished(inputs, self.kernel)


class Depthwise(TweakedLayer):
    """A convolution of every channel on its own; stands before Keras' class."""

    _kind = "depthwise"

    def call(self: Any, inputs: Any) -> Any:
        """Convolve, add the bias and activate."""
        return self._finished(inputs, self.kernel)


class Separable(TweakedLayer):
    """A depthwise convolution and one of single pixels; stands before Keras' class."""

    _kind = "separable"

    def call(self: Any, inputs: Any) -> Any:
        """Convolve twice, add the bias and activate."""
        known = self._known()
        each = convolve(known.memory, known.sums, inputs, self.depthwise_kernel, None)
        bias = self.bias if self.use_bias else None
        y = convolve(known.memory, known.pixels, each, self.pointwise_kernel, bias)
        return y if known.after is None else known.after(y)


def _plain(value: PaddingLike | Iterable[int]) -> Any:
    """Whatever was written axis by axis, as the tuples that are asked for."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return value
    return tuple(_plain(entry) for entry in value)
