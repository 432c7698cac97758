"""The same kernel for every channel of an image."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tweakconv.arrays import DTYPES, INTEGERS, FloatArray, as_input, as_numbers, as_weights, check_out, computed
from tweakconv.compiler.choose import is_whole
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
    out: NDArray[Any] | None = None,
    *,
    constant_value: float = 0,
    dtype: DTypeLike | None = None,
) -> NDArray[Any]:
    """Filter an image: the same kernel for each of its channels.

    An image of whole numbers gives one of the same type, as `cv2.filter2D` does: sums are rounded to the nearest
    number, ties to the even one, and what the type cannot hold becomes its lowest or highest. Where differences or
    negative numbers matter, ask for another type.

    Parameters
    ----------
    image : array_like, shape (height, width) or (height, width, channels)
        float32, float64, float16, bfloat16, uint8, uint16 or int16.
    kernel : array_like, shape (kernel height, kernel width)
        Converted to what is computed in: float64 where image or result have it, else float32. Where image and kernel
        are whole numbers and sums may be beyond 2**24, from where on float32 has not all of them, that is float64 too.
    strides, padding, dilation_rate, padding_mode, out, constant_value
        As in `tweakconv.conv2d`.
    flip : bool
        Whether to turn the kernel by 180 degrees first: the mathematician's convolution.
    dtype : {"uint8", "uint16", "int16", "float32", "float64"}, optional
        The type of the result, for an image of whole numbers; that of `out`, or of the image, where None.

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
    >>> steps = np.array([[10, 10, 200, 200]], np.uint8)
    >>> filter2d(steps, [[-1, 0, 1]], padding_mode="edge")
    array([[  0, 190, 190,   0]], dtype=uint8)
    >>> filter2d(steps[:, ::-1], [[-1, 0, 1]], padding_mode="edge", dtype="int16")
    array([[   0, -190, -190,    0]], dtype=int16)
    """
    array = _as_image(image)
    if array.ndim not in (2, 3):
        raise ValueError(
            f"image: received shape {array.shape} with {array.ndim} axes; (height, width) or "
            "(height, width, channels) is needed"
        )
    if 0 in array.shape:
        raise ValueError(f"image: received shape {array.shape}; no axis may be empty")
    result = _result_type(array.dtype, dtype, out)
    weights = as_weights("kernel", kernel, _within(array.dtype, result))
    if weights.ndim != 2 or 0 in weights.shape:
        raise ValueError(f"kernel: received shape {weights.shape}; (height, width), each at least 1, is needed")
    if array.dtype in INTEGERS and is_whole(weights):
        largest = max(map(abs, _ends(array.dtype)))
        if float(np.abs(weights.astype(np.float64)).sum()) * largest >= _EXACT:
            weights = as_weights("kernel", kernel, DTYPES[1])
    if flip:
        weights = weights[::-1, ::-1]
    geometry = ConvGeometry.of(
        array.shape[:2], weights.shape, strides=strides, padding=padding, dilation_rate=dilation_rate
    )
    if out is not None:
        check_out(out, (*geometry.output_size, *array.shape[2:]), result, array)
    beyond = _Beyond(checked_mode(padding_mode), checked_constant(constant_value, padding_mode))
    if array.dtype in INTEGERS and not _holds(array.dtype, beyond.value):
        array = array.astype(weights.dtype)  # which holds what lies in the padding
    return _filter(array, weights, geometry, beyond, result, out)


_EXACT = 2**24
"""Up to which float32 has every whole number."""


class _Beyond(NamedTuple):
    """What lies in the padding."""

    mode: str
    value: float


def _as_image(image: ArrayLike) -> NDArray[Any]:
    """An image of a supported type, in the machine's byte order."""
    plain = as_numbers("image", image)
    native = plain.dtype.newbyteorder("=")
    if native in INTEGERS:
        return as_input("image", plain, native)
    if native.kind in "biu":
        raise TypeError(
            f"image: received dtype {plain.dtype}; uint8, uint16, int16 and floating types are supported, convert it: "
            "image.astype(np.uint8), or np.float32"
        )
    return as_input("image", plain)


def _result_type(of_image: np.dtype[Any], dtype: DTypeLike | None, out: NDArray[Any] | None) -> np.dtype[Any]:
    """The type of the result: as asked for, else that of where it goes, else the image's."""
    if dtype is None:
        wanted = out.dtype if isinstance(out, np.ndarray) else of_image
    else:
        try:
            wanted = np.dtype(dtype)
        except TypeError:
            raise TypeError(f"dtype: received {dtype!r}; choose one of {_listed(of_image)}") from None
    if wanted not in _results(of_image):
        name, received = ("dtype", repr(dtype)) if dtype is not None else ("out", f"dtype {wanted}")
        raise TypeError(f"{name}: received {received} with an image of {of_image}; choose {_listed(of_image)}")
    return wanted


def _results(of_image: np.dtype[Any]) -> tuple[np.dtype[Any], ...]:
    return (*INTEGERS, *DTYPES) if of_image in INTEGERS else (of_image,)


def _listed(of_image: np.dtype[Any]) -> str:
    return " or ".join(str(choice) for choice in _results(of_image))


def _within(of_image: np.dtype[Any], result: np.dtype[Any]) -> np.dtype[Any]:
    return DTYPES[DTYPES[1] in (computed(of_image), computed(result))]


def _ends(dtype: np.dtype[Any]) -> tuple[int, int]:
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def _holds(dtype: np.dtype[Any], number: float) -> bool:
    """Whether a type of whole numbers has one."""
    low, high = _ends(dtype)
    return number.is_integer() and low <= number <= high


def _filter(
    image: NDArray[Any],
    kernel: FloatArray,
    geometry: ConvGeometry,
    beyond: _Beyond,
    result: np.dtype[Any],
    out: NDArray[Any] | None,
) -> NDArray[Any]:
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
        padding_mode=beyond.mode,
        dilation_rate=(dilation_h, dilation_w * apart),
        in_channels=groups,
        out_channels=groups,
        groups=groups,
        channels_last=not interleaved,
        constant_value=beyond.value,
        interleaved=apart,
    )
    if interleaved:
        x = image.reshape(1, 1, image.shape[0], -1)
        y = None if out is None else out.reshape(1, 1, shape[0], -1)
    else:
        x = image.reshape(1, *image.shape[:2], channels)
        y = None if out is None else out.reshape(1, *shape[:2], channels)
    weights = np.repeat(kernel[:, :, None, None], groups, axis=3)
    conv = PreparedConv(layer, weights, None, x.shape, get_target(), packs=True, dtype=image.dtype, out_dtype=result)
    values = conv(x, y)
    return out if out is not None else values.reshape(shape)
