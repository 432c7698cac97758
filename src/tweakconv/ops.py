"""The operations on arrays: check the arguments, plan, run."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tweakconv.activations import Activation
from tweakconv.arrays import DTYPES, FloatArray, as_dtype, as_input, as_numbers, as_weights, check_out
from tweakconv.compiler.target import get_target
from tweakconv.geometry import ConvGeometry, IntPerAxis, PaddingLike
from tweakconv.geometry.arguments import integer, is_per_axis, per_axis
from tweakconv.geometry.padding import PADDING_MODES, padding_per_axis
from tweakconv.layer import LayerConfig, check_shape
from tweakconv.prepared import PreparedConv2D


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
        float32 or float64, in the order that `data_format` says. The batch may be empty.
    kernel : array_like, shape (kernel height, kernel width, channels / groups, out channels)
        The same for both data formats; converted to the type of `x`.
    bias : array_like, shape (out channels,), optional
        Converted to the type of `x`.
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
    algorithm : {"auto", "direct", "grouped", "winograd"}
        "auto" takes the one estimated to be fastest; "direct" sums every tap as the definition does. The rounding
        errors of "winograd" (3x3, stride 1, float32) go with the largest values among the 6x6 inputs of a tile, not
        with an output's own taps: where a few values are far larger than the others, such as a mark of 1e20 for
        missing data, name "direct".
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
    >>> x = np.arange(25, dtype=np.float32).reshape(1, 5, 5, 1)
    >>> conv2d(x, np.ones((3, 3, 1, 1)), strides=2, padding="same")[0, :, :, 0]
    array([[ 12.,  27.,  24.],
           [ 63., 108.,  81.],
           [ 72., 117.,  84.]], dtype=float32)
    """
    array = as_input("x", x)
    weights = as_weights("kernel", kernel, array.dtype)
    layer = _layer(
        weights.shape, strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value,
        Activation.of(activation, negative_slope), residual is not None,
    )  # fmt: skip
    check_shape(layer, array.shape)
    addends = _bias(bias, weights, array.dtype)
    conv = PreparedConv2D(layer, weights, addends, array.shape, get_target(), algorithm=algorithm, packs=True)
    return conv(array, out, residual)


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
) -> PreparedConv2D:
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
    dtype : {"float32", "float64"}, optional
        What to compute in; the kernel's own type where that is one of them, else float32.
    target : str, optional
        A processor family, such as "avx2"; the best this processor has where None.

    Returns
    -------
    PreparedConv2D
        Call it with an input; its ``explain()`` says what is computed and how.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> kernel = np.ones((3, 3, 2, 4), np.float32)
    >>> conv = compile_conv2d(kernel, input_shape=(1, 28, 28, 2), padding="same")
    >>> conv(np.ones((1, 28, 28, 2), np.float32)).shape
    (1, 28, 28, 4)
    """
    chosen = as_dtype(dtype) if dtype is not None else _own_dtype(kernel)
    weights = as_weights("kernel", kernel, chosen)
    layer = _layer(
        weights.shape, strides, padding, dilation_rate, groups, data_format, padding_mode, constant_value,
        Activation.of(activation, negative_slope), residual,
    )  # fmt: skip
    if not is_per_axis(input_shape):
        raise TypeError(f"input_shape: received {input_shape!r}; a tuple of 4 integers is needed")
    shape = tuple(integer("input_shape", extent, within=input_shape) for extent in input_shape)
    check_shape(layer, shape, "input_shape")
    addends = _bias(bias, weights, chosen)
    return PreparedConv2D(layer, weights, addends, shape, get_target(target), algorithm=algorithm)


def filter2d(
    image: ArrayLike,
    kernel: ArrayLike,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "same",
    dilation_rate: IntPerAxis = 1,
    flip: bool = False,
    padding_mode: str = "zeros",
    out: FloatArray | None = None,
    *,
    constant_value: float = 0,
) -> FloatArray:
    """Filter an image: the same kernel for each of its channels.

    Parameters
    ----------
    image : array_like, shape (height, width) or (height, width, channels)
        float32 or float64.
    kernel : array_like, shape (kernel height, kernel width)
        Converted to the type of `image`.
    strides, padding, dilation_rate, padding_mode, out, constant_value
        As in `conv2d`.
    flip : bool
        Whether to turn the kernel by 180 degrees first: the mathematician's convolution.

    Returns
    -------
    ndarray, shape (out height, out width) or (out height, out width, channels)

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> image = np.zeros((3, 4), np.float32)
    >>> image[1, 1] = 1
    >>> filter2d(image, [[1, 2, 3], [4, 5, 6], [7, 8, 9]], flip=True)
    array([[1., 2., 3., 0.],
           [4., 5., 6., 0.],
           [7., 8., 9., 0.]], dtype=float32)
    """
    array = as_input("image", image)
    if array.ndim not in (2, 3):
        raise ValueError(
            f"image: received shape {array.shape} with {array.ndim} axes; (height, width) or "
            "(height, width, channels) is needed"
        )
    if 0 in array.shape:
        raise ValueError(f"image: received shape {array.shape}; no axis may be empty")
    weights = as_weights("kernel", kernel, array.dtype)
    if weights.ndim != 2 or 0 in weights.shape:
        raise ValueError(f"kernel: received shape {weights.shape}; (height, width), each at least 1, is needed")
    if flip:
        weights = weights[::-1, ::-1]
    geometry = ConvGeometry.of(
        array.shape[:2], weights.shape, strides=strides, padding=padding, dilation_rate=dilation_rate
    )
    if out is not None:
        check_out(out, (*geometry.output_size, *array.shape[2:]), array.dtype, array)
    return _filter(array, weights, geometry, _mode(padding_mode), _constant(constant_value, padding_mode), out)


def _filter(
    image: FloatArray,
    kernel: FloatArray,
    geometry: ConvGeometry,
    padding_mode: str,
    constant_value: float,
    out: FloatArray | None,
) -> FloatArray:
    """Filter by the convolution that suits the image.

    With stride 1 along the rows, interleaved channels are one row of ``width * channels`` values whose taps lie
    `channels` times as far apart: one channel to convolve, every lane of a vector in use. Otherwise, the channels
    are groups of one.
    """
    shape = (*geometry.output_size, *image.shape[2:])
    channels = image.shape[2] if image.ndim == 3 else 1
    (stride_h, stride_w), (dilation_h, dilation_w) = geometry.strides, geometry.dilation_rate
    (rows, (left, right)) = geometry.pads
    interleaved = stride_w == 1
    groups = 1 if interleaved else channels
    apart = channels // groups
    height, width = kernel.shape
    layer = LayerConfig(
        kernel_size=(height, width),
        strides=(stride_h, stride_w),
        padding=(rows, (left * apart, right * apart)),
        padding_mode=padding_mode,
        dilation_rate=(dilation_h, dilation_w * apart),
        in_channels=groups,
        out_channels=groups,
        groups=groups,
        channels_last=not interleaved,
        constant_value=constant_value,
        interleaved=apart,
    )
    if interleaved:
        x = image.reshape(1, 1, image.shape[0], -1)
        y = None if out is None else out.reshape(1, 1, shape[0], -1)
    else:
        x = image.reshape(1, *image.shape[:2], channels)
        y = None if out is None else out.reshape(1, *shape[:2], channels)
    weights = np.repeat(kernel[:, :, None, None], groups, axis=3)
    result = PreparedConv2D(layer, weights, None, x.shape, get_target(), packs=True)(x, y)
    return out if out is not None else result.reshape(shape)


def _layer(
    kernel_shape: tuple[int, ...],
    strides: IntPerAxis,
    padding: PaddingLike,
    dilation_rate: IntPerAxis,
    groups: int,
    data_format: str,
    padding_mode: str,
    constant_value: float,
    activation: Activation | None,
    residual: bool,
) -> LayerConfig:
    """The checked arguments that do not depend on the input's size."""
    if len(kernel_shape) != 4 or 0 in kernel_shape:
        raise ValueError(
            f"kernel: received shape {kernel_shape}; (height, width, channels / groups, out channels), each at "
            "least 1, is needed"
        )
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            f"data_format: received {data_format!r}; choose 'channels_last' (NHWC) or 'channels_first' (NCHW)"
        )
    height, width, share, out_channels = kernel_shape
    groups = integer("groups", groups, at_least=1)
    if out_channels % groups:
        raise ValueError(
            f"groups: received {groups}, which does not divide the {out_channels} output channels of the kernel "
            f"(shape {kernel_shape})"
        )
    stride_h, stride_w = per_axis("strides", strides, 2, at_least=1)
    dilation_h, dilation_w = per_axis("dilation_rate", dilation_rate, 2, at_least=1)
    return LayerConfig(
        kernel_size=(height, width),
        strides=(stride_h, stride_w),
        padding=_plain(padding),
        padding_mode=_mode(padding_mode),
        dilation_rate=(dilation_h, dilation_w),
        in_channels=share * groups,
        out_channels=out_channels,
        groups=groups,
        channels_last=data_format == "channels_last",
        activation=activation,
        residual=residual,
        constant_value=_constant(constant_value, padding_mode),
    )


def _plain(padding: PaddingLike) -> str | tuple[tuple[int, int], ...]:
    """Padding as a name or as pairs of plain integers: checked, and fit to remember geometries by."""
    first, second = padding_per_axis(padding, 2)
    if isinstance(first, str) or isinstance(second, str):
        return str(first)
    return (first, second)


def _mode(padding_mode: str) -> str:
    if padding_mode not in PADDING_MODES:
        choices = ", ".join(map(repr, PADDING_MODES))
        raise ValueError(f"padding_mode: received {padding_mode!r}; choose one of {choices}")
    return padding_mode


def _constant(value: float, padding_mode: str) -> float:
    """The number in the padding, which only one of the modes has."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"constant_value: received {value!r}; a number is needed")
    if value != 0 and padding_mode != "constant":
        raise ValueError(
            f"constant_value: received {value!r} with padding_mode {padding_mode!r}; only 'constant' has one"
        )
    return float(value)


def _bias(bias: ArrayLike | None, kernel: FloatArray, dtype: np.dtype[Any]) -> FloatArray | None:
    if bias is None:
        return None
    addends = as_weights("bias", bias, dtype)
    if addends.shape != kernel.shape[3:]:
        raise ValueError(
            f"bias: received shape {addends.shape}; one number for each of the kernel's {kernel.shape[3]} output "
            f"channels is needed, shape {kernel.shape[3:]}"
        )
    return addends


def _own_dtype(kernel: ArrayLike) -> np.dtype[Any]:
    own = as_numbers("kernel", kernel).dtype.newbyteorder("=")
    return own if own in DTYPES else DTYPES[0]
