"""The gradients of convolutions along one, two and three axes with respect to their kernels."""

from __future__ import annotations

from numpy.typing import ArrayLike, DTypeLike

from tweakconv.arrays import FloatArray
from tweakconv.geometry import IntPerAxis, PaddingLike
from tweakconv.gradients import PreparedKernelGrad
from tweakconv.ops.general import Tweaks
from tweakconv.ops.gradients.general import kernel_grad, prepare_kernel_grad


def conv1d_kernel_grad(
    x: ArrayLike,
    grad: ArrayLike,
    kernel_size: IntPerAxis,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    out: FloatArray | None = None,
    algorithm: str = "auto",
    *,
    constant_value: float = 0,
) -> FloatArray:
    """The gradient of `conv1d` with respect to its kernel: `conv2d_kernel_grad` with one axis.

    Parameters
    ----------
    x : array_like, shape (batch, steps, channels), or (batch, channels, steps)
    grad : array_like
    kernel_size : int or tuple of one int
    strides, padding, dilation_rate, groups, data_format, padding_mode, out
    algorithm, constant_value
        As in `conv2d_kernel_grad`.

    Returns
    -------
    ndarray, shape (kernel size, channels / groups, out channels)
        Of the type of `x`.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(5.0).reshape(1, 5, 1)
    >>> conv1d_kernel_grad(x, np.array([1.0, 10.0]).reshape(1, 2, 1), 3, strides=2).ravel()
    array([20., 31., 42.])
    """
    tweaks = Tweaks(strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value)
    return kernel_grad(1, x, grad, kernel_size, tweaks, out, algorithm)


def conv2d_kernel_grad(
    x: ArrayLike,
    grad: ArrayLike,
    kernel_size: IntPerAxis,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    out: FloatArray | None = None,
    algorithm: str = "auto",
    *,
    constant_value: float = 0,
) -> FloatArray:
    """The gradient of `conv2d` with respect to its kernel.

    ``dw[u, v, c, o] = sum over n, i, j of x[n, i*S + u*D - lo, j*S + v*D - lo, c] * dy[n, i, j, o]``, where `x` outside
    of the image is what the padding holds. Sums are formed in parts of a few hundred pixels, the same ones whatever the
    number of threads.

    Parameters
    ----------
    x : array_like, shape (batch, height, width, channels), or (batch, channels, height, width)
        The input of the forward pass; float32 or float64.
    grad : array_like
        The gradient with respect to the sums (see `activation_grad`): of the result's shape and the type of `x`.
    kernel_size : int or pair of int
    strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value
        As in the forward pass.
    out : ndarray, optional
        Where to write the result; in C order, apart from `x` and `grad`.
    algorithm : ('auto', 'direct', 'winograd')
        "auto" takes the one estimated to be fastest; "direct" forms every product, as the definition does. The rounding
        errors of "winograd" (3x3, stride 1, float32) are about three times larger, and go with the largest values
        around.

    Returns
    -------
    ndarray, shape (kernel height, kernel width, channels / groups, out channels)
        Of the type of `x`; zeros for an empty batch.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> conv2d_kernel_grad(x, np.ones((1, 2, 2, 1)), 3, strides=2, padding="same")[:, :, 0, 0]
    array([[20., 24., 12.],
           [36., 40., 20.],
           [18., 20., 10.]])
    """
    tweaks = Tweaks(strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value)
    return kernel_grad(2, x, grad, kernel_size, tweaks, out, algorithm)


def conv3d_kernel_grad(
    x: ArrayLike,
    grad: ArrayLike,
    kernel_size: IntPerAxis,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    out: FloatArray | None = None,
    algorithm: str = "auto",
    *,
    constant_value: float = 0,
) -> FloatArray:
    """The gradient of `conv3d` with respect to its kernel: `conv2d_kernel_grad` with three axes.

    Parameters
    ----------
    x : array_like, shape (batch, depth, height, width, channels), or (batch, channels, depth, height, width)
    grad : array_like
    kernel_size : int or tuple of three ints
    strides, padding, dilation_rate, groups, data_format, padding_mode, out
    algorithm, constant_value
        As in `conv2d_kernel_grad`.

    Returns
    -------
    ndarray, shape (kernel depth, kernel height, kernel width, channels / groups, out channels)
        Of the type of `x`.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> conv3d_kernel_grad(np.ones((1, 3, 4, 5, 4)), np.ones((1, 2, 3, 4, 6)), 2, groups=2).shape
    (2, 2, 2, 2, 6)
    """
    tweaks = Tweaks(strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value)
    return kernel_grad(3, x, grad, kernel_size, tweaks, out, algorithm)


def compile_conv1d_kernel_grad(
    kernel_shape: tuple[int, ...],
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    constant_value: float = 0,
    dtype: DTypeLike = "float32",
    target: str | None = None,
    algorithm: str = "auto",
) -> PreparedKernelGrad:
    """Prepare it: the arguments of `conv1d_kernel_grad`, the rest as `compile_conv2d_kernel_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> gradient = compile_conv1d_kernel_grad((2, 3, 8), input_shape=(1, 5, 3))
    >>> gradient(np.ones((6, 5, 3), np.float32), np.ones((6, 4, 8), np.float32)).shape
    (2, 3, 8)
    """
    tweaks = Tweaks(strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value)
    return prepare_kernel_grad(1, kernel_shape, input_shape, tweaks, dtype, target, algorithm)


def compile_conv2d_kernel_grad(
    kernel_shape: tuple[int, ...],
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    constant_value: float = 0,
    dtype: DTypeLike = "float32",
    target: str | None = None,
    algorithm: str = "auto",
) -> PreparedKernelGrad:
    """Prepare `conv2d_kernel_grad` for a kernel and an input of some shape.

    Parameters
    ----------
    kernel_shape : tuple of int
        kernel height, kernel width, channels / groups, out channels.
    input_shape : tuple of int
        That of the input of the forward pass; the batch may be another at each call.
    strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value
        As in the forward pass.
    dtype : dtype
        float32 or float64.
    target : str, optional
        As in `compile_conv2d`.
    algorithm : {"auto", "direct", "winograd"}
        As in `conv2d_kernel_grad`.

    Returns
    -------
    PreparedKernelGrad
        It is called with the input and the gradient of the sums.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> gradient = compile_conv2d_kernel_grad((2, 2, 3, 8), input_shape=(1, 5, 5, 3))
    >>> gradient(np.ones((6, 5, 5, 3), np.float32), np.ones((6, 4, 4, 8), np.float32)).shape
    (2, 2, 3, 8)
    """
    tweaks = Tweaks(strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value)
    return prepare_kernel_grad(2, kernel_shape, input_shape, tweaks, dtype, target, algorithm)


def compile_conv3d_kernel_grad(
    kernel_shape: tuple[int, ...],
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    constant_value: float = 0,
    dtype: DTypeLike = "float32",
    target: str | None = None,
    algorithm: str = "auto",
) -> PreparedKernelGrad:
    """Prepare it: the arguments of `conv3d_kernel_grad`, the rest as `compile_conv2d_kernel_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> gradient = compile_conv3d_kernel_grad((2, 2, 2, 3, 8), input_shape=(1, 5, 5, 5, 3))
    >>> gradient(np.ones((6, 5, 5, 5, 3), np.float32), np.ones((6, 4, 4, 4, 8), np.float32)).shape
    (2, 2, 2, 3, 8)
    """
    tweaks = Tweaks(strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value)
    return prepare_kernel_grad(3, kernel_shape, input_shape, tweaks, dtype, target, algorithm)
