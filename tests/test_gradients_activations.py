"""Gradients through activations and with respect to the bias, against PyTorch and the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.cases import DTYPES, FORMATS, TORCH_ACTIVATIONS

import tweakconv as tc
from tweakconv import reference_gradients
from tweakconv.activations import ACTIVATIONS, Activation
from tweakconv.compiler.activation_grad import ActivationGradPlan, code
from tweakconv.compiler.target import get_target, runnable_targets

SLOPES = {"leaky_relu": (0.25, -0.5, 0.0)}
EACH = [(name, slope) for name in ACTIVATIONS for slope in SLOPES.get(name, (None,))]


def sums(dtype: str) -> Any:
    rng = np.random.default_rng(7)
    return np.concatenate([rng.standard_normal(700) * 3, np.linspace(-30, 30, 333), [1e-30, -1e-30, 90, -90]]).astype(
        dtype
    )


def kept(z: Any, name: str, slope: float | None) -> Any:
    chosen = Activation.of(name, slope)
    assert chosen is not None
    return z if tc.activation_keeps(name, slope) == "sum" else chosen(z)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "slope"), EACH)
def test_slopes_are_those_of_the_definition_and_of_pytorch(name: str, slope: float | None, dtype: str) -> None:
    z = sums(dtype)
    grad = np.random.default_rng(8).standard_normal(z.shape).astype(dtype)
    y = tc.activation_grad(grad, kept(z, name, slope), name, slope)
    expected = reference_gradients.activation_grad(grad, z, name, slope)
    assert y.dtype == dtype
    roundings = 16 * np.finfo(dtype).eps
    np.testing.assert_allclose(y, expected, rtol=roundings, atol=roundings * 4)
    zt = torch.from_numpy(z.astype(np.float64)).requires_grad_()
    TORCH_ACTIVATIONS[name](zt, slope or 0).backward(torch.from_numpy(grad.astype(np.float64)))
    assert zt.grad is not None
    tolerance = 1e-7 if name == "hard_sigmoid" else 1e-9  # PyTorch multiplies by a sixth in float32
    np.testing.assert_allclose(expected, zt.grad.numpy(), rtol=tolerance, atol=1e-12)


@pytest.mark.parametrize("target", runnable_targets())
@pytest.mark.parametrize(("name", "slope"), EACH)
def test_slopes_on_every_target(name: str, slope: float | None, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWEAKCONV_TARGET", target)
    z = sums("float32")
    grad = np.linspace(-2, 3, z.size, dtype=np.float32)
    y = tc.activation_grad(grad, kept(z, name, slope), name, slope)
    expected = reference_gradients.activation_grad(grad, z, name, slope)
    np.testing.assert_allclose(y, expected, rtol=2e-6, atol=8e-6)
    assert code(ActivationGradPlan(Activation(name, slope or 0.0), False, get_target())).address()


@pytest.mark.parametrize(("name", "slope"), EACH)
def test_a_gradient_may_be_written_over_what_it_came_from(name: str, slope: float | None) -> None:
    z = sums("float64")
    grad, values = np.linspace(-2, 3, z.size), kept(z, name, slope)
    expected = tc.activation_grad(grad, values, name, slope)
    assert tc.activation_grad(grad, values, name, slope, out=grad) is grad
    np.testing.assert_array_equal(grad, expected)


def test_bits_do_not_depend_on_the_number_of_threads() -> None:
    before = tc.get_num_threads()
    rng = np.random.default_rng(0)
    grad, z = rng.standard_normal((2, 700_001)).astype(np.float32)
    try:
        tc.set_num_threads(1)
        expected = tc.activation_grad(grad, z, "gelu")
        for threads in (2, 5):
            tc.set_num_threads(threads)
            np.testing.assert_array_equal(tc.activation_grad(grad, z, "gelu"), expected)
    finally:
        tc.set_num_threads(before)


def test_nothing_is_done_where_there_is_no_activation_and_shapes_must_fit() -> None:
    grad = np.ones((2, 3))
    assert tc.activation_grad(grad, grad, None) is grad
    assert tc.activation_keeps("leaky_relu", 0.1) == "result"
    assert tc.activation_grad(grad[:0], grad[:0], "relu").shape == (0, 3)
    with pytest.raises(ValueError, match="kept: received shape"):
        tc.activation_grad(grad, grad[:1], "relu")
    with pytest.raises(TypeError, match="kept: received dtype float32"):
        tc.activation_grad(grad, grad.astype(np.float32), "relu")
    with pytest.raises(ValueError, match="activation: received 'relux'"):
        tc.activation_grad(grad, grad, "relux")


def test_where_the_forward_pass_is_nan_the_gradient_passes_between_the_corners() -> None:
    nan = np.array([np.nan])
    for name in ("relu", "relu6"):
        assert tc.activation_grad(np.array([3.0]), nan, name) == 3
    for name in ("sigmoid", "tanh", "silu", "gelu"):
        assert np.isnan(tc.activation_grad(np.array([3.0]), nan, name))


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("shape", [(3, 7, 5), (2, 9, 10, 3), (2, 3, 4, 5, 1), (9, 30, 31, 20)])
def test_the_gradient_of_the_bias_is_the_sum_over_batch_and_pixels(shape: tuple[int, ...], data_format: str) -> None:
    grad = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    given = grad if data_format == "channels_last" else np.moveaxis(grad, -1, 1)
    exact = grad.astype(np.float64).sum(tuple(range(len(shape) - 1)))
    out = np.empty(shape[-1], np.float32)
    assert tc.bias_grad(given, data_format, out=out) is out
    np.testing.assert_allclose(out, exact, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(tc.bias_grad(given, data_format), out)
    np.testing.assert_array_equal(tc.bias_grad(given[:0], data_format), np.zeros(shape[-1]))


def test_the_gradient_of_the_bias_says_what_it_cannot_take() -> None:
    with pytest.raises(ValueError, match="grad: received shape"):
        tc.bias_grad(np.ones((2, 3)))
    with pytest.raises(ValueError, match="data_format: received 'NHWC'"):
        tc.bias_grad(np.ones((2, 3, 4)), "NHWC")
