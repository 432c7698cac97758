"""Compiled convolutions on every target that this processor runs, against the definition and against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.cases import (
    CASES,
    DTYPES,
    FORMATS,
    Case,
    assert_as_exact_as_its_type,
    by_definition,
    by_torch,
    dtype_of,
    summed,
)

from tweakconv import PreparedConv, compile_conv2d, conv2d, get_num_threads, set_num_threads
from tweakconv.compiler.target import runnable_targets

TARGETS = runnable_targets()


def compiled(case: Case, data_format: str, dtype: str, target: str, *, whole: bool = False) -> tuple[Any, ...]:
    x, kernel, bias = case.arrays(data_format, dtype, whole=whole)
    arguments = {**case.arguments, "data_format": data_format, "algorithm": summed(case), "residual": case.residual}
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, target=target, **arguments)
    return conv, x, kernel, bias


def test_some_target_runs_here() -> None:
    assert TARGETS


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_table_of_cases(case: Case, data_format: str, target: str) -> None:
    conv, x, kernel, bias = compiled(case, data_format, dtype_of(case, data_format, target), target)
    y = conv(x, residual=case.added(data_format, x.dtype))
    expected = by_definition(case, x, kernel, bias, data_format)
    np.testing.assert_allclose(expected, by_torch(case, x, kernel, bias, data_format), rtol=1e-9, atol=1e-9)
    assert y.dtype == x.dtype
    assert_as_exact_as_its_type(y, case, x, kernel, bias, data_format, expected)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("data_format", FORMATS)
def test_every_output_width_and_height_is_right_with_one_piece_of_code(
    data_format: str, dtype: str, target: str
) -> None:
    kernel_case = Case("widths", (1, 1), (3, 9), kernel=(2, 3), padding=((1, 1), (2, 1)))
    conv, *_ = compiled(kernel_case, data_format, dtype, target, whole=True)
    for width in [*range(1, 70), 97, 131, 260]:
        case = Case("widths", (1 + width % 5, width), (3, 9), kernel=(2, 3), padding=((1, 1), (2, 1)))
        _, kernel, bias = kernel_case.arrays(data_format, dtype, whole=True)
        x, _, _ = case.arrays(data_format, dtype, whole=True)
        np.testing.assert_array_equal(conv(x), by_definition(case, x, kernel, bias, data_format), f"width {width}")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("out_channels", [1, 2, 3, 4, 7, 8, 12, 16, 31, 32, 33, 48, 50, 64, 71, 127, 129])
def test_every_number_of_output_channels_is_right(out_channels: int, data_format: str, target: str) -> None:
    dtype = DTYPES[(out_channels + TARGETS.index(target)) % 2]
    case = Case("channels", (3, 13), (2, out_channels), kernel=(1, 2), padding=((0, 0), (1, 1)))
    conv, x, kernel, bias = compiled(case, data_format, dtype, target, whole=True)
    np.testing.assert_array_equal(conv(x), by_definition(case, x, kernel, bias, data_format))


EXACT_ACTIVATIONS: tuple[dict[str, Any], ...] = (
    {},
    {"activation": "relu"},
    {"activation": "relu6"},
    {"activation": "leaky_relu", "negative_slope": 0.125},
)


PADDINGS: tuple[dict[str, Any], ...] = (
    {},
    {},
    *({"padding_mode": mode} for mode in ("reflect", "symmetric", "edge", "wrap")),
    {"padding_mode": "constant", "constant_value": -3},
)


@st.composite
def any_case(draw: st.DrawFn) -> Case:
    """Any geometry that the definition allows, small."""

    def pair(least: int, most: int) -> tuple[int, int]:
        return draw(st.tuples(st.integers(least, most), st.integers(least, most)))

    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 7)))
    rates = pair(1, 4) if draw(st.booleans()) else pair(1, 14)
    pads = draw(st.sampled_from(("valid", "same", "same_lower", "full", None)))
    padding = pads or (pair(-3, 9), pair(-5, 20))
    size = draw(st.tuples(st.integers(1, 14), st.integers(1, 45)))
    if pads in (None, "valid"):  # an image in which the window has room
        cut = ((0, 0), (0, 0)) if pads else padding
        spans = [rate * (k - 1) + 1 - lo_hi[0] - lo_hi[1] for rate, k, lo_hi in zip(rates, kernel, cut, strict=True)]
        size = (max(size[0], spans[0]), max(size[1], spans[1]))
    groups = draw(st.sampled_from((1, 1, 1, 2, 3)))
    share_in = draw(st.integers(1, 20) | st.sampled_from((33, 64, 130, 515)))
    share_out = draw(st.integers(1, 20) | st.integers(21, 70))
    assume(kernel[0] * kernel[1] * share_in * groups * share_out * size[0] * size[1] < 2e8)
    return Case(
        "random",
        size,
        (share_in * groups, share_out * groups),
        kernel=kernel,
        strides=draw(st.tuples(st.integers(1, 5), st.integers(1, 9) | st.just(40))),
        padding=padding,
        dilation_rate=rates,
        groups=groups,
        batch=draw(st.integers(1, 3)),
        bias=draw(st.booleans()),
        **draw(st.sampled_from(EXACT_ACTIVATIONS)),
        residual=draw(st.booleans()),
        **draw(st.sampled_from(PADDINGS)),
    )


@settings(max_examples=80)
@given(any_case(), st.sampled_from(FORMATS), st.sampled_from(DTYPES), st.sampled_from(TARGETS), st.booleans())
def test_any_geometry_is_right_to_the_bit_for_whole_numbers(
    case: Case, data_format: str, dtype: str, target: str, into_out: bool
) -> None:
    conv, x, kernel, bias = compiled(case, data_format, dtype, target, whole=True)
    expected = by_definition(case, x, kernel, bias, data_format)
    out = np.full(expected.shape, np.nan, dtype) if into_out else None
    y = conv(x, out=out, residual=case.added(data_format, dtype))
    assert y is out or out is None
    assert y.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(y, expected)


@settings(max_examples=30)
@given(any_case(), st.sampled_from(FORMATS), st.sampled_from(DTYPES))
def test_the_function_gives_what_the_prepared_convolution_gives(case: Case, data_format: str, dtype: str) -> None:
    x, kernel, bias = case.arrays(data_format, dtype)
    arguments, added = {**case.arguments, "data_format": data_format}, case.added(data_format, dtype)
    prepared = compile_conv2d(kernel, bias, input_shape=x.shape, residual=case.residual, **arguments)
    y = conv2d(x, kernel, bias, residual=added, **arguments)
    np.testing.assert_array_equal(y, prepared(x, residual=added))
    assert_as_exact_as_its_type(y, case, x, kernel, bias, data_format, by_torch(case, x, kernel, bias, data_format))


STREAMED = (
    Case("deep", (5, 7), (300, 150), padding="same", batch=2),
    Case("wide", (3, 11), (70, 500), strides=(2, 1), padding=((0, 1), (2, 1)), bias=False),
    Case("one tap", (4, 9), (1030, 260), kernel=(1, 1), residual=True, activation="relu"),
    Case("two groups", (6, 5), (250, 300), groups=2, dilation_rate=(2, 1), padding="same"),
    Case("one pixel", (3, 3), (240, 200)),
)
"""Weights that fill much of a core's second-level cache, or more."""


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", STREAMED, ids=lambda case: case.name)
def test_weights_that_stream_past_the_cache(case: Case, target: str, data_format: str, threads: int) -> None:
    x, kernel, bias = case.arrays(data_format, np.float32, whole=True)
    added = case.added(data_format, np.float32)
    conv = compile_conv2d(
        kernel, bias, input_shape=x.shape, data_format=data_format, target=target, residual=case.residual,
        algorithm="direct", **case.arguments,
    )  # fmt: skip
    if data_format == "channels_last":
        assert conv.built.choice.plan.blocking.ahead  # type: ignore[union-attr]
    before = get_num_threads()
    set_num_threads(threads)
    try:
        y = conv(x, residual=added)
    finally:
        set_num_threads(before)
    np.testing.assert_array_equal(y, by_torch(case, x, kernel, bias, data_format))


def test_a_new_batch_or_image_size_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    conv = compile_conv2d(np.ones((3, 3, 2, 4), np.float32), input_shape=(1, 8, 8, 2), padding="same")

    def refuse(*_: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr("tweakconv.compiler.build._build", refuse)
    for shape in ((1, 8, 8, 2), (3, 5, 40, 2), (2, 1, 1, 2)):
        assert conv(np.ones(shape, np.float32)).shape == (*shape[:3], 4)


def test_explain_says_sizes_pads_plan_operations_and_bytes() -> None:
    conv = compile_conv2d(np.ones((3, 3, 2, 4), np.float32), input_shape=(2, 9, 12, 2), strides=2, padding="same")
    text = conv.explain()
    assert isinstance(conv, PreparedConv)
    # Worked by hand: 9 -> 5 with pads (1, 1), 12 -> 6 with pads (0, 1); 3*3*2 products for each of 2*5*6*4 outputs.
    for part in ("9x12x2 -> 5x6x4", "top 1, bottom 1, left 0, right 1", "direct", "4,320", "input 1,728", "output 960"):
        assert part in text, text
