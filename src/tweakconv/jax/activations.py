"""Activations in JAX, by the definitions of `tweakconv.activations`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
from jax import nn

from tweakconv.sized import After

_ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "relu6": nn.relu6,
    "sigmoid": nn.sigmoid,
    "tanh": jax.numpy.tanh,
    "silu": nn.silu,
    "gelu": lambda y: nn.gelu(y, approximate=False),
    "hard_sigmoid": nn.hard_sigmoid,
    "hard_swish": nn.hard_silu,
    "elu": nn.elu,
}


def finished(after: After, channels_last: bool, y: jax.Array, addends: Sequence[jax.Array]) -> jax.Array:
    """The sums with what follows them: a bias, where there is one, and the activation."""
    for bias in addends:
        y = y + (bias if channels_last else bias.reshape(-1, *(1,) * (y.ndim - 2)))
    if after.activation is None:
        return y
    if after.activation == "leaky_relu":
        return nn.leaky_relu(y, after.negative_slope)
    return _ACTIVATIONS[after.activation](y)
