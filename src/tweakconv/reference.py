"""The definition of every operation in NumPy: slow, and obviously right.

Everything here is one sum over the tap map of `tweakconv.geometry`: output `o` is the sum over the weights
`k` of ``x[tap(o, k)] * w[k]``. Faster code is judged by this, so nothing here tries to be fast.

What the definition says where it matters:

- padding is a number like any other, and is multiplied: 0 times infinity is NaN;
- the gaps of a transposed convolution are no numbers: nothing is multiplied there;
- an activation of NaN is NaN, and follows its formula for infinity (`tweakconv.activations`).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tweakconv.activations import Activation
from tweakconv.geometry import AxisGeometry, ConvGeometry, IntPerAxis, PaddingLike

FloatArray: TypeAlias = NDArray[np.floating[Any]]


def conv(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    *,
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    constant_value: float = 0,
    residual: ArrayLike | None = None,
    activation: str | None = None,
    negative_slope: float | None = None,
    accumulate: DTypeLike = np.float64,
) -> FloatArray:
    """Convolution (cross-correlation) over any number of axes.

    Parameters
    ----------
    x
        Batch of images, (N, *spatial, C), or (N, C, *spatial) for ``data_format="channels_first"``.
    kernel
        (*spatial, C // groups, F) for either format.
    bias
        (F,), added to every output.
    strides, padding, dilation_rate, groups
        As in `ConvGeometry.of`.
    data_format
        "channels_last" or "channels_first", of `x` and of the result.
    padding_mode
        What the padding holds, in the words of `numpy.pad`: "zeros", "constant", "reflect", "symmetric",
        "edge" or "wrap".
    constant_value
        What it holds in the mode "constant".
    residual
        Added to the sum and its bias, before the activation; of the result's shape.
    activation, negative_slope
        As in `Activation.of`.
    accumulate
        Floating dtype in which products and sums are formed, and of the result.

    Returns
    -------
    ndarray
        (N, *output_size, F), or (N, F, *output_size) for "channels_first".

    Raises
    ------
    ValueError
        Where shapes do not fit each other, and for what `ConvGeometry.of` refuses.
    TypeError
        Where an array does not hold real numbers, or `accumulate` is not a floating dtype.

    Examples
    --------
    >>> image = np.arange(1.0, 26.0).reshape(1, 5, 5, 1)
    >>> conv(image, np.ones((3, 3, 1, 1)), padding="same", strides=2)[0, :, :, 0]
    array([[ 16.,  33.,  28.],
           [ 69., 117.,  87.],
           [ 76., 123.,  88.]])
    """
    images, weights = _images_and_weights(x, kernel, data_format, accumulate)
    geometry = ConvGeometry.of(
        images.shape[1:-1],
        weights.shape[:-2],
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        groups=groups,
        in_channels=images.shape[-1],
        out_channels=weights.shape[-1],
    )
    share = geometry.in_channels // geometry.groups
    if weights.shape[-2] != share:
        raise ValueError(
            f"kernel must have shape (*spatial, channels_in // groups, channels_out) with {share} = "
            f"{geometry.in_channels} // {geometry.groups} before the last, received {weights.shape}"
        )
    if constant_value != 0 and padding_mode != "constant":
        raise ValueError(
            f"constant_value must be 0 unless padding_mode is 'constant', received {constant_value!r} with "
            f"padding_mode {padding_mode!r}"
        )
    by_group = weights.reshape(*weights.shape[:-1], geometry.groups, -1)
    y = sum_over_taps(images, by_group, geometry, padding_mode, constant_value)
    return _finished(y, bias, residual, Activation.of(activation, negative_slope), data_format)


def depthwise_conv(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    *,
    dilation_rate: IntPerAxis = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    constant_value: float = 0,
    residual: ArrayLike | None = None,
    activation: str | None = None,
    negative_slope: float | None = None,
    accumulate: DTypeLike = np.float64,
) -> FloatArray:
    """Convolution of every channel on its own, with `M` kernels for each.

    Parameters
    ----------
    x, strides, padding, dilation_rate, data_format, padding_mode, constant_value, residual, activation
    negative_slope, accumulate
        As in `conv`.
    kernel
        (*spatial, C, M), as in Keras. Output channel ``c*M + m`` is input channel `c` under its kernel `m`.
    bias
        (C * M,).

    Returns
    -------
    ndarray
        (N, *output_size, C * M), or (N, C * M, *output_size) for "channels_first".

    Raises
    ------
    ValueError, TypeError
        As in `conv`.

    Examples
    --------
    >>> depthwise_conv([[[1, 10], [2, 20]]], [[[1, 3], [1, 0]], [[1, 3], [0, 1]]])
    array([[[ 3.,  9., 10., 20.]]])
    """
    kernel = np.asarray(kernel)
    if kernel.ndim < 3:
        raise ValueError(f"kernel must have shape (*spatial, channels, multiplier), received {kernel.shape}")
    *spatial, channels, multiplier = kernel.shape
    return conv(
        x,
        kernel.reshape(*spatial, 1, channels * multiplier),
        bias,
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        groups=channels,
        data_format=data_format,
        padding_mode=padding_mode,
        constant_value=constant_value,
        residual=residual,
        activation=activation,
        negative_slope=negative_slope,
        accumulate=accumulate,
    )


def separable_conv(
    x: ArrayLike,
    depthwise_kernel: ArrayLike,
    pointwise_kernel: ArrayLike,
    bias: ArrayLike | None = None,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    *,
    dilation_rate: IntPerAxis = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    constant_value: float = 0,
    residual: ArrayLike | None = None,
    activation: str | None = None,
    negative_slope: float | None = None,
    accumulate: DTypeLike = np.float64,
) -> FloatArray:
    """A depthwise convolution, then one of single pixels that mixes the channels.

    Parameters
    ----------
    depthwise_kernel
        (*spatial, C, M), as in `depthwise_conv`.
    pointwise_kernel
        (1, ..., C * M, F), as in Keras.
    x, bias, strides, padding, dilation_rate, data_format, padding_mode, constant_value, residual, activation
    negative_slope, accumulate
        As in `conv`.

    Returns
    -------
    ndarray
        (N, *output_size, F), or (N, F, *output_size) for "channels_first".

    Raises
    ------
    ValueError, TypeError
        As in `conv`.

    Examples
    --------
    >>> separable_conv([[[1, 10], [2, 20]]], [[[1], [1]], [[2], [0]]], [[[1], [100]]])
    array([[[1005.]]])
    """
    between = depthwise_conv(
        x,
        depthwise_kernel,
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        data_format=data_format,
        padding_mode=padding_mode,
        constant_value=constant_value,
        accumulate=accumulate,
    )
    return conv(
        between,
        pointwise_kernel,
        bias,
        data_format=data_format,
        residual=residual,
        activation=activation,
        negative_slope=negative_slope,
        accumulate=accumulate,
    )


def conv_transpose(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    *,
    output_padding: IntPerAxis | None = None,
    dilation_rate: IntPerAxis = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    residual: ArrayLike | None = None,
    activation: str | None = None,
    negative_slope: float | None = None,
    accumulate: DTypeLike = np.float64,
) -> FloatArray:
    """Transposed convolution over any number of axes, ``y[i*stride + k*dilation - lo] += x[i] * w[k]``.

    Parameters
    ----------
    x, data_format, residual, activation, negative_slope, accumulate
        As in `conv`.
    kernel
        (*spatial, F // groups, C), as in Keras: the kernel of the convolution from F to C channels whose
        transpose this is.
    bias
        (F,), added to every output, those that no weight reaches included.
    strides, padding, output_padding, dilation_rate, groups
        As in `ConvGeometry.transposed`.

    Returns
    -------
    ndarray
        (N, *output_size, F), or (N, F, *output_size) for "channels_first".

    Raises
    ------
    ValueError, TypeError
        As in `conv`, and for what `ConvGeometry.transposed` refuses.

    Examples
    --------
    >>> x = np.array([1.0, 2.0]).reshape(1, 2, 1)
    >>> conv_transpose(x, np.array([1.0, 10.0, 100.0]).reshape(3, 1, 1), strides=2).ravel()
    array([  1.,  10., 102.,  20., 200.])
    """
    images, weights = _images_and_weights(x, kernel, data_format, accumulate)
    geometry = ConvGeometry.transposed(
        images.shape[1:-1],
        weights.shape[:-2],
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        output_padding=output_padding,
        groups=groups,
        in_channels=images.shape[-1],
        out_channels=weights.shape[-2] * groups,
    )
    if weights.shape[-1] != geometry.in_channels:
        raise ValueError(
            f"kernel must have shape (*spatial, channels_out // groups, channels_in) with the "
            f"{geometry.in_channels} channels of x last, received {weights.shape}"
        )
    # From (F // groups, C) to the (C // groups, F) that one sum takes: split C by groups, then exchange.
    by_group = weights.reshape(*weights.shape[:-1], geometry.groups, -1).swapaxes(-1, -3)
    y = sum_over_taps(images, by_group, geometry)
    return _finished(y, bias, residual, Activation.of(activation, negative_slope), data_format)


def filter2d(
    image: ArrayLike,
    kernel: ArrayLike,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "same",
    *,
    dilation_rate: IntPerAxis = 1,
    flip: bool = False,
    padding_mode: str = "zeros",
    constant_value: float = 0,
    accumulate: DTypeLike = np.float64,
) -> FloatArray:
    """One kernel over every channel of an image.

    Parameters
    ----------
    image
        (H, W) or (H, W, C).
    kernel
        (KH, KW).
    flip
        Whether the kernel is turned by 180 degrees first: the mathematician's convolution. The padding stays
        what it is for the kernel as it was given.
    strides, padding, dilation_rate, padding_mode, constant_value, accumulate
        As in `conv`.

    Returns
    -------
    ndarray
        (OH, OW) or (OH, OW, C), as the image.

    Raises
    ------
    ValueError, TypeError
        As in `conv`.

    Examples
    --------
    >>> filter2d([[0, 0, 0], [0, 1, 0], [0, 0, 0]], [[1, 2, 3], [4, 5, 6], [7, 8, 9]], flip=True)
    array([[1., 2., 3.],
           [4., 5., 6.],
           [7., 8., 9.]])
    """
    pixels, weights = np.asarray(image), np.asarray(kernel)
    if pixels.ndim not in (2, 3):
        raise ValueError(f"image must have shape (H, W) or (H, W, C), received {pixels.shape}")
    if weights.ndim != 2:
        raise ValueError(f"kernel must have shape (KH, KW), received {weights.shape}")
    if flip:
        weights = weights[::-1, ::-1]
    # Channels do not meet: each is an image of its own in a batch.
    batch = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    y = conv(
        batch[..., None],
        weights[:, :, None, None],
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        padding_mode=padding_mode,
        constant_value=constant_value,
        accumulate=accumulate,
    )[..., 0]
    return y[0] if pixels.ndim == 2 else np.moveaxis(y, 0, -1)


def sum_over_taps(
    x: FloatArray,
    weights: FloatArray,
    geometry: ConvGeometry,
    padding_mode: str = "zeros",
    constant_value: float = 0,
) -> FloatArray:
    """The definition itself, for a geometry of either kind: y[o] is the sum over k of x[tap(o, k)] * w[k].

    Parameters
    ----------
    x
        (N, *input_size, C).
    weights
        (*kernel_size, C // groups, groups, F // groups).
    geometry
        An ordinary or a transposed convolution.
    padding_mode, constant_value
        As in `conv`.

    Returns
    -------
    ndarray
        (N, *output_size, F), in the dtype of `x`.

    Examples
    --------
    >>> differences = ConvGeometry.of(4, 2)
    >>> sum_over_taps(np.arange(4.0).reshape(1, 4, 1), np.array([-1.0, 1.0]).reshape(2, 1, 1, 1), differences).ravel()
    array([1., 1., 1.])
    """
    y = np.zeros((len(x), *geometry.output_size, geometry.out_channels), x.dtype)
    # One more pixel at the end of each axis stands for the padding.
    ends = [(0, 0), *[(0, 1)] * geometry.rank, (0, 0)]
    x = np.pad(x, ends, constant_values=constant_value)
    reads = [[_reads(axis, k, padding_mode) for k in range(axis.kernel)] for axis in geometry.axes]
    batch = range(len(x))
    for ks in np.ndindex(*geometry.kernel_size):
        outputs, pixels = zip(*(reads[a][k] for a, k in enumerate(ks)), strict=True)
        with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinity are results, not accidents
            y[np.ix_(batch, *outputs)] += _meet(x[np.ix_(batch, *pixels)], weights[ks])
    return y


def _meet(pixels: FloatArray, weights: FloatArray) -> FloatArray:
    """Each group's channels, (..., C), times its weights, (C // groups, groups, F // groups), as (..., F)."""
    grouped = pixels.reshape(*pixels.shape[:-1], weights.shape[1], weights.shape[0])
    products: FloatArray = np.einsum("...gc,cgf->...gf", grouped, weights)
    return products.reshape(*pixels.shape[:-1], weights.shape[1] * weights.shape[2])


def _reads(axis: AxisGeometry, k: int, padding_mode: str) -> tuple[list[int], list[int]]:
    """The outputs that weight `k` goes into and the pixel for each; pixel ``axis.input`` is the padding."""
    taps = [(o, axis.tap(o, k, padding_mode)) for o in range(axis.output)]
    if axis.flipped:  # a transposed convolution multiplies nothing where there is no pixel
        taps = [(o, pixel) for o, pixel in taps if pixel is not None]
    return [o for o, _ in taps], [axis.input if pixel is None else pixel for _, pixel in taps]


def _images_and_weights(
    x: ArrayLike, kernel: ArrayLike, data_format: str, accumulate: DTypeLike
) -> tuple[FloatArray, FloatArray]:
    """`x` with its channels last and `kernel`, in the dtype to accumulate in."""
    dtype = np.dtype(accumulate)
    if dtype.kind != "f":
        raise TypeError(f"accumulate must be a floating dtype, received {dtype}")
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', received {data_format!r}")
    images, weights = _real("x", x).astype(dtype), _real("kernel", kernel).astype(dtype)
    if weights.ndim < 3:
        raise ValueError(f"kernel must have spatial axes before its two of channels, received {weights.shape}")
    if images.ndim != weights.ndim:
        raise ValueError(
            f"x must have {weights.ndim} axes (batch, {weights.ndim - 2} spatial, channels) for a kernel of "
            f"shape {weights.shape}, received shape {images.shape}"
        )
    return (np.moveaxis(images, 1, -1) if data_format == "channels_first" else images), weights


def _finished(
    y: FloatArray,
    bias: ArrayLike | None,
    residual: ArrayLike | None,
    activation: Activation | None,
    data_format: str,
) -> FloatArray:
    """Bias, layout, residual and activation."""
    if bias is not None:
        offsets = _real("bias", bias)
        if offsets.shape != y.shape[-1:]:
            raise ValueError(
                f"bias must have shape {y.shape[-1:]}, one for each output channel, received {offsets.shape}"
            )
        y = y + offsets.astype(y.dtype)
    if data_format == "channels_first":
        y = np.moveaxis(y, -1, 1)
    if residual is not None:
        addends = _real("residual", residual)
        if addends.shape != y.shape:
            raise ValueError(f"residual must have the shape of the result, {y.shape}, received {addends.shape}")
        with np.errstate(invalid="ignore"):
            y = y + addends.astype(y.dtype)
    return y if activation is None else activation(y)


def _real(name: str, values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, received dtype {array.dtype}")
    return array
