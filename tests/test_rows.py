"""Rows: one output channel a group, neighbouring output rows sharing the input rows they read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tweakconv import compile_conv2d, get_num_threads, reference, set_num_threads
from tweakconv.activations import Activation
from tweakconv.compiler import jit
from tweakconv.compiler.schedules import rows
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import TARGETS, runnable_targets


@pytest.fixture
def _same_threads_afterwards() -> Iterator[None]:
    before = get_num_threads()
    yield
    set_num_threads(before)


def spec_of(kernel: tuple[int, int], strides: tuple[int, int] = (1, 1), dilation: tuple[int, int] = (1, 1)) -> ConvSpec:
    return ConvSpec(kernel, strides, dilation, 1, 1, 1, channels_last=False, double=False)


def pairs(least: int, most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(least, most), st.integers(least, most))


@given(
    kernel=pairs(1, 9),
    strides=pairs(1, 3),
    dilation=pairs(1, 3),
    more=st.tuples(st.integers(0, 40), st.integers(0, 140)),
    pads=st.tuples(pairs(0, 9), pairs(0, 9)),
    groups=st.integers(1, 3),
    each=st.integers(1, 4),
    batch=st.integers(1, 2),
    seed=st.integers(0, 1000),
    relu=st.booleans(),
    target=st.sampled_from(runnable_targets()),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_whatever_it_claims_to_compute_is_right(
    kernel: tuple[int, int], strides: tuple[int, int], dilation: tuple[int, int], more: tuple[int, int],
    pads: Any, groups: int, each: int, batch: int, seed: int, relu: bool, target: str, dtype: str,
) -> None:  # fmt: skip
    spec = ConvSpec(
        kernel,
        strides,
        dilation,
        groups * each,
        groups,
        groups,
        False,
        dtype == "float64",
        Activation.of("relu") if relu else None,
    )
    if not rows.applies(spec, TARGETS[target]):
        return
    rng = np.random.default_rng(seed)
    size = [d * (k - 1) + 1 + m for d, k, m in zip(dilation, kernel, more, strict=True)]
    x = rng.integers(-9, 10, (batch, groups * each, *size)).astype(dtype)
    weights = rng.integers(-9, 10, (*kernel, each, groups)).astype(dtype)
    bias = rng.integers(-9, 10, groups).astype(dtype)
    arguments: dict[str, Any] = {
        "strides": strides, "dilation_rate": dilation, "groups": groups, "padding": pads,
        "data_format": "channels_first", "activation": "relu" if relu else None,
    }  # fmt: skip
    conv = compile_conv2d(weights, bias, input_shape=x.shape, target=target, algorithm="rows", **arguments)
    np.testing.assert_array_equal(conv(x), reference.conv(x, weights, bias, **arguments))  # integers: exact


def test_it_takes_what_has_rows_to_share_and_leaves_the_rest() -> None:
    avx512 = TARGETS["avx512"]
    assert all(rows.applies(spec_of((k, k)), avx512) for k in (1, 2, 3, 5, 15, 31, 63))
    assert rows.applies(spec_of((3, 3), (2, 2)), avx512)
    assert rows.applies(spec_of((3, 3), (1, 1), (2, 2)), avx512)
    assert rows.applies(spec_of((3, 3), (1, 1), (6, 6)), avx512)
    assert not rows.applies(replace(spec_of((3, 3), (1, 1), (6, 6)), mapped_padding=True), avx512)
    assert not rows.applies(spec_of((3, 3), (7, 7)), avx512)
    assert not rows.applies(spec_of((1, 513)), avx512)


def test_long_sums_are_cut_into_parts() -> None:
    plan = rows.plan(spec_of((63, 63)), TARGETS["avx512"])
    assert plan.chunks()[0] == (0, plan.chunk)
    assert plan.chunks()[-1][1] == 63
    assert plan.chunk * 63 <= 512


@pytest.mark.usefixtures("_same_threads_afterwards")
@pytest.mark.parametrize(("channels", "size"), [(3, (400, 333)), (37, (20, 21))], ids=["bands of a plane", "planes"])
def test_the_same_bits_for_any_number_of_threads_and_the_same_for_an_image_alone(
    channels: int, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((2, channels, *size)).astype(np.float32)
    kernel = rng.standard_normal((9, 7, 1, channels)).astype(np.float32)
    conv = compile_conv2d(
        kernel, input_shape=x.shape, groups=channels, padding="same", data_format="channels_first", algorithm="rows"
    )
    set_num_threads(1)
    y = conv(x)
    for threads in (2, 3, 5):
        set_num_threads(threads)
        np.testing.assert_array_equal(conv(x), y)
    np.testing.assert_array_equal(conv(x[1:]), y[1:])


def test_a_nan_reaches_the_outputs_whose_taps_touch_it_and_no_others() -> None:
    x, kernel = np.ones((1, 40, 90, 1), np.float32), np.ones((5, 3, 1, 1), np.float32)
    conv = compile_conv2d(kernel, input_shape=x.shape, padding="same", algorithm="rows")
    for row, column in ((0, 0), (7, 44), (20, 63), (39, 89)):
        x[...] = 1
        x[0, row, column, 0] = np.nan
        expected = np.zeros((40, 90), bool)
        expected[max(0, row - 2) : row + 3, max(0, column - 1) : column + 2] = True
        np.testing.assert_array_equal(np.isnan(conv(x)[0, :, :, 0]), expected)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_compiles_without_calls_to_a_library(target: str) -> None:
    spec = ConvSpec(
        (5, 4), (1, 2), (1, 1), 2, 2, 2, channels_last=False, double=False, activation=Activation.of("relu")
    )
    text = jit.assembly(rows.emit(rows.plan(spec, TARGETS[target])), TARGETS[target])
    calls = {line.split()[-1] for line in text.splitlines() if line.split()[:1] in (["callq"], ["bl"])}
    assert calls
    assert all(name.startswith(("rows_", "edge_", "fill", ".L")) for name in calls)
