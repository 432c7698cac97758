"""A CNN trained on handwritten digits, once with Keras' layers and once with tweakconv's: same curve, two times.

    pip install "tweakconv[examples]"
    KERAS_BACKEND=torch python examples/digits_keras.py -o digits_keras.png

Both models start from the same weights and see the same batches in the same order; the only line that differs between
them is the one that says where `Conv2D` comes from. Epochs of the two take turns, so that both meet the same machine.
"""

from __future__ import annotations

import os
import time
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

import tweakconv.keras
from digits_data import Digits, Training, example


def cnn(layers: Any) -> Any:
    """The model, with the convolutions of a module."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input((8, 8, 1)),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.Conv2D(64, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(),
        layers.Conv2D(128, 3, padding="same", activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(10),
    ])  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    return model


def train(data: Digits, epochs: int, batch_size: int = 64) -> list[Training]:
    """Train both models, epoch by epoch in turns."""
    models = {"keras.layers": cnn(keras.layers), "tweakconv.keras": cnn(tweakconv.keras)}
    losses: dict[str, list[float]] = {name: [] for name in models}
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(len(data.train_y))
        x, y = data.train_x[order][..., None], data.train_y[order]
        for name, model in models.items():
            start = time.perf_counter()
            history = model.fit(x, y, batch_size=batch_size, shuffle=False, verbose=0)
            seconds[name].append(time.perf_counter() - start)
            losses[name].append(history.history["loss"][0])
    return [
        Training(name, losses[name], seconds[name],
                 model.evaluate(data.test_x[..., None], data.test_y, verbose=0)[1])
        for name, model in models.items()
    ]  # fmt: skip


if __name__ == "__main__":
    example(__doc__ or "", "digits_keras.png", f"digits, Keras on {keras.backend.backend()}", train)
