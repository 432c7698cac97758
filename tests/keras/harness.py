"""Layers of Keras and ours on whichever backend runs: outputs and gradients as NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

import tweakconv.keras as tk

BACKEND = keras.backend.backend()
if BACKEND == "torch":
    import torch
elif BACKEND == "jax":
    import jax
    import jax.numpy as jnp
elif BACKEND == "tensorflow":
    import tensorflow as tf

TRAINS = BACKEND != "numpy"


def made(name: str, arguments: dict[str, Any], weights: Sequence[Any], shape: tuple[int, ...], of: Any = tk) -> Any:
    """A layer with these weights; random ones before them would take JAX a second to compile."""
    kernels = ("kernel",) if "Separable" not in name else ("depthwise", "pointwise")
    kernels = ("depthwise",) if "Depthwise" in name else kernels
    layer = getattr(of, name)(**arguments, **{f"{kernel}_initializer": "zeros" for kernel in kernels})
    layer.build(shape)
    layer.set_weights(weights)
    return layer


def numpy(tensor: Any) -> Any:
    return keras.ops.convert_to_numpy(tensor)


def outputs(layer: Any, x: Any) -> Any:
    """What a layer makes of an input where nobody asks for a gradient."""
    if BACKEND == "torch":
        with torch.no_grad():
            return numpy(layer(keras.ops.convert_to_tensor(x, x.dtype.name)))
    return numpy(layer(keras.ops.convert_to_tensor(x, x.dtype.name)))


def gradients(layer: Any, x: Any, r: Any) -> tuple[Any, list[Any]]:
    """The gradients of ``sum(r * layer(x))`` with respect to the input and the layer's weights."""
    if BACKEND == "torch":
        given = torch.tensor(x, requires_grad=True)
        for variable in layer.trainable_variables:
            variable.value.grad = None
        (layer(given) * torch.tensor(r)).sum().backward()
        return given.grad.numpy(), [variable.value.grad.numpy().copy() for variable in layer.trainable_variables]
    if BACKEND == "jax":

        def loss(given: Any, weights: Any) -> Any:
            y, _ = layer.stateless_call(weights, [v.value for v in layer.non_trainable_variables], given)
            return (y * r).sum()

        weights = [variable.value for variable in layer.trainable_variables]
        of_x, of_weights = jax.jit(jax.grad(loss, (0, 1)))(jnp.asarray(x), weights)
        return np.asarray(of_x), [np.asarray(each) for each in of_weights]
    given = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(given)
        loss = tf.reduce_sum(layer(given) * r)
    of_x, of_weights = tape.gradient(loss, (given, [v.value for v in layer.trainable_variables]))
    return of_x.numpy(), [each.numpy() for each in of_weights]
