"""A tweaked filter on the picture of a file: its colours convolved, its alpha sampled, its kind kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tweakconv.geometry import AxisGeometry, ConvGeometry, IntPerAxis, PaddingLike, extend
from tweakconv.kernels import Kernel
from tweakconv.ops import filter2d
from tweakconv.picture import Picture, check_size
from tweakconv.value_range import Fitted, fit

#: How much red, green and blue add to grey: luma of ITU-R BT.601, as Pillow, OpenCV and MATLAB take it.
LUMA: Final = (0.299, 0.587, 0.114)


@dataclass(frozen=True, slots=True)
class Filtered:
    """A filtered picture and how it came about.

    Attributes
    ----------
    picture
        Of the depth and kind of the one that was filtered.
    geometry
        Sizes, pads and taps, axis 0 down and axis 1 across.
    fitted
        What became of values that the file could not hold.
    seconds
        Time of the convolution alone, the first call for a kernel including its compilation.
    """

    picture: Picture
    geometry: ConvGeometry
    fitted: Fitted
    seconds: float


def filter_picture(
    picture: Picture,
    kernel: Kernel,
    *,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "same",
    dilation_rate: IntPerAxis = 1,
    padding_mode: str = "zeros",
    constant_value: float = 0,
    flip: bool = False,
    grey: bool = False,
    value_range: str = "auto",
) -> Filtered:
    """Filter the colours of a picture and bring the result back into the kind of its file.

    The arithmetic is in the file's own units, float32 (float64 for files of it), so a kernel that sums to 1
    keeps values where they are. Alpha is not convolved: each output takes that of the pixel at the centre of
    its window. The centre of a window of even span is the earlier one of its two middle pixels.

    The resolution is divided by the strides, so that what is shown stays as large as it is in the world.

    Parameters
    ----------
    picture
        Pixels of shape (height, width, 1 or 3).
    kernel
        Weights of shape (height, width), applied to every colour channel alike.
    strides, padding, dilation_rate, padding_mode, constant_value
        As `tweakconv.filter2d` takes them. Zeros in the padding are black; `constant_value` is in the file's units.
    flip
        Turn the kernel by 180 degrees: the convolution of mathematics.
    grey
        Weigh the colours to grey first, without rounding in between; the result is grey.
    value_range
        One of `tweakconv.value_range.RANGES`.

    Raises
    ------
    ValueError
        For an argument that the geometry or `value_range` refuses, or a result of too many pixels.

    Examples
    --------
    >>> from tweakconv.kernels import parse_kernel
    >>> row = Picture(np.array([[[10], [20], [60], [10]]], np.uint8))
    >>> filtered = filter_picture(row, parse_kernel("-1 0 1"), padding="valid")
    >>> filtered.picture.pixels.ravel().tolist(), filtered.fitted.report
    ([50, 10], 'abs: 1 of 2 values (50.0%) were negative and lost their sign')
    """
    geometry = ConvGeometry.of(picture.size, kernel.size, strides=strides, padding=padding, dilation_rate=dilation_rate)
    height, width = geometry.output_size
    check_size(height, width, "output")
    dtype = picture.pixels.dtype
    within = np.dtype(np.float64 if dtype == np.float64 else np.float32)
    with np.errstate(over="ignore"):
        weights = kernel.weights.astype(within)
    if not np.isfinite(weights).all():
        raise ValueError(f"kernel {kernel.label} has weights that {within} cannot hold")
    colours = picture.pixels
    if grey and not picture.is_grey:
        colours = to_grey(colours.astype(within))
        # A profile of colours says nothing about grey.
        picture = replace(picture, icc_profile=None)
    started = time.perf_counter()
    values = filter2d(
        colours,
        weights,
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        flip=flip,
        padding_mode=padding_mode,
        constant_value=constant_value,
        dtype=within,
    )
    seconds = time.perf_counter() - started
    fitted = fit(values, dtype, value_range, kernel.sum)
    alpha = None if picture.alpha is None else sample_centres(picture.alpha, geometry, padding_mode)
    resolution = picture.resolution
    if resolution is not None:
        resolution = (resolution[0] / geometry.strides[0], resolution[1] / geometry.strides[1])
    picture = replace(picture, pixels=fitted.values, alpha=alpha, resolution=resolution)
    return Filtered(picture, geometry, fitted, seconds)


def to_grey(colours: NDArray[Any]) -> NDArray[Any]:
    """Floating-point colours of shape (height, width, 3), weighed to grey of shape (height, width, 1).

    Examples
    --------
    >>> float(to_grey(np.array([[[100.0, 0.0, 0.0]]]))[0, 0, 0])
    29.9
    """
    return np.asarray((colours @ np.array(LUMA, colours.dtype))[..., None])


def sample_centres(plane: NDArray[Any], geometry: ConvGeometry, padding_mode: str = "zeros") -> NDArray[Any]:
    """The pixel at the centre of each output's window.

    Parameters
    ----------
    plane
        Of shape (height, width), the input size of the geometry.
    geometry
        Of two axes.
    padding_mode
        Which pixel stands in the padding, where a centre lies there; the nearest one where the mode has none.

    Returns
    -------
    ndarray
        Of the output size.

    Examples
    --------
    >>> geometry = ConvGeometry.of((1, 5), (1, 3), strides=2, padding="same")
    >>> sample_centres(np.array([[10, 11, 12, 13, 14]]), geometry).tolist()
    [[10, 12, 14]]
    """
    mode = "edge" if padding_mode in ("zeros", "constant") else padding_mode

    def centres(axis: AxisGeometry) -> NDArray[np.intp]:
        offset = (axis.effective_kernel - 1) // 2
        return np.array([extend(axis.first(o) + offset, axis.input, mode) for o in range(axis.output)])

    return plane[np.ix_(*map(centres, geometry.axes))]
