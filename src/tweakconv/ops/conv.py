"""Convolutions along one, two and three axes."""

from __future__ import annotations

from numpy.typing import ArrayLike, DTypeLike

from tweakconv.arrays import FloatArray
from tweakconv.geometry import IntPerAxis, PaddingLike
from tweakconv.ops.general import Tweaks, convolve, prepare
from tweakconv.prepared import PreparedConv


def conv1d(
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
    out: FloatArray | None = None,
    algorithm: str = "auto",
    *,
    residual: ArrayLike | None = None,
    negative_slope: float | None = None,
    constant_value: float = 0,
) -> FloatArray:
    """One-dimensional convolution, along the steps of time or of a sequence.

    ``y[n, i, o] = activation(bias[o] + residual[n, i, o] + sum over k, c of x[n, i*S + k*D - lo, c] *
    kernel[k, c, o])``.

    Parameters
    ----------
    x : array_like, shape (batch, steps, channels), or (batch, channels, steps)
    kernel : array_like, shape (kernel size, channels / groups, out channels)
    padding : str, int or sequence
        As in `conv2d`; also "causal", where no output reads a step that comes after it.
    bias, strides, dilation_rate, groups, data_format, padding_mode, activation, out, algorithm, residual
    negative_slope, constant_value
        As in `conv2d`, with one axis.

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
    >>> x = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)
    >>> conv1d(x, np.array([1.0, 10.0]).reshape(2, 1, 1), padding="causal", dilation_rate=2).ravel()
    array([10., 20., 31., 42.])
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value, activation, negative_slope
    )
    return convolve(1, x, kernel, bias, tweaks, out, algorithm, residual)


def conv2d(
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
    out: FloatArray | None = None,
    algorithm: str = "auto",
    *,
    residual: ArrayLike | None = None,
    negative_slope: float | None = None,
    constant_value: float = 0,
) -> FloatArray:
    """Two-dimensional convolution (cross-correlation, as in every deep-learning library).

    ``y[n, i, j, o] = activation(bias[o] + residual[n, i, j, o] + sum over u, v, c of
    x[n, i*S + u*D - lo, j*S + v*D - lo, c] * kernel[u, v, c, o])``, where `x` outside of the image is what the padding
    holds.

    Parameters
    ----------
    x : array_like, shape (batch, height, width, channels), or (batch, channels, height, width)
        float32, float64, float16 or bfloat16, in the order that `data_format` says. The batch may be empty.
    kernel : array_like, shape (kernel height, kernel width, channels / groups, out channels)
        The same for both data formats; converted to what is computed in: float64 for an `x` of float64, else float32.
    bias : array_like, shape (out channels,), optional
        Converted as the kernel.
    strides, dilation_rate : int or pair of int
        At least 1.
    padding : str, int or sequence
        "valid" (none), "same" (as many outputs as input / stride, rounded up; an odd row or column at the end),
        "same_lower" (at the start), "full", an int for all sides, or an int or a (lo, hi) pair for each axis.
        Negative numbers crop.
    groups : int
        Channels are split into this many groups that do not see each other.
    data_format : {"channels_last", "channels_first"}
    padding_mode : {"zeros", "constant", "reflect", "symmetric", "edge", "wrap"}
        What lies in the padding, with the meanings of `numpy.pad`, also where it is wider than the image.
    activation : str, optional
        "relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu" (or "swish"), "gelu" (the exact one), "hard_sigmoid",
        "hard_swish" or "elu", computed before the result leaves the cache, to a few units in the last place.
    out : ndarray, optional
        Where to write the result; in C order, apart from `x` and `residual`.
    algorithm : {"auto", "depthwise", "direct", "fft", "grouped", "rows", "separable", "tiles", "winograd"}
        "auto" takes the one estimated to be fastest, and neither "fft" nor "winograd" under a kernel of whole
        numbers, so that an image of such comes out exact; "direct" sums every tap as the definition does. The rounding
        errors of "winograd" (3x3 and others, float32) and "fft" (large kernels) go with the largest values among the
        inputs of a tile, not with an output's own taps: where a few values are far larger than the others, such as a
        mark of 1e20 for missing data, name "direct". "tiles" (bfloat16, where the processor multiplies tiles of it)
        takes numbers below 2**-126 for zero.
    residual : array_like, optional
        Added to the sums before the activation, as in a residual block: of the result's shape and the type of `x`.
    negative_slope : float, optional
        What "leaky_relu" multiplies negative numbers by; needed there.
    constant_value : float
        What lies in the padding of mode "constant".

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
    >>> x = np.arange(25, dtype=np.float32).reshape(1, 5, 5, 1)
    >>> conv2d(x, np.ones((3, 3, 1, 1)), strides=2, padding="same")[0, :, :, 0]
    array([[ 12.,  27.,  24.],
           [ 63., 108.,  81.],
           [ 72., 117.,  84.]], dtype=float32)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value, activation, negative_slope
    )
    return convolve(2, x, kernel, bias, tweaks, out, algorithm, residual)


def conv3d(
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
    out: FloatArray | None = None,
    algorithm: str = "auto",
    *,
    residual: ArrayLike | None = None,
    negative_slope: float | None = None,
    constant_value: float = 0,
) -> FloatArray:
    """Three-dimensional convolution, of volumes or of images over time.

    Parameters
    ----------
    x : array_like, shape (batch, depth, height, width, channels), or (batch, channels, depth, height, width)
    kernel : array_like, shape (kernel depth, kernel height, kernel width, channels / groups, out channels)
    bias, strides, padding, dilation_rate, groups, data_format, padding_mode, activation, out, algorithm, residual
    negative_slope, constant_value
        As in `conv2d`, with three axes.

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
    >>> x = np.ones((1, 4, 5, 6, 2), np.float32)
    >>> y = conv3d(x, np.ones((3, 3, 3, 2, 1)), padding=(0, 1, (1, 0)))
    >>> y.shape, float(y[0, 0, 2, 2, 0]), float(y[0, 0, 0, 0, 0])
    ((1, 2, 5, 5, 1), 54.0, 24.0)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value, activation, negative_slope
    )
    return convolve(3, x, kernel, bias, tweaks, out, algorithm, residual)


def compile_conv1d(
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
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
    """Prepare a one-dimensional convolution: the arguments of `conv1d`, the rest as `compile_conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> conv = compile_conv1d(np.ones((3, 2, 4)), input_shape=(1, 100, 2), padding="causal")
    >>> conv(np.ones((5, 7, 2))).shape
    (5, 7, 4)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value, activation, negative_slope
    )
    return prepare(1, kernel, bias, input_shape, tweaks, dtype, target, algorithm, residual, tune)


def compile_conv2d(
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
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
    """Prepare a convolution: pack its weights and compile its code, so that calls only run.

    Parameters
    ----------
    kernel, bias, strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value
    activation, negative_slope, algorithm
        As in `conv2d`. The weights are copied: later changes to the arrays change nothing.
    input_shape : tuple of int
        Shape of the inputs it is meant for; others with as many channels are taken too, and compile nothing.
    residual : bool
        Whether every call adds an array of the result's shape before the activation: ``conv(x, residual=y)``.
    dtype : {"float32", "float64", "float16"} or ml_dtypes.bfloat16, optional
        The type of inputs and results; the kernel's own type where that is one of them, else float32. float16 and
        bfloat16 are computed in float32 and rounded once.
    target : str, optional
        A processor family, such as "avx2"; the best this processor has where None.
    tune : bool
        Whether the ways to compute it are timed here, for inputs of this shape and as many threads as are set, and the
        fastest is taken. The answer is remembered on disk, beside the compiled code.

    Returns
    -------
    PreparedConv
        Call it with an input; its ``explain()`` says what is computed and how.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import numpy as np
    >>> kernel = np.ones((3, 3, 2, 4), np.float32)
    >>> conv = compile_conv2d(kernel, input_shape=(1, 28, 28, 2), padding="same")
    >>> conv(np.ones((1, 28, 28, 2), np.float32)).shape
    (1, 28, 28, 4)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value, activation, negative_slope
    )
    return prepare(2, kernel, bias, input_shape, tweaks, dtype, target, algorithm, residual, tune)


def compile_conv3d(
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
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
    """Prepare a three-dimensional convolution: the arguments of `conv3d`, the rest as `compile_conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> conv = compile_conv3d(np.ones((3, 3, 3, 2, 4)), input_shape=(1, 16, 56, 56, 2), padding="same", strides=2)
    >>> conv(np.ones((1, 16, 56, 56, 2))).shape
    (1, 8, 28, 28, 4)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value, activation, negative_slope
    )
    return prepare(3, kernel, bias, input_shape, tweaks, dtype, target, algorithm, residual, tune)
