"""Every way to compute a convolution, and kernel gradients, on AArch64: each type and layout, by one and more threads.

Inputs are whole numbers, so that sums are exact and results are known to the bit, however they are added up; but for
Winograd's, which are right to their rounding, and the same bits whatever the number of threads.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from tests.cases import CASES, FORMATS, Case, by_definition
from tests.gradient_cases import GRADS, Grad

import tweakconv as tc
from tweakconv import prepared, reference_gradients
from tweakconv.compiler.choose import Choice, ways
from tweakconv.compiler.schedules import SCHEDULES, bands
from tweakconv.compiler.target import get_target

DTYPES = {"float32": np.float32, "float64": np.float64, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
DIGITS = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
THREADS = (1, 3)


def named(table: Any, *names: str) -> list[Any]:
    """Some of the cases of a table."""
    found = {case.name: case for case in table}
    return [found[name] for name in names]


SAMPLE: list[Case] = [
    *named(CASES, "an even number of blocks", "channels one beyond a vector", "dilation under a stride",
           "reflect of one channel", "pads that crop", "sum cut every way", "wrap of a depthwise sum",
           "residual of groups", "constant", "leaky_relu", "depthwise with four of each"),
    Case("blocks of 1x7", (5, 21), (33, 18), kernel=(1, 7), padding="same", padding_mode="edge", batch=2),
    Case("winograd at stride 2", (9, 14), (6, 20), strides=(2, 2), padding="same", activation="relu"),
    Case("groups of winograd's", (9, 14), (22, 40), groups=2, padding="same", residual=True, activation="relu"),
    Case("depthwise", (13, 19), (22, 22), groups=22, padding="same", residual=True, activation="relu", batch=2),
    Case("depthwise of many columns", (15, 23), (7, 7), kernel=(21, 25), groups=7, padding="same"),
    Case("5x5, dilated", (11, 19), (9, 21), kernel=(5, 5), dilation_rate=(2, 1), padding="same"),
]  # fmt: skip


def of_several_threads(compute: Any) -> Any:
    """A result, which must have the same bits whatever the number of threads."""
    results = []
    for number in THREADS:
        tc.set_num_threads(number)
        results.append(compute())
    for result in results[1:]:
        np.testing.assert_array_equal(result.view(np.uint8), results[0].view(np.uint8))
    return results[0]


def rounded(exact: Any, dtype: str) -> Any:
    """The nearest number of a type; what is computed in float32 is rounded from there."""
    return exact.astype(dtype if dtype == "float64" else np.float32).astype(DTYPES[dtype])


def all_ways(case: Case, data_format: str, dtype: str) -> list[Choice]:
    spec, target = case.spec(data_format, dtype), get_target()
    return [way for name in SCHEDULES for way in ways(name, spec, target)]


def test_the_sample_meets_every_schedule_as_it_is_and_by_bands() -> None:
    met = {
        (way.algorithm, way.schedule is bands)
        for case, data_format in itertools.product(SAMPLE, FORMATS)
        for way in all_ways(case, data_format, "float32")
    }
    # Tiles take registers that this processor lacks; what computes one channel a group takes channels_first as it is.
    here = SCHEDULES.keys() - {"tiles"}
    by_bands = {(name, True) for name in here - {"fft", "rows", "separable"}}
    assert met == by_bands | {(name, False) for name in here}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
def test_every_way_that_a_schedule_computes_it(
    case: Case, data_format: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, kernel, bias = case.arrays(data_format, DTYPES[dtype], whole=True)
    plain = dataclasses.replace(case, activation=None, negative_slope=None)
    wide = [None if array is None else array.astype("f8") for array in (x, kernel, bias)]
    exact, sums = (by_definition(each, *wide, data_format) for each in (case, plain))
    added = case.added(data_format, DTYPES[dtype])
    arguments = {**case.arguments, "residual": added is not None, "data_format": data_format, "dtype": DTYPES[dtype]}
    found = all_ways(case, data_format, dtype)
    assert found
    for way in found:
        monkeypatch.setattr(prepared, "choose", lambda *_, way=way, **__: way)
        conv = tc.compile_conv2d(kernel, bias, input_shape=x.shape, **arguments)
        y = of_several_threads(lambda conv=conv: conv(x, residual=added))
        assert y.dtype == DTYPES[dtype]
        if way.algorithm in ("fft", "separable", "winograd"):
            allowed = DIGITS.get(dtype, 0) * 1.01 * abs(exact) + 1e-5 * abs(sums).max()
            assert (abs(y.astype("f8") - exact) <= allowed).all()
        else:
            np.testing.assert_array_equal(y.astype("f8"), rounded(exact, dtype).astype("f8"))


def test_threads_share_the_rounds_of_winograd_where_weights_are_many() -> None:
    case = Case("rounds", (6, 7), (320, 330), padding="same")
    x, kernel, _ = case.arrays("channels_last", np.float32)
    conv = tc.compile_conv2d(kernel, input_shape=x.shape, padding="same", algorithm="winograd")
    y = of_several_threads(lambda: conv(x))
    assert any(launch.space.shared for launch in conv._launches.values())
    np.testing.assert_allclose(y, by_definition(case, x, kernel, None, "channels_last"), rtol=0, atol=3e-3)


GRADIENTS = named(
    GRADS, "dilation under a stride", "depthwise with three of each", "3-D, a sum in parts along channels",
    "up 2-D 4x4 at stride 2, same", "symmetric of groups",
)  # fmt: skip
BY_WINOGRAD = [
    Grad("cut tiles", Case("", (14, 15), (17, 37), padding="same", batch=3, bias=False)),
    Grad("groups", Case("", (9, 10), (32, 40), groups=2, padding=((0, 2), (3, -1)), bias=False)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("grad", [*GRADIENTS, *BY_WINOGRAD], ids=lambda grad: grad.name)
def test_kernel_gradients_are_right_and_threads_change_no_bit_of_them(grad: Grad, data_format: str, dtype: str) -> None:
    x, kernel, dy = grad.arrays(data_format, dtype, whole=True)
    expected = grad.by_definition(x, kernel, dy, data_format)[1]
    for algorithm in ("direct", "winograd") if grad in BY_WINOGRAD and dtype == "float32" else ("direct",):
        gradient = grad.operation("kernel", prepared=True)(
            kernel.shape, input_shape=x.shape, data_format=data_format, dtype=dtype, algorithm=algorithm,
            **grad.kernel_tweaks,
        )  # fmt: skip
        dw = of_several_threads(lambda gradient=gradient: gradient(x, dy))
        rounding = 1e-5 * abs(expected).max() if algorithm == "winograd" else 0
        np.testing.assert_allclose(dw, expected, rtol=0, atol=rounding)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["leaky_relu", "gelu"])
def test_threads_change_no_bit_of_slopes(name: str, dtype: str) -> None:
    grad, z = np.random.default_rng(3).standard_normal((2, 40_001)).astype(dtype)
    slope = 0.25 if name == "leaky_relu" else None
    dz = of_several_threads(lambda: tc.activation_grad(grad, z, name, slope))
    expected = reference_gradients.activation_grad(grad, z, name, slope)
    np.testing.assert_allclose(dz, expected, rtol=16 * np.finfo(dtype).eps, atol=64 * np.finfo(dtype).eps)
