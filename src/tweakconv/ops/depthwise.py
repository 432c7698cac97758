"""Depthwise convolutions, in which no channel meets another, along one and two axes."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, DTypeLike, NDArray

from tweakconv.arrays import FloatArray, as_numbers
from tweakconv.geometry import IntPerAxis, PaddingLike
from tweakconv.layer import AXIS_NAMES
from tweakconv.ops.general import Tweaks, convolve, prepare
from tweakconv.prepared import PreparedConv


def depthwise_conv1d(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    activation: str | None = None,
    out: FloatArray | None = None,
    algorithm: str = "auto",
    *,
    residual: ArrayLike | None = None,
    negative_slope: float | None = None,
    constant_value: float = 0,
) -> FloatArray:
    """One-dimensional convolution of every channel on its own, with `M` kernels for each.

    Parameters
    ----------
    x : array_like, shape (batch, steps, C), or (batch, C, steps)
    kernel : array_like, shape (kernel size, C, M)
        As in Keras. Output channel ``c * M + m`` is input channel `c` under its kernel `m`.
    padding : str, int or sequence
        As in `conv1d`.
    bias, strides, dilation_rate, data_format, padding_mode, activation, out, algorithm, residual, negative_slope
    constant_value
        As in `depthwise_conv2d`, with one axis.

    Returns
    -------
    ndarray, shape (batch, out steps, C * M), or (batch, C * M, out steps)

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> depthwise_conv1d(np.array([[[1.0, 10.0], [2.0, 20.0]]]), [[[1, 3], [1, 0]], [[1, 3], [0, 1]]])
    array([[[ 3.,  9., 10., 20.]]])
    """
    weights, groups = as_groups(kernel, 1)
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value, activation, negative_slope
    )
    return convolve(1, x, weights, bias, tweaks, out, algorithm, residual)


def depthwise_conv2d(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    activation: str | None = None,
    out: FloatArray | None = None,
    algorithm: str = "auto",
    *,
    residual: ArrayLike | None = None,
    negative_slope: float | None = None,
    constant_value: float = 0,
) -> FloatArray:
    """Two-dimensional convolution of every channel on its own, with `M` kernels for each.

    Parameters
    ----------
    x : array_like, shape (batch, height, width, C), or (batch, C, height, width)
    kernel : array_like, shape (kernel height, kernel width, C, M)
        As in Keras. Output channel ``c * M + m`` is input channel `c` under its kernel `m`.
    bias : array_like, shape (C * M,), optional
    strides, padding, dilation_rate, data_format, padding_mode, activation, out, algorithm, residual
    negative_slope, constant_value
        As in `conv2d`. Strides and dilation rates may both be larger than 1, and differ between the axes.

    Returns
    -------
    ndarray, shape (batch, out height, out width, C * M), or (batch, C * M, out height, out width)

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(18.0).reshape(1, 3, 3, 2)
    >>> depthwise_conv2d(x, np.ones((3, 3, 2, 1)) * [[1], [10]]).ravel()
    array([ 72., 810.])
    """
    weights, groups = as_groups(kernel, 2)
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value, activation, negative_slope
    )
    return convolve(2, x, weights, bias, tweaks, out, algorithm, residual)


def compile_depthwise_conv1d(
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    constant_value: float = 0,
    activation: str | None = None,
    negative_slope: float | None = None,
    residual: bool = False,
    dtype: DTypeLike | None = None,
    target: str | None = None,
    algorithm: str = "auto",
    tune: bool = False,
) -> PreparedConv:
    """Prepare a depthwise convolution of one axis: the arguments of `depthwise_conv1d`, the rest as `compile_conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> conv = compile_depthwise_conv1d(np.ones((3, 8, 2)), input_shape=(1, 56, 8), padding="causal")
    >>> conv(np.ones((1, 56, 8))).shape
    (1, 56, 16)
    """
    weights, groups = as_groups(kernel, 1)
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value, activation, negative_slope
    )
    return prepare(1, weights, bias, input_shape, tweaks, dtype, target, algorithm, residual, tune)


def compile_depthwise_conv2d(
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    constant_value: float = 0,
    activation: str | None = None,
    negative_slope: float | None = None,
    residual: bool = False,
    dtype: DTypeLike | None = None,
    target: str | None = None,
    algorithm: str = "auto",
    tune: bool = False,
) -> PreparedConv:
    """Prepare a depthwise convolution: the arguments of `depthwise_conv2d`, the rest as `compile_conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> conv = compile_depthwise_conv2d(np.ones((3, 3, 32, 1)), input_shape=(1, 56, 56, 32), padding="same", strides=2)
    >>> conv(np.ones((1, 56, 56, 32))).shape
    (1, 28, 28, 32)
    """
    weights, groups = as_groups(kernel, 2)
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value, activation, negative_slope
    )
    return prepare(2, weights, bias, input_shape, tweaks, dtype, target, algorithm, residual, tune)


def as_groups(kernel: ArrayLike, rank: int, name: str = "kernel") -> tuple[NDArray[Any], int]:
    """A depthwise kernel as the grouped one that computes the same, and the number of its groups.

    Examples
    --------
    >>> import numpy as np
    >>> weights, groups = as_groups(np.ones((3, 5, 8, 2)), 2)
    >>> weights.shape, groups
    ((3, 5, 1, 16), 8)
    """
    weights = as_numbers(name, kernel)
    if weights.ndim != rank + 2 or 0 in weights.shape:
        axes = ", ".join((*AXIS_NAMES[rank], "channels", "multiplier"))
        raise ValueError(f"{name}: received shape {weights.shape}; ({axes}), each at least 1, is needed")
    *size, channels, multiplier = weights.shape
    return weights.reshape(*size, 1, channels * multiplier), channels
