"""Convolutions for JAX: compiled by tweakconv on CPUs, differentiable any number of times, under `jax.jit`.

>>> import jax, jax.numpy as jnp
>>> from tweakconv.jax import conv
>>> loss = lambda kernel: conv(jnp.ones((1, 8, 8, 3)), kernel, strides=2, dilation_rate=2, padding="same").sum()
>>> jax.jit(jax.grad(loss))(jnp.ones((3, 3, 3, 4))).shape
(3, 3, 3, 4)
"""

try:
    import jax as _  # noqa: F401
except ModuleNotFoundError as missing:
    if missing.name != "jax":
        raise
    raise ModuleNotFoundError('jax is not installed; run: pip install "tweakconv[jax]"', name="jax") from None

from tweakconv.jax.convolution import conv, conv_transpose
from tweakconv.jax.like_lax import conv_general_dilated

__all__ = ["conv", "conv_general_dilated", "conv_transpose"]
