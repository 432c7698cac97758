"""Filtering images, against SciPy, against OpenCV's formula, and against the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tweakconv import filter2d, reference

Image = NDArray[np.floating[Any]]
SHAPES = [(13, 17), (13, 17, 1), (13, 17, 2), (13, 17, 3), (13, 17, 4), (1, 40, 3), (40, 1), (1, 1)]


def numbers(*shape: int, seed: int = 0, dtype: str = "float64") -> Image:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def by_channel(filtered: Any, image: Image, kernel: Image, *arguments: Any, **named: Any) -> Image:
    """Another library's filter of one plane, over each channel of an image."""
    if image.ndim == 2:
        return np.asarray(filtered(image, kernel, *arguments, **named))
    planes = [filtered(image[..., c], kernel, *arguments, **named) for c in range(image.shape[2])]
    return np.stack(planes, axis=-1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kernel_shape", [(3, 3), (1, 5), (5, 1), (1, 1), (3, 7)])
def test_same_with_odd_kernels_is_scipys_correlate2d(shape: tuple[int, ...], kernel_shape: tuple[int, int]) -> None:
    image, kernel = numbers(*shape), numbers(*kernel_shape, seed=1)
    expected = by_channel(scipy.ndimage.correlate, image, kernel, mode="constant")
    np.testing.assert_allclose(filter2d(image, kernel), expected, rtol=1e-12, atol=1e-12)
    if min(shape[:2]) >= max(kernel_shape):  # where the kernel is larger, SciPy exchanges the two
        expected = by_channel(scipy.signal.correlate2d, image, kernel, "same")
        np.testing.assert_allclose(filter2d(image, kernel), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES[:5])
@pytest.mark.parametrize("kernel_shape", [(3, 3), (2, 5), (4, 4)])
@pytest.mark.parametrize("padding", ["valid", "full"])
def test_valid_and_full_are_scipys_for_any_kernel(
    padding: str, kernel_shape: tuple[int, int], shape: tuple[int, ...]
) -> None:
    image, kernel = numbers(*shape), numbers(*kernel_shape, seed=1)
    for flip, function in ((False, scipy.signal.correlate2d), (True, scipy.signal.convolve2d)):
        expected = by_channel(function, image, kernel, padding)
        np.testing.assert_allclose(
            filter2d(image, kernel, padding=padding, flip=flip), expected, rtol=1e-12, atol=1e-12
        )


EVEN = [(2, 2), (4, 4), (4, 3), (3, 2), (6, 2)]


@pytest.mark.parametrize("kernel_shape", EVEN)
def test_even_kernels_as_scipys_two_correlations_and_opencv_centre_them(kernel_shape: tuple[int, int]) -> None:
    image, kernel = numbers(13, 17), numbers(*kernel_shape, seed=1)
    signal, ndimage = (filter2d(image, kernel, padding=padding) for padding in ("same", "same_lower"))
    np.testing.assert_allclose(signal, scipy.signal.correlate2d(image, kernel, "same"), rtol=1e-12, atol=1e-12)
    # Tap K // 2 stands on the pixel: the larger pad comes first.
    np.testing.assert_allclose(ndimage, scipy.ndimage.correlate(image, kernel, mode="constant"), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ndimage, opencv_filter2d(image, kernel), rtol=1e-12, atol=1e-12)
    assert np.abs(signal - ndimage).max() > 0.1  # they are not the same thing


def opencv_filter2d(image: Image, kernel: Image) -> Image:
    """OpenCV's documented sum, with its default anchor: dst(x, y) = sum of kernel(u, v) src(x + u - K // 2, ...)."""
    (height, width), (rows, columns) = image.shape, kernel.shape
    y = np.zeros_like(image)
    for i in range(height):
        for j in range(width):
            for u in range(rows):
                for v in range(columns):
                    r, c = i + u - rows // 2, j + v - columns // 2
                    if 0 <= r < height and 0 <= c < width:
                        y[i, j] += kernel[u, v] * image[r, c]
    return y


@pytest.mark.parametrize("kernel_shape", EVEN)
def test_even_kernels_flipped_as_each_of_scipys_two_convolutions_centres_them(kernel_shape: tuple[int, int]) -> None:
    image, kernel = numbers(13, 17), numbers(*kernel_shape, seed=1)
    signal, ndimage = (filter2d(image, kernel, padding=padding, flip=True) for padding in ("same_lower", "same"))
    np.testing.assert_allclose(signal, scipy.signal.convolve2d(image, kernel, "same"), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ndimage, scipy.ndimage.convolve(image, kernel, mode="constant"), rtol=1e-12, atol=1e-12)
    assert np.abs(signal - ndimage).max() > 0.1  # they are not the same thing


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("mode", "scipys"), [("reflect", "mirror"), ("symmetric", "reflect"), ("edge", "nearest"), ("wrap", "wrap")]
)
def test_padding_modes_are_scipys_under_its_own_names(mode: str, scipys: str, shape: tuple[int, ...]) -> None:
    image, kernel = numbers(*shape), numbers(5, 3, seed=1)
    expected = by_channel(scipy.ndimage.correlate, image, kernel, mode=scipys)
    np.testing.assert_allclose(filter2d(image, kernel, padding_mode=mode), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES[:5])
@pytest.mark.parametrize("strides", [2, (1, 3), (3, 1), (2, 5)])
def test_strides_take_every_so_manyth_of_the_result_without(shape: tuple[int, ...], strides: Any) -> None:
    image, kernel = numbers(*shape), numbers(3, 5, seed=1)
    rows, columns = (strides, strides) if isinstance(strides, int) else strides
    pads = ((1, 1), (2, 2))
    expected = by_channel(scipy.signal.correlate2d, image, kernel, "same")[::rows, ::columns]
    np.testing.assert_allclose(filter2d(image, kernel, strides, padding=pads), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES[:5])
@pytest.mark.parametrize("rates", [2, (1, 3), (3, 2)])
def test_dilation_is_a_kernel_with_zeros_between_its_taps(shape: tuple[int, ...], rates: Any) -> None:
    image, kernel = numbers(*shape), numbers(3, 3, seed=1)
    row_rate, column_rate = (rates, rates) if isinstance(rates, int) else rates
    wide = np.zeros((2 * row_rate + 1, 2 * column_rate + 1))
    wide[::row_rate, ::column_rate] = kernel
    expected = by_channel(scipy.signal.correlate2d, image, wide, "same")
    np.testing.assert_allclose(filter2d(image, kernel, dilation_rate=rates), expected, rtol=1e-12, atol=1e-12)


def test_channels_do_not_meet() -> None:
    image = numbers(6, 7, 3, dtype="float32")
    image[2, 3, 1] = np.nan
    for strides in (1, 2):
        y = filter2d(image, np.ones((3, 3)), strides)
        assert np.isnan(y[..., 1]).any()
        assert np.isfinite(y[..., [0, 2]]).all()


def test_nan_in_one_pixel_of_an_image_reaches_the_outputs_whose_taps_touch_it() -> None:
    image = np.zeros((7, 9, 4), np.float32)
    image[3, 4, 2] = np.nan
    y = filter2d(image, np.ones((3, 5)))
    expected = np.zeros_like(y)
    expected[2:5, 2:7, 2] = np.nan
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 1), (5, 6, 3)])
@pytest.mark.parametrize("strides", [1, 2])
def test_out_is_filled_and_returned(shape: tuple[int, ...], strides: int) -> None:
    image = numbers(*shape, dtype="float32")
    kernel = numbers(3, 3, seed=1)
    expected = filter2d(image, kernel, strides)
    out = np.full_like(expected, np.nan)
    assert filter2d(image, kernel, strides, out=out) is out
    np.testing.assert_array_equal(out, expected)
    with pytest.raises(ValueError, match="overlaps"):
        filter2d(image, kernel, out=image)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_result_has_the_type_of_the_image(dtype: str) -> None:
    assert filter2d(numbers(4, 5, dtype=dtype), np.ones((2, 2), "int8")).dtype == np.dtype(dtype)


@st.composite
def any_filter(draw: st.DrawFn) -> tuple[Image, Image, dict[str, Any]]:
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 5)))
    rates = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    spans = [rate * (k - 1) + 1 for rate, k in zip(rates, kernel, strict=True)]
    padding = draw(st.sampled_from(("valid", "same", "same_lower", "full", ((2, 3), (4, 1)), ((-1, 2), (1, -2)))))
    least = [span + 3 for span in spans] if padding in ("valid", ((-1, 2), (1, -2))) else [1, 1]
    size = [draw(st.integers(low, low + 20)) for low in least]
    if not isinstance(padding, str):
        size = [max(extent, span) for extent, span in zip(size, spans, strict=True)]
    channels = draw(st.sampled_from(([], [1], [2], [3], [4], [7])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    image = rng.integers(-50, 50, (*size, *channels)).astype(draw(st.sampled_from(("float32", "float64"))))
    return (
        image,
        rng.integers(-9, 10, kernel).astype(np.float64),
        {
            "strides": draw(st.tuples(st.integers(1, 3), st.sampled_from((1, 1, 2, 3)))),
            "padding": padding,
            "dilation_rate": rates,
            "flip": draw(st.booleans()),
            "padding_mode": draw(st.sampled_from(("zeros", "zeros", "reflect", "symmetric", "edge", "wrap"))),
        },
    )


@settings(max_examples=60)
@given(any_filter())
def test_any_filter_is_what_the_definition_says(case: tuple[Image, Image, dict[str, Any]]) -> None:
    image, kernel, arguments = case
    y = filter2d(image, kernel, **arguments)
    assert y.dtype == image.dtype
    np.testing.assert_array_equal(y, reference.filter2d(image, kernel, **arguments))


def test_what_is_remembered_of_a_call_says_nothing_of_the_numbers() -> None:
    image = numbers(9, 11, 3, dtype="float32")
    for kernel in (numbers(3, 3, seed=1), np.full((3, 3), np.inf), np.ones((3, 3)), numbers(3, 3, seed=2)):
        few = kernel.astype(np.float32)
        expected = by_channel(scipy.ndimage.correlate, image.astype(np.float64), kernel, mode="constant")
        finite = np.isfinite(expected)
        y = filter2d(image, few)
        np.testing.assert_array_equal(np.isfinite(y), finite)
        np.testing.assert_allclose(y[finite], expected[finite], atol=1e-4)


def test_bytes_that_need_more_than_float32_get_it_after_those_that_do_not() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 11), dtype=np.uint8)
    for scale in (1, 100_001, 1):
        kernel = np.arange(-4, 5).reshape(3, 3) * scale
        expected = scipy.ndimage.correlate(image.astype(np.float64), kernel, mode="constant")
        np.testing.assert_array_equal(filter2d(image, kernel, dtype="float32"), expected.astype(np.float32))


def test_arguments_in_lists_are_taken_as_those_in_tuples() -> None:
    image, kernel = numbers(9, 11), numbers(3, 3, seed=1)
    y = filter2d(image, kernel, strides=(2, 1), padding=((1, 0), (2, 1)))
    for _ in range(2):
        np.testing.assert_array_equal(filter2d(image, kernel, strides=[2, 1], padding=[[1, 0], [2, 1]]), y)
