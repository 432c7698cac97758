"""Every layer against Keras' own where Keras has it, and against the definition everywhere: values and gradients."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cases import CASES, FORMATS
from tests.family import FAMILY, Kin, by_definition
from tests.keras.harness import BACKEND, TRAINS, gradients, made, outputs
from tests.test_family import any_kin

import tweakconv.keras as tk

KERAS_ACTIVATIONS = {"hard_swish": "hard_silu"}


def layer_of(kin: Kin, data_format: str, of: Any = tk, **more: Any) -> tuple[str, dict[str, Any]]:
    """The name and the arguments of the layer that is this convolution."""
    kind = {"conv": "Conv{}D", "transposed": "Conv{}DTranspose", "depthwise": "DepthwiseConv{}D",
            "separable": "SeparableConv{}D"}[kin.kind].format(kin.rank)  # fmt: skip
    arguments: dict[str, Any] = {name: value for name, value in kin.tweaks.items() if name != "activation"}
    arguments |= {"kernel_size": kin.kernel, "data_format": data_format, "use_bias": kin.bias}
    arguments["activation"] = KERAS_ACTIVATIONS.get(kin.activation or "", kin.activation)
    if kin.kind == "transposed":
        del arguments["groups"]
    if kin.kind in ("conv", "transposed"):
        arguments["filters"] = kin.channels[1]
    else:
        arguments["depth_multiplier"] = kin.channels[1]
        arguments |= {"filters": kin.channels[2]} if kin.kind == "separable" else {}
    return kind, arguments | more


def as_kin(case: Any) -> Kin:
    """A convolution of images from the other table."""
    names = ("strides", "padding", "dilation_rate", "groups", "batch", "bias", "padding_mode", "constant_value")
    more = {name: getattr(case, name) for name in names}
    activation = None if case.activation == "leaky_relu" else case.activation
    return Kin(case.name, "conv", case.size, case.channels, case.kernel, activation=activation, **more)


def suits_keras(kin: Kin) -> bool:
    """Layers add no residual, and those that are transposed have no groups."""
    return not kin.residual and not (kin.kind == "transposed" and kin.groups > 1) and max(kin.channels) < 130


_PLACE = {"jax": 0, "numpy": 0, "tensorflow": 1, "torch": 1}[BACKEND]
_ALL = [kin for kin in (*FAMILY, *map(as_kin, CASES)) if suits_keras(kin)]

TABLE = _ALL if BACKEND == "numpy" else _ALL[_PLACE::2]
"""The table, of which every backend that computes gradients takes its half."""


def drawn(kin: Kin, data_format: str, dtype: str) -> tuple[Any, list[Any], list[Any]]:
    """Input, kernels, and all weights."""
    x, kernels, bias = kin.arrays(data_format, dtype)
    return x, kernels, [*kernels, *([] if bias is None else [bias])]


def turn(kin: Kin, table: list[Kin]) -> tuple[str, str]:
    """The data format and the type of a case: they take turns, the other way round on another backend."""
    index = table.index(kin) + _PLACE
    return FORMATS[index % 2], ("float32", "float64")[index // 2 % 2]


@pytest.mark.parametrize("kin", TABLE, ids=lambda kin: kin.name)
def test_layers_of_the_table_are_the_definition(kin: Kin) -> None:
    data_format, dtype = turn(kin, TABLE)
    check_values(kin, data_format, dtype)


def check_values(kin: Kin, data_format: str, dtype: str) -> None:
    x, kernels, weights = drawn(kin, data_format, dtype)
    name, arguments = layer_of(kin, data_format, dtype=dtype)
    layer = made(name, arguments, weights, x.shape)
    bias = weights[-1] if kin.bias else None
    expected = by_definition(kin, x, kernels, bias, data_format)
    scale = abs(by_definition(dataclasses.replace(kin, activation=None), abs(x), [abs(k) for k in kernels], bias,
                              data_format)).max()  # fmt: skip
    y = outputs(layer, x)
    assert y.dtype == x.dtype
    assert y.shape == expected.shape == layer.compute_output_shape(x.shape)
    assert layer.compute_output_spec(keras.KerasTensor(x.shape, dtype)).shape == expected.shape
    assert abs(y - expected).max() <= 50 * np.finfo(dtype).eps * scale
    if TRAINS:
        check_gradients(kin, data_format)


def check_gradients(kin: Kin, data_format: str) -> None:
    """In float64 and random directions: what the definition changes by is what the gradient says.

    The convolution is linear in the input and in each kernel, so that this holds exactly, not in the limit.
    """
    kin = dataclasses.replace(kin, activation=None)
    x, kernels, weights = drawn(kin, data_format, "float64")
    name, arguments = layer_of(kin, data_format, dtype="float64")
    layer = made(name, arguments, weights, x.shape)
    rng = np.random.default_rng(len(kin.name))
    at = by_definition(kin, x, kernels, None, data_format)
    r = rng.standard_normal(at.shape)
    of_x, of_weights = gradients(layer, x, r)
    assert of_x.shape == x.shape
    for _ in range(2):
        v = rng.standard_normal(x.shape)
        change = (r * (by_definition(kin, x + v, kernels, None, data_format) - at)).sum()
        np.testing.assert_allclose((of_x * v).sum(), change, rtol=1e-9, atol=1e-8)
        for k, kernel in enumerate(kernels):
            u = rng.standard_normal(kernel.shape)
            changed = [other + u if i == k else other for i, other in enumerate(kernels)]
            change = (r * (by_definition(kin, x, changed, None, data_format) - at)).sum()
            np.testing.assert_allclose((of_weights[k] * u).sum(), change, rtol=1e-9, atol=1e-8)
    if kin.bias:
        axes = (0, *range(2, r.ndim)) if data_format == "channels_first" else tuple(range(r.ndim - 1))
        np.testing.assert_allclose(of_weights[-1], r.sum(axes), rtol=1e-9, atol=1e-9)


@settings(max_examples=25)
@given(any_kin().filter(suits_keras), st.sampled_from(FORMATS), st.sampled_from(["float32", "float64"]))
def test_any_layer_is_the_definition(kin: Kin, data_format: str, dtype: str) -> None:
    x, kernels, _ = drawn(kin, data_format, dtype)
    try:
        by_definition(kin, x, kernels, None, data_format)
    except ValueError:
        name, arguments = layer_of(kin, data_format)
        with pytest.raises(ValueError, match=r"no output|cuts away the whole result"):
            getattr(tk, name)(**arguments).compute_output_shape(x.shape)
    else:
        check_values(kin, data_format, dtype)


THEIRS = [
    ("Conv1D", {"filters": 6, "kernel_size": 4, "padding": "causal", "dilation_rate": 2}),
    ("Conv1D", {"filters": 6, "kernel_size": 3, "padding": "same", "strides": 2, "groups": 2}),
    ("Conv2D", {"filters": 6, "kernel_size": (3, 2), "padding": "same", "activation": "gelu"}),
    ("Conv2D", {"filters": 6, "kernel_size": 4, "padding": "same", "strides": 3, "activation": "relu"}),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "dilation_rate": (2, 1), "groups": 2, "activation": "silu"}),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "activation": "leaky_relu", "use_bias": False}),
    ("Conv2D", {"filters": 6, "kernel_size": 1, "activation": "softmax"}),
    ("Conv3D", {"filters": 3, "kernel_size": 2, "padding": "same", "strides": 2, "activation": "elu"}),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2, "activation": "tanh"}),
    ("DepthwiseConv2D", {"kernel_size": 3, "padding": "same", "strides": 2, "activation": "relu6"}),
    ("DepthwiseConv2D", {"kernel_size": (2, 3), "depth_multiplier": 3, "activation": "hard_silu"}),
    ("SeparableConv1D", {"filters": 5, "kernel_size": 3, "padding": "same", "activation": "sigmoid"}),
    ("SeparableConv2D", {"filters": 5, "kernel_size": 3, "depth_multiplier": 2, "activation": "hard_sigmoid"}),
    ("Conv1DTranspose", {"filters": 5, "kernel_size": 3, "strides": 3}),
    ("Conv2DTranspose", {"filters": 5, "kernel_size": 4, "strides": 2, "padding": "same", "activation": "swish"}),
    ("Conv2DTranspose", {"filters": 5, "kernel_size": 3, "strides": 2, "padding": "same"}),
    ("Conv3DTranspose", {"filters": 2, "kernel_size": 2, "strides": 2}),
]
"""Layers that Keras has too."""


@pytest.mark.parametrize(
    ("name", "arguments", "data_format"),
    [(*layer, FORMATS[(i + _PLACE) % 2]) for i, layer in enumerate(THEIRS)],
    ids=[f"{name} {i}" for i, (name, _) in enumerate(THEIRS)],
)
def test_layers_and_their_gradients_are_those_of_keras(name: str, arguments: dict[str, Any], data_format: str) -> None:
    rng = np.random.default_rng(1)
    size = {"1": (17,), "2": (9, 8), "3": (5, 6, 4)}[name.split("D")[-2][-1]]
    shape = (2, *size, 4) if data_format == "channels_last" else (2, 4, *size)
    x = rng.standard_normal(shape).astype(np.float32)
    more = {"data_format": data_format}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's of "same" with even kernels
        theirs = getattr(keras.layers, name)(**arguments, **more)
        theirs.build(shape)
        theirs.set_weights([rng.standard_normal(w.shape) for w in theirs.weights])
        ours = made(name, {**arguments, **more}, theirs.get_weights(), shape)
        expected = keras_itself(theirs, x)
        np.testing.assert_allclose(outputs(ours, x), expected, rtol=1e-4, atol=1e-4)
        assert ours.compute_output_shape(shape) == tuple(theirs.compute_output_shape(shape)) == expected.shape
        if not TRAINS or not can_keras(data_format):
            return
        r = rng.standard_normal(expected.shape).astype(np.float32)
        for a, b in zip(gradients(ours, x, r)[1], gradients(theirs, x, r)[1], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def can_keras(data_format: str) -> bool:
    """TensorFlow computes channels_first on GPUs only."""
    return BACKEND != "tensorflow" or data_format == "channels_last"


def keras_itself(layer: Any, x: Any) -> Any:
    """What Keras' own layer gives, by way of its twin with channels_last where its backend has no other."""
    if can_keras(layer.data_format):
        return outputs(layer, x)
    twin = type(layer).from_config({**layer.get_config(), "data_format": "channels_last", "name": "twin"})
    moved = np.moveaxis(x, 1, -1)
    twin.build(moved.shape)
    twin.set_weights(layer.get_weights())
    return np.moveaxis(outputs(twin, moved), -1, 1)


def test_what_keras_refuses_works_here() -> None:
    """keras#16314: a stride together with a dilation rate; DepthwiseConv2D took it and gave a wrong shape."""
    tweaks = {"strides": 2, "dilation_rate": 3}
    with pytest.raises(ValueError, match="not supported"):
        keras.layers.Conv2D(4, 3, **tweaks)
    kin = Kin("trap", "conv", (13, 14), (3, 4), (3, 3), strides=(2, 2), dilation_rate=(3, 3), padding="same")
    check_values(kin, "channels_last", "float32")
    for kind, channels in (("depthwise", (3, 2)), ("separable", (3, 2, 5)), ("transposed", (3, 4))):
        check_values(dataclasses.replace(kin, kind=kind, channels=channels), "channels_first", "float32")


def test_the_odd_pad_of_same_is_where_the_name_says() -> None:
    """Even kernels and strides make an odd number of pads; Keras' documentation says "evenly"."""
    x, kernel = np.arange(1.0, 7).reshape(1, 6, 1), np.array([10.0, 1.0]).reshape(2, 1, 1)
    for padding, expected in (("same", [12, 23, 34, 45, 56, 60]), ("same_lower", [1, 12, 23, 34, 45, 56])):
        arguments = {"filters": 1, "kernel_size": 2, "padding": padding, "use_bias": False}
        assert outputs(made("Conv1D", arguments, [kernel], x.shape), x).ravel().tolist() == expected


def test_keras_same_and_pytorchs_1_are_two_paddings_of_one_size() -> None:
    x, kernel = np.arange(36.0).reshape(1, 6, 6, 1), np.arange(9.0).reshape(3, 3, 1, 1)
    arguments = {"filters": 1, "kernel_size": 3, "strides": 2, "use_bias": False}
    same, one = (
        outputs(made("Conv2D", {**arguments, "padding": padding}, [kernel], x.shape), x) for padding in ("same", 1)
    )
    assert same.shape == one.shape == (1, 3, 3, 1)
    # "same" begins at the first pixel: weights 0 to 8 times rows 0, 1 and 2; with 1 it begins in the padding.
    assert same[0, 0, 0, 0] == sum(k * v for k, v in enumerate([0, 1, 2, 6, 7, 8, 12, 13, 14]))
    assert one[0, 0, 0, 0] == 4 * 0 + 5 * 1 + 7 * 6 + 8 * 7


def test_sizes_that_are_not_known_yet_stay_unknown() -> None:
    layer = tk.Conv2D(4, 3, strides=2, padding=((0, 3), (-2, 1)), data_format="channels_first")
    assert layer.compute_output_shape((None, 3, None, 17)) == (None, 4, None, 7)
    up = tk.Conv2DTranspose(4, 3, strides=2, padding="same")
    assert up.compute_output_shape((None, 5, None, 3)) == (None, 10, None, 4)


@pytest.mark.parametrize(("make", "error", "says"), [
    (lambda: tk.Conv2D(4, 3, strides=0), ValueError, r"strides must be at least 1, received 0"),
    (lambda: tk.Conv2D(4, 3, strides=(1, 2, 3)), ValueError, r"strides must be an integer or have 2 entries"),
    (lambda: tk.Conv2D(4, 3, dilation_rate=1.5), TypeError, r"dilation_rate must be an integer, received 1.5"),
    (lambda: tk.Conv2D(4, (3, 0)), ValueError, r"kernel_size must be at least 1, received 0 in \(3, 0\)"),
    (lambda: tk.Conv2D(4, 3, padding="some"), ValueError, r"padding must be one of 'valid', 'same'.*received 'some'"),
    (lambda: tk.Conv2D(4, 3, padding="causal"), ValueError, r"padding='causal' needs a single axis"),
    (lambda: tk.Conv2D(4, 3, padding=(1, 2, 3, 4)), ValueError, r"written as pairs, one \(lo, hi\) per axis"),
    (lambda: tk.Conv2D(4, 3, padding_mode="mirror"), ValueError, r"padding_mode: received 'mirror'; choose one of"),
    (lambda: tk.Conv2D(4, 3, constant_value=2.0), ValueError, r"only 'constant' has one"),
    (lambda: tk.Conv2DTranspose(4, 3, padding="full"), ValueError, r"padding of a transposed convolution must be"),
    (lambda: tk.Conv2DTranspose(4, 3, padding_mode="wrap"), ValueError, r"padding_mode"),
    (lambda: tk.Conv2DTranspose(4, 3, output_padding=-1), ValueError, r"output_padding must be at least 0"),
    (tk.Conv2D, TypeError, r"filters"),
    (lambda: tk.Conv2D(4, 9).build((None, 5, 6, 3)), ValueError, r"axis 0 \(height\): kernel 9.*no output"),
    (lambda: tk.Conv2D(4, 3).compute_output_shape((None, 5, 6)), ValueError, r"inputs: received shape \(None, 5, 6\)"),
    (lambda: tk.accelerate("model"), TypeError, r"accelerate: received str; a keras.Model"),
])  # fmt: skip
def test_mistakes_are_answered_with_what_was_received(make: Any, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        make()


def test_an_empty_batch_gives_an_empty_batch() -> None:
    for kin in (k for k in _ALL if k.name in ("1-D", "up 2-D", "depthwise", "separable", "3-D", "reflect")):
        x, _, weights = drawn(kin, "channels_last", "float32")
        name, arguments = layer_of(kin, "channels_last")
        layer = made(name, arguments, weights, x.shape)
        assert outputs(layer, x[:0]).shape == (0, *layer.compute_output_shape(x.shape)[1:])
        if TRAINS:
            r = np.zeros((0, *layer.compute_output_shape(x.shape)[1:]), np.float32)
            of_x, of_weights = gradients(layer, x[:0], r)
            assert of_x.shape == (0, *x.shape[1:])
            assert all((each == 0).all() for each in of_weights)
