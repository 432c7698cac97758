"""Convolutions of JAX arrays with tweakconv's arguments."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from tweakconv.geometry import IntPerAxis, PaddingLike
from tweakconv.jax.activations import finished
from tweakconv.jax.checks import COMPUTED_IN, as_floating, fitted
from tweakconv.jax.primitive import compute
from tweakconv.jax.symbolic import in_numbers, is_known, of_any_size
from tweakconv.layer import AXIS_NAMES, LayerConfig, check_shape
from tweakconv.ops.general import Tweaks, layer_of
from tweakconv.sized import After, SizedConv, undone_by
from tweakconv.task import Task


def conv(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    activation: str | None = None,
    *,
    negative_slope: float | None = None,
    constant_value: float = 0,
) -> jax.Array:
    """Convolution along one, two or three axes, as `tweakconv.conv2d` and its like, for JAX arrays.

    Works under `jax.jit` and `jax.vmap`, and can be differentiated any number of times, forward and in reverse. On
    devices other than CPUs it becomes XLA's own convolution.

    Parameters
    ----------
    x : array, shape (batch, *spatial, channels), or (batch, channels, *spatial)
        float32, float64, float16 or bfloat16; the last two are computed in float32 and rounded.
    kernel : array, shape (*kernel size, channels / groups, out channels)
        Of the type of `x`; so is `bias`.
    bias : array, shape (out channels,), optional
    strides, padding, dilation_rate, groups, data_format, padding_mode, activation, negative_slope, constant_value
        As in `tweakconv.conv2d`.

    Returns
    -------
    Array
        Of the type of `x`, in the order that `data_format` says.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> x = jnp.arange(8.0).reshape(1, 8, 1)
    >>> conv(x, jnp.ones((3, 1, 1)), strides=3, padding="same_lower").ravel().tolist()
    [1.0, 9.0, 18.0]
    """
    inputs, weights, *addends = as_floating(x=x, kernel=kernel, bias=bias)
    rank = inputs.ndim - 2
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value, activation, negative_slope
    )
    layer = _layer(rank, inputs, weights, addends, tweaks)
    if not is_known(layer, inputs):
        return finished(_after(layer), layer.channels_last, of_any_size(layer, inputs, weights), addends)
    geometry = layer.geometry(layer.size_of(inputs.shape))
    mode = "zeros" if layer.pads_zeros else layer.padding_mode
    if mode == "constant":
        # Not linear: the constant is added around the images, in the program.
        inputs = _surrounded(inputs, layer, geometry.pads)
        geometry = layer_of(
            rank, weights.shape, tweaks._replace(padding=0, padding_mode="zeros", constant_value=0), residual=False
        ).geometry(layer.size_of(inputs.shape))
        mode = "zeros"
    sized = SizedConv(geometry, layer.channels_last, mode)
    return _computed(Task("layer", sized, _after(layer)), inputs, weights, addends)


def conv_transpose(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    output_padding: IntPerAxis | None = None,
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    activation: str | None = None,
    *,
    negative_slope: float | None = None,
) -> jax.Array:
    """Transposed convolution along one, two or three axes, as `tweakconv.conv2d_transpose`, for JAX arrays.

    Parameters
    ----------
    x : array, shape (batch, *spatial, channels), or (batch, channels, *spatial)
    kernel : array, shape (*kernel size, out channels / groups, channels)
    bias : array, shape (out channels,), optional
    strides, padding, output_padding, dilation_rate, groups, data_format, activation, negative_slope
        As in `tweakconv.conv2d_transpose`.

    Returns
    -------
    Array
        Of the type of `x`, in the order that `data_format` says.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> x, kernel = jnp.array([[[1.0], [2.0]]]), jnp.array([[[1.0]], [[10.0]], [[100.0]]])
    >>> conv_transpose(x, kernel, strides=2).ravel().tolist()
    [1.0, 10.0, 102.0, 20.0, 200.0]
    """
    inputs, weights, *addends = as_floating(x=x, kernel=kernel, bias=bias)
    tweaks = Tweaks(
        strides,
        padding,
        dilation_rate,
        groups,
        data_format,
        activation=activation,
        negative_slope=negative_slope,
        transposed=True,
        output_padding=output_padding,
    )
    layer = _layer(inputs.ndim - 2, inputs, weights, addends, tweaks)
    if not is_known(layer, inputs):
        return finished(_after(layer), layer.channels_last, of_any_size(layer, inputs, weights), addends)
    sized = SizedConv(undone_by(layer.geometry(layer.size_of(inputs.shape))), layer.channels_last)
    return _computed(Task("transposed layer", sized, _after(layer)), inputs, weights, addends)


def _layer(rank: int, x: jax.Array, kernel: jax.Array, addends: list[jax.Array], tweaks: Tweaks) -> LayerConfig:
    """The checked arguments."""
    if rank not in AXIS_NAMES:
        raise ValueError(f"x: received shape {x.shape} with {x.ndim} axes; 3, 4 or 5 are needed")
    layer = layer_of(rank, kernel.shape, tweaks, residual=False)
    check_shape(layer, in_numbers(x))
    fitted(layer, addends)
    return layer


def _after(layer: LayerConfig) -> After:
    if layer.activation is None:
        return After()
    name = layer.activation.name
    return After(name, layer.activation.negative_slope if name == "leaky_relu" else None)


def _computed(task: Task, x: jax.Array, kernel: jax.Array, addends: list[jax.Array]) -> jax.Array:
    """The result in the type of `x`."""
    wide = COMPUTED_IN[x.dtype]
    return compute(task, *(array.astype(wide) for array in (x, kernel, *addends))).astype(x.dtype)


def _surrounded(x: jax.Array, layer: LayerConfig, pads: tuple[tuple[int, int], ...]) -> jax.Array:
    """The images with a constant around them, or cropped."""
    spatial = [(lo, hi, 0) for lo, hi in pads]
    widths = [(0, 0, 0), *spatial, (0, 0, 0)] if layer.channels_last else [(0, 0, 0), (0, 0, 0), *spatial]
    return lax.pad(x, jnp.asarray(layer.constant_value, x.dtype), widths)
