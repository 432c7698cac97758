"""Who computes a model, ready to be timed: PyTorch, torch.compile, Keras, and both through `accelerate`."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import tweakconv.torch
from tweakconv.bench.networks import Network

Run = Callable[[], object]
OURS = "tweakconv"
EAGER = ("eager", "eager channels_last")
COMPILED = "torch.compile"
KERAS, IN_KERAS = "Keras", "Keras, accelerated"


def contenders(network: Network, backend: str, *, compiled: bool) -> dict[str, Run]:
    """What computes the model, or makes a step of its training, by name; all with the same weights.

    Parameters
    ----------
    backend : str
        Keras', or "none" for no Keras.
    """
    torch.manual_seed(0)
    model, x = network.make(), torch.randn(network.input_shape)
    last = torch.channels_last
    of_torch = _training_step if network.training else inference
    runs = {
        EAGER[0]: of_torch(copy.deepcopy(model), x),
        EAGER[1]: of_torch(copy.deepcopy(model).to(memory_format=last), x.contiguous(memory_format=last)),
        OURS: of_torch(_ours(model, network), x.contiguous(memory_format=last) if network.training else x),
    }
    if compiled:
        warnings.simplefilter("ignore")
        runs[COMPILED] = of_torch(torch.compile(copy.deepcopy(model)), x)
    if backend != "none":
        runs |= _of_keras(model.eval(), network, x)
    if not network.training:
        expected = runs[EAGER[0]]()
        for name, run in runs.items():
            torch.testing.assert_close(run(), expected, rtol=1e-3, atol=1e-4, msg=partial("{}: {}".format, name))
    return runs


def inference(model: nn.Module, x: Tensor) -> Run:
    """The model in evaluation."""
    model.eval()

    def run() -> Any:
        with torch.inference_mode():
            return model(x)

    return run


def _ours(model: nn.Module, network: Network) -> nn.Module:
    ours = tweakconv.torch.accelerate(copy.deepcopy(model))
    return ours.to(memory_format=torch.channels_last) if network.training else ours


def _training_step(model: nn.Module, x: Tensor) -> Run:
    """Forward, backward and a step of SGD with momentum."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    with torch.no_grad():
        target = torch.randint(0, 2, model(x)[:, 0].shape)

    def run() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return run


def _of_keras(model: nn.Module, network: Network, x: Tensor) -> dict[str, Run]:
    """The same in Keras, with its layers and with ours, through the methods that people call: arrays in and out."""
    import tweakconv.keras  # noqa: PLC0415 - a backend has been chosen
    from tweakconv.bench.in_keras import in_keras  # noqa: PLC0415

    theirs, ours = in_keras(model, network.input_shape), in_keras(model, network.input_shape)
    images = x.permute(0, 2, 3, 1).contiguous().numpy()
    of_keras = _keras_training_step if network.training else _keras_inference
    return {KERAS: of_keras(theirs, images), IN_KERAS: of_keras(tweakconv.keras.accelerate(ours), images)}


def _keras_inference(model: Any, images: Any) -> Run:
    def run() -> Tensor:
        return torch.from_numpy(np.moveaxis(model.predict_on_batch(images), -1, 1))

    return run


def _keras_training_step(model: Any, images: Any) -> Run:
    import keras  # noqa: PLC0415

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), loss)
    target = np.random.default_rng(0).integers(0, 2, (len(images), *model.output_shape[1:-1]))
    return partial(model.train_on_batch, images, target)
