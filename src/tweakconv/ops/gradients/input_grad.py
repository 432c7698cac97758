"""The gradients of convolutions along one, two and three axes with respect to their inputs."""

from __future__ import annotations

from numpy.typing import ArrayLike, DTypeLike

from tweakconv.arrays import FloatArray
from tweakconv.geometry import IntPerAxis, PaddingLike
from tweakconv.gradients import PreparedInputGrad
from tweakconv.ops.general import Tweaks
from tweakconv.ops.gradients.general import input_grad, prepare_input_grad


def conv1d_input_grad(
    grad: ArrayLike,
    kernel: ArrayLike,
    input_size: IntPerAxis,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    out: FloatArray | None = None,
    algorithm: str = "auto",
) -> FloatArray:
    """The gradient of `conv1d` with respect to its input: `conv2d_input_grad` with one axis.

    Parameters
    ----------
    grad : array_like, shape (batch, steps, out channels), or with the channels before the size
    kernel : array_like, shape (kernel size, channels / groups, out channels)
    input_size : int or tuple of one int
    strides, padding, dilation_rate, groups, data_format, padding_mode, out
    algorithm
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
    >>> grad = np.array([1.0, 2.0]).reshape(1, 2, 1)
    >>> conv1d_input_grad(grad, np.array([1.0, 10.0, 100.0]).reshape(3, 1, 1), 6, strides=2).ravel()
    array([  1.,  10., 102.,  20., 200.,   0.])
    """
    tweaks = Tweaks(strides, padding, dilation_rate, groups, data_format, padding_mode)
    return input_grad(1, grad, kernel, input_size, tweaks, out, algorithm)


def conv2d_input_grad(
    grad: ArrayLike,
    kernel: ArrayLike,
    input_size: IntPerAxis,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    out: FloatArray | None = None,
    algorithm: str = "auto",
) -> FloatArray:
    """The gradient of `conv2d` with respect to its input.

    ``dx[n, p, q, c] = sum over u, v, o and the outputs i, j with p = i*S + u*D - lo, q = j*S + v*D - lo of
    dy[n, i, j, o] * kernel[u, v, c, o]``: a transposed convolution with the kernel, strides, dilation rates and pads of
    the forward pass. At stride 1 it is an ordinary one with the kernel turned round, by Winograd's algorithm where that
    is faster.

    Parameters
    ----------
    grad : array_like, shape (batch, out height, out width, out channels), or with the channels before the size
        The gradient with respect to the sums (see `activation_grad`); float32 or float64.
    kernel : array_like, shape (kernel height, kernel width, channels / groups, out channels)
        That of the forward pass; converted to the type of `grad`.
    input_size : int or pair of int
        Height and width of the input of the forward pass, which the size of `grad` does not tell under strides.
    strides, padding, dilation_rate, groups, data_format, padding_mode
        As in the forward pass. What positions in the padding of the modes "reflect", "symmetric", "edge" and "wrap"
        receive is added to the pixels that stand there.
    out : ndarray, optional
        Where to write the result; in C order, apart from `grad`.
    algorithm : str
        As in `conv2d`.

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
    >>> grad = np.ones((1, 2, 2, 1))
    >>> conv2d_input_grad(grad, np.ones((3, 3, 1, 1)), (4, 4), strides=2, padding="same")[0, :, :, 0]
    array([[1., 1., 2., 1.],
           [1., 1., 2., 1.],
           [2., 2., 4., 2.],
           [1., 1., 2., 1.]])
    """
    tweaks = Tweaks(strides, padding, dilation_rate, groups, data_format, padding_mode)
    return input_grad(2, grad, kernel, input_size, tweaks, out, algorithm)


def conv3d_input_grad(
    grad: ArrayLike,
    kernel: ArrayLike,
    input_size: IntPerAxis,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    out: FloatArray | None = None,
    algorithm: str = "auto",
) -> FloatArray:
    """The gradient of `conv3d` with respect to its input: `conv2d_input_grad` with three axes.

    Parameters
    ----------
    grad : array_like, shape (batch, depth, height, width, out channels), or with the channels before the size
    kernel : array_like, shape (kernel depth, kernel height, kernel width, channels / groups, out channels)
    input_size : int or tuple of three ints
    strides, padding, dilation_rate, groups, data_format, padding_mode, out
    algorithm
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
    >>> conv3d_input_grad(np.ones((1, 2, 3, 4, 6)), np.ones((2, 2, 2, 5, 6)), (3, 4, 5)).shape
    (1, 3, 4, 5, 5)
    """
    tweaks = Tweaks(strides, padding, dilation_rate, groups, data_format, padding_mode)
    return input_grad(3, grad, kernel, input_size, tweaks, out, algorithm)


def compile_conv1d_input_grad(
    kernel_shape: tuple[int, ...],
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    dtype: DTypeLike = "float32",
    target: str | None = None,
    algorithm: str = "auto",
) -> PreparedInputGrad:
    """Prepare it: the arguments of `conv1d_input_grad`, the rest as `compile_conv2d_input_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> gradient = compile_conv1d_input_grad((2, 3, 8), input_shape=(1, 5, 3))
    >>> gradient(np.ones((6, 4, 8), np.float32), np.ones((2, 3, 8))).shape
    (6, 5, 3)
    """
    tweaks = Tweaks(strides, padding, dilation_rate, groups, data_format, padding_mode)
    return prepare_input_grad(1, kernel_shape, input_shape, tweaks, dtype, target, algorithm)


def compile_conv2d_input_grad(
    kernel_shape: tuple[int, ...],
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    dtype: DTypeLike = "float32",
    target: str | None = None,
    algorithm: str = "auto",
) -> PreparedInputGrad:
    """Prepare `conv2d_input_grad` for a kernel and an input of some shape.

    Parameters
    ----------
    kernel_shape : tuple of int
        kernel height, kernel width, channels / groups, out channels.
    input_shape : tuple of int
        That of the input of the forward pass; the batch may be another at each call.
    strides, padding, dilation_rate, groups, data_format, padding_mode
        As in the forward pass.
    dtype : dtype
        float32 or float64.
    target : str, optional
        As in `compile_conv2d`.
    algorithm : str
        As in `conv2d`.

    Returns
    -------
    PreparedInputGrad
        It is called with the gradient of the sums and the weights.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> gradient = compile_conv2d_input_grad((2, 2, 3, 8), input_shape=(1, 5, 5, 3))
    >>> gradient(np.ones((6, 4, 4, 8), np.float32), np.ones((2, 2, 3, 8))).shape
    (6, 5, 5, 3)
    """
    tweaks = Tweaks(strides, padding, dilation_rate, groups, data_format, padding_mode)
    return prepare_input_grad(2, kernel_shape, input_shape, tweaks, dtype, target, algorithm)


def compile_conv3d_input_grad(
    kernel_shape: tuple[int, ...],
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    dtype: DTypeLike = "float32",
    target: str | None = None,
    algorithm: str = "auto",
) -> PreparedInputGrad:
    """Prepare it: the arguments of `conv3d_input_grad`, the rest as `compile_conv2d_input_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> gradient = compile_conv3d_input_grad((2, 2, 2, 3, 8), input_shape=(1, 5, 5, 5, 3))
    >>> gradient(np.ones((6, 4, 4, 4, 8), np.float32), np.ones((2, 2, 2, 3, 8))).shape
    (6, 5, 5, 5, 3)
    """
    tweaks = Tweaks(strides, padding, dilation_rate, groups, data_format, padding_mode)
    return prepare_input_grad(3, kernel_shape, input_shape, tweaks, dtype, target, algorithm)
