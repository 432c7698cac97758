"""Models whose convolutions are swapped: the same variables, the same outputs, and back."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from tests.keras.harness import BACKEND, TRAINS, outputs

import tweakconv.keras as tk

L = keras.layers


def inner() -> Any:
    return keras.Sequential([L.Conv2D(6, 3, padding="same", activation="relu"), L.BatchNormalization()], name="inner")


def functional() -> Any:
    """A U of every kind of layer, with a branch, a nested model and a shared layer."""
    x = keras.Input((16, 16, 4))
    shared = L.DepthwiseConv2D(3, padding="same", activation="silu")
    a = inner()(x)
    b = L.SeparableConv2D(6, 3, padding="same", activation="gelu")(shared(shared(x)))
    down = L.Conv2D(8, 3, strides=2, padding="same", activation="leaky_relu")(L.add([a, b]))
    up = L.Conv2DTranspose(6, 2, strides=2, activation="sigmoid")(down)
    rows = L.Reshape((16, 16 * 6))(up)
    sequence = L.SeparableConv1D(8, 3, padding="same")(L.DepthwiseConv1D(3, padding="same")(L.Conv1D(8, 3)(rows)))
    longer = L.Conv1DTranspose(4, 2, strides=2)(sequence)
    volume = L.Reshape((4, 4, 7, 1))(L.Cropping1D((0, 0))(longer))
    deep = L.Conv3DTranspose(2, 2)(L.Conv3D(4, 2, activation="relu")(volume))
    return keras.Model(x, [L.Flatten()(deep), down])


class Subclassed(keras.Model):  # type: ignore[misc, unused-ignore]
    """Layers in attributes, a list and a dictionary, within a layer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = L.Conv2D(5, 3, padding="same", activation="relu")
        self.more = [L.Conv2D(5, 3, padding="same") for _ in range(2)]
        self.named = {"last": L.Conv2DTranspose(3, 3, strides=2, padding="same", activation="tanh")}
        self.nested = inner()

    def call(self, inputs: Any) -> Any:
        y = self.nested(self.first(inputs))
        for layer in self.more:
            y = layer(y)
        return self.named["last"](y) if self.named else y


MODELS = {"functional": functional, "sequential": lambda: keras.Sequential([keras.Input((16, 16, 4)), inner()]),
          "subclassed": Subclassed}  # fmt: skip


def every_output(model: Any, x: Any) -> list[Any]:
    y = model.predict(x, verbose=0)
    return list(y) if isinstance(y, list | tuple) else [y]


def convolutions(model: Any) -> list[Any]:
    return [layer for layer in model._flatten_layers() if "Conv" in type(layer).__name__]


@pytest.mark.parametrize("name", MODELS)
def test_swapping_changes_no_variable_and_no_output_and_is_undone(name: str) -> None:
    keras.utils.set_random_seed(2)
    model = MODELS[name]()
    x = np.random.default_rng(2).standard_normal((3, 16, 16, 4)).astype(np.float32)
    before = every_output(model, x)
    classes, variables, names = map(type, convolutions(model)), list(model.variables), [w.path for w in model.weights]
    classes = list(classes)
    assert classes
    assert tk.accelerate(model) is model
    assert all(type(layer).__module__ == "tweakconv.keras.layers" for layer in convolutions(model))
    assert all(a is b for a, b in zip(variables, model.variables, strict=True))
    assert names == [w.path for w in model.weights]
    for a, b in zip(every_output(model, x), before, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert tk.restore(model) is model
    assert [type(layer) for layer in convolutions(model)] == classes
    for a, b in zip(every_output(model, x), before, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_what_was_ours_from_the_start_stays_ours() -> None:
    model = keras.Sequential([keras.Input((9, 9, 2)), tk.Conv2D(3, 3, padding="full"), L.Conv2D(3, 3)])
    tk.restore(tk.accelerate(tk.accelerate(model)))
    assert [type(layer) for layer in model.layers] == [tk.Conv2D, L.Conv2D]


def test_derived_classes_are_left_as_they_are() -> None:
    class Own(L.Conv2D):  # type: ignore[misc, unused-ignore]
        def call(self, inputs: Any) -> Any:
            return 2 * super().call(inputs)

    layer = Own(3, 3)
    assert type(tk.accelerate(layer)) is Own


def test_layers_that_are_built_later_are_built_as_keras_would() -> None:
    model = tk.accelerate(keras.Sequential([L.Conv2D(3, 3, activation="relu"), L.SeparableConv2D(2, 3)]))
    x = np.random.default_rng(2).standard_normal((2, 9, 8, 2)).astype(np.float32)
    ours = outputs(model, x)
    np.testing.assert_allclose(outputs(tk.restore(model), x), ours, rtol=1e-4, atol=1e-5)


def test_a_swapped_model_is_saved_as_one_of_ours(tmp_path: Any) -> None:
    model = tk.accelerate(functional())
    x = np.random.default_rng(2).standard_normal((2, 16, 16, 4)).astype(np.float32)
    model.save(tmp_path / "swapped.keras")
    loaded = keras.models.load_model(tmp_path / "swapped.keras")
    assert all(type(layer).__module__ == "tweakconv.keras.layers" for layer in convolutions(loaded))
    for a, b in zip(every_output(loaded, x), every_output(model, x), strict=True):
        np.testing.assert_array_equal(a, b)


def test_training_goes_on_after_a_swap_with_the_optimisers_state() -> None:
    x = np.random.default_rng(2).standard_normal((8, 16, 16, 4)).astype(np.float32)
    if not TRAINS:
        assert all(layer.supports_jit for layer in convolutions(tk.accelerate(functional())))
        return
    losses = []
    for swaps in (False, True):
        keras.utils.set_random_seed(4)
        model = keras.Sequential([keras.Input((16, 16, 4)), inner(), L.Conv2D(2, 3), L.GlobalAveragePooling2D()])
        model.compile(keras.optimizers.Adam(1e-2), "mse")
        targets = np.ones((8, 2), np.float32)
        history = [model.train_on_batch(x, targets) for _ in range(3)]
        if swaps:
            tk.accelerate(model)
        history += [model.train_on_batch(x, targets) for _ in range(3)]
        if swaps:
            tk.restore(model)
        losses.append([*history, model.train_on_batch(x, targets)])
        assert int(model.optimizer.iterations) == 7
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
    assert losses[0][-1] < losses[0][0]


def test_layers_say_whether_xla_can_compile_them() -> None:
    layer = L.Conv2D(3, 3)
    assert tk.accelerate(layer).supports_jit == tk.Conv2D(3, 3).supports_jit == (BACKEND != "tensorflow")
    assert tk.restore(layer).supports_jit
