"""The operation on the TensorFlow backend: called back from its graphs through ``tf.numpy_function``.

Gradients of any order come out, for those of the three operations of `tweakconv.task` are the same three. XLA cannot
compile a call back: layers say that they do not support it, and a graph that holds one runs only where Python does.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tweakconv.geometry import ConvGeometry
from tweakconv.keras.operation import Operation
from tweakconv.ops.general import layer_of
from tweakconv.sized import SizedConv, undone_by
from tweakconv.task import GRADIENTS, Task

FUSES = False
"""A graph does not say whether somebody will ask for gradients, which need the sums before the activation."""

SUPPORTS_JIT = False


class Memory:
    """Nothing: weights come with every call of a graph."""


def convolve(_: Memory, operation: Operation, inputs: Any, kernel: Any, bias: Any) -> Any:
    """The outputs, of the type of the inputs."""
    x, weights = keras.ops.convert_to_tensor(inputs), keras.ops.convert_to_tensor(kernel)
    dtype = x.dtype
    if dtype not in (tf.float32, tf.float64):
        x, weights = tf.cast(x, tf.float32), tf.cast(weights, tf.float32)
    weights = tf.reshape(weights, operation.kernel_shape(tuple(weights.shape)))
    kernel_shape = tuple(weights.shape)
    if operation.padding_mode == "constant":
        x, operation = _surrounded(operation, kernel_shape, x)
    kind = "input_grad" if operation.kind == "transposed" else "conv"
    y = tf.cast(_linear(kind, operation, kernel_shape, x.shape, tf.shape(x), x, weights), dtype)
    if bias is None:
        return y
    addends = tf.cast(keras.ops.convert_to_tensor(bias), dtype)
    return y + (addends if operation.channels_last else tf.reshape(addends, (-1, *(1,) * operation.rank)))


def _linear(
    kind: str, operation: Operation, kernel_shape: tuple[int, ...], known: Any, shape: Any, *arrays: Any
) -> Any:
    """One of the three operations, of the two arrays that it is linear in.

    Parameters
    ----------
    known, shape
        The shape of the layer's inputs: what is known of it now, and a tensor that will have all of it.
    """
    of = operation, kernel_shape

    @tf.custom_gradient  # type: ignore[untyped-decorator, unused-ignore]
    def apply(*arrays: Any) -> Any:
        first = arrays[0]
        result = tf.numpy_function(partial(_run, kind, *of), (*arrays, shape), first.dtype, stateful=False)
        if None not in known[1:]:
            static = _sized(*of, tuple(known[1:]))
            result.set_shape(kernel_shape if kind == "kernel_grad" else (None, *Task(kind, static).shape(0)[1:]))
        else:
            result.set_shape((None,) * (operation.rank + 2))  # of which only the number is known

        def grad(g: Any) -> tuple[Any, ...]:
            return tuple(
                _linear(name, *of, known, shape, *others)
                for name, *others in (rule(g, *arrays) for rule in GRADIENTS[kind])
            )

        return result, grad

    return apply(*arrays)


def _run(kind: str, operation: Operation, kernel_shape: tuple[int, ...], first: Any, second: Any, shape: Any) -> Any:
    """What a graph calls back."""
    return Task(kind, _sized(operation, kernel_shape, tuple(map(int, shape[1:])))).run(None, first, second)


@lru_cache(maxsize=1024)
def _sized(operation: Operation, kernel_shape: tuple[int, ...], shape: tuple[int, ...]) -> SizedConv:
    """The convolution of inputs of a shape, without the batch, or the one that a transposed one undoes."""
    geometry = _geometry(operation, kernel_shape, shape)
    if operation.kind == "transposed":
        geometry = undone_by(geometry)
    return SizedConv(geometry, operation.channels_last, operation.padding_mode)


def _geometry(operation: Operation, kernel_shape: tuple[int, ...], shape: tuple[int, ...]) -> ConvGeometry:
    channels, size = (shape[-1], shape[:-1]) if operation.channels_last else (shape[0], shape[1:])
    return layer_of(operation.rank, kernel_shape, operation.tweaks(channels), residual=False).geometry(size)


def _surrounded(operation: Operation, kernel_shape: tuple[int, ...], x: Any) -> tuple[Any, Operation]:
    """The images with a constant around them, or cropped, and what is left to be done with them."""

    def pads(shape: Any) -> Any:
        spatial = _geometry(operation, kernel_shape, tuple(map(int, shape[1:]))).pads
        none = ((0, 0),)
        return np.array(none + spatial + none if operation.channels_last else none * 2 + spatial, np.int32)

    widths = tf.numpy_function(pads, (tf.shape(x),), tf.int32)
    widths.set_shape((operation.rank + 2, 2))
    added = tf.pad(x, tf.maximum(widths, 0), constant_values=operation.constant_value)
    crop = tf.maximum(-widths, 0)
    cropped = tf.slice(added, crop[:, 0], tf.shape(added) - crop[:, 0] - crop[:, 1])
    if None not in x.shape[1:]:
        static = pads((0, *x.shape[1:])).sum(1)
        cropped.set_shape(
            [extent if extent is None else extent + int(n) for extent, n in zip(x.shape, static, strict=True)]
        )
    return cropped, operation._replace(padding="valid", padding_mode="zeros", constant_value=0.0)
