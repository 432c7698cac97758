"""The gradients of transposed convolutions with respect to their inputs: ordinary convolutions."""

from __future__ import annotations

from numpy.typing import ArrayLike, DTypeLike

from tweakconv.arrays import FloatArray
from tweakconv.geometry import IntPerAxis, PaddingLike
from tweakconv.gradients import PreparedInputGrad
from tweakconv.ops.general import Tweaks
from tweakconv.ops.gradients.general import input_grad, prepare_input_grad


def conv1d_transpose_input_grad(
    grad: ArrayLike,
    kernel: ArrayLike,
    input_size: IntPerAxis,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    output_padding: IntPerAxis | None = None,
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    out: FloatArray | None = None,
    algorithm: str = "auto",
) -> FloatArray:
    """The gradient of `conv1d_transpose` with respect to its input.

    Parameters
    ----------
    grad : array_like
        The gradient with respect to the sums, of the result's shape; float32 or float64.
    kernel : array_like, shape (kernel size, out channels / groups, channels)
    input_size : int or tuple of one int
        Spatial size of the input of the forward pass.
    strides, padding, output_padding, dilation_rate, groups, data_format
        As in `conv2d_transpose_input_grad`, with one axis.
    out, algorithm
        As in `conv2d_input_grad`.

    Returns
    -------
    ndarray
        Of the input's shape and the type of `grad`.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> conv1d_transpose_input_grad(np.ones((1, 4, 3)), np.ones((2, 3, 5)), 2, strides=2).shape
    (1, 2, 5)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, transposed=True, output_padding=output_padding
    )
    return input_grad(1, grad, kernel, input_size, tweaks, out, algorithm)


def conv2d_transpose_input_grad(
    grad: ArrayLike,
    kernel: ArrayLike,
    input_size: IntPerAxis,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    output_padding: IntPerAxis | None = None,
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    out: FloatArray | None = None,
    algorithm: str = "auto",
) -> FloatArray:
    """The gradient of `conv2d_transpose` with respect to its input.

    ``dx[n, i, j, c] = sum over u, v, o of dy[n, i*S + u*D - lo, j*S + v*D - lo, o] * kernel[u, v, o, c]``: an ordinary
    convolution with the kernel of the forward pass.

    Parameters
    ----------
    grad : array_like
        The gradient with respect to the sums, of the result's shape; float32 or float64.
    kernel : array_like, shape (kernel height, kernel width, out channels / groups, channels)
    input_size : int or pair of int
        Spatial size of the input of the forward pass.
    strides, padding, output_padding, dilation_rate, groups, data_format
        As in the forward pass.
    out, algorithm
        As in `conv2d_input_grad`.

    Returns
    -------
    ndarray
        Of the input's shape and the type of `grad`.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> conv2d_transpose_input_grad(np.ones((1, 4, 4, 3)), np.ones((2, 2, 3, 5)), 2, strides=2).shape
    (1, 2, 2, 5)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, transposed=True, output_padding=output_padding
    )
    return input_grad(2, grad, kernel, input_size, tweaks, out, algorithm)


def conv3d_transpose_input_grad(
    grad: ArrayLike,
    kernel: ArrayLike,
    input_size: IntPerAxis,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    output_padding: IntPerAxis | None = None,
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    out: FloatArray | None = None,
    algorithm: str = "auto",
) -> FloatArray:
    """The gradient of `conv3d_transpose` with respect to its input.

    Parameters
    ----------
    grad : array_like
        The gradient with respect to the sums, of the result's shape; float32 or float64.
    kernel : array_like, shape (kernel depth, kernel height, kernel width, out channels / groups, channels)
    input_size : int or tuple of three ints
        Spatial size of the input of the forward pass.
    strides, padding, output_padding, dilation_rate, groups, data_format
        As in `conv2d_transpose_input_grad`, with three axes.
    out, algorithm
        As in `conv2d_input_grad`.

    Returns
    -------
    ndarray
        Of the input's shape and the type of `grad`.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> conv3d_transpose_input_grad(np.ones((1, 4, 4, 4, 3)), np.ones((2, 2, 2, 3, 5)), 2, strides=2).shape
    (1, 2, 2, 2, 5)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, transposed=True, output_padding=output_padding
    )
    return input_grad(3, grad, kernel, input_size, tweaks, out, algorithm)


def compile_conv1d_transpose_input_grad(
    kernel_shape: tuple[int, ...],
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    output_padding: IntPerAxis | None = None,
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    dtype: DTypeLike = "float32",
    target: str | None = None,
    algorithm: str = "auto",
) -> PreparedInputGrad:
    """Prepare it: the arguments of `conv1d_transpose_input_grad`, the rest as `compile_conv2d_input_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> gradient = compile_conv1d_transpose_input_grad((2, 3, 8), input_shape=(1, 2, 8), strides=2)
    >>> gradient(np.ones((6, 4, 3), np.float32), np.ones((2, 3, 8))).shape
    (6, 2, 8)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, transposed=True, output_padding=output_padding
    )
    return prepare_input_grad(1, kernel_shape, input_shape, tweaks, dtype, target, algorithm)


def compile_conv2d_transpose_input_grad(
    kernel_shape: tuple[int, ...],
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    output_padding: IntPerAxis | None = None,
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    dtype: DTypeLike = "float32",
    target: str | None = None,
    algorithm: str = "auto",
) -> PreparedInputGrad:
    """Prepare it: the arguments of `conv2d_transpose_input_grad`, the rest as `compile_conv2d_input_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> gradient = compile_conv2d_transpose_input_grad((2, 2, 3, 8), input_shape=(1, 2, 2, 8), strides=2)
    >>> gradient(np.ones((6, 4, 4, 3), np.float32), np.ones((2, 2, 3, 8))).shape
    (6, 2, 2, 8)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, transposed=True, output_padding=output_padding
    )
    return prepare_input_grad(2, kernel_shape, input_shape, tweaks, dtype, target, algorithm)


def compile_conv3d_transpose_input_grad(
    kernel_shape: tuple[int, ...],
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    output_padding: IntPerAxis | None = None,
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    dtype: DTypeLike = "float32",
    target: str | None = None,
    algorithm: str = "auto",
) -> PreparedInputGrad:
    """Prepare it: the arguments of `conv3d_transpose_input_grad`, the rest as `compile_conv2d_input_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> gradient = compile_conv3d_transpose_input_grad((2, 2, 2, 3, 8), input_shape=(1, 2, 2, 2, 8), strides=2)
    >>> gradient(np.ones((6, 4, 4, 4, 3), np.float32), np.ones((2, 2, 2, 3, 8))).shape
    (6, 2, 2, 2, 8)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, transposed=True, output_padding=output_padding
    )
    return prepare_input_grad(3, kernel_shape, input_shape, tweaks, dtype, target, algorithm)
