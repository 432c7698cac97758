"""Transposed convolutions along one, two and three axes."""

from __future__ import annotations

from numpy.typing import ArrayLike, DTypeLike

from tweakconv.arrays import FloatArray
from tweakconv.geometry import IntPerAxis, PaddingLike
from tweakconv.ops.general import Tweaks, convolve, prepare
from tweakconv.prepared import PreparedConv


def conv1d_transpose(
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
    out: FloatArray | None = None,
    algorithm: str = "auto",
    *,
    residual: ArrayLike | None = None,
    negative_slope: float | None = None,
) -> FloatArray:
    """One-dimensional transposed convolution.

    Parameters
    ----------
    x : array_like, shape (batch, steps, channels), or (batch, channels, steps)
    kernel : array_like, shape (kernel size, out channels / groups, channels)
    bias, strides, padding, output_padding, dilation_rate, groups, data_format, activation, out, algorithm, residual
    negative_slope
        As in `conv2d_transpose`, with one axis.

    Returns
    -------
    ndarray, shape (batch, out steps, out channels), or (batch, out channels, out steps)

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, 2.0]).reshape(1, 2, 1)
    >>> conv1d_transpose(x, np.array([1.0, 10.0, 100.0]).reshape(3, 1, 1), strides=2).ravel()
    array([  1.,  10., 102.,  20., 200.])
    """
    tweaks = _tweaks(strides, padding, output_padding, dilation_rate, groups, data_format, activation, negative_slope)
    return convolve(1, x, kernel, bias, tweaks, out, algorithm, residual)


def conv2d_transpose(
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
    out: FloatArray | None = None,
    algorithm: str = "auto",
    *,
    residual: ArrayLike | None = None,
    negative_slope: float | None = None,
) -> FloatArray:
    """Two-dimensional transposed convolution: every pixel puts its weighted kernel down, and overlaps add up.

    ``y[n, i*S + u*D - lo, j*S + v*D - lo, o] += x[n, i, j, c] * kernel[u, v, o, c]``, then bias, residual and
    activation: the gradient of `conv2d` with the same kernel, used to make images larger.

    Parameters
    ----------
    x : array_like, shape (batch, height, width, channels), or (batch, channels, height, width)
        float32, float64, float16 or bfloat16, in the order that `data_format` says. The batch may be empty.
    kernel : array_like, shape (kernel height, kernel width, out channels / groups, channels)
        As in Keras, for both data formats; converted to the type of `x`.
    bias : array_like, shape (out channels,), optional
        Added to every output, those that no weight reaches included.
    strides : int or pair of int
        Outputs from where one pixel puts its kernel to where the next one does.
    padding : str, int or sequence
        What is cut from the full result, (input - 1) * stride + E outputs long. "valid" cuts nothing, "same" cuts to
        input * stride with an odd row or column at the end, "same_lower" with it at the start. An int is cut on all
        sides, an int or a (lo, hi) pair on those of an axis, as PyTorch's `padding`; negative numbers add.
    output_padding : int or pair of int, optional
        Rows and columns added at the end. None means what it means in Keras: "valid" adds max(stride - E, 0), and
        numbers add nothing. "same" with an output padding gives (input - 1) * stride + E % 2 + output_padding.
    dilation_rate, groups, data_format, activation, out, algorithm, residual, negative_slope
        As in `conv2d`.

    Returns
    -------
    ndarray
        Of the type of `x`, in the order that `data_format` says.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    >>> conv2d_transpose(x, np.ones((3, 3, 1, 1)), strides=2, padding="same")[0, :, :, 0]
    array([[ 1.,  1.,  3.,  2.],
           [ 1.,  1.,  3.,  2.],
           [ 4.,  4., 10.,  6.],
           [ 3.,  3.,  7.,  4.]])
    """
    tweaks = _tweaks(strides, padding, output_padding, dilation_rate, groups, data_format, activation, negative_slope)
    return convolve(2, x, kernel, bias, tweaks, out, algorithm, residual)


def conv3d_transpose(
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
    out: FloatArray | None = None,
    algorithm: str = "auto",
    *,
    residual: ArrayLike | None = None,
    negative_slope: float | None = None,
) -> FloatArray:
    """Three-dimensional transposed convolution.

    Parameters
    ----------
    x : array_like, shape (batch, depth, height, width, channels), or (batch, channels, depth, height, width)
    kernel : array_like, shape (kernel depth, kernel height, kernel width, out channels / groups, channels)
    bias, strides, padding, output_padding, dilation_rate, groups, data_format, activation, out, algorithm, residual
    negative_slope
        As in `conv2d_transpose`, with three axes.

    Returns
    -------
    ndarray
        Of the type of `x`, in the order that `data_format` says.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> conv3d_transpose(np.ones((1, 2, 3, 4, 5)), np.ones((2, 2, 2, 6, 5)), strides=2).shape
    (1, 4, 6, 8, 6)
    """
    tweaks = _tweaks(strides, padding, output_padding, dilation_rate, groups, data_format, activation, negative_slope)
    return convolve(3, x, kernel, bias, tweaks, out, algorithm, residual)


def compile_conv1d_transpose(
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    output_padding: IntPerAxis | None = None,
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    activation: str | None = None,
    negative_slope: float | None = None,
    residual: bool = False,
    dtype: DTypeLike | None = None,
    target: str | None = None,
    algorithm: str = "auto",
    tune: bool = False,
) -> PreparedConv:
    """Prepare a transposed convolution: the arguments of `conv1d_transpose`, the rest as `compile_conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> conv = compile_conv1d_transpose(np.ones((4, 8, 2)), input_shape=(1, 100, 2), strides=2, padding=1)
    >>> conv(np.ones((1, 100, 2))).shape
    (1, 200, 8)
    """
    tweaks = _tweaks(strides, padding, output_padding, dilation_rate, groups, data_format, activation, negative_slope)
    return prepare(1, kernel, bias, input_shape, tweaks, dtype, target, algorithm, residual, tune)


def compile_conv2d_transpose(
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    output_padding: IntPerAxis | None = None,
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    activation: str | None = None,
    negative_slope: float | None = None,
    residual: bool = False,
    dtype: DTypeLike | None = None,
    target: str | None = None,
    algorithm: str = "auto",
    tune: bool = False,
) -> PreparedConv:
    """Prepare a transposed convolution: the arguments of `conv2d_transpose`, the rest as `compile_conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> conv = compile_conv2d_transpose(np.ones((4, 4, 8, 2)), input_shape=(1, 28, 28, 2), strides=2, padding="same")
    >>> conv(np.ones((1, 28, 28, 2))).shape
    (1, 56, 56, 8)
    """
    tweaks = _tweaks(strides, padding, output_padding, dilation_rate, groups, data_format, activation, negative_slope)
    return prepare(2, kernel, bias, input_shape, tweaks, dtype, target, algorithm, residual, tune)


def compile_conv3d_transpose(
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    output_padding: IntPerAxis | None = None,
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    activation: str | None = None,
    negative_slope: float | None = None,
    residual: bool = False,
    dtype: DTypeLike | None = None,
    target: str | None = None,
    algorithm: str = "auto",
    tune: bool = False,
) -> PreparedConv:
    """Prepare a transposed convolution: the arguments of `conv3d_transpose`, the rest as `compile_conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> conv = compile_conv3d_transpose(np.ones((2, 2, 2, 8, 2)), input_shape=(1, 8, 8, 8, 2), strides=2)
    >>> conv(np.ones((1, 8, 8, 8, 2))).shape
    (1, 16, 16, 16, 8)
    """
    tweaks = _tweaks(strides, padding, output_padding, dilation_rate, groups, data_format, activation, negative_slope)
    return prepare(3, kernel, bias, input_shape, tweaks, dtype, target, algorithm, residual, tune)


def _tweaks(
    strides: IntPerAxis,
    padding: PaddingLike,
    output_padding: IntPerAxis | None,
    dilation_rate: IntPerAxis,
    groups: int,
    data_format: str,
    activation: str | None,
    negative_slope: float | None,
) -> Tweaks:
    return Tweaks(
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
