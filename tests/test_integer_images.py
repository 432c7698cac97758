"""Images of whole numbers: OpenCV's own results, rounding and saturation, and sums that are exact."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.test_filter2d import any_filter
from tests.test_memory_safety import guarded, needs_mprotect

import tweakconv as tc
from tweakconv import compile_conv2d, filter2d, reference
from tweakconv.compiler.target import runnable_targets

INTEGERS = ("uint8", "uint16", "int16")
OPENCVS_BORDERS = {
    "zeros": cv2.BORDER_CONSTANT,
    "edge": cv2.BORDER_REPLICATE,
    "symmetric": cv2.BORDER_REFLECT,
    "reflect": cv2.BORDER_REFLECT_101,
}
HERE = runnable_targets()


def image_of(dtype: str, *shape: int, seed: int = 0) -> NDArray[Any]:
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(dtype)


def fractions(*shape: int, seed: int = 1) -> NDArray[Any]:
    """A kernel of fractions that keeps about the brightness, and overshoots at both ends."""
    return np.random.default_rng(seed).standard_normal(shape) / np.prod(shape) ** 0.5


def saturated(exact: Any, dtype: str) -> Any:
    limits = np.iinfo(dtype)
    return np.clip(np.rint(exact), limits.min, limits.max).astype(dtype)


@pytest.mark.parametrize("mode", OPENCVS_BORDERS)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(3, 3), (1, 5), (5, 1), (5, 5), (7, 7), (4, 2), (11, 11)])
def test_uint8_is_opencvs_result_to_the_last_digit(size: tuple[int, int], channels: int, mode: str) -> None:
    # With 130 taps or more OpenCV takes a Fourier transform, which rounds otherwise.
    image = image_of("uint8", 61, 131, channels) if channels > 1 else image_of("uint8", 61, 131)
    kernel = fractions(*size)
    expected = cv2.filter2D(image, -1, kernel, borderType=OPENCVS_BORDERS[mode])
    y = filter2d(image, kernel, padding="same_lower", padding_mode=mode)
    assert 0 < ((y == 0) | (y == 255)).mean() < 1  # some are saturated, and some are rounded
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
@pytest.mark.parametrize("mode", OPENCVS_BORDERS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(3, 3), (1, 5), (5, 5), (7, 7), (2, 4)])
def test_sixteen_bits_are_opencvs_result_to_the_last_digit(
    size: tuple[int, int], channels: int, mode: str, dtype: str
) -> None:
    # OpenCV rounds products by themselves in the last columns where rows are no multiple of 4 long, and takes a Fourier
    # transform from 50 taps on.
    image = image_of(dtype, 60, 132, channels) if channels > 1 else image_of(dtype, 60, 132)
    kernel = fractions(*size)
    expected = cv2.filter2D(image, -1, kernel, borderType=OPENCVS_BORDERS[mode])
    np.testing.assert_array_equal(filter2d(image, kernel, padding="same_lower", padding_mode=mode), expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_where_opencv_takes_a_fourier_transform_results_differ_by_one_at_the_most(dtype: str) -> None:
    image, kernel = image_of(dtype, 90, 132), fractions(15, 15)
    difference = filter2d(image, kernel, padding_mode="reflect").astype(int) - cv2.filter2D(image, -1, kernel)
    assert abs(difference).max() <= 1
    assert (difference != 0).mean() < 0.01


@pytest.mark.parametrize(
    ("dtype", "result", "depth"),
    [("uint8", "int16", cv2.CV_16S), ("uint8", "float32", cv2.CV_32F), ("uint16", "float32", cv2.CV_32F)],
)
def test_a_wider_result_is_opencvs_of_that_depth(dtype: str, result: str, depth: int) -> None:
    image, kernel = image_of(dtype, 40, 64), np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    expected = cv2.filter2D(image, depth, kernel.astype(np.float32))
    np.testing.assert_array_equal(filter2d(image, kernel, padding_mode="reflect", dtype=result), expected)
    out = np.empty(image.shape, result)
    assert filter2d(image, kernel, padding_mode="reflect", out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("target", HERE)
@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("result", [*INTEGERS, "float32", "float64"])
def test_every_pair_of_types_on_every_target_is_exact_rounded_and_saturated(
    result: str, dtype: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWEAKCONV_TARGET", target)
    for shape, strides in (((9, 70), 1), ((9, 23, 3), 1), ((9, 40, 3), 2), ((9, 40, 20), (1, 2)), ((7, 90), (2, 3))):
        image = image_of(dtype, *shape)
        kernel = np.random.default_rng(3).integers(-6, 9, (3, 5)) / 8
        exact = reference.filter2d(image.astype(np.float64), kernel, strides=strides, padding_mode="edge")
        expected = saturated(exact, result) if result in INTEGERS else exact.astype(result)
        y = filter2d(image, kernel, strides, padding_mode="edge", dtype=result)
        assert y.dtype == result
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_halves_are_rounded_to_the_even_number(dtype: str) -> None:
    image = np.arange(64, dtype=dtype).reshape(1, 64)
    np.testing.assert_array_equal(filter2d(image, [[0.5]])[0], np.rint(np.arange(64) / 2))


def test_nan_becomes_the_lowest_number_and_infinity_saturates_as_the_sign_says() -> None:
    image = np.full((1, 40), 3, np.int16)
    for weight, expected in ((np.nan, -32768), (np.inf, 32767), (-np.inf, -32768), (1e30, 32767)):
        assert (filter2d(image, [[weight]]) == expected).all()
    assert (filter2d(image.astype(np.uint8), [[np.nan]]) == 0).all()


def test_whole_numbers_beyond_float32s_are_exact_all_the_same() -> None:
    image, kernel = image_of("uint16", 30, 40), np.arange(-250, 250, 20).reshape(5, 5)  # sums to 2**28
    exact = reference.filter2d(image.astype(np.float64), kernel)
    for result in ("float64", "float32"):
        np.testing.assert_array_equal(filter2d(image, kernel, dtype=result), exact.astype(result))
    np.testing.assert_array_equal(filter2d(image, kernel), saturated(exact, "uint16"))


@pytest.mark.parametrize("value", [7, 127.5, -3, 300])
@pytest.mark.parametrize("strides", [1, 2])
def test_the_padding_may_hold_any_number(strides: int, value: float) -> None:
    image, kernel = image_of("uint8", 9, 30, 3), np.ones((3, 3)) / 8
    pads = {"padding_mode": "constant", "constant_value": value}
    exact = reference.filter2d(image.astype(np.float64), kernel, strides=strides, **pads)
    np.testing.assert_array_equal(filter2d(image, kernel, strides, **pads), saturated(exact, "uint8"))


@settings(max_examples=40)
@given(any_filter(), st.sampled_from(INTEGERS), st.sampled_from((None, "int16", "float32")))
def test_any_filter_is_the_definition_rounded(case: Any, dtype: str, result: str | None) -> None:
    image, kernel, arguments = case
    image = image.astype(np.int16).astype(dtype)
    exact = reference.filter2d(image.astype(np.float64), kernel, **arguments)
    expected = exact.astype("f4") if result == "float32" else saturated(exact, result or dtype)
    np.testing.assert_array_equal(filter2d(image, kernel, **arguments, dtype=result), expected)


def test_threads_change_nothing() -> None:
    image, kernel, before = image_of("uint8", 700, 900), fractions(5, 5), tc.get_num_threads()
    try:
        results = []
        for number in (1, 3):
            tc.set_num_threads(number)
            results.append(filter2d(image, kernel))
    finally:
        tc.set_num_threads(before)
    np.testing.assert_array_equal(*results)


@needs_mprotect
@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_nothing_outside_of_the_arrays_is_touched(dtype: str, side: str) -> None:
    for shape in ((1, 1), (5, 67), (20, 131), (7, 45, 3)):
        image = guarded(image_of(dtype, *shape), side)
        out = guarded(np.zeros(shape, dtype), side)
        for strides in (1, (1, 1), (2, 1)):
            exact = reference.filter2d(image.astype(np.float64), np.eye(3) / 2, strides=strides)
            room = guarded(np.zeros(exact.shape, dtype), side) if strides == (2, 1) else out
            filter2d(image, np.eye(3) / 2, strides, out=room)
            np.testing.assert_array_equal(room, saturated(exact, dtype))


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint64", "bool"])
def test_other_whole_numbers_are_refused_with_those_that_there_are(dtype: str) -> None:
    with pytest.raises(TypeError, match=rf"^image: received dtype {dtype}.*uint8, uint16, int16"):
        filter2d(np.ones((4, 5), dtype), np.ones((3, 3)))


@pytest.mark.parametrize(
    ("of_image", "result", "words"),
    [
        ("uint8", "int32", r"^dtype: received 'int32' with an image of uint8; choose uint8 or .* or float64"),
        ("uint8", "bogus", r"^dtype: received 'bogus'; choose"),
        ("float32", "uint8", r"^dtype: received 'uint8' with an image of float32; choose float32"),
    ],
)
def test_results_of_other_types_are_refused(of_image: str, result: str, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        filter2d(np.ones((4, 5), of_image), np.ones((3, 3)), dtype=result)
    with pytest.raises(TypeError, match=r"^out: received dtype int64"):
        filter2d(np.ones((4, 5), of_image), np.ones((3, 3)), out=np.empty((4, 5), np.int64))


def test_convolutions_of_layers_take_no_whole_numbers() -> None:
    with pytest.raises(TypeError, match=r"x: received dtype uint8.*float16 and bfloat16 are supported"):
        tc.conv2d(np.ones((1, 5, 5, 1), np.uint8), np.ones((3, 3, 1, 1)))


# -- Whole numbers in floating arrays ------------------------------------------------------------------------------


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("kernel_size", [(3, 3), (5, 5), (1, 7)])
def test_whole_numbers_under_a_kernel_of_whole_numbers_are_exact(
    kernel_size: tuple[int, int], data_format: str
) -> None:
    rng = np.random.default_rng(5)
    x = rng.integers(0, 256, (1, 40, 40, 64)).astype(np.float32)
    kernel = rng.integers(-9, 10, (*kernel_size, 64, 64)).astype(np.float32)
    x = x if data_format == "channels_last" else np.ascontiguousarray(np.moveaxis(x, -1, 1))
    exact = reference.conv(x.astype(np.float64), kernel, padding="same", data_format=data_format)
    conv = compile_conv2d(kernel, input_shape=x.shape, padding="same", data_format=data_format)
    np.testing.assert_array_equal(conv(x), exact)
    np.testing.assert_array_equal(tc.conv2d(x, kernel, padding="same", data_format=data_format), exact)


def test_nine_ones_sum_to_nine_and_the_plan_says_why() -> None:
    kernel = np.ones((3, 3, 64, 64), np.float32)
    conv = compile_conv2d(kernel, input_shape=(1, 56, 56, 64))
    assert (conv(np.ones((1, 56, 56, 64), np.float32)) == 9 * 64).all()
    assert "all weights are whole numbers" in conv.explain()
    kernel[1, 2, 3, 4] = 0.5
    assert compile_conv2d(kernel, input_shape=(1, 56, 56, 64)).built.choice.algorithm == "winograd"
    named = compile_conv2d(np.ones_like(kernel), input_shape=(1, 56, 56, 64), algorithm="winograd")
    assert named.built.choice.algorithm == "winograd"
