"""What every microkernel of the direct schedule takes, so that one driver can call any."""

from __future__ import annotations

from collections.abc import Callable

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.spec import ConvSpec

_PARAMETERS = {
    "x": "ptr",  # the first pixel's input at the chunk's first tap and channel
    "x_row": "i64",  # elements from one kernel row's input to the next
    "x_channel": "i64",  # elements from one input channel to the next (channels_first)
    "w": "ptr",  # the block's weights, in the order in which they are used
    "y": "ptr",  # the first pixel's output at the block's first channel
    "y_channel": "i64",  # elements from one output channel to the next (channels_first)
    "bias": "ptr",  # the block's bias
    "rows": "i64",  # kernel rows, kernel columns and input channels of the chunk
    "columns": "i64",
    "channels": "i64",
    "mode": "i64",  # bit 0: the sum's first chunk; bit 1: its last
    "count": "i64",  # pixels to store
    "residual": "ptr",  # the first pixel's residual at the block's first channel; only where there is one
}


def define(b: Builder, spec: ConvSpec, name: str, body: Callable[..., None]) -> None:
    """Define a microkernel; `body` receives the parameters by their names."""
    names = {name: kind for name, kind in _PARAMETERS.items() if name != "residual" or spec.residual}
    b.function(name, names, lambda *values: body(**dict(zip(names, values, strict=True))))


def call(b: Builder, name: str, *, residual: Value | None = None, **arguments: Value | int) -> None:
    """Call a microkernel with its parameters by their names; `residual` where it takes one."""
    values = [arguments[parameter] for parameter in _PARAMETERS if parameter != "residual"]
    b.call(name, *values, *([] if residual is None else [residual]))
