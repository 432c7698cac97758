"""The operation on the NumPy backend, which has no gradients: a prepared convolution that is called.

Weights stay packed for as long as a variable holds the same array. An array whose weights are packed is made read-only:
Keras replaces the arrays of its variables (``assign``, ``set_weights``, loading), and whoever would write into one
instead is told so by NumPy, where the change would otherwise be overlooked.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np

from tweakconv.keras.operation import Operation
from tweakconv.ops.general import convolve as convolve_once
from tweakconv.ops.general import prepare
from tweakconv.prepared import PreparedConv

_MOST = 8
"""Ways to use the weights of one layer that are kept packed."""


class _Entry(NamedTuple):
    kernel: Any
    bias: Any
    conv: PreparedConv


FUSES = True
SUPPORTS_JIT = True


class Memory:
    """The weights that a layer has packed."""

    def __init__(self) -> None:
        self.entries: dict[tuple[Operation, Any], _Entry] = {}


def convolve(memory: Memory, operation: Operation, inputs: Any, kernel: Any, bias: Any) -> Any:
    """The outputs, of the type of the inputs."""
    if not isinstance(inputs, np.ndarray):
        inputs = keras.ops.convert_to_tensor(inputs)
    weights, addends = _value(kernel), _value(bias)
    if inputs.dtype not in (np.float32, np.float64):
        # NumPy itself knows no bfloat16, so weights of that type are converted here too.
        wide = (None if array is None else np.asarray(array, np.float32) for array in (inputs, weights, addends))
        return convolve(memory, operation, *wide).astype(inputs.dtype)
    entry = memory.entries.get((operation, inputs.dtype))
    if entry is not None and entry.kernel is weights and entry.bias is addends:
        return entry.conv(inputs)
    shaped = np.reshape(weights, operation.kernel_shape(weights.shape))
    tweaks = operation.tweaks(operation.channels(inputs.shape))
    if not isinstance(kernel, keras.Variable) or weights is not kernel.value:
        # Computed for this call, as those of LoRA and of mixed precision are.
        return convolve_once(operation.rank, inputs, shaped, addends, tweaks, None, "auto", None)
    conv = prepare(operation.rank, shaped, addends, inputs.shape, tweaks, inputs.dtype, None, "auto", False)
    for array in (weights, addends):
        if array is not None:
            array.flags.writeable = False
    if len(memory.entries) >= _MOST:
        memory.entries.clear()
    memory.entries[operation, inputs.dtype] = _Entry(weights, addends, conv)
    return conv(inputs)


def _value(array: Any) -> Any:
    return array.value if isinstance(array, keras.Variable) else array
