"""The general gradients of convolutions, ordinary or transposed: what the operations by name call."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tweakconv.arrays import FloatArray, as_dtype, as_input, as_weights
from tweakconv.compiler.target import get_target
from tweakconv.geometry import IntPerAxis
from tweakconv.geometry.arguments import integer, is_per_axis, per_axis
from tweakconv.gradients import PreparedInputGrad, PreparedKernelGrad
from tweakconv.layer import LayerConfig
from tweakconv.ops.general import Tweaks, layer_of, plain_shape


def input_grad(
    rank: int,
    grad: ArrayLike,
    kernel: ArrayLike,
    input_size: IntPerAxis,
    tweaks: Tweaks,
    out: FloatArray | None,
    algorithm: str,
) -> FloatArray:
    """The gradient with respect to the input, along `rank` axes, with weights packed for this call."""
    grads = as_input("grad", grad)
    weights = as_weights("kernel", kernel, grads.dtype)
    layer = layer_of(rank, weights.shape, tweaks, residual=False)
    size = per_axis("input_size", input_size, rank, at_least=1)
    shape = layer.shape(grads.shape[0] if grads.ndim else 0, size, layer.in_channels)
    return PreparedInputGrad(layer, shape, grads.dtype, get_target(), algorithm=algorithm)(grads, weights, out)


def kernel_grad(
    rank: int,
    x: ArrayLike,
    grad: ArrayLike,
    kernel_size: IntPerAxis,
    tweaks: Tweaks,
    out: FloatArray | None,
    algorithm: str,
) -> FloatArray:
    """The gradient with respect to the kernel, along `rank` axes."""
    inputs = as_input("x", x)
    grads = as_input("grad", grad, inputs.dtype)
    for name, array in (("x", inputs), ("grad", grads)):
        if array.ndim != rank + 2 or 0 in array.shape[1:]:
            raise ValueError(
                f"{name}: received shape {array.shape}; {rank + 2} axes are needed, and none but the batch empty"
            )
    at = -1 if tweaks.data_format == "channels_last" else 1
    shape = _kernel_shape(rank, kernel_size, inputs.shape[at], grads.shape[at], tweaks)
    layer = layer_of(rank, shape, tweaks, residual=False)
    return _prepared(layer, inputs.shape, inputs.dtype, get_target().name, algorithm)(inputs, grads, out)


def _kernel_shape(
    rank: int, kernel_size: IntPerAxis, in_channels: int, out_channels: int, tweaks: Tweaks
) -> tuple[int, ...]:
    """The shape of a kernel between so many channels."""
    groups = integer("groups", tweaks.groups, at_least=1)
    for name, channels in (("x", in_channels), ("grad", out_channels)):
        if channels % groups:
            raise ValueError(f"groups: received {groups}, which does not divide the {channels} channels of {name}")
    size = per_axis("kernel_size", kernel_size, rank, at_least=1)
    last = (out_channels // groups, in_channels) if tweaks.transposed else (in_channels // groups, out_channels)
    return (*size, *last)


@functools.lru_cache(maxsize=64)
def _prepared(
    layer: LayerConfig, shape: tuple[int, ...], dtype: np.dtype[Any], target: str, algorithm: str
) -> PreparedKernelGrad:
    return PreparedKernelGrad(layer, shape, dtype, get_target(target), algorithm=algorithm)


def prepare_input_grad(
    rank: int,
    kernel_shape: tuple[int, ...],
    input_shape: tuple[int, ...],
    tweaks: Tweaks,
    dtype: DTypeLike,
    target: str | None,
    algorithm: str,
) -> PreparedInputGrad:
    """Prepare the gradient with respect to the input, along `rank` axes."""
    layer = layer_of(rank, _plain(kernel_shape), tweaks, residual=False)
    shape = plain_shape(layer, input_shape)
    return PreparedInputGrad(layer, shape, as_dtype(dtype), get_target(target), algorithm=algorithm)


def prepare_kernel_grad(
    rank: int,
    kernel_shape: tuple[int, ...],
    input_shape: tuple[int, ...],
    tweaks: Tweaks,
    dtype: DTypeLike,
    target: str | None,
    algorithm: str,
) -> PreparedKernelGrad:
    """Prepare the gradient with respect to the kernel, along `rank` axes."""
    layer = layer_of(rank, _plain(kernel_shape), tweaks, residual=False)
    shape = plain_shape(layer, input_shape)
    return PreparedKernelGrad(layer, shape, as_dtype(dtype), get_target(target), algorithm=algorithm)


def _plain(kernel_shape: tuple[int, ...]) -> tuple[int, ...]:
    if not is_per_axis(kernel_shape):
        raise TypeError(f"kernel_shape: received {kernel_shape!r}; a tuple of integers is needed")
    return tuple(integer("kernel_shape", extent, at_least=1, within=kernel_shape) for extent in kernel_shape)
