"""The depthwise schedule: lanes hold channels, two rows share input rows, taps in the padding are left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tweakconv import compile_conv2d, conv2d, depthwise_conv1d, get_num_threads, reference, set_num_threads
from tweakconv.compiler import jit
from tweakconv.compiler.choose import choose, ways
from tweakconv.compiler.schedules import depthwise
from tweakconv.compiler.schedules.depthwise_micro import second_row
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import TARGETS, runnable_targets

Pair = tuple[int, int]


@pytest.fixture
def _same_threads_afterwards() -> Iterator[None]:
    before = get_num_threads()
    yield
    set_num_threads(before)


def spec_of(
    kernel: Pair, strides: Pair = (1, 1), dilation: Pair = (1, 1), channels: int = 40, each: int = 1
) -> ConvSpec:
    return ConvSpec(kernel, strides, dilation, channels, channels * each, channels, channels_last=True, double=False)


def pairs(least: int, most: int) -> st.SearchStrategy[Pair]:
    return st.tuples(st.integers(least, most), st.integers(least, most))


@given(
    kernel=st.tuples(st.integers(1, 9), st.integers(1, 13)),
    strides=pairs(1, 3),
    dilation=pairs(1, 4),
    more=pairs(0, 40),
    pads=st.tuples(pairs(-3, 30), pairs(-3, 30)),
    channels=st.integers(4, 50),
    each=st.sampled_from([1, 1, 2, 4, 8]),
    batch=st.integers(1, 2),
    seed=st.integers(0, 1000),
    activation=st.sampled_from([None, "relu", "hard_swish"]),
    residual=st.booleans(),
    target=st.sampled_from(runnable_targets()),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_whatever_it_claims_to_compute_is_right(
    kernel: Pair, strides: Pair, dilation: Pair, more: Pair, pads: tuple[Pair, Pair], channels: int, each: int,
    batch: int, seed: int, activation: str | None, residual: bool, target: str, dtype: str,
) -> None:  # fmt: skip
    spec = replace(spec_of(kernel, strides, dilation, channels, each), double=dtype == "float64")
    if not depthwise.applies(spec, TARGETS[target]):
        return
    rng = np.random.default_rng(seed)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    size = [max(1, span + m - min(0, lo) - min(0, hi)) for span, m, (lo, hi) in zip(spans, more, pads, strict=True)]
    x = rng.integers(-9, 10, (batch, *size, channels)).astype(dtype)
    weights = rng.integers(-9, 10, (*kernel, 1, channels * each)).astype(dtype)
    bias = rng.integers(-9, 10, channels * each).astype(dtype)
    arguments: dict[str, Any] = {"strides": strides, "dilation_rate": dilation, "groups": channels, "padding": pads}
    expected = reference.conv(x, weights, bias, **arguments)
    added = rng.integers(-9, 10, expected.shape).astype(dtype) if residual else None
    expected = reference.conv(x, weights, bias, residual=added, activation=activation, **arguments)
    arguments |= {"activation": activation, "residual": residual, "target": target, "algorithm": "depthwise"}
    y = compile_conv2d(weights, bias, input_shape=x.shape, **arguments)(x, residual=added)
    rounding = 0 if activation in (None, "relu") else 1e-6
    np.testing.assert_allclose(y, expected, rtol=rounding, atol=0)  # whole numbers: sums are exact


@pytest.mark.parametrize("target", runnable_targets())
@pytest.mark.parametrize(
    ("size", "kernel", "strides", "dilation", "pads"),
    [
        ((1, 1), (27, 27), (1, 1), (1, 1), ((13, 13), (13, 13))),
        ((2, 3), (31, 11), (1, 1), (1, 1), ((20, 40), (10, 30))),
        ((14, 14), (27, 27), (1, 1), (1, 1), ((13, 13), (13, 13))),
        ((5, 40), (3, 33), (2, 1), (3, 1), ((6, 0), (50, 2))),
        ((9, 8), (3, 3), (1, 1), (12, 12), ((12, 12), (12, 12))),
        ((9, 8), (5, 5), (2, 2), (1, 3), ((30, 30), (30, 30))),
        ((1, 700), (1, 512), (1, 1), (1, 1), ((0, 0), (0, 300))),
        ((60, 2), (520, 1), (1, 1), (1, 1), ((400, 100), (0, 0))),
    ],
)
def test_images_smaller_than_the_kernel_and_outputs_of_nothing_but_padding(
    size: Pair, kernel: Pair, strides: Pair, dilation: Pair, pads: tuple[Pair, Pair], target: str
) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(-4, 5, (2, *size, 37)).astype(np.float32)
    weights = rng.integers(-4, 5, (*kernel, 1, 37)).astype(np.float32)
    arguments: dict[str, Any] = {"strides": strides, "dilation_rate": dilation, "groups": 37, "padding": pads}
    conv = compile_conv2d(weights, input_shape=x.shape, target=target, algorithm="depthwise", **arguments)
    np.testing.assert_array_equal(conv(x), reference.conv(x, weights, None, **arguments))


def test_two_rows_are_those_whose_taps_fall_on_the_same_input_rows() -> None:
    for stride in range(1, 7):
        for dilation in range(1, 7):
            rows, taps = second_row(stride, dilation)
            assert rows * stride == taps * dilation
            assert all(less * stride % dilation for less in range(1, rows))


def test_it_takes_what_it_computes_and_leaves_the_rest() -> None:
    avx512 = TARGETS["avx512"]
    assert all(depthwise.applies(spec_of((k, k)), avx512) for k in (1, 2, 3, 7, 31, 512))
    assert depthwise.applies(spec_of((9, 9), (5, 5), (7, 7)), avx512)
    assert not depthwise.applies(spec_of((10, 10), (1, 2)), avx512)
    assert depthwise.applies(spec_of((10, 9), (2, 2)), avx512)
    assert not depthwise.applies(spec_of((1, 513)), avx512)
    assert not depthwise.applies(spec_of((3, 3), channels=15), avx512)
    assert depthwise.applies(spec_of((3, 3), channels=15), TARGETS["avx2"])
    assert not depthwise.applies(replace(spec_of((3, 3)), mapped_padding=True), avx512)
    assert not depthwise.applies(replace(spec_of((3, 3)), channels_last=False), avx512)
    assert [way.label for way in ways("depthwise", replace(spec_of((3, 3)), channels_last=False), avx512)] == [
        "depthwise by bands"
    ]
    assert not depthwise.applies(replace(spec_of((3, 3)), groups=20), avx512)
    assert all(depthwise.applies(spec_of((3, 3), channels=16 // each, each=each), avx512) for each in (1, 2, 4, 8, 16))
    assert not any(depthwise.applies(spec_of((3, 3), each=each), avx512) for each in (3, 6, 32))


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (7, 7), (31, 31), (1, 9)])
@pytest.mark.parametrize("target", TARGETS)
def test_it_is_chosen_wherever_it_applies(target: str, kernel: Pair) -> None:
    for strides, dilation in (((1, 1), (1, 1)), ((2, 2), (1, 1)), ((1, 1), (12, 12))):
        spec = spec_of(kernel, strides, dilation)
        if depthwise.applies(spec, TARGETS[target]):
            assert choose(spec, TARGETS[target], (14, 14)).algorithm == "depthwise"
            assert choose(spec, TARGETS[target], (14, 14), tame=False).algorithm != "depthwise"


def test_small_images_with_channels_first_go_by_bands_of_it_and_large_ones_do_not() -> None:
    spec = replace(spec_of((5, 5), channels=240), channels_last=False)
    assert choose(spec, TARGETS["avx2"], (14, 14)).label == "depthwise by bands"
    assert choose(spec, TARGETS["avx2"], (14, 14), tame=False).label == "grouped by bands"
    assert choose(spec, TARGETS["avx2"], (112, 112)).label == "rows"


def test_with_masks_rows_take_small_images_too_and_bands_take_strides_that_lanes_of_columns_do_not_fill() -> None:
    spec, avx512 = replace(spec_of((5, 5), channels=240), channels_last=False), TARGETS["avx512"]
    assert choose(spec, avx512, (14, 14)).label == "rows"
    assert choose(replace(spec, strides=(2, 2)), avx512, (7, 7)).label == "depthwise by bands"


@pytest.mark.parametrize("mode", ["zeros", "reflect", "constant"])
@pytest.mark.parametrize(("kernel", "rate", "each"), [((3, 3), 1, 1), ((5, 4), 2, 1), ((3, 12), 1, 2)])
def test_bands_of_it_are_right(kernel: Pair, rate: int, each: int, mode: str) -> None:
    rng = np.random.default_rng(6)
    x = rng.integers(-9, 10, (2, 21, 40, 37)).astype(np.float32)
    weights = rng.integers(-9, 10, (*kernel, 1, 21 * each)).astype(np.float32)
    arguments: dict[str, Any] = {
        "groups": 21, "dilation_rate": rate, "padding": "same", "padding_mode": mode, "data_format": "channels_first",
        "constant_value": 3 if mode == "constant" else 0,
    }  # fmt: skip
    y = conv2d(x, weights, algorithm="depthwise", **arguments)
    np.testing.assert_array_equal(y, reference.conv(x, weights, None, **arguments))


def test_weights_that_are_not_finite_meet_the_zeros_of_the_padding() -> None:
    x, weights = np.ones((1, 4, 5, 20), np.float32), np.ones((3, 3, 1, 20), np.float32)
    weights[0, 0, 0, 7] = np.inf
    arguments: dict[str, Any] = {"groups": 20, "padding": "same"}
    np.testing.assert_array_equal(conv2d(x, weights, **arguments), reference.conv(x, weights, None, **arguments))
    with pytest.raises(ValueError, match=r"received 'depthwise', which leaves out the zeros of the padding: times NaN"):
        conv2d(x, weights, algorithm="depthwise", **arguments)


@pytest.mark.parametrize("kernel", [(3, 3), (5, 2), (13, 13)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_the_outputs_whose_taps_touch_it_and_no_others(value: float, kernel: Pair) -> None:
    weights = np.ones((*kernel, 1, 35), np.float32)
    conv = compile_conv2d(weights, input_shape=(1, 30, 25, 35), groups=35, padding="same", algorithm="depthwise")
    (top, _), (left, _) = conv.geometry.pads
    for row, column, channel in ((0, 0, 0), (7, 13, 16), (20, 6, 31), (29, 24, 34), (12, 18, 20)):
        x = np.ones((1, 30, 25, 35), np.float32)
        x[0, row, column, channel] = value
        expected = np.zeros((30, 25, 35), bool)
        rows, columns = row + top - kernel[0] + 1, column + left - kernel[1] + 1
        expected[max(0, rows) : row + top + 1, max(0, columns) : column + left + 1, channel] = True
        np.testing.assert_array_equal(~np.isfinite(conv(x)[0]), expected)


@pytest.mark.parametrize("target", runnable_targets())
@pytest.mark.parametrize(("kernel", "rate"), [((3, 3), 1), ((5, 4), 3), ((27, 27), 1), ((40, 20), 1)])
def test_a_pixel_has_the_same_bits_wherever_its_block_begins_and_whether_padding_is_written_out(
    kernel: Pair, rate: int, target: str
) -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((1, 23, 31, 33)).astype(np.float32)
    weights = rng.standard_normal((*kernel, 1, 33)).astype(np.float32)
    pads = ((9, 30), (14, 8))
    arguments: dict[str, Any] = {"groups": 33, "dilation_rate": rate, "target": target, "algorithm": "depthwise"}
    conv = compile_conv2d(weights, input_shape=x.shape, padding=pads, **arguments)
    whole = conv(x)
    around = np.pad(x, ((0, 0), *pads, (0, 0)))
    plain = compile_conv2d(weights, input_shape=around.shape, **arguments)
    np.testing.assert_array_equal(plain(around).view(np.uint32), whole.view(np.uint32))
    for top, left in ((1, 1), (2, 5), (6, 3), (7, 8)):
        part = plain(around[:, top:, left:])
        np.testing.assert_array_equal(part.view(np.uint32), whole[:, top:, left:].view(np.uint32))


@pytest.mark.usefixtures("_same_threads_afterwards")
@pytest.mark.parametrize("shape", [(2, 90, 60, 133), (1, 7, 7, 1000), (3, 5, 300, 65)])
@pytest.mark.parametrize(("kernel", "rate"), [((3, 3), 1), ((3, 3), 4), ((21, 21), 1)])
def test_the_same_bits_for_any_number_of_threads_and_the_same_for_an_image_alone(
    kernel: Pair, rate: int, shape: tuple[int, int, int, int]
) -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal(shape).astype(np.float32)
    weights = rng.standard_normal((*kernel, 1, shape[-1])).astype(np.float32)
    conv = compile_conv2d(
        weights, input_shape=shape, groups=shape[-1], padding="same", dilation_rate=rate, algorithm="depthwise"
    )
    set_num_threads(1)
    alone = conv(x)
    for threads in (2, 3, 7):
        set_num_threads(threads)
        np.testing.assert_array_equal(conv(x, out=np.full_like(alone, np.nan)).view(np.uint32), alone.view(np.uint32))
    np.testing.assert_array_equal(conv(x[-1:]).view(np.uint32), alone[-1:].view(np.uint32))


@pytest.mark.parametrize("target", runnable_targets())
@pytest.mark.parametrize("kernel", [(31, 31), (63, 3), (1, 500), (5, 100)])
def test_errors_of_long_sums_are_those_of_parts_of_512_products(kernel: Pair, target: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.random((1, kernel[0] + 9, kernel[1] + 9, 16)).astype(np.float32)  # all of one sign: sums grow
    weights = rng.random((*kernel, 1, 16)).astype(np.float32)
    conv = compile_conv2d(weights, input_shape=x.shape, groups=16, target=target, algorithm="depthwise")
    exact = reference.conv(x.astype(np.float64), weights.astype(np.float64), None, groups=16)
    products = np.lib.stride_tricks.sliding_window_view(x, kernel, (1, 2))[0] * weights[:, :, 0].transpose(2, 0, 1)
    in_turn = np.cumsum(products.reshape(*products.shape[:3], -1), axis=-1, dtype=np.float32)[..., -1]
    error = np.sqrt(np.mean((conv(x)[0] - exact[0]) ** 2))
    assert error <= np.sqrt(np.mean((in_turn - exact[0]) ** 2)) * 1.05
    assert depthwise.plan(spec_of(kernel), TARGETS[target]).chunk * kernel[1] <= 512


def test_one_dimension_and_more_channels_than_a_slice_holds() -> None:
    rng = np.random.default_rng(4)
    x = rng.integers(-9, 10, (2, 300, 530)).astype(np.float32)
    kernel = rng.integers(-9, 10, (45, 530, 1)).astype(np.float32)
    expected = reference.conv(x, kernel.transpose(0, 2, 1), None, padding="same", groups=530)
    y = depthwise_conv1d(x, kernel, padding="same", algorithm="depthwise")
    np.testing.assert_array_equal(y, expected)
    image = rng.integers(-9, 10, (1, 6, 6, 1100)).astype(np.float32)
    weights = rng.integers(-9, 10, (27, 27, 1, 1100)).astype(np.float32)
    arguments: dict[str, Any] = {"padding": "same", "groups": 1100}
    conv = compile_conv2d(weights, input_shape=image.shape, algorithm="depthwise", **arguments)
    np.testing.assert_array_equal(conv(image), reference.conv(image, weights, None, **arguments))


def test_an_explanation_says_what_registers_hold() -> None:
    weights = np.random.default_rng(0).standard_normal((31, 31, 1, 64)).astype(np.float32)
    text = compile_conv2d(weights, input_shape=(1, 56, 56, 64), groups=64, padding="same", target="x86-64").explain()
    assert "algorithm  depthwise: each output reads one channel; vector lanes hold channels, and taps in the" in text
    assert "registers hold the sums of one row of 7 pixels, by 4 channels" in text
    assert "a sum is cut into parts of 16x31 taps" in text


@pytest.mark.parametrize("kernel", [(3, 3), (13, 13)])
@pytest.mark.parametrize("target", TARGETS)
def test_every_target_compiles_without_calls_to_a_library(target: str, kernel: Pair) -> None:
    text = jit.assembly(depthwise.emit(depthwise.plan(spec_of(kernel), TARGETS[target])), TARGETS[target])
    calls = {line.split()[-1] for line in text.splitlines() if line.split()[:1] in (["callq"], ["bl"])}
    assert calls
    assert all(name.startswith(("inside", "clipped_", "along", ".L")) for name in calls)
