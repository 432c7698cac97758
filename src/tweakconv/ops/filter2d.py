"""The same kernel for every channel of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tweakconv.arrays import FloatArray, as_input, as_weights, check_out
from tweakconv.compiler.target import get_target
from tweakconv.geometry import ConvGeometry, IntPerAxis, PaddingLike
from tweakconv.layer import LayerConfig
from tweakconv.ops.general import checked_constant, checked_mode
from tweakconv.prepared import PreparedConv


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
        As in `tweakconv.conv2d`.
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
    return _filter(
        array, weights, geometry, checked_mode(padding_mode), checked_constant(constant_value, padding_mode), out
    )


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
    result = PreparedConv(layer, weights, None, x.shape, get_target(), packs=True)(x, y)
    return out if out is not None else result.reshape(shape)
