"""What every microkernel of the direct schedule takes, so that one driver can call any."""

from __future__ import annotations

from collections.abc import Callable

from tweakconv.compiler.emit import Builder

PARAMETERS = {
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
}


def define(b: Builder, name: str, body: Callable[..., None]) -> None:
    """Define a microkernel; `body` receives the parameters in order."""
    b.function(name, PARAMETERS, body)
