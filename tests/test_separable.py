"""Kernels of low rank: factored within rounding, summed along the columns and then the rows."""

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
from scipy import ndimage

from tweakconv import compile_conv2d, conv2d, filter2d, get_num_threads, reference, set_num_threads
from tweakconv.activations import Activation
from tweakconv.compiler import jit, low_rank
from tweakconv.compiler.call import Call
from tweakconv.compiler.schedules import separable
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import TARGETS, get_target, runnable_targets
from tweakconv.geometry import ConvGeometry
from tweakconv.geometry.padding import PADDING_MODES

Array = NDArray[Any]


@pytest.fixture
def _same_threads_afterwards() -> Iterator[None]:
    before = get_num_threads()
    yield
    set_num_threads(before)


def of_rank(rank: int, height: int, width: int, planes: int = 1, *, seed: int = 0, dtype: str = "float32") -> Array:
    """A random kernel of so many products of a column and a row, (height, width, 1, planes)."""
    rng = np.random.default_rng(seed)
    columns, rows = rng.standard_normal((height, rank, planes)), rng.standard_normal((width, rank, planes))
    kernel: Array = np.einsum("hrp,wrp->hwp", columns, rows)[:, :, None].astype(dtype)
    return kernel


def gauss(taps: int, sigma: float) -> Array:
    along = np.exp(-((np.arange(taps) - taps // 2) ** 2) / (2 * sigma**2))
    kernel: Array = np.outer(along, along) / along.sum() ** 2
    return kernel


def pairs(least: int, most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(least, most), st.integers(least, most))


# -- Factors -----------------------------------------------------------------------------------------------------------


@given(rank=st.integers(1, 4), size=pairs(4, 40), planes=st.integers(1, 3), seed=st.integers(0, 999))
def test_a_kernel_of_a_rank_is_found_to_be_of_it_and_its_factors_multiply_to_it(
    rank: int, size: tuple[int, int], planes: int, seed: int
) -> None:
    kernel = of_rank(rank, *size, planes, seed=seed)[:, :, 0].transpose(2, 0, 1)
    found = low_rank.factor(kernel)
    assert low_rank.rank(kernel).rank == found.rank <= rank
    again = found.columns.swapaxes(1, 2) @ found.rows
    np.testing.assert_allclose(again, kernel, rtol=0, atol=2e-6 * np.abs(kernel).max())


def test_random_kernels_and_discs_are_of_high_rank() -> None:
    far = np.hypot(*np.mgrid[-15:16, -15:16])
    assert low_rank.rank((far < 14.3).astype(np.float32)[None]).rank > 5
    assert low_rank.rank(np.random.default_rng(1).standard_normal((1, 15, 21)).astype(np.float32)).rank == 15


@pytest.mark.parametrize(
    ("kernel", "factors"),
    [
        ([[1, 1, 1], [1, 1, 1]], ([1, 1], [1, 1, 1])),
        ([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], ([-1, -2, -1], [1, 0, -1])),
        ([[6, 9], [-2, -3], [0, 0]], ([3, -1, 0], [2, 3])),
        ([[0.25, 0.5], [0.375, 0.75]], ([2, 3], [0.125, 0.25])),
        ([[0, 0], [0, 0]], ([0, 0], [0, 0])),
    ],
)
def test_whole_numbers_times_a_power_of_two_are_factored_exactly(kernel: Any, factors: Any) -> None:
    found = low_rank.factor(np.array([kernel], np.float32))
    assert found.exact
    np.testing.assert_array_equal(found.columns[0, 0], factors[0])
    np.testing.assert_array_equal(found.rows[0, 0], factors[1])


def test_whole_numbers_of_a_higher_rank_have_no_exact_factors() -> None:
    assert not low_rank.factor(np.array([[[1, 2], [3, 4]]], np.float32)).exact


# -- Results -----------------------------------------------------------------------------------------------------------


@given(
    kernel=pairs(1, 9),
    rank=st.integers(1, 3),
    strides=pairs(1, 3),
    dilation=pairs(1, 3),
    more=st.tuples(st.integers(0, 40), st.integers(0, 300)),
    pads=st.tuples(pairs(-1, 9), pairs(-1, 9)),
    groups=st.integers(1, 3),
    batch=st.integers(1, 2),
    seed=st.integers(0, 1000),
    mode=st.sampled_from(("zeros", *PADDING_MODES)),
    activation=st.sampled_from((None, "relu", "gelu")),
    residual=st.booleans(),
    target=st.sampled_from(runnable_targets()),
    dtype=st.sampled_from(("float32", "float64")),
)
def test_whatever_it_claims_to_compute_is_right(
    kernel: tuple[int, int], rank: int, strides: tuple[int, int], dilation: tuple[int, int], more: tuple[int, int],
    pads: Any, groups: int, batch: int, seed: int, mode: str, activation: str | None, residual: bool, target: str,
    dtype: str,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    size = [d * (k - 1) + 3 + m for d, k, m in zip(dilation, kernel, more, strict=True)]
    x = rng.standard_normal((batch, groups, *size)).astype(dtype)
    weights = of_rank(rank, *kernel, groups, seed=seed, dtype=dtype)
    bias = rng.standard_normal(groups).astype(dtype)
    arguments: dict[str, Any] = {
        "strides": strides, "dilation_rate": dilation, "groups": groups, "padding": pads, "padding_mode": mode,
        "data_format": "channels_first",
    }  # fmt: skip
    conv = compile_conv2d(
        weights, bias, input_shape=x.shape, target=target, algorithm="separable", activation=activation,
        residual=residual, dtype=dtype, **arguments,
    )  # fmt: skip
    plain = reference.conv(x, weights, bias, **arguments)
    added = rng.standard_normal(plain.shape).astype(dtype) if residual else None
    expected = reference.conv(x, weights, bias, activation=activation, residual=added, **arguments)
    scale = reference.conv(abs(x), abs(weights), abs(bias), **arguments).max() + 4
    assert np.abs(conv(x, residual=added) - expected).max() < 16 * np.finfo(dtype).eps * scale


@pytest.mark.parametrize("data", ["normal", "after a ReLU"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "kernel",
    [
        gauss(5, 1.1), gauss(31, 5), gauss(31, 0.7), gauss(63, 11) - 0.9 * gauss(63, 12), np.full((7, 9), 1 / 63),
        *(of_rank(r, *size, seed=r, dtype="float64") for r, *size in ((1, 15, 15), (3, 31, 31), (4, 15, 33))),
        np.outer(np.hanning(33)[1:-1], np.sin(np.arange(31))),
    ],
    ids=["gauss 5", "gauss 31", "peak", "difference", "box", "rank 1", "rank 3", "rank 4", "wave"],
)  # fmt: skip
def test_errors_are_at_most_three_times_those_of_a_plain_sum(kernel: Array, dtype: str, data: str) -> None:
    """Both as RMS(error) / RMS(sum of |x||w|); the plain sum adds product after product in the type itself."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((140, 150)).astype(dtype)
    if data != "normal":
        x = np.maximum(x, 0)
    weights = kernel.reshape(kernel.shape[:2]).astype(dtype)
    windows = np.lib.stride_tricks.sliding_window_view(x, weights.shape)
    plain = np.zeros(windows.shape[:2], dtype)
    exact = np.zeros(windows.shape[:2], np.longdouble)
    for i, j in np.ndindex(*weights.shape):
        plain += windows[:, :, i, j] * weights[i, j]
        exact += windows[:, :, i, j].astype(np.longdouble) * weights[i, j]
    conv = compile_conv2d(weights[:, :, None, None], input_shape=(1, *x.shape, 1), dtype=dtype, algorithm="separable")

    def error(y: Array) -> float:
        return float(np.sqrt(np.mean((y - exact) ** 2)))

    plan = conv.built.choice.plan
    assert isinstance(plan, separable.SeparablePlan)
    assert plan.rank <= 4
    assert error(conv(x[None, :, :, None])[0, :, :, 0]) <= 3 * error(plain)


def test_gaussians_are_what_scipy_and_opencv_make_of_them() -> None:
    image = np.random.default_rng(3).random((217, 331)).astype(np.float32)
    kernel = gauss(31, 4.5).astype(np.float32)
    y = filter2d(image, kernel, padding_mode="reflect")
    np.testing.assert_allclose(y, ndimage.correlate(image, kernel, mode="mirror"), rtol=0, atol=1e-6)
    np.testing.assert_allclose(y, cv2.filter2D(image, -1, kernel), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "int16"])
def test_numbers_that_are_stored_in_another_type_are_summed_in_float32_and_rounded_once(dtype: str) -> None:
    rng = np.random.default_rng(4)
    image = rng.integers(0, 256, (90, 301)).astype(dtype)
    kernel = gauss(25, 4)
    exact = reference.filter2d(image.astype(np.float64), kernel, padding_mode="edge")
    y = filter2d(image, kernel, padding_mode="edge")
    expected = exact.astype(dtype) if dtype == "float16" else np.rint(exact).astype(dtype)
    differs = y != expected
    assert y.dtype == dtype
    assert differs.mean() < 0.001  # where a sum is next to the middle of two numbers
    assert np.abs(y[differs].astype(float) - exact[differs]).max(initial=0) < (0.13 if dtype == "float16" else 0.501)


# -- What is not finite ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", runnable_targets())
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "kernel",
    [of_rank(1, 5, 7), of_rank(2, 4, 3), np.array([[0, 0, 0], [1, 0, -2]], np.float32)[:, :, None, None], gauss(9, 2)],
    ids=["rank 1", "rank 2", "zeros", "gauss"],
)
def test_what_is_not_finite_reaches_exactly_the_outputs_whose_taps_touch_it(
    kernel: Array, value: float, target: str
) -> None:
    weights = kernel.reshape(*kernel.shape[:2], 1, 1).astype(np.float32)
    x = np.random.default_rng(6).standard_normal((1, 60, 170, 1)).astype(np.float32)
    for row, column in ((0, 0), (7, 44), (20, 63), (33, 34), (33, 36), (59, 169)):
        x[0, row, column] = value
    x[0, 41, 100] = -value
    conv = compile_conv2d(weights, input_shape=x.shape, padding="same", target=target, algorithm="separable")
    y = conv(x)
    expected = reference.conv(x, weights, padding="same")
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(y[~finite], expected[~finite].astype(np.float32))
    np.testing.assert_allclose(y[finite], expected[finite], rtol=0, atol=1e-5)


def test_sums_that_fit_do_not_overflow_on_the_way() -> None:
    weights = np.outer([1e-20, 2e-20, -1e-20], [3e20, -1e20, 2.5e20]).astype(np.float32)[:, :, None, None]
    x = np.random.default_rng(8).standard_normal((1, 30, 90, 1)).astype(np.float32) * np.float32(2e36)
    y = compile_conv2d(weights, input_shape=x.shape, algorithm="separable")(x)
    np.testing.assert_allclose(y, reference.conv(x, weights), rtol=0, atol=1e33)


def test_weights_that_are_not_finite_are_refused_or_summed_otherwise() -> None:
    weights = gauss(15, 3)[:, :, None, None].astype(np.float32)
    weights[2, 3] = np.nan
    x = np.ones((1, 200, 300, 1), np.float32)
    assert compile_conv2d(weights, input_shape=x.shape).built.choice.algorithm == "rows"
    with pytest.raises(ValueError, match="algorithm: received 'separable', whose factors spread NaN"):
        conv2d(x, weights, algorithm="separable")


# -- The choice --------------------------------------------------------------------------------------------------------


def chosen(kernel: Array, size: tuple[int, int] = (400, 600), **more: Any) -> str:
    weights = kernel.reshape(*kernel.shape[:2], 1, -1).astype(np.float32)
    groups = weights.shape[-1]
    shape = (1, groups, *size)
    conv = compile_conv2d(weights, input_shape=shape, groups=groups, data_format="channels_first", **more)
    return conv.built.choice.algorithm


def test_auto_takes_it_where_the_rank_is_low_enough_to_save_time() -> None:
    assert chosen(gauss(31, 5)) == chosen(gauss(9, 2)) == chosen(of_rank(2, 15, 15)) == "separable"
    assert chosen(np.random.default_rng(0).standard_normal((15, 15))) != "separable"
    assert chosen(of_rank(2, 3, 3)) == "rows"
    assert chosen(np.concatenate([of_rank(1, 15, 15), of_rank(2, 15, 15)], axis=-1)) == "separable"
    mixed = np.concatenate([of_rank(1, 9, 9), np.random.default_rng(0).standard_normal((9, 9, 1, 1))], axis=-1)
    assert chosen(mixed) == "rows"


def test_the_plan_says_why_and_how() -> None:
    conv = compile_conv2d(gauss(31, 5)[:, :, None, None], input_shape=(1, 400, 600, 1), dtype="float32")
    text = conv.explain()
    assert "separable: estimated to take 0." in text
    assert "the kernel is a product of a column and a row: 62 taps instead of 961" in text


def test_whole_numbers_stay_exact() -> None:
    image = np.random.default_rng(2).integers(-100, 101, (1, 300, 400, 1)).astype(np.float32)
    box, edges = np.ones((15, 15)), np.outer([1, 8, 28, 56, 70, 56, 28, 8, 1], [-1, -2, 3, -1, 0, 1, 2, 0, 2])
    for kernel in (box, edges, box / 256):
        weights = kernel[:, :, None, None].astype(np.float32)
        conv = compile_conv2d(weights, input_shape=image.shape)
        assert conv.built.choice.algorithm == "separable"
        np.testing.assert_array_equal(conv(image), reference.conv(image, weights))
    whole = np.arange(225).reshape(15, 15) % 17 + np.eye(15)  # no product of whole columns and rows
    assert chosen(whole) == "rows"


def test_bytes_are_rounded_as_opencv_rounds_them_where_it_adds_up_taps() -> None:
    image = np.random.default_rng(5).integers(0, 256, (200, 301)).astype(np.uint8)
    binomial = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256  # halves are common, and rounded to the even number
    for kernel in (binomial, gauss(11, 2)):
        expected = cv2.filter2D(image, -1, kernel)
        np.testing.assert_array_equal(filter2d(image, kernel, padding="same_lower", padding_mode="reflect"), expected)


def test_other_weights_in_a_prepared_convolution_are_factored_anew() -> None:
    x = np.random.default_rng(9).standard_normal((1, 100, 200, 1)).astype(np.float32)
    conv = compile_conv2d(of_rank(1, 15, 15), input_shape=x.shape)
    for rank in (1, 2, 15):
        other = of_rank(rank, 15, 15, seed=rank)
        expected = reference.conv(x, other)
        np.testing.assert_allclose(conv.with_kernel(other)(x), expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def test_copies_and_pickles_hold_the_kernel_itself_and_give_the_same_bits() -> None:
    x = np.random.default_rng(9).standard_normal((1, 3, 100, 200)).astype(np.float32)
    kernel = of_rank(2, 15, 11, 3)
    conv = compile_conv2d(kernel, input_shape=x.shape, groups=3, data_format="channels_first", algorithm="separable")
    choice = conv.built.choice
    np.testing.assert_array_equal(choice.schedule.unpack(choice.plan, conv._weights, (15, 11)), kernel)
    for again in (copy.deepcopy(conv), pickle.loads(pickle.dumps(conv))):
        np.testing.assert_array_equal(again(x), conv(x))


# -- Threads, memory, code ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_same_threads_afterwards")
def test_the_same_bits_for_any_number_of_threads_an_image_alone_and_any_layout() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((2, 3, 300, 333)).astype(np.float32)
    x[0, 1, 150, 200] = np.inf
    kernel = of_rank(2, 9, 7, 3)
    conv = compile_conv2d(
        kernel, input_shape=x.shape, groups=3, padding="same", data_format="channels_first", algorithm="separable"
    )
    set_num_threads(1)
    y = conv(x)
    for threads in (2, 3, 5):
        set_num_threads(threads)
        np.testing.assert_array_equal(conv(x), y)
    np.testing.assert_array_equal(conv(x[1:]), y[1:])
    np.testing.assert_array_equal(conv(x[::-1]), y[::-1])
    np.testing.assert_array_equal(conv(x[:, :, :200])[:, :, :190], y[:, :, :190])


@pytest.mark.parametrize("taps", [3, 31, 101, 255, 300])
@pytest.mark.parametrize("double", [False, True])
def test_working_space_of_a_thread_is_at_most_4_mb(taps: int, double: bool) -> None:
    geometry = ConvGeometry.of((2000, 2000), taps)
    for name in runnable_targets():
        for dilation in (1, 3):
            spec = ConvSpec((taps, taps), (1, 1), (dilation,) * 2, 1, 1, 1, channels_last=False, double=double)
            for rank in (1, 4, taps):
                plan = separable.plan(spec, get_target(name), rank)
                own = separable.space(plan, Call(1, geometry, (0, 0, 0), (0, 0, 0), 2)).own
                assert own <= 4_000_000 or not separable.applies(spec, get_target(name))


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_compiles_without_calls_to_a_library(target: str) -> None:
    spec = ConvSpec(
        (5, 4), (1, 2), (1, 1), 2, 2, 2, channels_last=False, double=False, activation=Activation.of("relu")
    )
    text = jit.assembly(separable.emit(separable.plan(spec, TARGETS[target], 2)), TARGETS[target])
    calls = {line.split()[-1] for line in text.splitlines() if line.split()[:1] in (["callq"], ["bl"])}
    assert calls
    assert all(name.startswith(("down_", "across_", "fill", ".L")) for name in calls)
