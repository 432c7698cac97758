"""The gradients of a convolution of one input size, prepared when they are first asked for and remembered."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from tweakconv.arrays import FloatArray
from tweakconv.geometry import ConvGeometry
from tweakconv.gradients import PreparedInputGrad, PreparedKernelGrad
from tweakconv.ops import gradients

_MOST = 256
"""Convolutions whose gradients are remembered."""


def input_gradient(
    geometry: ConvGeometry,
    channels_last: bool,
    padding_mode: str,
    y: FloatArray,
    kernel: FloatArray,
    out: FloatArray | None = None,
) -> FloatArray:
    """The gradient with respect to the input, from `y`, that with respect to the output."""
    prepared = _input_grad(geometry, channels_last, padding_mode, np.dtype(y.dtype))
    return prepared(y, kernel, out=out)


def kernel_gradient(
    geometry: ConvGeometry,
    channels_last: bool,
    padding_mode: str,
    x: FloatArray,
    y: FloatArray,
    out: FloatArray | None = None,
) -> FloatArray:
    """The gradient with respect to the kernel, from the input and `y`, the gradient with respect to the output."""
    prepared = _kernel_grad(geometry, channels_last, padding_mode, np.dtype(x.dtype))
    return prepared(x, y, out=out)


@lru_cache(_MOST)
def _input_grad(
    geometry: ConvGeometry, channels_last: bool, padding_mode: str, dtype: np.dtype[Any]
) -> PreparedInputGrad:
    compiled: PreparedInputGrad = getattr(gradients, f"compile_conv{geometry.rank}d_input_grad")(
        **_arguments(geometry, channels_last, padding_mode, dtype)
    )
    return compiled


@lru_cache(_MOST)
def _kernel_grad(
    geometry: ConvGeometry, channels_last: bool, padding_mode: str, dtype: np.dtype[Any]
) -> PreparedKernelGrad:
    compiled: PreparedKernelGrad = getattr(gradients, f"compile_conv{geometry.rank}d_kernel_grad")(
        **_arguments(geometry, channels_last, padding_mode, dtype)
    )
    return compiled


def _arguments(geometry: ConvGeometry, channels_last: bool, padding_mode: str, dtype: np.dtype[Any]) -> dict[str, Any]:
    channels = (geometry.in_channels,)
    return {
        "kernel_shape": (*geometry.kernel_size, geometry.in_channels // geometry.groups, geometry.out_channels),
        "input_shape": (1, *geometry.input_size, *channels) if channels_last else (1, *channels, *geometry.input_size),
        "strides": geometry.strides,
        "padding": geometry.pads,
        "dilation_rate": geometry.dilation_rate,
        "groups": geometry.groups,
        "data_format": "channels_last" if channels_last else "channels_first",
        "padding_mode": padding_mode,
        "dtype": dtype,
    }
