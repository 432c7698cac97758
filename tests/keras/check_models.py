"""Models with our layers: trained, saved, copied, adapted, mixed with others, called from several threads."""

from __future__ import annotations

import copy
import inspect
import pickle
import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits
from tests.keras.harness import BACKEND, TRAINS, made, numpy, outputs

import tweakconv.keras as tk

LAYERS = [
    ("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "causal", "strides": 2, "dilation_rate": 2}),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "padding": ((2, 0), (1, 3)), "padding_mode": "reflect", "groups": 2}),
    ("Conv3D", {"filters": 4, "kernel_size": 2, "padding": "same_lower", "activation": "gelu"}),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2, "padding": "full"}),
    ("DepthwiseConv2D", {"kernel_size": 3, "strides": (2, 1), "padding_mode": "constant", "constant_value": 2.0,
                         "padding": 1}),
    ("SeparableConv1D", {"filters": 4, "kernel_size": 3, "padding": (2,)}),
    ("SeparableConv2D", {"filters": 4, "kernel_size": 3, "strides": 2, "dilation_rate": 2, "padding": "same"}),
    ("Conv1DTranspose", {"filters": 4, "kernel_size": 3, "strides": 2, "padding": ((1, 0),)}),
    ("Conv2DTranspose", {"filters": 4, "kernel_size": 3, "strides": 2, "dilation_rate": 2, "output_padding": (3, 0)}),
    ("Conv3DTranspose", {"filters": 4, "kernel_size": 2, "strides": 2, "padding": "same_lower"}),
]  # fmt: skip


def shape_for(name: str) -> tuple[int, ...]:
    return (2, *{"1": (17,), "2": (9, 8), "3": (5, 6, 4)}[name[name.index("D", 1) - 1]], 4)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize(("name", "arguments"), LAYERS, ids=[name for name, _ in LAYERS])
def test_layers_survive_files_copies_and_configurations(
    name: str, arguments: dict[str, Any], tmp_path: Path, rng: np.random.Generator
) -> None:
    shape = shape_for(name)
    x = rng.standard_normal(shape).astype(np.float32)
    layer = (
        getattr(tk, name)(**arguments, kernel_regularizer="l2")
        if name.startswith("Conv")
        else getattr(tk, name)(**arguments)
    )
    model = keras.Sequential([keras.Input(shape[1:]), layer, keras.layers.Flatten()])
    layer.set_weights([rng.standard_normal(w.shape) for w in layer.weights])
    y = outputs(model, x)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (
        again.compute_output_shape(shape) == layer.compute_output_shape(shape) == (2, *model.layers[0].output.shape[1:])
    )
    again.build(shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(outputs(again, x).reshape(2, -1), y)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    clone = keras.models.clone_model(model)
    clone.load_weights(tmp_path / "model.weights.h5")
    copies = [keras.models.load_model(tmp_path / "model.keras"), clone, copy.deepcopy(model),
              pickle.loads(pickle.dumps(model))]  # fmt: skip
    for other in copies:
        assert type(other.layers[0]) is type(layer)
        assert other.layers[0].kernel_size == layer.kernel_size
        np.testing.assert_array_equal(outputs(other, x), y)
    if name.startswith("Conv"):
        assert len(model.losses) == 1


def test_arguments_may_be_given_by_place_and_are_those_of_keras_first() -> None:
    layer = tk.Conv2D(8, (3, 5), (2, 1), "same")
    assert (layer.filters, layer.kernel_size, layer.strides, layer.padding) == (8, (3, 5), (2, 1), "same")
    theirs, ours = (list(inspect.signature(c).parameters) for c in (keras.layers.Conv2D, tk.Conv2D))
    assert [*theirs[:-1], "padding_mode", "constant_value", "kwargs"] == ours


def test_weights_of_keras_layers_and_ours_load_each_other(tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 9, 8, 4)).astype(np.float32)
    theirs, ours = (
        keras.Sequential([keras.Input((9, 8, 4)), of.Conv2D(6, 3, padding="same", activation="relu", name="c")])
        for of in (keras.layers, tk)
    )
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    np.testing.assert_allclose(outputs(ours, x), outputs(theirs, x), rtol=1e-5, atol=1e-5)


def test_weights_that_are_assigned_are_noticed(rng: np.random.Generator) -> None:
    x = rng.standard_normal((1, 6, 6, 2)).astype(np.float32)
    layer = tk.Conv2D(3, 3)
    layer.build(x.shape)
    for _ in range(3):
        kernel, bias = rng.standard_normal((3, 3, 2, 3)).astype(np.float32), rng.standard_normal(3).astype(np.float32)
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)
        expected = outputs(made("Conv2D", {"filters": 3, "kernel_size": 3}, [kernel, bias], x.shape, keras.layers), x)
        for _ in range(2):
            np.testing.assert_allclose(outputs(layer, x), expected, rtol=1e-4, atol=1e-5)
    if BACKEND == "numpy":
        with pytest.raises(ValueError, match="read-only"):
            layer.kernel.value[0] = 0


def test_what_changes_between_calls_alike_is_noticed(rng: np.random.Generator) -> None:
    x, weights = rng.standard_normal((2, 9, 8, 3)).astype("f4"), [rng.standard_normal((3, 3, 3, 4)), np.arange(4.0)]
    layer = made("Conv2D", {"filters": 4, "kernel_size": 3}, weights, x.shape)

    def of(**arguments: Any) -> Any:
        return outputs(made("Conv2D", {"filters": 4, "kernel_size": 3, **arguments}, weights, x.shape), x)

    for _ in range(3):
        np.testing.assert_array_equal(outputs(layer, x), of())
    layer.activation = keras.activations.tanh
    np.testing.assert_allclose(outputs(layer, x), of(activation="tanh"), rtol=1e-5, atol=1e-6)
    layer.activation, layer.strides = keras.activations.linear, (2, 1)
    np.testing.assert_array_equal(outputs(layer, x), of(strides=(2, 1)))
    layer.strides, layer.use_bias = (1, 1), False
    np.testing.assert_allclose(outputs(layer, x), of() - np.arange(4), rtol=1e-4, atol=1e-5)
    layer.use_bias = True
    others = [2 * variable.value for variable in layer.trainable_variables]
    for _ in range(2):
        y, _ = layer.stateless_call(others, [], keras.ops.convert_to_tensor(x))
        np.testing.assert_allclose(numpy(y), 2 * of(), rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(outputs(layer, x), of())
    np.testing.assert_array_equal(outputs(layer, x[:, ::-1]), outputs(layer, x[:, ::-1].copy()))
    np.testing.assert_array_equal(outputs(copy.deepcopy(layer), x), of())
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
    assert np.abs(outputs(layer, x) - of()).max() > 1e-3


def test_lora_adds_its_two_kernels(rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 7, 6, 4)).astype(np.float32)
    layers = [of.Conv2D(6, 3, activation="relu") for of in (keras.layers, tk)]
    for layer in layers:
        layer.build(x.shape)
        layer.set_weights([np.random.default_rng(5).standard_normal(w.shape) for w in layer.weights])
        layer.enable_lora(2)
        layer.lora_kernel_a.assign(np.random.default_rng(6).standard_normal(layer.lora_kernel_a.shape))
        layer.lora_kernel_b.assign(np.random.default_rng(7).standard_normal(layer.lora_kernel_b.shape))
    np.testing.assert_allclose(outputs(layers[1], x), outputs(layers[0], x), rtol=1e-4, atol=1e-4)
    assert len(layers[1].trainable_variables) == len(layers[0].trainable_variables) == 3
    assert tk.Conv2D.from_config(layers[1].get_config()).lora_rank == 2


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_half_precision_is_computed_in_single_and_rounded(policy: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 7, 6, 4)).astype(np.float32)
    kernel, bias = rng.standard_normal((3, 3, 4, 5)).astype(np.float32), rng.standard_normal(5).astype(np.float32)
    arguments = {"filters": 5, "kernel_size": 3, "padding": "same", "activation": "relu"}
    exact = outputs(made("Conv2D", arguments, [kernel, bias], x.shape), x)
    layer = made("Conv2D", {**arguments, "dtype": policy}, [kernel, bias], x.shape)
    y = outputs(layer, x)
    half = policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype == half
    np.testing.assert_allclose(y.astype(np.float32), exact, atol={"float16": 0.05, "bfloat16": 0.4}[half])
    for name, more in (("SeparableConv2D", {"filters": 3}), ("Conv2DTranspose", {"filters": 3, "strides": 2})):
        other = getattr(tk, name)(kernel_size=3, dtype=policy, **more)
        assert keras.backend.standardize_dtype(outputs(other, x).dtype) == half


@keras.saving.register_keras_serializable("tests")
class Residual(keras.layers.Layer):  # type: ignore[misc, unused-ignore]
    """A custom layer around ours."""

    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.convolutions = [tk.Conv2D(filters, 3, padding="same", activation="relu") for _ in range(2)]

    def build(self, input_shape: Any) -> None:
        for convolution in self.convolutions:
            convolution.build(input_shape)

    def call(self, inputs: Any) -> Any:
        y = inputs
        for convolution in self.convolutions:
            y = convolution(y)
        return inputs + y

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable("tests")
class Standardised(tk.Conv2D):  # type: ignore[misc, unused-ignore]
    """A layer that changes the kernel on its way into the operation, as Keras' guide does."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        return super().convolution_op(inputs, kernel - keras.ops.mean(kernel, axis=(0, 1, 2), keepdims=True))


# On NumPy Keras finds the shapes out by computing with memory as it happens to be.
@pytest.mark.filterwarnings("ignore:invalid value encountered", "ignore:overflow encountered")
def test_custom_layers_around_ours_and_derived_from_ours(tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 8, 8, 4)).astype(np.float32)
    model = keras.Sequential(
        [keras.Input((8, 8, 4)), Residual(4), Standardised(5, 3, padding="same", activation="tanh")]
    )
    layer = model.layers[1]
    layer.bias.assign(rng.standard_normal(5))
    z = outputs(model.layers[0], x)
    kernel = numpy(layer.kernel)
    plain = made("Conv2D", {"filters": 5, "kernel_size": 3, "padding": "same", "activation": "tanh"},
                 [kernel - kernel.mean((0, 1, 2)), numpy(layer.bias)], z.shape)  # fmt: skip
    np.testing.assert_allclose(outputs(model, x), outputs(plain, z), rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "custom.keras")
    np.testing.assert_array_equal(outputs(keras.models.load_model(tmp_path / "custom.keras"), x), outputs(model, x))


def test_several_threads_may_call_one_model(rng: np.random.Generator) -> None:
    model = keras.Sequential([keras.Input((12, 11, 3)), tk.Conv2D(8, 3, activation="relu"), tk.DepthwiseConv2D(3)])
    inputs = [rng.standard_normal((n + 1, 12, 11, 3)).astype(np.float32) for n in range(4)]
    expected = [outputs(model, x) for x in inputs]
    found: list[Any] = [None] * 16

    def call(i: int) -> None:
        found[i] = outputs(model, inputs[i % 4])

    threads = [threading.Thread(target=call, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, y in enumerate(found):
        np.testing.assert_array_equal(y, expected[i % 4])


def cnn(of: Any) -> Any:
    """A small network; the same seeds give the same weights."""
    keras.utils.set_random_seed(11)
    return keras.Sequential([
        keras.Input((8, 8, 1)),
        of.Conv2D(16, 3, padding="same", activation="relu"),
        of.SeparableConv2D(24, 3, padding="same", strides=2, activation="silu"),
        of.Conv2D(32, 3, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-4)),
        keras.layers.Flatten(),
        keras.layers.Dense(10),
    ])  # fmt: skip


def test_training_goes_the_same_way_as_with_the_layers_of_keras() -> None:
    digits = load_digits()
    x, y = (digits.images[..., None] / 16).astype(np.float32), digits.target
    if not TRAINS:
        ours, theirs = cnn(tk), cnn(keras.layers)
        np.testing.assert_allclose(
            ours.predict(x[:50], verbose=0), theirs.predict(x[:50], verbose=0), rtol=1e-4, atol=1e-5
        )
        return
    losses, accuracies = [], []
    for of in (keras.layers, tk):
        model = cnn(of)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(1e-2), loss, metrics=["accuracy"])
        history = model.fit(x[:1400], y[:1400], batch_size=100, epochs=4, shuffle=False, verbose=0)
        losses.append(history.history["loss"])
        accuracies.append(model.evaluate(x[1400:], y[1400:], verbose=0)[1])
    np.testing.assert_allclose(losses[1], losses[0], rtol=5e-2)
    assert min(accuracies) > 0.85
    assert abs(accuracies[1] - accuracies[0]) < 0.02
