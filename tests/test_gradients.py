"""Gradients with respect to input and kernel: against the definition, finite differences and PyTorch's autograd."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.cases import DTYPES, FORMATS, Case
from tests.gradient_cases import GRADS, Grad, in_torch

import tweakconv as tc
from tweakconv import reference_gradients
from tweakconv.compiler.target import TARGETS, runnable_targets
from tweakconv.geometry import PADDING_MODES

INF, NAN = np.inf, np.nan
HERE = runnable_targets()


@pytest.fixture(autouse=True)
def _same_threads_afterwards() -> Iterator[None]:
    before = tc.get_num_threads()
    yield
    tc.set_num_threads(before)


def dtype_of(grad: Grad, data_format: str, target: str) -> str:
    """They take turns, so that each meets every format and target."""
    return DTYPES[(GRADS.index(grad) + FORMATS.index(data_format) + sorted(TARGETS).index(target)) % 2]


def both(grad: Grad, data_format: str, dtype: str, arrays: Any, **more: Any) -> tuple[Any, Any]:
    """The gradients with respect to input and kernel, prepared."""
    x, kernel, dy = arrays
    fixed = {"input_shape": x.shape, "data_format": data_format, "dtype": dtype, **more}
    of_input = grad.operation("input", prepared=True)(kernel.shape, **fixed, **grad.tweaks)
    of_kernel = grad.operation("kernel", prepared=True)(kernel.shape, **fixed, **grad.kernel_tweaks)
    return of_input(dy, kernel), of_kernel(x, dy)


def assert_close(y: Any, expected: Any, magnitudes: Any) -> None:
    """Within 24 roundings of the largest sum of magnitudes."""
    assert y.shape == expected.shape
    worst = float(abs(y - expected).max(initial=0))
    assert worst <= 24 * np.finfo(y.dtype).eps * magnitudes.max(initial=0), worst


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("grad", GRADS, ids=lambda grad: grad.name)
def test_table_against_the_definition(grad: Grad, data_format: str) -> None:
    dtype = dtype_of(grad, data_format, HERE[0])
    arrays = grad.arrays(data_format, dtype)
    expected = grad.by_definition(*arrays, data_format)
    magnitudes = grad.by_definition(*map(abs, arrays), data_format)
    for y, wanted, sums in zip(both(grad, data_format, dtype, arrays), expected, magnitudes, strict=True):
        assert y.dtype == dtype
        assert_close(y, wanted, sums)


@pytest.mark.parametrize("target", HERE[1:])
@pytest.mark.parametrize("grad", GRADS[::2], ids=lambda grad: grad.name)
def test_kernel_gradients_of_the_table_on_every_target(grad: Grad, target: str) -> None:
    """Input gradients are transposed convolutions, which the table of the family runs on every target."""
    data_format = FORMATS[(GRADS.index(grad) + HERE.index(target)) % 2]
    dtype = dtype_of(grad, data_format, target)
    x, kernel, dy = grad.arrays(data_format, dtype)
    gradient = grad.operation("kernel", prepared=True)(
        kernel.shape, input_shape=x.shape, data_format=data_format, dtype=dtype, target=target, **grad.kernel_tweaks
    )
    expected = grad.by_definition(x, kernel, dy, data_format)[1]
    assert_close(gradient(x, dy), expected, grad.by_definition(abs(x), kernel, abs(dy), data_format)[1])


@pytest.mark.parametrize("grad", GRADS[::2], ids=lambda grad: grad.name)
def test_the_definition_is_the_gradient_of_what_pytorch_computes(grad: Grad) -> None:
    """The forward pass is linear in each array, so that a step of any length gives its slope."""
    x, kernel, dy = grad.arrays("channels_last", "float64")
    dx, dw = grad.by_definition(x, kernel, dy, "channels_last")
    rng = np.random.default_rng(5)
    step_x, step_w = rng.standard_normal(x.shape), rng.standard_normal(kernel.shape)
    before = in_torch(grad, x, kernel)
    along_x = ((in_torch(grad, x + step_x, kernel) - before) * dy).sum()
    along_w = ((in_torch(grad, x, kernel + step_w) - before) * dy).sum()
    np.testing.assert_allclose((dx * step_x).sum(), along_x, rtol=1e-9, atol=1e-8 * abs(dy).sum())
    np.testing.assert_allclose((dw * step_w).sum(), along_w, rtol=1e-9, atol=1e-8 * abs(dy).sum())


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("grad", GRADS[::3], ids=lambda grad: grad.name)
def test_the_functions_give_the_bits_of_the_prepared_ones(grad: Grad, data_format: str) -> None:
    arrays = x, kernel, dy = grad.arrays(data_format, "float32", whole=True)
    dx, dw = both(grad, data_format, "float32", arrays)
    given_format = {"data_format": data_format}
    size = grad.source.size
    np.testing.assert_array_equal(grad.operation("input")(dy, kernel, size, **given_format, **grad.tweaks), dx)
    out = np.full_like(dw, NAN)
    back = grad.operation("kernel")(x, dy, grad.source.kernel, out=out, **given_format, **grad.kernel_tweaks)
    assert back is out
    np.testing.assert_array_equal(out, dw)
    _, expected = grad.by_definition(*arrays, data_format)
    arguments = {"algorithm": "direct", **given_format, **grad.kernel_tweaks}  # whole numbers are exact in any order
    np.testing.assert_array_equal(grad.operation("kernel")(x, dy, grad.source.kernel, **arguments), expected)


def test_numeric_slopes_of_a_loss_that_is_not_linear() -> None:
    rng = np.random.default_rng(3)
    x, kernel, bias = rng.standard_normal((2, 5, 6, 3)), rng.standard_normal((3, 2, 3, 4)), rng.standard_normal(4)
    tweaks: dict[str, Any] = {"strides": (2, 1), "padding": ((1, 2), (0, 1)), "dilation_rate": (1, 2)}

    def loss(x: Any, kernel: Any, bias: Any) -> float:
        return float((tc.conv2d(x, kernel, bias, activation="tanh", **tweaks) ** 2).sum())

    y = tc.conv2d(x, kernel, bias, activation="tanh", **tweaks)
    dz = tc.activation_grad(2 * y, y, "tanh")
    gradients = (
        tc.conv2d_input_grad(dz, kernel, (5, 6), **tweaks),
        tc.conv2d_kernel_grad(x, dz, (3, 2), **tweaks),
        tc.bias_grad(dz),
    )
    for which, gradient in enumerate(gradients):
        for at in rng.choice(gradient.size, min(gradient.size, 12), replace=False):
            arrays = [x.copy(), kernel.copy(), bias.copy()]
            losses = []
            for step in (1e-5, -2e-5):
                arrays[which].reshape(-1)[at] += step
                losses.append(loss(*arrays))
            np.testing.assert_allclose(gradient.reshape(-1)[at], (losses[0] - losses[1]) / 2e-5, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_autograd_of_pytorch(rank: int, stride: int, groups: int) -> None:
    rng = np.random.default_rng(rank)
    size = (9, 8, 7)[:rank]
    x, w = rng.standard_normal((2, 4, *size)), rng.standard_normal((6, 4 // groups, *(3,) * rank))
    xt, wt = (torch.from_numpy(a).requires_grad_() for a in (x, w))
    forward = (F.conv1d, F.conv2d, F.conv3d)[rank - 1]
    y = forward(xt, wt, stride=stride, padding=1, dilation=2 if stride == 1 else 1, groups=groups)
    dy = rng.standard_normal(y.shape)
    y.backward(torch.from_numpy(dy))
    assert xt.grad is not None
    assert wt.grad is not None
    kernel = w.transpose(*range(2, rank + 2), 1, 0)
    tweaks: dict[str, Any] = {
        "strides": stride, "padding": 1, "dilation_rate": 2 if stride == 1 else 1, "groups": groups,
        "data_format": "channels_first",
    }  # fmt: skip
    dx = getattr(tc, f"conv{rank}d_input_grad")(dy, kernel, size, **tweaks)
    dw = getattr(tc, f"conv{rank}d_kernel_grad")(x, dy, 3, **tweaks)
    np.testing.assert_allclose(dx, xt.grad.numpy(), rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(dw.transpose(rank + 1, rank, *range(rank)), wt.grad.numpy(), rtol=1e-10, atol=1e-11)


@st.composite
def geometries(draw: st.DrawFn) -> Grad:
    rank2 = st.tuples(st.integers(1, 4), st.integers(1, 5))
    kernel, rates = draw(rank2), draw(st.tuples(st.integers(1, 3), st.integers(1, 4)))
    strides = draw(st.tuples(st.integers(1, 4), st.sampled_from([1, 1, 2, 3, 7])))
    pad = st.tuples(st.integers(-2, 5), st.integers(-2, 9))
    pads = (draw(pad), draw(pad))
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 40)))
    groups = draw(st.sampled_from([1, 1, 2, 5, 16]))
    channels = (
        groups * draw(st.sampled_from([1, 2, 3, 17, 40])),
        groups * draw(st.sampled_from([1, 2, 4, 16, 35])),
    )
    for extent, taps, rate, (lo, hi) in zip(size, kernel, rates, pads, strict=True):
        assume(extent + lo + hi >= (taps - 1) * rate + 1)
        assume(extent > -lo and extent > -hi)
    mode = draw(st.sampled_from(["zeros", "zeros", "zeros", *PADDING_MODES]))
    batch = draw(st.integers(1, 3))
    case = Case(
        "drawn", size, channels, kernel=kernel, strides=strides, padding=pads, dilation_rate=rates, groups=groups,
        batch=batch, bias=False, padding_mode=mode, constant_value=1.5 if mode == "constant" else 0,
    )  # fmt: skip
    return Grad("drawn", case)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("out_channels", [16, 24, 32, 64, 70])
def test_rows_so_wide_that_they_are_cut(out_channels: int, dtype: str, data_format: str) -> None:
    case = Case("wide", (5, 300), (3, out_channels), kernel=(2, 3), padding="same", batch=2, bias=False)
    grad = Grad("wide", case)
    arrays = grad.arrays(data_format, dtype)
    wanted, sums = (grad.by_definition(*given, data_format)[1] for given in (arrays, tuple(map(abs, arrays))))
    assert_close(both(grad, data_format, dtype, arrays)[1], wanted, sums)


@settings(max_examples=40)
@given(geometries(), st.sampled_from(FORMATS), st.sampled_from(DTYPES))
def test_any_geometry(grad: Grad, data_format: str, dtype: str) -> None:
    arrays = grad.arrays(data_format, dtype)
    expected = grad.by_definition(*arrays, data_format)
    magnitudes = grad.by_definition(*map(abs, arrays), data_format)
    for y, wanted, sums in zip(both(grad, data_format, dtype, arrays), expected, magnitudes, strict=True):
        assert_close(y, wanted, sums)


# -- Threads and batches ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize(
    "grad",
    [
        Grad("one block a range", Case("", (28, 30), (24, 40), padding="same", batch=6, bias=False)),
        Grad("many ranges", Case("", (90, 110), (3, 33), padding="same", strides=(2, 1), batch=3, bias=False)),
        Grad("many channels", Case("", (7, 7), (300, 280), padding="same", batch=4, bias=False)),
        Grad("depthwise", Case("", (60, 64), (40, 40), groups=40, padding="same", batch=4, bias=False)),
    ],
    ids=lambda grad: grad.name,
)
def test_bits_do_not_depend_on_the_number_of_threads(grad: Grad, data_format: str) -> None:
    arrays = grad.arrays(data_format, "float32")
    tc.set_num_threads(1)
    expected = both(grad, data_format, "float32", arrays)
    for threads in (2, 3, 7):
        tc.set_num_threads(threads)
        for _ in range(3):
            for y, wanted in zip(both(grad, data_format, "float32", arrays), expected, strict=True):
                np.testing.assert_array_equal(y, wanted)


@pytest.mark.parametrize("data_format", FORMATS)
def test_an_empty_batch_gives_zeros_and_a_prepared_gradient_takes_any_batch(data_format: str) -> None:
    grad = Grad("batches", Case("", (9, 10), (3, 5), padding="same", batch=4, bias=False))
    x, kernel, dy = grad.arrays(data_format, "float64")
    fixed: dict[str, Any] = {
        "input_shape": x.shape, "padding": "same", "data_format": data_format, "dtype": "float64"
    }  # fmt: skip
    of_input = tc.compile_conv2d_input_grad(kernel.shape, **fixed)
    of_kernel = tc.compile_conv2d_kernel_grad(kernel.shape, **fixed)
    np.testing.assert_array_equal(of_kernel(x[:0], dy[:0]), np.zeros(kernel.shape))
    assert of_input(dy[:0], kernel).shape == x[:0].shape
    np.testing.assert_allclose(
        sum(of_kernel(x[i : i + 1], dy[i : i + 1]) for i in range(4)), of_kernel(x, dy), rtol=1e-12
    )
    np.testing.assert_array_equal(
        np.concatenate([of_input(dy[:3], kernel), of_input(dy[3:], kernel)]), of_input(dy, kernel)
    )


def test_long_sums_do_not_drift() -> None:
    """A sum of 200,000 numbers near 1: one after the other they would lose more than three digits."""
    x, dy = np.full((4, 224, 224, 1), 1.001, np.float32), np.full((4, 224, 224, 16), 1.003, np.float32)
    exact = 4 * 224 * 224 * float(x[0, 0, 0, 0]) * float(dy[0, 0, 0, 0])
    np.testing.assert_allclose(tc.conv2d_kernel_grad(x, dy, 1), np.full((1, 1, 1, 16), exact), rtol=3e-6)
    np.testing.assert_allclose(tc.bias_grad(dy), np.full(16, 4 * 224 * 224 * float(dy[0, 0, 0, 0])), rtol=1e-5)


# -- Numbers that are not finite ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", HERE)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize("where", ["x", "kernel", "grad"])
@pytest.mark.parametrize(
    "tweaks",
    [
        {"kernel": (3, 3), "padding": "same"},
        {"kernel": (3, 2), "padding": ((2, 0), (1, 3)), "strides": (2, 3)},
        {"kernel": (3, 3), "padding": "same", "groups": 4},
        {"kernel": (2, 3), "padding": "same", "dilation_rate": (1, 9)},
    ],
    ids=repr,
)
def test_what_is_not_finite_goes_where_the_definition_sends_it(
    tweaks: dict[str, Any], where: str, bad: float, data_format: str, target: str
) -> None:
    grad = Grad("bad", Case("", (8, 21), (8, 20), bias=False, batch=2, **tweaks))
    arrays = dict(zip(("x", "kernel", "grad"), grad.arrays(data_format, "float32"), strict=True))
    flat = arrays[where].reshape(-1)
    flat[len(flat) // 3] = bad
    expected = grad.by_definition(*arrays.values(), data_format)
    found = both(grad, data_format, "float32", tuple(arrays.values()), target=target)
    for y, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.isnan(y), np.isnan(wanted))
        np.testing.assert_array_equal(np.isposinf(y), np.isposinf(wanted))
        np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-4)


# -- Weights that change -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("strides", [1, 2])
def test_a_prepared_input_gradient_takes_new_weights_at_each_call(strides: int, data_format: str) -> None:
    rng = np.random.default_rng(1)
    grad = Grad("weights", Case("", (28, 28), (32, 32), strides=(strides, strides), padding="same", bias=False))
    x, kernel, dy = grad.arrays(data_format, "float32")
    gradient = tc.compile_conv2d_input_grad(
        kernel.shape, input_shape=x.shape, strides=strides, padding="same", data_format=data_format
    )
    kernels = [rng.standard_normal(kernel.shape).astype(np.float32) for _ in range(3)]
    bad = kernels[0].copy()
    bad[1, 1, 3, 4] = NAN
    large = kernels[1] * np.float32(2e36)
    for weights in (*kernels, bad, kernels[0], large, kernels[2]):
        expected = reference_gradients.input_grad(
            dy if data_format == "channels_last" else np.moveaxis(dy, 1, -1), weights, grad.geometry
        )
        y = gradient(dy, weights)
        y = y if data_format == "channels_last" else np.moveaxis(y, 1, -1)
        np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
        finite = abs(weights[np.isfinite(weights)]).max()
        with np.errstate(over="ignore", invalid="ignore"):
            np.testing.assert_allclose(y, expected.astype(np.float32), rtol=1e-4, atol=1e-4 * finite)


@pytest.mark.parametrize("dilation", [1, 2])
def test_3x3_input_gradients_at_stride_1_go_by_winograd(dilation: int) -> None:
    gradient = tc.compile_conv2d_input_grad(
        (3, 3, 64, 64), input_shape=(8, 56, 56, 64), padding="same", dilation_rate=dilation
    )
    rng = np.random.default_rng(0)
    gradient(rng.standard_normal((8, 56, 56, 64)).astype(np.float32), rng.standard_normal((3, 3, 64, 64)))
    assert "winograd" in gradient.explain()


# -- Arguments -----------------------------------------------------------------------------------------------------


def test_shapes_that_do_not_fit_are_refused_with_words() -> None:
    x, kernel, dy = np.ones((2, 8, 9, 4)), np.ones((3, 3, 4, 6)), np.ones((2, 6, 7, 6))
    with pytest.raises(ValueError, match=r"grad: received shape \(2, 6, 7, 6\).*\(2, 8, 9, 6\)"):
        tc.conv2d_kernel_grad(x, dy, 3, padding="same")
    with pytest.raises(ValueError, match=r"grad: received shape \(2, 6, 7, 6\).*\(batch, 4, 5, 6\)|\(2, 4, 5, 6\)"):
        tc.conv2d_input_grad(dy, kernel, (6, 7))
    with pytest.raises(ValueError, match="groups: received 3, which does not divide the 4 channels of x"):
        tc.conv2d_kernel_grad(x, dy, 3, groups=3)
    with pytest.raises(TypeError, match="grad: received dtype float32"):
        tc.conv2d_kernel_grad(x, dy.astype(np.float32), 3)
    gradient = tc.compile_conv2d_input_grad(kernel.shape, input_shape=x.shape, dtype="float64")
    with pytest.raises(ValueError, match="kernel: received shape"):
        gradient(dy, kernel[:2])
    with pytest.raises(ValueError, match="x: received shape"):
        tc.compile_conv2d_kernel_grad(kernel.shape, input_shape=x.shape, dtype="float64")(x[:, 1:], dy)


def test_layouts_that_the_code_cannot_read_are_copied() -> None:
    rng = np.random.default_rng(2)
    x, dy = rng.standard_normal((3, 8, 9, 4)), rng.standard_normal((3, 6, 7, 5))
    kernel = rng.standard_normal((3, 3, 4, 5))
    dw, dx = tc.conv2d_kernel_grad(x, dy, 3), tc.conv2d_input_grad(dy, kernel, (8, 9))
    views = (
        np.asfortranarray,
        lambda a: a[::-1].copy()[::-1],
        lambda a: np.pad(a, 1)[(slice(1, -1),) * 4],
    )
    for view_x, view_dy in itertools.product(views, repeat=2):
        np.testing.assert_array_equal(tc.conv2d_kernel_grad(view_x(x), view_dy(dy), 3), dw)
        np.testing.assert_array_equal(tc.conv2d_input_grad(view_dy(dy), view_x(kernel), (8, 9)), dx)
