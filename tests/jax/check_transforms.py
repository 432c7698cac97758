"""What JAX does with functions, done with ours: differentiate, batch, compile, export, call from threads."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads
from tests.cases import FORMATS

import tweakconv as tc
from tweakconv import reference
from tweakconv.geometry import ConvGeometry
from tweakconv.jax import conv, conv_transpose, ffi
from tweakconv.jax.activations import _ACTIVATIONS
from tweakconv.jax.by_lax import by_lax as elsewhere
from tweakconv.jax.primitive import compute
from tweakconv.remembered import Remembered
from tweakconv.sized import SizedConv
from tweakconv.task import Task

RNG = np.random.default_rng(4)


def draw(*shape: int) -> Any:
    return jnp.asarray(RNG.standard_normal(shape))


X, KERNEL, BIAS = draw(2, 7, 6, 4), draw(3, 2, 2, 6), draw(6)


def layer(x: Any, kernel: Any, bias: Any) -> Any:
    return conv(x, kernel, bias, (2, 1), "same", (1, 2), groups=2, activation="silu")


def by_lax(x: Any, kernel: Any, bias: Any) -> Any:
    y = lax.conv_general_dilated(x, kernel, (2, 1), "SAME", rhs_dilation=(1, 2),
                                 dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=2)  # fmt: skip
    return jax.nn.silu(y + bias)


@pytest.mark.parametrize("compiled", [False, True])
def test_derivatives_of_the_second_order_forward_and_in_reverse(compiled: bool) -> None:
    function = jax.jit(layer) if compiled else layer
    check_grads(function, (X, KERNEL, BIAS), order=2, modes=["fwd", "rev"])


def test_a_hessian_and_a_third_derivative_are_those_of_lax() -> None:
    kernel = KERNEL[:, :1]
    arguments = {"strides": (2, 1), "padding": "same", "groups": 2, "activation": "tanh"}

    def ours(k: Any) -> Any:
        return conv(X, k, None, **arguments).sum()

    def theirs(k: Any) -> Any:
        return jnp.tanh(lax.conv_general_dilated(X, k, (2, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"),
                                                 feature_group_count=2)).sum()  # fmt: skip

    np.testing.assert_allclose(jax.hessian(ours)(kernel), jax.hessian(theirs)(kernel), rtol=1e-8, atol=1e-8)
    v = draw(*kernel.shape)

    def third(f: Any) -> Any:
        return jax.grad(lambda k: jax.jvp(lambda k: jax.jvp(f, (k,), (v,))[1], (k,), (v,))[1])(kernel)

    np.testing.assert_allclose(third(ours), third(theirs), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("mode", ["reflect", "symmetric", "edge", "wrap", "constant"])
def test_padding_modes_are_the_definition_and_have_derivatives(mode: str) -> None:
    arguments = {"strides": (1, 2), "padding": ((2, 3), (-1, 4)), "groups": 2, "padding_mode": mode,
                 "constant_value": 2.5 if mode == "constant" else 0.0}  # fmt: skip
    for data_format in FORMATS:
        x = X if data_format == "channels_last" else jnp.moveaxis(X, -1, 1)
        y = conv(x, KERNEL, BIAS, data_format=data_format, **arguments)
        expected = reference.conv(np.asarray(x), np.asarray(KERNEL), np.asarray(BIAS), data_format=data_format,
                                  **arguments)  # fmt: skip
        np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)
    check_grads(lambda x, k: conv(x, k, None, **arguments), (X, KERNEL), order=2)


@pytest.mark.parametrize("data_format", FORMATS)
def test_transposed_convolutions_are_the_definition_and_have_derivatives(data_format: str) -> None:
    x, kernel, bias = draw(2, 4, 5, 6), draw(3, 4, 2, 6), draw(4)
    x = x if data_format == "channels_last" else jnp.moveaxis(x, -1, 1)
    arguments = {"strides": (3, 2), "padding": "same", "output_padding": (1, 0), "dilation_rate": (1, 2), "groups": 2,
                 "data_format": data_format}  # fmt: skip
    expected = reference.conv_transpose(*map(np.asarray, (x, kernel, bias)), **arguments)
    np.testing.assert_allclose(conv_transpose(x, kernel, bias, **arguments), expected, rtol=1e-10, atol=1e-10)
    check_grads(lambda *a: conv_transpose(*a, activation="gelu", **arguments), (x, kernel, bias), order=2)


@pytest.mark.parametrize("name", [*_ACTIVATIONS, "leaky_relu"])
def test_activations_are_the_same_with_and_without_somebody_asking_for_gradients(name: str) -> None:
    slope = 0.3 if name == "leaky_relu" else None

    def activated(x: Any) -> Any:
        return conv(3 * x, KERNEL, BIAS, groups=2, activation=name, negative_slope=slope)

    together = jax.jit(activated)(X)
    apart, _ = jax.jit(lambda x: jax.jvp(activated, (x,), (x,)))(X)
    np.testing.assert_allclose(together, apart, rtol=1e-6, atol=1e-7)
    check_grads(activated, (X,), order=1)


def test_vmap_over_images_kernels_and_both() -> None:
    xs, kernels = draw(3, *X.shape), draw(3, *KERNEL.shape)
    for axes, arguments in (((0, None, None), (xs, KERNEL, BIAS)), ((None, 0, None), (X, kernels, BIAS)),
                            ((0, 0, None), (xs, kernels, BIAS)), ((2, 1, None), (jnp.moveaxis(xs, 0, 2),
                             jnp.moveaxis(kernels, 0, 1), BIAS))):  # fmt: skip
        expected = jax.vmap(by_lax, axes)(*arguments)
        np.testing.assert_allclose(jax.vmap(layer, axes)(*arguments), expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(jax.jit(jax.vmap(layer, axes))(*arguments), expected, rtol=1e-9, atol=1e-9)

    def each(f: Any) -> Any:
        return jax.vmap(jax.grad(lambda k, x: f(x[None], k, BIAS).sum()), (None, 0))(KERNEL, X)

    np.testing.assert_allclose(each(layer), each(by_lax), rtol=1e-9, atol=1e-9)


def test_no_batch_no_gradient_and_no_jit() -> None:
    empty = X[:0]
    assert jax.jit(layer)(empty, KERNEL, BIAS).shape == (0, *by_lax(X, KERNEL, BIAS).shape[1:])
    of_kernel = jax.jit(jax.grad(lambda k: layer(empty, k, BIAS).sum()))(KERNEL)
    np.testing.assert_array_equal(of_kernel, np.zeros(KERNEL.shape))
    with jax.disable_jit():
        np.testing.assert_allclose(layer(X, KERNEL, BIAS), by_lax(X, KERNEL, BIAS), rtol=1e-9, atol=1e-9)


def test_no_gradient_is_computed_that_nobody_asks_for() -> None:
    text = str(jax.make_jaxpr(jax.grad(lambda k: layer(X, k, BIAS).sum()))(KERNEL))
    assert "kind='kernel_grad'" in text
    assert "kind='input_grad'" not in text


def test_compiled_programs_call_tweakconv_on_cpus_and_xla_elsewhere() -> None:
    traced = jax.jit(layer).trace(X, KERNEL, BIAS)
    assert "custom_call @tweakconv" in traced.lower(lowering_platforms=("cpu",)).as_text()
    elsewhere = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert "tweakconv" not in re.sub(r"loc\(.*", "", elsewhere)
    assert "stablehlo.convolution" in elsewhere


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_what_other_devices_compute_is_the_same(mode: str) -> None:
    geometry = ConvGeometry.of((7, 6), (3, 2), strides=(2, 1), padding=((2, 1), (1, -1)), groups=2, in_channels=4,
                               out_channels=6)  # fmt: skip
    sized = SizedConv(geometry, True, mode)
    y = draw(*sized.output_shape(2))
    tasks = {"conv": (X, KERNEL), "input_grad": (y, KERNEL), "kernel_grad": (X, y), "layer": (X, KERNEL, BIAS)}
    for kind, arrays in tasks.items():
        task = Task(kind, sized)
        np.testing.assert_allclose(elsewhere(task, *arrays), compute(task, *arrays), rtol=1e-9, atol=1e-9)


def test_a_program_that_is_exported_says_all_that_it_computes() -> None:
    exported = jax.export.export(
        jax.jit(layer), disabled_checks=[jax.export.DisabledSafetyCheck.custom_call("tweakconv")]
    )(X, KERNEL, BIAS)
    again = jax.export.deserialize(exported.serialize())
    np.testing.assert_allclose(again.call(X, KERNEL, BIAS), by_lax(X, KERNEL, BIAS), rtol=1e-9, atol=1e-9)


def test_sizes_that_are_symbols_are_computed_by_xla() -> None:
    batch, size = jax.export.symbolic_shape("b, s")
    for padding in ("valid", "same", "same_lower", "full", ((2, 0), (1, 1))):

        def up_and_down(x: Any, kernel: Any, bias: Any, padding: Any = padding) -> Any:
            y = conv(x, kernel, bias, 2, padding, groups=2, activation="relu")
            return conv_transpose(y, jnp.ones((2, 2, 3, 6)), None, 2, output_padding=1)

        shape = jax.ShapeDtypeStruct((batch, size, 6, 4), X.dtype)
        exported = jax.export.export(jax.jit(up_and_down))(shape, KERNEL, BIAS)
        np.testing.assert_allclose(exported.call(X, KERNEL, BIAS), up_and_down(X, KERNEL, BIAS), rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match="the spatial size must be known"):
        jax.eval_shape(lambda x: conv(x, KERNEL, padding="same", groups=2, padding_mode="wrap"), shape)


def test_several_threads_may_run_one_program() -> None:
    function = jax.jit(layer)
    expected, found = np.asarray(function(X, KERNEL, BIAS)), [None] * 8

    def call(i: int) -> None:
        for _ in range(20):
            found[i] = np.asarray(function(X, KERNEL, BIAS))

    threads = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for y in found:
        np.testing.assert_array_equal(y, expected)


def test_an_error_in_a_program_comes_out_as_an_error() -> None:
    def fails(text: str, out: Any, *arrays: Any) -> None:
        raise ValueError(f"cannot {text} {arrays[0].shape}")

    ffi.register("tweakconv_test_fails", fails)
    call = jax.jit(
        lambda x: jax.ffi.ffi_call("tweakconv_test_fails", jax.ShapeDtypeStruct((3,), x.dtype))(x, text="do")
    )
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"tweakconv: ValueError: cannot do \(5,\)"):
        call(jnp.ones(5)).block_until_ready()


def test_the_interface_is_the_one_that_the_installed_header_describes() -> None:
    header = (Path(jax.ffi.include_dir()) / "xla" / "ffi" / "api" / "c_api.h").read_text()
    (major,) = re.findall(r"#define XLA_FFI_API_MAJOR (\d+)", header)
    (minor,) = re.findall(r"#define XLA_FFI_API_MINOR (\d+)", header)
    assert int(major) == ffi.MAJOR
    assert int(minor) >= ffi.MINOR
    for ours, theirs in ((ffi._Frame, "CallFrame"), (ffi._Buffer, "Buffer"), (ffi._Attributes, "Attrs"),
                         (ffi._Buffers, "Args"), (ffi._Failure, "Error_Create_Args")):  # fmt: skip
        (body,) = re.findall(rf"struct XLA_FFI_{theirs} {{(.*?)\n}}", header, re.DOTALL)
        fields = re.findall(r"(\w+);", re.sub(r"//.*", "", body))
        assert len(fields) - len(ours._fields_) == (1 if theirs == "CallFrame" else 0), theirs  # future: not used


def test_weights_that_change_where_they_lie_are_noticed() -> None:
    memory, kernel, made = Remembered(1 << 20), np.ones((3, 3, 1, 1)), []

    def make() -> Any:
        made.append(kernel.sum())
        return tc.compile_conv2d(kernel, input_shape=(1, 9, 9, 1))

    for value in (1, 1, 2, 2, 1):
        kernel[...] = value
        assert memory.get("a", kernel, None, make)(np.ones((1, 3, 3, 1)))[0, 0, 0, 0] == 9 * value
    assert made == [9, 18, 9]
    plain, shifted = (
        memory.get("b", kernel, bias, lambda b=bias: tc.compile_conv2d(kernel, b, input_shape=(1, 9, 9, 1)))
        for bias in (None, np.ones(1))
    )
    assert plain is not shifted
    small = Remembered(100)
    assert small.get("a", kernel, None, make) is not small.get("a", kernel, None, make)
