"""The gradients of transposed convolutions with respect to their kernels."""

from __future__ import annotations

from numpy.typing import ArrayLike, DTypeLike

from tweakconv.arrays import FloatArray
from tweakconv.geometry import IntPerAxis, PaddingLike
from tweakconv.gradients import PreparedKernelGrad
from tweakconv.ops.general import Tweaks
from tweakconv.ops.gradients.general import kernel_grad, prepare_kernel_grad


def conv1d_transpose_kernel_grad(
    x: ArrayLike,
    grad: ArrayLike,
    kernel_size: IntPerAxis,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    output_padding: IntPerAxis | None = None,
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    out: FloatArray | None = None,
    algorithm: str = "auto",
) -> FloatArray:
    """The gradient of `conv1d_transpose` with respect to its kernel.

    Parameters
    ----------
    x : array_like
        The input of the forward pass; float32 or float64.
    grad : array_like
        The gradient with respect to the sums: of the result's shape and the type of `x`.
    kernel_size : int or tuple of one int
    strides, padding, output_padding, dilation_rate, groups, data_format
        As in `conv2d_transpose_kernel_grad`, with one axis.
    out, algorithm
        As in `conv2d_kernel_grad`.

    Returns
    -------
    ndarray, shape (kernel size, out channels / groups, channels)
        Of the type of `x`; zeros for an empty batch.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> conv1d_transpose_kernel_grad(np.ones((1, 2, 5)), np.ones((1, 4, 3)), 2, strides=2).shape
    (2, 3, 5)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, transposed=True, output_padding=output_padding
    )
    return kernel_grad(1, x, grad, kernel_size, tweaks, out, algorithm)


def conv2d_transpose_kernel_grad(
    x: ArrayLike,
    grad: ArrayLike,
    kernel_size: IntPerAxis,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    output_padding: IntPerAxis | None = None,
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    out: FloatArray | None = None,
    algorithm: str = "auto",
) -> FloatArray:
    """The gradient of `conv2d_transpose` with respect to its kernel.

    ``dw[u, v, o, c] = sum over n, i, j of dy[n, i*S + u*D - lo, j*S + v*D - lo, o] * x[n, i, j, c]``: that of an
    ordinary convolution, with `x` and `grad` exchanged.

    Parameters
    ----------
    x : array_like
        The input of the forward pass; float32 or float64.
    grad : array_like
        The gradient with respect to the sums: of the result's shape and the type of `x`.
    kernel_size : int or pair of int
    strides, padding, output_padding, dilation_rate, groups, data_format
        As in the forward pass.
    out, algorithm
        As in `conv2d_kernel_grad`.

    Returns
    -------
    ndarray, shape (kernel height, kernel width, out channels / groups, channels)
        Of the type of `x`; zeros for an empty batch.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> conv2d_transpose_kernel_grad(np.ones((1, 2, 2, 5)), np.ones((1, 4, 4, 3)), 2, strides=2).shape
    (2, 2, 3, 5)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, transposed=True, output_padding=output_padding
    )
    return kernel_grad(2, x, grad, kernel_size, tweaks, out, algorithm)


def conv3d_transpose_kernel_grad(
    x: ArrayLike,
    grad: ArrayLike,
    kernel_size: IntPerAxis,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    output_padding: IntPerAxis | None = None,
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    out: FloatArray | None = None,
    algorithm: str = "auto",
) -> FloatArray:
    """The gradient of `conv3d_transpose` with respect to its kernel.

    Parameters
    ----------
    x : array_like
        The input of the forward pass; float32 or float64.
    grad : array_like
        The gradient with respect to the sums: of the result's shape and the type of `x`.
    kernel_size : int or tuple of three ints
    strides, padding, output_padding, dilation_rate, groups, data_format
        As in `conv2d_transpose_kernel_grad`, with three axes.
    out, algorithm
        As in `conv2d_kernel_grad`.

    Returns
    -------
    ndarray, shape (kernel depth, kernel height, kernel width, out channels / groups, channels)
        Of the type of `x`; zeros for an empty batch.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> conv3d_transpose_kernel_grad(np.ones((1, 2, 2, 2, 5)), np.ones((1, 4, 4, 4, 3)), 2, strides=2).shape
    (2, 2, 2, 3, 5)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, transposed=True, output_padding=output_padding
    )
    return kernel_grad(3, x, grad, kernel_size, tweaks, out, algorithm)


def compile_conv1d_transpose_kernel_grad(
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
) -> PreparedKernelGrad:
    """Prepare it: the arguments of `conv1d_transpose_kernel_grad`, the rest as `compile_conv2d_kernel_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> gradient = compile_conv1d_transpose_kernel_grad((2, 3, 8), input_shape=(1, 2, 8), strides=2)
    >>> gradient(np.ones((6, 2, 8), np.float32), np.ones((6, 4, 3), np.float32)).shape
    (2, 3, 8)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, transposed=True, output_padding=output_padding
    )
    return prepare_kernel_grad(1, kernel_shape, input_shape, tweaks, dtype, target, algorithm)


def compile_conv2d_transpose_kernel_grad(
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
) -> PreparedKernelGrad:
    """Prepare it: the arguments of `conv2d_transpose_kernel_grad`, the rest as `compile_conv2d_kernel_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> gradient = compile_conv2d_transpose_kernel_grad((2, 2, 3, 8), input_shape=(1, 2, 2, 8), strides=2)
    >>> gradient(np.ones((6, 2, 2, 8), np.float32), np.ones((6, 4, 4, 3), np.float32)).shape
    (2, 2, 3, 8)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, transposed=True, output_padding=output_padding
    )
    return prepare_kernel_grad(2, kernel_shape, input_shape, tweaks, dtype, target, algorithm)


def compile_conv3d_transpose_kernel_grad(
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
) -> PreparedKernelGrad:
    """Prepare it: the arguments of `conv3d_transpose_kernel_grad`, the rest as `compile_conv2d_kernel_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> gradient = compile_conv3d_transpose_kernel_grad((2, 2, 2, 3, 8), input_shape=(1, 2, 2, 2, 8), strides=2)
    >>> gradient(np.ones((6, 2, 2, 2, 8), np.float32), np.ones((6, 4, 4, 4, 3), np.float32)).shape
    (2, 2, 2, 3, 8)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, transposed=True, output_padding=output_padding
    )
    return prepare_kernel_grad(3, kernel_shape, input_shape, tweaks, dtype, target, algorithm)
