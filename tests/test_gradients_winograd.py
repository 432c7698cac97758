"""Kernel gradients by Winograd's way: values, errors, what is not finite, threads, and when it is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cases import FORMATS, Case
from tests.gradient_cases import Grad

import tweakconv as tc
from tweakconv.compiler.target import runnable_targets

HERE = runnable_targets()


def gradient(grad: Grad, x: Any, data_format: str, algorithm: str, dtype: str = "float32", **more: Any) -> Any:
    return tc.compile_conv2d_kernel_grad(
        grad.kernel_shape, input_shape=x.shape, data_format=data_format, dtype=dtype, algorithm=algorithm,
        **grad.kernel_tweaks, **more,
    )  # fmt: skip


def errors(grad: Grad, data_format: str, **more: Any) -> tuple[float, float]:
    """The root mean square errors of Winograd's way and of direct sums, relative to the gradient."""
    x, _, dy = grad.arrays(data_format, "float32")
    exact = gradient(grad, x, data_format, "direct", "float64")(x.astype(np.float64), dy.astype(np.float64))
    found = (gradient(grad, x, data_format, way, **more)(x, dy) - exact for way in ("winograd", "direct"))
    winograd, direct = (float(np.sqrt((error**2).mean() / (exact**2).mean())) for error in found)
    return winograd, direct


@pytest.mark.parametrize("target", HERE)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize(
    "case",
    [
        Case("whole tiles", (12, 16), (16, 32), padding="same", bias=False),
        Case("cut tiles, batch", (14, 15), (40, 50), padding="same", batch=3, bias=False),
        Case("small images, many of them", (5, 6), (17, 20), padding="full", batch=20, bias=False),
        Case("pads that differ and crop", (15, 22), (33, 16), padding=((-1, 3), (4, -2)), batch=2, bias=False),
        Case("a wide image", (7, 300), (20, 24), padding="same", bias=False),
        Case("groups", (13, 14), (48, 60), groups=3, padding="same", batch=2, bias=False),
        Case("chunks and panels", (9, 10), (150, 280), padding="same", batch=2, bias=False),
        Case("padding with pixels", (11, 12), (16, 16), padding="same", padding_mode="wrap", bias=False),
    ],
    ids=lambda case: case.name,
)
def test_values_are_as_exact_as_direct_sums_but_for_a_few_roundings(case: Case, data_format: str, target: str) -> None:
    winograd, direct = errors(Grad(case.name, case), data_format, target=target)
    assert winograd <= 1.2e-6
    assert direct <= 4e-7


@settings(max_examples=15)
@given(
    st.tuples(st.integers(3, 30), st.integers(3, 70)),
    st.tuples(st.integers(16, 70), st.integers(16, 70)),
    st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2),
    st.integers(1, 5),
    st.sampled_from(FORMATS),
)
def test_any_size(size: Any, channels: Any, padding: Any, batch: int, data_format: str) -> None:
    winograd, _ = errors(Grad("drawn", Case("", size, channels, padding=padding, batch=batch, bias=False)), data_format)
    assert winograd <= 2e-6


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("where", ["x", "grad"])
def test_what_is_not_finite_or_overflows_is_computed_directly(where: str, bad: float, data_format: str) -> None:
    grad = Grad("bad", Case("", (9, 13), (16, 20), padding="same", batch=2, bias=False))
    x, kernel, dy = grad.arrays(data_format, "float32")
    flat = (x if where == "x" else dy).reshape(-1)
    flat[len(flat) // 3] = bad
    (dy if where == "x" else x)[...] *= np.float32(1e-3)
    expected = grad.by_definition(x, kernel, dy, data_format)[1]
    found = gradient(grad, x, data_format, "winograd")(x, dy)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(np.isposinf(found), np.isposinf(expected))
    if np.isfinite(bad):  # too large for the transforms, not for the sums
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("data_format", FORMATS)
def test_bits_do_not_depend_on_the_number_of_threads(data_format: str) -> None:
    grad = Grad("threads", Case("", (28, 30), (40, 70), padding="same", batch=6, bias=False))
    x, _, dy = grad.arrays(data_format, "float32")
    before, of_kernel = tc.get_num_threads(), gradient(grad, x, data_format, "winograd")
    try:
        tc.set_num_threads(1)
        expected = of_kernel(x, dy)
        for threads in (2, 3, 8):
            tc.set_num_threads(threads)
            for _ in range(3):
                np.testing.assert_array_equal(of_kernel(x, dy), expected)
    finally:
        tc.set_num_threads(before)


def test_it_is_taken_where_it_saves_products_and_refused_where_it_does_not_compute() -> None:
    shape: dict[str, Any] = {"input_shape": (8, 28, 28, 64), "padding": "same"}
    assert tc.compile_conv2d_kernel_grad((3, 3, 64, 64), **shape).algorithm == "winograd"
    assert tc.compile_conv2d_kernel_grad((3, 3, 64, 64), strides=2, **shape).algorithm == "direct"
    assert tc.compile_conv2d_kernel_grad((3, 3, 64, 64), dtype="float64", **shape).algorithm == "direct"
    assert tc.compile_conv2d_kernel_grad((3, 3, 64, 64), algorithm="direct", **shape).algorithm == "direct"
    assert tc.compile_conv2d_kernel_grad((3, 3, 64, 64), input_shape=(1, 3, 3, 64)).algorithm == "direct"
    with pytest.raises(ValueError, match="algorithm: received 'winograd', which computes 3x3 taps at stride 1"):
        tc.compile_conv2d_kernel_grad((5, 5, 64, 64), algorithm="winograd", **shape)
    with pytest.raises(ValueError, match="algorithm: received 'fft'"):
        tc.compile_conv2d_kernel_grad((5, 5, 64, 64), algorithm="fft", **shape)
