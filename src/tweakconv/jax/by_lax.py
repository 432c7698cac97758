"""The same operations by XLA's own convolutions: for devices that are not CPUs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tweakconv.geometry import ConvGeometry, extend
from tweakconv.jax.activations import finished
from tweakconv.sized import SizedConv
from tweakconv.task import Task

_AXES = {1: "W", 2: "HW", 3: "DHW"}


def by_lax(task: Task, *arrays: jax.Array) -> jax.Array:
    """The result of a task."""
    conv, (first, second, *bias) = task.conv, arrays
    if task.kind in ("conv", "layer"):
        y = _convolved(conv, first, second)
    elif task.kind == "kernel_grad":
        kernel = jax.ShapeDtypeStruct(conv.kernel_shape, first.dtype)
        (y,) = jax.linear_transpose(lambda kernel: _convolved(conv, first, kernel), kernel)(second)
    else:
        x = jax.ShapeDtypeStruct(conv.input_shape(first.shape[0]), first.dtype)
        (y,) = jax.linear_transpose(lambda x: _convolved(conv, x, second), x)(first)
    return finished(task.after, conv.channels_last, y, bias)


def _convolved(conv: SizedConv, x: jax.Array, kernel: jax.Array) -> jax.Array:
    geometry = conv.geometry
    pads = geometry.pads
    if conv.padding_mode != "zeros":
        x = _continued(x, geometry, conv)
        pads = tuple((min(lo, 0), min(hi, 0)) for lo, hi in pads)
    axes = _AXES[geometry.rank]
    images = f"N{axes}C" if conv.channels_last else f"NC{axes}"
    return lax.conv_general_dilated(
        x,
        kernel,
        geometry.strides,
        pads,
        rhs_dilation=geometry.dilation_rate,
        dimension_numbers=(images, f"{axes}IO", images),
        feature_group_count=geometry.groups,
    )


def _continued(x: jax.Array, geometry: ConvGeometry, conv: SizedConv) -> jax.Array:
    """The images with what their padding holds around them."""
    for a, axis in enumerate(geometry.axes, 1 if conv.channels_last else 2):
        positions = range(-max(axis.pad_lo, 0), axis.input + max(axis.pad_hi, 0))
        pixels = [extend(position, axis.input, conv.padding_mode) for position in positions]
        x = jnp.take(x, np.array(pixels), axis=a)
    return x
