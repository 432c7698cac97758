"""A network of PyTorch's as the same network of Keras', with the same weights: to time the one against the other."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import keras
import torch
from torch import fx, nn
from torch.nn import functional as F

Make = Callable[[Any, Any], Any]
"""From a module of PyTorch's and what Keras has computed so far to what Keras computes next."""


def in_keras(model: nn.Module, input_shape: tuple[int, ...]) -> Any:
    """A functional model of Keras', channels_last, that computes what one of PyTorch's does.

    Where PyTorch pads by numbers Keras has no words for, a layer pads before, as in `keras.applications`.

    Parameters
    ----------
    model : torch.nn.Module
        Of the layers that `tweakconv.bench.networks` uses.
    input_shape : tuple of int
        (batch, channels, height, width).

    Returns
    -------
    keras.Model
        For images (batch, height, width, channels).

    Raises
    ------
    KeyError
        For a layer that is not known here.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))
    >>> in_keras(model, (1, 3, 8, 8)).output_shape
    (None, 10)
    """
    _, channels, *size = input_shape
    modules: dict[str, Any] = dict(model.named_modules())
    values: dict[str, Any] = {}
    copied: list[tuple[Any, list[torch.Tensor]]] = []
    for node in fx.symbolic_trace(model).graph.nodes:
        given = [values[one.name] for one in node.all_input_nodes]
        if node.op == "placeholder":
            values[node.name] = first = keras.Input((*size, channels))
        elif node.op == "output":
            last = given[0]
        elif node.op == "call_module":
            module = modules[node.target]
            values[node.name] = made = _MODULES[type(module)](module, given[0])
            if weights := _weights(module):
                copied.append((made._keras_history.operation, weights))
        else:
            values[node.name] = _FUNCTIONS[node.target]()(given if len(given) > 1 else given[0])
    for layer, weights in copied:
        layer.set_weights([weight.detach().numpy() for weight in weights])
    return keras.Model(first, last)


def _conv(module: Any, x: Any) -> Any:
    (height, width), strides = module.padding, module.stride
    same = strides == (1, 1) and module.kernel_size == (2 * height + 1, 2 * width + 1)
    if (height or width) and not same:
        x = keras.layers.ZeroPadding2D((height, width))(x)
    arguments = {"strides": strides, "padding": "same" if same else "valid", "use_bias": module.bias is not None}
    if module.groups == module.in_channels > 1:
        each = module.out_channels // module.groups
        return keras.layers.DepthwiseConv2D(module.kernel_size, depth_multiplier=each, **arguments)(x)
    return keras.layers.Conv2D(module.out_channels, module.kernel_size, groups=module.groups, **arguments)(x)


def _transposed(module: Any, x: Any) -> Any:
    assert module.padding == (0, 0)
    return keras.layers.Conv2DTranspose(module.out_channels, module.kernel_size, strides=module.stride)(x)


def _pooled(module: Any, x: Any) -> Any:
    if module.padding:  # zeros are the least that comes out of a ReLU
        x = keras.layers.ZeroPadding2D(module.padding)(x)
    return keras.layers.MaxPooling2D(module.kernel_size, strides=module.stride)(x)


def _flat(module: Any, x: Any) -> Any:
    """In PyTorch's order, channels first."""
    return keras.layers.Flatten()(keras.layers.Permute((3, 1, 2))(x) if len(x.shape) == 4 else x)


def _norm(module: Any, x: Any) -> Any:
    return keras.layers.BatchNormalization(epsilon=module.eps, momentum=1 - module.momentum)(x)


def _weights(module: Any) -> list[torch.Tensor]:
    """The weights of a module, in Keras' order and shapes."""
    match module:
        case nn.Conv2d():
            depthwise = module.groups == module.in_channels > 1
            kernel = module.weight.permute(2, 3, 1, 0)
            if depthwise:
                kernel = kernel.reshape(*module.kernel_size, module.in_channels, -1)
        case nn.ConvTranspose2d():
            kernel = module.weight.permute(2, 3, 1, 0)
        case nn.Linear():
            kernel = module.weight.t()
        case nn.BatchNorm2d():
            return [module.weight, module.bias, module.running_mean, module.running_var]
        case _:
            return []
    return [kernel] if module.bias is None else [kernel, module.bias]


_MODULES: dict[type[nn.Module], Make] = {
    nn.Conv2d: _conv,
    nn.ConvTranspose2d: _transposed,
    nn.BatchNorm2d: _norm,
    nn.MaxPool2d: _pooled,
    nn.ReLU: lambda module, x: keras.layers.ReLU()(x),
    nn.ReLU6: lambda module, x: keras.layers.ReLU(6.0)(x),
    nn.AdaptiveAvgPool2d: lambda module, x: keras.layers.GlobalAveragePooling2D()(x),
    nn.Flatten: _flat,
    nn.Linear: lambda module, x: keras.layers.Dense(module.out_features)(x),
    nn.Dropout: lambda module, x: keras.layers.Dropout(module.p)(x),
    nn.Identity: lambda module, x: x,
    nn.Sequential: lambda module, x: x,  # an empty one
}
_FUNCTIONS: dict[Any, Callable[[], Any]] = {
    operator.add: keras.layers.Add,
    operator.iadd: keras.layers.Add,
    torch.cat: keras.layers.Concatenate,
    F.relu: keras.layers.ReLU,
}
