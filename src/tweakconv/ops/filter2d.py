"""The same kernel for every channel of an image."""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tweakconv.arrays import DTYPES, INTEGERS, FloatArray, as_input, as_numbers, as_weights, check_out, computed
from tweakconv.compiler.build import when_forgotten
from tweakconv.compiler.choose import is_whole
from tweakconv.compiler.target import get_target, requested_target
from tweakconv.geometry import ConvGeometry, IntPerAxis, PaddingLike
from tweakconv.layer import LayerConfig
from tweakconv.ops.general import checked_constant, checked_mode, exact
from tweakconv.planned import PlannedConv
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
    beyond = _Beyond(checked_mode(padding_mode), checked_constant(constant_value, padding_mode))
    original = array
    if array.dtype in INTEGERS and not _holds(array.dtype, beyond.value):
        array = array.astype(weights.dtype)  # which holds what lies in the padding
    tweaks = strides, padding, dilation_rate, *beyond
    types = array.dtype, weights.dtype, result
    told = exact((strides, padding, dilation_rate)), requested_target()
    try:
        planned = _planned(array.shape, weights.shape, *tweaks, *types, told)
    except TypeError:  # of what is remembered, such as lists among the arguments, or of what is wrong with them
        planned = _planned.__wrapped__(array.shape, weights.shape, *tweaks, *types, told)
    if out is not None:
        check_out(out, planned.shape, result, original)
    return planned(array, weights, out)


_EXACT = 2**24
"""Up to which float32 has every whole number."""

_FEW_TAPS, _LITTLE_WORK = 81, 1 << 22
"""Taps of a kernel, and products of all, up to which nothing is gained by looking at a kernel's numbers."""


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


class _Planned(NamedTuple):
    """How to filter images of one shape.

    With stride 1 along the rows, interleaved channels are one row of ``width * channels`` values whose taps lie
    `channels` times as far apart: one channel to convolve, every lane of a vector in use. Otherwise, the channels
    are groups of one.

    Attributes
    ----------
    layer : LayerConfig
    x_shape, y_shape : tuple of int
        Input and output as the layer has them.
    shape : tuple of int
        Of the result.
    conv : PlannedConv or None
        What convolves with any kernel, where there is little work; else kernels are looked at, since large ones may be
        taken apart.
    types : tuple of numpy.dtype
        Of the image and the result.
    """

    layer: LayerConfig
    x_shape: tuple[int, ...]
    y_shape: tuple[int, ...]
    shape: tuple[int, ...]
    conv: PlannedConv | None
    types: tuple[np.dtype[Any], np.dtype[Any]]

    def __call__(self, image: NDArray[Any], kernel: FloatArray, out: NDArray[Any] | None) -> NDArray[Any]:
        """Filter an image of the shape."""
        x, y = image.reshape(self.x_shape), None if out is None else out.reshape(self.y_shape)
        weights = kernel[:, :, None, None]
        if self.layer.groups > 1:
            weights = np.repeat(weights, self.layer.groups, axis=3)
        if self.conv is not None:
            values = self.conv(x, weights, None, y)
        else:
            dtype, out_dtype = self.types
            of_kernel = PreparedConv(
                self.layer, weights, None, x.shape, get_target(), packs=True, dtype=dtype, out_dtype=out_dtype
            )
            values = of_kernel(x, y)
        return out if out is not None else values.reshape(self.shape)


@functools.lru_cache(maxsize=64)
def _planned(
    shape: tuple[int, ...], kernel_shape: tuple[int, int], strides: IntPerAxis, padding: PaddingLike,
    dilation_rate: IntPerAxis, mode: str, value: float, dtype: np.dtype[Any], within: np.dtype[Any],
    result: np.dtype[Any], _told: Hashable,
) -> _Planned:  # fmt: skip
    """What follows from all but the numbers in the arrays.

    What is remembered is told apart by `_told` as well: arguments that compare as equal and are not checked alike, such
    as 1 and True, and the target that the environment asks for.
    """
    geometry = ConvGeometry.of(shape[:2], kernel_shape, strides=strides, padding=padding, dilation_rate=dilation_rate)
    channels = shape[2] if len(shape) == 3 else 1
    (stride_h, stride_w), (dilation_h, dilation_w) = geometry.strides, geometry.dilation_rate
    (rows, (left, right)) = geometry.pads
    interleaved = stride_w == 1
    groups = 1 if interleaved else channels
    apart = channels // groups
    layer = LayerConfig(
        kernel_size=kernel_shape,
        strides=(stride_h, stride_w),
        padding=(rows, (left * apart, right * apart)),
        padding_mode=mode,
        dilation_rate=(dilation_h, dilation_w * apart),
        in_channels=groups,
        out_channels=groups,
        groups=groups,
        channels_last=not interleaved,
        constant_value=value,
        interleaved=apart,
    )
    height, width = geometry.output_size
    taps = math.prod(kernel_shape)
    x_shape = (1, 1, shape[0], shape[1] * channels) if interleaved else (1, *shape[:2], channels)
    y_shape = (1, 1, height, width * channels) if interleaved else (1, height, width, channels)
    conv = None
    if taps <= _FEW_TAPS and taps * math.prod(y_shape) <= _LITTLE_WORK:
        conv = PlannedConv(layer, within, x_shape, get_target(), algorithm="auto", dtype=dtype, out_dtype=result)
    return _Planned(layer, x_shape, y_shape, (height, width, *shape[2:]), conv, (dtype, result))


when_forgotten(_planned.cache_clear)
