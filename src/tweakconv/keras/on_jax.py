"""The operation on the JAX backend."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import keras

from tweakconv.jax import conv, conv_transpose
from tweakconv.keras.operation import Operation

FUSES = True
SUPPORTS_JIT = True


class Memory:
    """Nothing: weights come with every call of a compiled program (`tweakconv.remembered`)."""


def convolve(_: Memory, operation: Operation, inputs: Any, kernel: Any, bias: Any) -> Any:
    """The outputs, of the type of the inputs."""
    weights, *addends = (keras.ops.cast(array, inputs.dtype) for array in (kernel, bias) if array is not None)
    addend = addends[0] if addends else None
    tweaks = operation.tweaks(operation.channels(inputs.shape))
    if tweaks.transposed:
        return conv_transpose(
            inputs,
            weights,
            addend,
            tweaks.strides,
            tweaks.padding,
            tweaks.output_padding,
            tweaks.dilation_rate,
            tweaks.groups,
            tweaks.data_format,
            tweaks.activation,
            negative_slope=tweaks.negative_slope,
        )
    return conv(
        inputs,
        jnp.reshape(weights, operation.kernel_shape(weights.shape)),
        addend,
        tweaks.strides,
        tweaks.padding,
        tweaks.dilation_rate,
        tweaks.groups,
        tweaks.data_format,
        tweaks.padding_mode,
        tweaks.activation,
        negative_slope=tweaks.negative_slope,
        constant_value=tweaks.constant_value,
    )
