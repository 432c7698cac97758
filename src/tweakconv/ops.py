"""The operations on arrays: check the arguments, plan, run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tweakconv.arrays import DTYPES, FloatArray, as_dtype, as_input, as_numbers, as_weights, check_out, padded_copy
from tweakconv.compiler.target import get_target
from tweakconv.geometry import ConvGeometry, IntPerAxis, PaddingLike
from tweakconv.geometry.arguments import integer, is_per_axis, per_axis
from tweakconv.geometry.padding import padding_per_axis
from tweakconv.layer import LayerConfig, check_shape
from tweakconv.prepared import PreparedConv2D

PADDING_MODES = ("zeros", "reflect", "symmetric", "edge", "wrap")
"""What may lie in the padding of the compiled operations, with NumPy's meanings of the words."""


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
) -> FloatArray:
    """Two-dimensional convolution (cross-correlation, as in every deep-learning library).

    ``y[n, i, j, o] = activation(bias[o] + sum over u, v, c of x[n, i*S + u*D - lo, j*S + v*D - lo, c] *
    kernel[u, v, c, o])``, where `x` is 0 outside of the image.

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
    padding_mode : {"zeros", "reflect", "symmetric", "edge", "wrap"}
        What lies in the padding. All but zeros make a padded copy of the input.
    activation : {None, "relu"}
        Applied to the result; ``relu`` keeps NaN.
    out : ndarray, optional
        Where to write the result; in C order, apart from `x`.
    algorithm : {"auto", "direct", "grouped", "winograd"}
        "auto" takes the one estimated to be fastest; "direct" sums every tap as the definition does. The rounding
        errors of "winograd" (3x3, stride 1, float32) go with the largest values among the 6x6 inputs of a tile, not
        with an output's own taps: where a few values are far larger than the others, such as a mark of 1e20 for
        missing data, name "direct".

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
    layer = _layer(weights.shape, strides, padding, dilation_rate, groups, data_format, padding_mode, activation)
    check_shape(layer, array.shape)
    addends = _bias(bias, weights, array.dtype)
    conv = PreparedConv2D(layer, weights, addends, array.shape, get_target(), algorithm=algorithm, packs=True)
    return conv(array, out)


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
    activation: str | None = None,
    dtype: DTypeLike | None = None,
    target: str | None = None,
    algorithm: str = "auto",
) -> PreparedConv2D:
    """Prepare a convolution: pack its weights and compile its code, so that calls only run.

    Parameters
    ----------
    kernel, bias, strides, padding, dilation_rate, groups, data_format, padding_mode, activation, algorithm
        As in `conv2d`. The weights are copied: later changes to the arrays change nothing.
    input_shape : tuple of int
        Shape of the inputs it is meant for; others with as many channels are taken too, and compile nothing.
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
    layer = _layer(weights.shape, strides, padding, dilation_rate, groups, data_format, padding_mode, activation)
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
) -> FloatArray:
    """Filter an image: the same kernel for each of its channels.

    Parameters
    ----------
    image : array_like, shape (height, width) or (height, width, channels)
        float32 or float64.
    kernel : array_like, shape (kernel height, kernel width)
        Converted to the type of `image`.
    strides, padding, dilation_rate, padding_mode, out
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
    if _mode(padding_mode) != "zeros":
        array = padded_copy(array, geometry.pads, 0, padding_mode)
        geometry = ConvGeometry.of(
            array.shape[:2], weights.shape, strides=strides, padding="valid", dilation_rate=dilation_rate
        )
    return _filter(array, weights, geometry, out)


def _filter(image: FloatArray, kernel: FloatArray, geometry: ConvGeometry, out: FloatArray | None) -> FloatArray:
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
    if interleaved:
        x = image.reshape(1, 1, image.shape[0], -1)
        weights = kernel[:, :, None, None]
        left, right, dilation_w = left * channels, right * channels, dilation_w * channels
        y = None if out is None else out.reshape(1, 1, shape[0], -1)
    else:
        x = image.reshape(1, *image.shape[:2], channels)
        weights = np.repeat(kernel[:, :, None, None], channels, axis=3)
        y = None if out is None else out.reshape(1, *shape[:2], channels)
    result = conv2d(
        x,
        weights,
        strides=(stride_h, stride_w),
        padding=(rows, (left, right)),
        dilation_rate=(dilation_h, dilation_w),
        groups=1 if interleaved else channels,
        data_format="channels_first" if interleaved else "channels_last",
        out=y,
    )
    return out if out is not None else result.reshape(shape)


def _layer(
    kernel_shape: tuple[int, ...],
    strides: IntPerAxis,
    padding: PaddingLike,
    dilation_rate: IntPerAxis,
    groups: int,
    data_format: str,
    padding_mode: str,
    activation: str | None,
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
    if activation not in (None, "relu"):
        raise ValueError(f"activation: received {activation!r}; choose None or 'relu'")
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
        relu=activation == "relu",
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
