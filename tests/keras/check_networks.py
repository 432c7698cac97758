"""The networks that are timed are the same in Keras as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
import torch
from torch import nn

import tweakconv.keras as tk
from tweakconv.bench.in_keras import in_keras
from tweakconv.bench.networks import UNet, mobilenet_v2, resnet, vgg

NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int, int]]] = {
    "vgg": (lambda: vgg((8, "M", 16, "M"), 10, side=4, hidden=32), (2, 3, 16, 16)),
    "unet": (lambda: UNet(3, 2, width=4), (2, 3, 32, 16)),
    "resnet": (lambda: resnet((1, 1, 1, 1), bottleneck=True), (2, 3, 32, 48)),
    "mobilenet": (mobilenet_v2, (2, 3, 32, 48)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_in_keras_computes_what_it_computes_in_pytorch(name: str) -> None:
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    network = make().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for numbers in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                numbers.copy_(torch.rand_like(numbers) + 0.5)
    x = torch.randn(shape)
    with torch.inference_mode():
        expected = network(x).numpy()
    model = in_keras(network, shape)
    for given in (model, tk.accelerate(model)):
        y = given.predict_on_batch(x.permute(0, 2, 3, 1).contiguous().numpy())
        y = np.moveaxis(y, -1, 1)
        np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    assert any(type(layer) is tk.Conv2D for layer in model.layers)
    assert not any(type(layer) is keras.layers.Conv2D for layer in model.layers)
