"""Fourier transforms of tiles: the transforms themselves, and large kernels by way of them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal

from tweakconv import compile_conv2d, conv2d, filter2d, get_num_threads, reference, set_num_threads
from tweakconv.compiler import jit
from tweakconv.compiler.schedules import fourier
from tweakconv.compiler.schedules.fourier_transforms import order, steps, turns
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import TARGETS, get_target, runnable_targets
from tweakconv.geometry.padding import PADDING_MODES

Array = NDArray[Any]


@pytest.fixture
def _same_threads_afterwards() -> Iterator[None]:
    before = get_num_threads()
    yield
    set_num_threads(before)


def spec_of(kernel: tuple[int, int], *, double: bool = False, **more: Any) -> ConvSpec:
    return ConvSpec(kernel, (1, 1), more.pop("dilation", (1, 1)), 1, 1, 1, channels_last=False, double=double, **more)


def pairs(least: int, most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(least, most), st.integers(least, most))


@pytest.mark.parametrize("size", [32, 64, 128, 512])
def test_the_steps_as_they_are_told_make_a_fourier_transform_in_the_order_that_is_told(size: int) -> None:
    values = np.random.default_rng(size).standard_normal((size, 2)) @ [1, 1j]
    data: Array = values
    table = turns(size).reshape(-1, 3)
    np.testing.assert_array_equal(table[:, 2], -table[:, 1])
    for length, parts in steps(size):
        pieces = data.reshape(-1, parts, length // parts)
        sums = np.fft.fft(pieces, axis=1)
        if length > parts:
            factors, table = np.split(table, [(parts - 1) * (length // parts)])
            sums[:, 1:] *= (factors[:, :2] @ [1, 1j]).reshape(-1, parts - 1).T
        data = sums.reshape(-1)
    assert not table.size
    np.testing.assert_allclose(data, np.fft.fft(values)[order(size)], rtol=0, atol=1e-12 * size)


@given(
    kernel=pairs(1, 20),
    dilation=pairs(1, 3),
    more=st.tuples(st.integers(0, 80), st.integers(0, 150)),
    pads=st.tuples(pairs(-1, 12), pairs(-1, 12)),
    groups=st.integers(1, 3),
    batch=st.integers(1, 2),
    seed=st.integers(0, 1000),
    mode=st.sampled_from(("zeros", *PADDING_MODES)),
    target=st.sampled_from(runnable_targets()),
    dtype=st.sampled_from(("float32", "float64")),
)
def test_whatever_it_claims_to_compute_is_right(
    kernel: tuple[int, int], dilation: tuple[int, int], more: tuple[int, int], pads: Any, groups: int, batch: int,
    seed: int, mode: str, target: str, dtype: str,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    size = [d * (k - 1) + 3 + m for d, k, m in zip(dilation, kernel, more, strict=True)]
    x = rng.standard_normal((batch, groups, *size)).astype(dtype)
    weights = rng.standard_normal((*kernel, 1, groups)).astype(dtype)
    bias = rng.standard_normal(groups).astype(dtype)
    arguments: dict[str, Any] = {
        "dilation_rate": dilation, "groups": groups, "padding": pads, "padding_mode": mode,
        "data_format": "channels_first",
    }  # fmt: skip
    conv = compile_conv2d(weights, bias, input_shape=x.shape, target=target, algorithm="fft", dtype=dtype, **arguments)
    expected = reference.conv(x, weights, bias, **arguments)
    scale = 6 + np.abs(bias).max() + 12 * np.sqrt((weights**2).sum((0, 1))).max()  # of values, not of sums of taps
    assert np.abs(conv(x) - expected).max() < 4 * np.finfo(dtype).eps * scale


@pytest.mark.parametrize("data", ["normal", "after a ReLU"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("taps", [(15, 15), (31, 31), (63, 40), (3, 90)])
@pytest.mark.parametrize("weights", ["normal", "positive"])
def test_errors_are_at_most_three_times_those_of_a_plain_sum(
    taps: tuple[int, int], weights: str, dtype: str, data: str
) -> None:
    """Both as RMS(error) / RMS(sum of |x||w|); the plain sum adds product after product in the type itself."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((160, 170)).astype(dtype)
    if data != "normal":
        x = np.maximum(x, 0)
    kernel = rng.standard_normal(taps).astype(dtype)
    if weights == "positive":
        kernel = abs(kernel)
    windows = np.lib.stride_tricks.sliding_window_view(x, taps)
    plain = np.zeros(windows.shape[:2], dtype)
    exact = np.zeros(windows.shape[:2], np.longdouble)
    for i, j in np.ndindex(*taps):
        plain += windows[:, :, i, j] * kernel[i, j]
        exact += windows[:, :, i, j].astype(np.longdouble) * kernel[i, j]
    conv = compile_conv2d(kernel[:, :, None, None], input_shape=(1, *x.shape, 1), dtype=dtype, algorithm="fft")

    def error(y: Array) -> float:
        return float(np.sqrt(np.mean((y - exact) ** 2)))

    assert error(conv(x[None, :, :, None])[0, :, :, 0]) <= 3 * error(plain)


def test_large_kernels_give_what_scipy_and_opencv_give() -> None:
    rng = np.random.default_rng(3)
    image, kernel = rng.random((217, 431)).astype(np.float32), rng.standard_normal((31, 35)).astype(np.float32)
    y = filter2d(image, kernel, padding_mode="reflect")
    np.testing.assert_allclose(y, cv2.filter2D(image, -1, kernel), rtol=0, atol=1e-4)
    y = filter2d(image, kernel, padding="valid", flip=True)
    np.testing.assert_allclose(y, signal.fftconvolve(image, kernel, mode="valid"), rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "int16"])
def test_numbers_that_are_stored_in_another_type_are_rounded_once(dtype: str) -> None:
    rng = np.random.default_rng(4)
    image = rng.integers(0, 256, (150, 301)).astype(dtype)
    kernel = rng.random((25, 25))
    kernel /= kernel.sum()
    exact = reference.filter2d(image.astype(np.float64), kernel, padding_mode="edge")
    y = filter2d(image, kernel, padding_mode="edge")
    expected = exact.astype(dtype) if dtype == "float16" else np.rint(exact).astype(dtype)
    differs = y != expected
    assert y.dtype == dtype
    assert differs.mean() < 0.002  # where a sum is next to the middle of two numbers
    assert np.abs(y[differs].astype(float) - exact[differs]).max(initial=0) < (0.13 if dtype == "float16" else 0.501)


@pytest.mark.parametrize("target", runnable_targets())
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_exactly_the_outputs_whose_taps_touch_it(value: float, target: str) -> None:
    rng = np.random.default_rng(6)
    x = rng.standard_normal((1, 90, 210, 1)).astype(np.float32)
    weights = rng.standard_normal((5, 9, 1, 1)).astype(np.float32)
    weights[2, 3] = 0
    for row, column in ((0, 0), (7, 44), (20, 63), (33, 34), (89, 209)):
        x[0, row, column] = value
    x[0, 41, 100] = -value
    y = compile_conv2d(weights, input_shape=x.shape, padding="same", target=target, algorithm="fft")(x)
    expected = reference.conv(x, weights, padding="same")
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(y[~finite], expected[~finite].astype(np.float32))
    np.testing.assert_allclose(y[finite], expected[finite], rtol=0, atol=2e-5)


def test_sums_that_fit_do_not_overflow_in_the_transforms() -> None:
    x = np.random.default_rng(8).standard_normal((1, 60, 90, 1)).astype(np.float32) * np.float32(1e37)
    weights = np.random.default_rng(9).random((7, 7, 1, 1)).astype(np.float32) / 49
    y = compile_conv2d(weights, input_shape=x.shape, algorithm="fft")(x)
    np.testing.assert_allclose(y, reference.conv(x, weights), rtol=0, atol=1e32)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"strides": 2}, "algorithm: received 'fft', which computes one input and one output channel a group"),
        ({"activation": "relu"}, "without an activation or a residual"),
    ],
)
def test_what_it_does_not_compute_is_refused_with_words(arguments: dict[str, Any], words: str) -> None:
    x, kernel = np.ones((1, 40, 40, 1), np.float32), np.ones((9, 9, 1, 1))
    with pytest.raises(ValueError, match=words):
        conv2d(x, kernel, algorithm="fft", **arguments)
    kernel[3, 3] = np.inf
    with pytest.raises(ValueError, match="algorithm: received 'fft', whose transforms spread NaN"):
        conv2d(x, kernel, algorithm="fft")


def test_auto_takes_it_for_large_kernels_that_are_of_no_low_rank() -> None:
    rng = np.random.default_rng(5)

    def chosen(kernel: Array, size: tuple[int, int] = (1080, 1920), **more: Any) -> str:
        conv = compile_conv2d(kernel[:, :, None, None], input_shape=(1, *size, 1), dtype="float32", **more)
        return conv.built.choice.algorithm

    large = rng.standard_normal((31, 31))
    assert chosen(large) == chosen(rng.standard_normal((63, 63))) == "fft"
    assert chosen(rng.standard_normal((5, 5))) == chosen(large, (33, 33), padding="valid") == "rows"
    assert chosen(np.rint(9 * large)) == chosen(large, activation="relu") == "rows"
    assert chosen(np.outer(large[0], large[1])) == "separable"


def test_the_plan_says_why_and_how() -> None:
    kernel = np.random.default_rng(5).standard_normal((31, 31, 1, 1))
    text = compile_conv2d(kernel, input_shape=(1, 1080, 1920, 1), dtype="float32").explain()
    assert "fft: estimated to take 0." in text
    assert "inputs are transformed, for" in text


def test_copies_and_pickles_hold_the_kernel_itself_and_give_the_same_bits() -> None:
    rng = np.random.default_rng(9)
    x, kernel = rng.standard_normal((1, 3, 100, 200)).astype(np.float32), rng.standard_normal((15, 11, 1, 3))
    conv = compile_conv2d(
        kernel, input_shape=x.shape, groups=3, data_format="channels_first", algorithm="fft", dtype="float32"
    )
    choice = conv.built.choice
    unpacked = choice.schedule.unpack(choice.plan, conv._weights, (15, 11))
    np.testing.assert_array_equal(unpacked, kernel.astype(np.float32))
    for again in (copy.deepcopy(conv), pickle.loads(pickle.dumps(conv))):
        np.testing.assert_array_equal(again(x), conv(x))


@pytest.mark.usefixtures("_same_threads_afterwards")
def test_the_same_bits_for_any_number_of_threads_an_image_alone_and_any_layout() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((2, 3, 300, 333)).astype(np.float32)
    x[0, 1, 150, 200] = np.inf
    kernel = rng.standard_normal((19, 17, 1, 3)).astype(np.float32)
    conv = compile_conv2d(
        kernel, input_shape=x.shape, groups=3, padding="same", data_format="channels_first", algorithm="fft"
    )
    set_num_threads(1)
    y = conv(x)
    for threads in (2, 3, 5):
        set_num_threads(threads)
        np.testing.assert_array_equal(conv(x), y)
    np.testing.assert_array_equal(conv(x[1:]), y[1:])
    np.testing.assert_array_equal(conv(x[::-1]), y[::-1])


@pytest.mark.parametrize("taps", [3, 31, 127, 256, 300])
@pytest.mark.parametrize("double", [False, True])
def test_working_space_of_a_thread_is_at_most_4_mb(taps: int, double: bool) -> None:
    for name in runnable_targets():
        for dilation in (1, 3):
            spec, target = spec_of((taps, taps), double=double, dilation=(dilation, dilation)), get_target(name)
            if fourier.applies(spec, target):
                for size in ((20, 20), (500, 500), (5000, 5000)):
                    plan = fourier.plan(spec, target, size)
                    assert plan.elements * spec.element_bytes <= 4_000_000
            else:
                assert taps * dilation > 128


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_compiles_without_calls_to_a_library(target: str) -> None:
    text = jit.assembly(fourier.emit(fourier.plan(spec_of((9, 30)), TARGETS[target])), TARGETS[target])
    calls = {line.split()[-1] for line in text.splitlines() if line.split()[:1] in (["callq"], ["bl"])}
    assert calls
    assert all(
        name.startswith(("forward_", "inverse_", "turn", "multiply", "finish", "taps", "fill", ".L")) for name in calls
    )
