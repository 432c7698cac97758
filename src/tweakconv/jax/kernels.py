"""Kernels of ordinary convolutions as those of transposed ones, and the other way round."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def turned(kernel: jax.Array, groups: int) -> jax.Array:
    """The kernel with which the one kind of convolution computes what the other does with the one given.

    A transposed convolution puts its kernel down where an ordinary one gathers: the taps come in opposite order, and
    channels in and out change places within each group.

    Examples
    --------
    >>> turned(jnp.arange(6.0).reshape(3, 2, 1), 1).shape, turned(jnp.arange(3.0).reshape(3, 1, 1), 1).ravel().tolist()
    ((3, 1, 2), [2.0, 1.0, 0.0])
    """
    flipped = jnp.flip(kernel, range(kernel.ndim - 2))
    by_group = flipped.reshape(*flipped.shape[:-1], groups, -1).swapaxes(-1, -3)
    return by_group.reshape(*by_group.shape[:-2], -1)
