"""Prepared convolutions as objects: copies, pickles, what they say of themselves, inputs of other sizes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from tests.cases import CASES, FORMATS, Case, by_definition

import tweakconv as tc
from tweakconv.compiler.choose import choose
from tweakconv.compiler.target import TARGETS, runnable_targets

BEST = runnable_targets()[0]
COPIED = [case for case in CASES if np.prod(case.kernel_shape) < 20_000]


@pytest.mark.parametrize("way", [copy.deepcopy, lambda conv: pickle.loads(pickle.dumps(conv))])
@pytest.mark.parametrize("case", COPIED[::4], ids=lambda case: case.name)
def test_a_copy_or_pickle_computes_the_same_bits(case: Case, way: Any) -> None:
    for data_format in FORMATS:
        x, kernel, bias = case.arrays(data_format, np.float32)
        conv = tc.compile_conv2d(kernel, bias, input_shape=x.shape, data_format=data_format, **case.arguments)
        again = way(conv)
        np.testing.assert_array_equal(again(x), conv(x))
        assert again.explain().splitlines()[0] == conv.explain().splitlines()[0]


def test_one_prepared_convolution_takes_every_image_size_and_batch_and_compiles_once() -> None:
    case = CASES[0]
    _, kernel, bias = case.arrays("channels_last", np.float64)
    conv = tc.compile_conv2d(kernel, bias, input_shape=(1, 9, 11, 3), padding="same", strides=2)
    code = conv.built.code
    rng = np.random.default_rng(3)
    for shape in [(1, 9, 11, 3), (2, 5, 6, 3), (1, 1, 40, 3), (3, 28, 3, 3)]:
        x = rng.standard_normal(shape)
        other = Case("other size", shape[1:3], (3, 5), strides=(2, 2), padding="same", batch=shape[0])
        np.testing.assert_allclose(
            conv(x), by_definition(other, x, kernel, bias, "channels_last"), rtol=1e-12, atol=1e-12
        )
        assert conv.built.code is code


def test_an_explanation_names_sizes_pads_schedule_operations_and_bytes() -> None:
    kernel = np.ones((3, 3, 4, 8), np.float32)
    text = tc.compile_conv2d(kernel, input_shape=(2, 28, 28, 4), strides=3, padding=1).explain()
    assert "(28 - 3 + 2*1) / 3 + 1 = 10" in text
    assert "top 1, bottom 1, left 1, right 1, of zeros" in text
    assert "algorithm  direct" in text
    assert f"operations {2 * 10 * 10 * 9 * 4 * 8:,} multiply-adds" in text
    assert f"input {2 * 28 * 28 * 4 * 4:,}, output {2 * 10 * 10 * 8 * 4:,}" in text


@pytest.mark.parametrize(("each", "expected"), [(1, "depthwise"), (4, "grouped"), (3, "direct"), (64, "direct")])
def test_small_groups_have_a_schedule_of_their_own(each: int, expected: str) -> None:
    kernel = np.random.default_rng(0).standard_normal((7, 7, each, 192)).astype(np.float32)
    last = tc.compile_conv2d(kernel, input_shape=(1, 28, 28, 192), groups=192 // each, target="x86-64")
    assert last.built.choice.algorithm == ("direct" if each == 4 else expected)  # its vectors hold no more than four
    wide = choose(last.built.choice.plan.spec, TARGETS["avx512"], (22, 22))
    assert wide.algorithm == expected
    first = tc.compile_conv2d(kernel, input_shape=(1, 192, 112, 112), groups=192 // each, data_format="channels_first")
    assert first.built.choice.algorithm == ("rows" if each == 1 else "direct")


def test_strides_beyond_what_is_computed_are_refused_where_they_would_matter() -> None:
    conv = tc.compile_conv2d(np.ones((1, 1, 1, 1), np.float32), input_shape=(1, 1, 9, 1), strides=(1, 1 << 17))
    assert conv(np.full((1, 1, 9, 1), 3, np.float32)).tolist() == [[[[3.0]]]]
    with pytest.raises(ValueError, match=r"strides: 131072 is too far for an input as large as \(1, 131073\)"):
        conv(np.ones((1, 1, (1 << 17) + 1, 1), np.float32))


def test_products_with_padding_that_are_left_out_count_in_the_choice() -> None:
    kernel = np.random.default_rng(1).standard_normal((3, 3, 64, 64)).astype(np.float32)

    def conv(size: int, padding: str) -> tc.PreparedConv:
        shape = (1, size, size, 64)
        return tc.compile_conv2d(kernel, input_shape=shape, padding=padding, dilation_rate=12, target=BEST)

    inside, beyond = conv(120, "valid"), conv(17, "same")
    assert inside.met == 1
    assert beyond.met == pytest.approx(((5 + 17 + 5) / 51) ** 2)
    assert inside.built.choice.algorithm == "winograd"
    assert beyond.built.choice.algorithm == "direct"
    assert "rows are cut where other kernel columns lie in the image" in beyond.explain()
