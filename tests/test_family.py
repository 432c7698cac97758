"""Convolutions of every kind, compiled, against the definition and PyTorch: values, threads, layouts, copies."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.cases import DTYPES, FORMATS
from tests.family import FAMILY, Kin, by_definition, by_torch

import tweakconv as tc
from tweakconv.compiler.target import TARGETS, runnable_targets

INF, NAN = np.inf, np.nan
HERE = runnable_targets()


def dtype_of(kin: Kin, data_format: str, target: str) -> str:
    """They take turns, so that each meets every format and target."""
    return DTYPES[(FAMILY.index(kin) + FORMATS.index(data_format) + sorted(TARGETS).index(target)) % 2]


def prepared(kin: Kin, data_format: str, dtype: str, kernels: Any, bias: Any, x: Any, **more: Any) -> Any:
    arguments = {**kin.tweaks, "data_format": data_format, "residual": kin.residual, "dtype": dtype, **more}
    return kin.prepare(*kernels, bias, input_shape=x.shape, **arguments)


@pytest.mark.parametrize("target", HERE)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("kin", FAMILY, ids=lambda kin: kin.name)
def test_table_of_every_kind(kin: Kin, data_format: str, target: str) -> None:
    dtype = dtype_of(kin, data_format, target)
    x, kernels, bias = kin.arrays(data_format, dtype)
    conv = prepared(kin, data_format, dtype, kernels, bias, x, target=target)
    shape = by_definition(kin, x, kernels, bias, data_format).shape
    residual = kin.added(shape, dtype)
    y = conv(x, residual=residual)
    expected = by_definition(kin, x, kernels, bias, data_format, residual)
    np.testing.assert_allclose(expected, by_torch(kin, x, kernels, bias, data_format, residual), rtol=1e-9, atol=1e-9)
    assert (y.shape, y.dtype) == (expected.shape, x.dtype)
    assert abs(y - expected).max() <= rounding(kin, x, kernels, bias, data_format, dtype)


def rounding(kin: Kin, x: Any, kernels: Any, bias: Any, data_format: str, dtype: str) -> float:
    """24 roundings of the largest sum of magnitudes."""
    plain = Kin(**{**{f: getattr(kin, f) for f in kin.__slots__}, "activation": None, "residual": False})
    sums = by_definition(plain, abs(x), [abs(k) for k in kernels], None if bias is None else abs(bias), data_format)
    return float(24 * np.finfo(dtype).eps * (sums.max() + 20 * kin.residual))


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("kin", FAMILY, ids=lambda kin: kin.name)
def test_whole_numbers_come_out_exact_from_the_function_and_the_prepared_one(kin: Kin, data_format: str) -> None:
    if kin.activation not in (None, "relu", "relu6"):
        kin = Kin(**{**{f: getattr(kin, f) for f in kin.__slots__}, "activation": None})
    x, kernels, bias = kin.arrays(data_format, np.float32, whole=True)
    shape = by_definition(kin, x, kernels, bias, data_format).shape
    residual = kin.added(shape, np.float32)
    expected = by_definition(kin, x, kernels, bias, data_format, residual)
    out = np.full(expected.shape, NAN, np.float32)
    arguments = {**kin.tweaks, "data_format": data_format}
    assert kin.operation(x, *kernels, bias, out=out, residual=residual, **arguments) is out
    conv = prepared(kin, data_format, "float32", kernels, bias, x)
    rounding = 1e-5 * abs(expected).max() if "winograd" in str(conv.explain()) else 0
    np.testing.assert_allclose(out, expected, rtol=0, atol=rounding)
    for same in (conv, copy.deepcopy(conv), pickle.loads(pickle.dumps(conv))):
        np.testing.assert_allclose(same(x, residual=residual), expected, rtol=0, atol=rounding)
    assert str(conv.explain()).count("\n") > 6


@st.composite
def any_kin(draw: st.DrawFn) -> Kin:
    """Any geometry that the definition allows, small."""
    rank = draw(st.integers(1, 3))
    kind = draw(st.sampled_from(["conv", "conv", "transposed", "transposed", "depthwise", "separable"]))
    rank = min(rank, 2) if kind in ("depthwise", "separable") else rank

    def ints(least: int, most: int) -> Any:
        return draw(st.tuples(*[st.integers(least, most)] * rank))

    names = ["valid", "same", "same_lower"]
    names += [] if kind == "transposed" else ["full", *(["causal"] if rank == 1 else [])]
    pairs = draw(st.tuples(*[st.tuples(st.integers(-2, 5), st.integers(-2, 5))] * rank))
    channels, multiple = draw(st.integers(1, 20)), draw(st.sampled_from([1, 1, 2, 3]))
    groups = draw(st.sampled_from([1, 1, 2, 3, 5]))
    ordinary = (channels * groups, draw(st.integers(1, 24)) * groups)
    by_kind = {"depthwise": (channels, multiple), "separable": (channels, multiple, draw(st.integers(1, 20)))}
    return Kin(
        "any",
        kind,
        ints(1, {1: 60, 2: 13, 3: 7}[rank]),
        by_kind.get(kind, ordinary),
        ints(1, {1: 7, 2: 5, 3: 3}[rank]),
        strides=ints(1, 5),
        padding=draw(st.sampled_from(names) | st.just(pairs)),
        dilation_rate=ints(1, 4),
        output_padding=draw(st.none() | st.just(ints(0, 4))) if kind == "transposed" else None,
        groups=groups if kind in ("conv", "transposed") else 1,
        batch=draw(st.integers(1, 3)),
        bias=draw(st.booleans()),
        activation=draw(st.sampled_from([None, "relu"])),
        residual=draw(st.booleans()),
        padding_mode="zeros" if kind == "transposed" else draw(st.sampled_from(["zeros", "zeros", "reflect", "wrap"])),
    )


@settings(max_examples=120)
@given(
    any_kin(), st.sampled_from(FORMATS), st.sampled_from(DTYPES), st.sampled_from(HERE),
    st.sampled_from([None, None, "x", "kernel"]), st.sampled_from([INF, -INF, NAN]),
)  # fmt: skip
def test_any_convolution_is_right_to_the_bit_for_whole_numbers_and_about_what_is_not_finite(
    kin: Kin, data_format: str, dtype: str, target: str, place: str | None, value: float
) -> None:
    x, kernels, bias = kin.arrays(data_format, dtype, whole=True)
    if place is not None:
        array = x if place == "x" else kernels[0]
        array.reshape(-1)[np.random.default_rng(5).integers(array.size, size=1 + array.size // 40)] = value
    try:
        expected = by_definition(kin, x, kernels, bias, data_format)
    except ValueError:  # nothing comes out
        with pytest.raises(ValueError, match=r"padding|kernel"):
            prepared(kin, data_format, dtype, kernels, bias, x)
        assume(False)
    residual = kin.added(expected.shape, dtype)
    expected = by_definition(kin, x, kernels, bias, data_format, residual)
    conv = prepared(kin, data_format, dtype, kernels, bias, x, target=target)
    np.testing.assert_array_equal(conv(x, residual=residual), expected)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("value", [INF, NAN])
def test_a_transposed_convolution_multiplies_nothing_where_there_is_no_pixel(value: float, data_format: str) -> None:
    # By hand: output 2*i + k gets x[i] * w[k], so weight 2 reaches outputs 2, 4 and 6, and 0, 1, 3 and 5 stay clean.
    x = np.array([1.0, 2.0, 0.0]).reshape((1, 3, 1) if data_format == "channels_last" else (1, 1, 3))
    kernel = np.array([1.0, 10.0, value]).reshape(3, 1, 1)
    y = tc.conv1d_transpose(x, kernel, strides=2, data_format=data_format).reshape(-1)
    bad = value if value == INF else NAN
    np.testing.assert_array_equal(y, [1, 10, bad, 20, bad, 0, NAN])


@pytest.fixture
def _same_threads_afterwards() -> Iterator[None]:
    before = tc.get_num_threads()
    yield
    tc.set_num_threads(before)


HEAVY = (
    Kin("volumes", "conv", (6, 20, 21), (16, 40), (3, 3, 3), padding="same", batch=2),
    Kin("transposed", "transposed", (30, 31), (24, 40), (3, 4), strides=(2, 3), padding="same"),
    Kin("transposed volumes", "transposed", (5, 11, 12), (40, 33), (2, 3, 2), strides=2, batch=2),
    Kin("rows", "conv", (900,), (40, 60), (5,), padding="causal", batch=3),
    Kin("separable", "separable", (40, 41), (33, 1, 50), (5, 5), padding="same"),
)


@pytest.mark.usefixtures("_same_threads_afterwards")
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("kin", HEAVY, ids=lambda kin: kin.name)
def test_bits_depend_neither_on_the_number_of_threads_nor_on_the_batch(kin: Kin, data_format: str) -> None:
    x, kernels, bias = kin.arrays(data_format, np.float32)
    conv = prepared(kin, data_format, "float32", kernels, bias, x)
    tc.set_num_threads(1)
    alone = conv(x)
    np.testing.assert_array_equal(conv(x[-1:]), alone[-1:])
    for threads in (2, 3, 5):
        tc.set_num_threads(threads)
        np.testing.assert_array_equal(conv(x), alone)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("kin", HEAVY, ids=lambda kin: kin.name)
def test_input_of_any_layout_gives_the_same_bits(kin: Kin, data_format: str) -> None:
    x, kernels, bias = kin.arrays(data_format, np.float32)
    conv = prepared(kin, data_format, "float32", kernels, bias, x)
    y = conv(x)
    axes = range(x.ndim)
    views = [
        np.asfortranarray(x),
        x.astype(">f4"),
        *(np.flip(np.flip(x, axis).copy(), axis) for axis in axes),
        *(np.repeat(x, 2, axis)[tuple(slice(None, None, 2 if a == axis else 1) for a in axes)] for axis in axes),
        np.pad(x, 2, constant_values=NAN)[(slice(2, -2),) * x.ndim],
    ]
    for view in views:
        np.testing.assert_array_equal(conv(view), y)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("kind", ["conv", "transposed"])
def test_one_piece_of_code_is_right_for_every_size_of_a_volume(kind: str, data_format: str) -> None:
    more: dict[str, Any] = {"strides": (1, 2, 3), "padding": "same", "bias": False}
    made = Kin("made", kind, (4, 5, 6), (3, 9), (2, 3, 4), **more)
    x, kernels, bias = made.arrays(data_format, np.float32, whole=True)
    conv = prepared(made, data_format, "float32", kernels, bias, x)
    for size in [(1, 1, 1), (2, 1, 40), (1, 7, 2), (5, 2, 17), (3, 4, 5)]:
        kin = Kin("met", kind, size, (3, 9), (2, 3, 4), **more)
        x, _, _ = kin.arrays(data_format, np.float32, whole=True)
        np.testing.assert_array_equal(conv(x), by_definition(kin, x, kernels, None, data_format))


def test_a_copy_made_for_a_tiny_input_holds_weights_that_it_did_not_need() -> None:
    # Cut to one output, only one phase is computed; a larger input needs the others.
    kernel = np.arange(1.0, 10.0).reshape(3, 3, 1, 1)
    conv = tc.compile_conv2d_transpose(kernel, input_shape=(1, 1, 1, 1), strides=3, padding=1)
    x = np.arange(1.0, 7.0).reshape(1, 2, 3, 1)
    expected = tc.reference.conv_transpose(x, kernel, strides=3, padding=1)
    np.testing.assert_array_equal(copy.deepcopy(conv)(x), expected)
    np.testing.assert_array_equal(conv(x), expected)


@pytest.mark.parametrize("kind", ["conv", "transposed", "depthwise", "separable"])
def test_an_empty_batch_gives_an_empty_batch(kind: str) -> None:
    channels = {"depthwise": (3, 2), "separable": (3, 2, 5)}.get(kind, (3, 5))
    kin = Kin("empty", kind, (5, 6), channels, (2, 3), batch=0, strides=2, residual=True)
    x, kernels, bias = kin.arrays("channels_last", np.float32)
    shape = by_definition(kin, x, kernels, bias, "channels_last").shape
    assert shape[0] == 0
    y = kin.operation(x, *kernels, bias, residual=np.ones(shape, np.float32), **kin.tweaks)
    assert (y.shape, y.dtype) == (shape, np.float32)


def test_explain_tells_of_phases_planes_and_cuts() -> None:
    up = tc.compile_conv2d_transpose(np.ones((4, 4, 8, 2)), input_shape=(1, 28, 28, 2), strides=2, padding=((1, 0), 1))
    text = up.explain()
    for part in ("4x4 kernel, 28x28x2 -> 57x56x8, transposed, channels_last", "cuts top 1, bottom 0, left 1, right 1",
                 "at most 2x2, come together"):  # fmt: skip
        assert part in text, text
    volume = tc.compile_conv3d(np.ones((3, 3, 3, 2, 4)), input_shape=(1, 4, 5, 6, 2), padding="same").explain()
    for part in ("3x3x3 kernel, 4x5x6x2 -> 4x5x6x4", "depth (4 - 3 + 2*1) / 1 + 1 = 4", "3x3x3 taps x 2 channels",
                 "front 1, back 1, top 1, bottom 1"):  # fmt: skip
        assert part in volume, volume
