"""Activations and the residual in compiled convolutions: how exact, what becomes of infinity, and no library called."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.cases import DTYPES, FORMATS, TORCH_ACTIVATIONS, Case, by_definition
from tests.test_targets import undefined_symbols

from tweakconv import compile_conv2d, conv2d
from tweakconv.activations import ACTIVATIONS, Activation
from tweakconv.compiler import jit
from tweakconv.compiler.choose import choose
from tweakconv.compiler.schedules import winograd
from tweakconv.compiler.target import TARGETS, runnable_targets

INF, NAN = np.inf, np.nan
Array = NDArray[np.floating[Any]]
SLOPE = {"leaky_relu": 0.3125}
NAMES = tuple(ACTIVATIONS)


def activated(name: str, values: Array, **more: Any) -> Array:
    """The activation of some numbers, by a convolution that does nothing else to them."""
    row = values.reshape(1, 1, -1, 1)
    kernel = np.ones((1, 1, 1, 1), values.dtype)
    conv = compile_conv2d(
        kernel, input_shape=row.shape, activation=name, negative_slope=more.pop("slope", SLOPE.get(name)), **more
    )
    y: Array = conv(row).reshape(-1)
    return y


def exactly(name: str, x: NDArray[np.longdouble]) -> NDArray[np.longdouble]:
    """What each activation is, in 64 binary digits, written apart from the definitions under test."""
    e = np.exp(-np.abs(x))
    sigmoid = np.where(x < 0, e, 1) / (1 + e)
    hard = np.clip(x + 3, 0, 6) / 6
    formulas: dict[str, Callable[[], Any]] = {
        "relu": lambda: np.clip(x, 0, None),
        "relu6": lambda: np.clip(x, 0, 6),
        "leaky_relu": lambda: np.where(x < 0, np.longdouble(SLOPE["leaky_relu"]) * x, x),
        "sigmoid": lambda: sigmoid,
        "tanh": lambda: np.tanh(x),
        "silu": lambda: x * sigmoid,
        "gelu": lambda: np.array([_gelu(float(value)) for value in x], np.longdouble),
        "hard_sigmoid": lambda: hard,
        "hard_swish": lambda: x * hard,
        "elu": lambda: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    }
    return np.asarray(formulas[name](), np.longdouble)


def _gelu(x: float) -> np.longdouble:
    with mpmath.workdps(40):
        tail = mpmath.erfc(-x / mpmath.sqrt(2)) / 2 if abs(x) < 100 else x > 0
        return np.longdouble(mpmath.nstr(x * tail, 25))


def numbers(dtype: str) -> Array:
    """Numbers of every size, most where the activations bend, down to results that are rounded to 0."""
    rng = np.random.default_rng(12)
    info = np.finfo(dtype)
    even = [rng.uniform(-span, span, 600) for span in (0.01, 1, 4, 20, 120, 780)]
    sizes = np.exp(rng.uniform(np.log(float(info.tiny)), np.log(float(info.max) / 8), 600))
    return np.concatenate([*even, sizes, -sizes, [0.0, -0.0]]).astype(dtype)


ULPS = {"relu": 0, "relu6": 0, "leaky_relu": 1, "elu": 2, "hard_sigmoid": 2, "gelu": 8}
"""Most units in the last place by which a result may be off; 4 where nothing is said."""


@pytest.mark.parametrize("target", runnable_targets())
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_each_activation_is_right_to_a_few_units_in_the_last_place(name: str, dtype: str, target: str) -> None:
    x = numbers(dtype)
    y = activated(name, x, target=target)
    assert y.dtype == np.dtype(dtype)
    with np.errstate(under="ignore", over="ignore"):
        expected = exactly(name, x.astype(np.longdouble))
        unit = np.spacing(np.abs(expected.astype(dtype))).astype(np.longdouble)
    error = np.abs(y.astype(np.longdouble) - expected) / unit
    worst = int(np.argmax(error))
    assert error[worst] <= ULPS.get(name, 4), f"{y[worst]!r} instead of {expected[worst]!r}"


SPECIAL = [NAN, INF, -INF, 0.0, -0.0]
WHAT_BECOMES_OF_THEM = {
    "relu": [NAN, INF, 0, 0, 0],
    "relu6": [NAN, 6, 0, 0, 0],
    "leaky_relu": [NAN, INF, -INF, 0, 0],
    "sigmoid": [NAN, 1, 0, 0.5, 0.5],
    "tanh": [NAN, 1, -1, 0, 0],
    "silu": [NAN, INF, NAN, 0, 0],  # minus infinity times 0
    "gelu": [NAN, INF, NAN, 0, 0],
    "hard_sigmoid": [NAN, 1, 0, 0.5, 0.5],
    "hard_swish": [NAN, INF, NAN, 0, 0],
    "elu": [NAN, INF, -1, 0, 0],
}


@pytest.mark.parametrize("target", runnable_targets())
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_nan_and_infinity_become_what_the_formula_says(name: str, dtype: str, target: str) -> None:
    x = np.array(SPECIAL * 9, dtype)  # whole vectors, and some left over
    expected = np.array(WHAT_BECOMES_OF_THEM[name] * 9, dtype)
    np.testing.assert_array_equal(activated(name, x, target=target), expected)
    np.testing.assert_array_equal(Activation.of(name, SLOPE.get(name))(x), expected)  # type: ignore[misc]


@pytest.mark.parametrize("name", NAMES)
def test_pytorch_says_the_same_of_nan_and_infinity_but_for_gelu_of_infinity(name: str) -> None:
    x = np.array(SPECIAL * 8, np.float32)
    theirs = TORCH_ACTIVATIONS[name](torch.from_numpy(x), SLOPE.get(name, 0)).numpy()
    # PyTorch's GELU of infinity is NaN on some processors and infinity on others.
    wanted = x != INF if name == "gelu" else np.full(x.shape, True)
    np.testing.assert_array_equal(np.array(WHAT_BECOMES_OF_THEM[name] * 8, np.float32)[wanted], theirs[wanted])


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_with_any_payload_stays_nan(dtype: str) -> None:
    bits = {"float32": 0x7F800001, "float64": 0x7FF0000000000001}[dtype]
    x = np.full(20, bits, f"u{np.dtype(dtype).itemsize}").view(dtype)
    for name in NAMES:
        assert np.isnan(activated(name, x)).all(), name


@pytest.mark.parametrize("name", ["relu6", "leaky_relu", "silu", "gelu", "hard_swish", "tanh"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_near_the_largest_stay_numbers(name: str, dtype: str) -> None:
    largest = float(np.finfo(dtype).max)
    x = np.array([largest, -largest, largest / 3, -largest / 3], dtype)
    known = {"relu6": [6, 0, 6, 0], "tanh": [1, -1, 1, -1], "leaky_relu": [x[0], 0.3125 * x[1], x[2], 0.3125 * x[3]]}
    expected = known.get(name, [x[0], 0, x[2], 0])
    np.testing.assert_allclose(activated(name, x), np.array(expected, dtype), rtol=1e-6)


def test_a_slope_of_zero_makes_nan_of_minus_infinity_and_keeps_other_numbers_above_zero() -> None:
    y = activated("leaky_relu", np.array([-INF, -2.0, 3.0]), slope=0)
    np.testing.assert_array_equal(y, [NAN, 0, 3])


@pytest.mark.parametrize(("other", "name"), [("swish", "silu"), ("hard_silu", "hard_swish")])
def test_other_names_of_an_activation_are_known(other: str, name: str) -> None:
    x = np.linspace(-4, 4, 37)
    np.testing.assert_array_equal(activated(other, x), activated(name, x))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_code_calls_no_library_on_any_target(name: str, dtype: str, target: str) -> None:
    case = Case("code", (5, 9), (3, 21), residual=True, activation=name, negative_slope=SLOPE.get(name))
    choice = choose(case.spec("channels_last", dtype), TARGETS[target], algorithm="direct")
    text = choice.schedule.emit(choice.plan)
    assert undefined_symbols(jit.compile_module(text, TARGETS[target])) == []


@pytest.mark.parametrize("target", TARGETS)
def test_winograds_code_calls_no_library_on_any_target(target: str) -> None:
    spec = Case("code", (5, 9), (30, 50), residual=True, activation="gelu").spec("channels_last", "float32")
    text = winograd.emit(winograd.plan(spec, TARGETS[target]))
    assert undefined_symbols(jit.compile_module(text, TARGETS[target])) == []


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"activation": "leaky_relu"}, ValueError, "negative_slope: 'leaky_relu' needs it; Keras' function takes 0.2"),
        ({"activation": "relu", "negative_slope": 0.1}, ValueError, "received 0.1 with activation 'relu'; only"),
        ({"negative_slope": 0.1}, ValueError, "received 0.1 with activation None; only 'leaky_relu' has one"),
        ({"activation": "leaky_relu", "negative_slope": "0.1"}, TypeError, "received '0.1'; a number is needed"),
        ({"activation": "leaky_relu", "negative_slope": True}, TypeError, "received True; a number is needed"),
        ({"activation": "leaky_relu", "negative_slope": NAN}, ValueError, "received nan; a finite number is needed"),
    ],
)
def test_a_slope_that_is_missing_or_makes_no_sense_is_refused(
    arguments: dict[str, Any], kind: type[Exception], words: str
) -> None:
    for call in (conv2d, lambda x, kernel, **more: compile_conv2d(kernel, input_shape=x.shape, **more)):
        with pytest.raises(kind, match=words):
            call(np.ones((1, 3, 3, 1)), np.ones((1, 1, 1, 1)), **arguments)


def test_two_slopes_are_two_pieces_of_code() -> None:
    x = np.full(5, -1.0)
    assert (activated("leaky_relu", x, slope=0.25) == -0.25).all()
    assert (activated("leaky_relu", x, slope=0.5) == -0.5).all()
    assert (activated("leaky_relu", x, slope=np.float32(-2)) == 2).all()


# -- The residual --------------------------------------------------------------------------------------------------

BLOCK = Case("block", (9, 14), (6, 20), padding="same", residual=True, activation="relu", batch=2)


def block(data_format: str = "channels_last") -> tuple[Array, Array, Array | None, Array]:
    x, kernel, bias = BLOCK.arrays(data_format, np.float32, whole=True)
    added = BLOCK.added(data_format, np.float32)
    assert added is not None
    return x, kernel, bias, added


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        lambda a: a[::-1].copy()[::-1],
        lambda a: np.repeat(a, 2, axis=3)[..., ::2],
        lambda a: a.astype(">f4"),
        lambda a: np.pad(a, 2)[2:-2, 2:-2, 2:-2, 2:-2],
    ],
)
def test_a_residual_of_any_layout_is_added(layout: Callable[[Array], Array], data_format: str) -> None:
    x, kernel, bias, added = block(data_format)
    y = conv2d(x, kernel, bias, data_format=data_format, residual=layout(added), algorithm="direct", **BLOCK.arguments)
    np.testing.assert_array_equal(y, by_definition(BLOCK, x, kernel, bias, data_format))


def test_a_residual_that_is_not_finite_reaches_its_own_output_only() -> None:
    x, kernel, bias, added = block()
    for algorithm in ("direct", "winograd"):
        clean = conv2d(x, kernel, bias, residual=added, algorithm=algorithm, **BLOCK.arguments)
        changed = added.copy()
        changed[1, 3, 5, 7], changed[0, 8, 13, 19], changed[0, 0, 0, 0] = NAN, INF, -INF
        y = conv2d(x, kernel, bias, residual=changed, algorithm=algorithm, **BLOCK.arguments)
        expected = clean.copy()
        expected[1, 3, 5, 7], expected[0, 8, 13, 19], expected[0, 0, 0, 0] = NAN, INF, 0
        np.testing.assert_array_equal(y, expected)


def test_a_residual_is_not_changed_and_may_be_the_input() -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((1, 8, 9, 5)).astype(np.float32)
    kernel = rng.standard_normal((3, 3, 5, 5)).astype(np.float32)
    before = x.copy()
    y = conv2d(x, kernel, padding="same", residual=x)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_allclose(y, conv2d(x, kernel, padding="same") + x, rtol=1e-5, atol=1e-5)


def test_an_empty_batch_takes_an_empty_residual() -> None:
    conv = compile_conv2d(np.ones((1, 1, 2, 3)), input_shape=(1, 4, 4, 2), residual=True)
    assert conv(np.ones((0, 4, 4, 2)), residual=np.ones((0, 4, 4, 3))).shape == (0, 4, 4, 3)


def test_a_copy_adds_a_residual_too() -> None:
    x, kernel, bias, added = block()
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, residual=True, **BLOCK.arguments)
    np.testing.assert_array_equal(copy.deepcopy(conv)(x, residual=added), conv(x, residual=added))
    assert "plus a residual, relu" in conv.explain()


@pytest.mark.parametrize(
    ("residual", "kind", "words"),
    [
        (None, ValueError, r"residual: .*made to add one; an array of shape \(2, 9, 14, 20\) is needed"),
        (np.ones((9, 14, 20), np.float32), ValueError, r"residual: received shape \(9, 14, 20\); the result has"),
        (np.ones((2, 9, 14, 1), np.float32), ValueError, r"residual: received shape \(2, 9, 14, 1\)"),
        (np.ones((2, 9, 14, 20)), TypeError, "residual: received dtype float64, but this convolution takes"),
        ("x", TypeError, "residual: received the text 'x'"),
    ],
)
def test_a_residual_that_does_not_fit_is_refused(residual: Any, kind: type[Exception], words: str) -> None:
    x, kernel, bias, _ = block()
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, residual=True, **BLOCK.arguments)
    with pytest.raises(kind, match=words):
        conv(x, residual=residual)
    if residual is not None:
        with pytest.raises(kind, match=words.replace("but this convolution takes", "")):
            conv2d(x, kernel, bias, residual=residual, **BLOCK.arguments)


def test_a_residual_for_a_convolution_made_without_is_refused() -> None:
    x, kernel, bias, added = block()
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, **BLOCK.arguments)
    with pytest.raises(ValueError, match=r"residual: .*prepare it with residual=True"):
        conv(x, residual=added)


def test_an_output_that_overlaps_the_residual_is_refused() -> None:
    x, kernel, bias, added = block()
    with pytest.raises(ValueError, match="out: overlaps"):
        conv2d(x, kernel, bias, residual=added, out=added, **BLOCK.arguments)
