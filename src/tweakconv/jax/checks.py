"""JAX arrays at the door: what is accepted, and what is refused with words."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tweakconv.layer import LayerConfig

COMPUTED_IN: dict[Any, Any] = {
    np.dtype(np.float32): jnp.float32,
    np.dtype(np.float64): jnp.float64,
    np.dtype(np.float16): jnp.float32,
    np.dtype(jnp.bfloat16): jnp.float32,
}
"""The type in which each accepted one is computed."""


def as_floating(**arrays: ArrayLike | None) -> list[jax.Array]:
    """Arrays of one floating type, by the names that errors speak of; those that are None are left out.

    Raises
    ------
    TypeError
        For another type than is computed in, and where the types differ.

    Examples
    --------
    >>> as_floating(x=np.ones(2, np.float32), kernel=np.ones(2, np.int32))
    Traceback (most recent call last):
    TypeError: kernel: received dtype int32; x has float32, convert it: kernel.astype(jnp.float32)
    """
    found: list[jax.Array] = []
    for name, given in arrays.items():
        if given is None:
            continue
        array = jnp.asarray(given)
        if not found and array.dtype not in COMPUTED_IN:
            raise TypeError(
                f"{name}: received dtype {array.dtype}; float32, float64, float16 and bfloat16 are supported, convert "
                f"it: {name}.astype(jnp.float32)"
            )
        if found and array.dtype != found[0].dtype:
            first, dtype = next(iter(arrays)), found[0].dtype
            raise TypeError(
                f"{name}: received dtype {array.dtype}; {first} has {dtype}, convert it: {name}.astype(jnp.{dtype})"
            )
        found.append(array)
    return found


def fitted(layer: LayerConfig, addends: list[jax.Array]) -> None:
    """Refuse a bias that does not fit the kernel."""
    for bias in addends:
        if bias.shape != (layer.out_channels,):
            raise ValueError(
                f"bias: received shape {bias.shape}; one number for each of the {layer.out_channels} output channels "
                f"is needed, shape ({layer.out_channels},)"
            )
