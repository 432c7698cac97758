"""A convolution and what follows it, in one pass: BatchNorm in its weights, then a residual and an activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tweakconv.torch.functional import Call, resolve
from tweakconv.torch.layout import is_computable
from tweakconv.torch.weights import After, Packed

ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": F.silu,
    "gelu": F.gelu,
    "hard_sigmoid": F.hardsigmoid,
    "hard_swish": F.hardswish,
    "elu": F.elu,
}


class FusedConv(nn.Module):
    """``act(bn(conv(x)) + residual)``, in evaluation.

    It only looks at the modules that it stands for: their weights and statistics stay theirs, and changes are noticed.

    Parameters
    ----------
    conv : torch.nn.Module
        One of tweakconv's.
    norm : torch.nn.Module or None
    after : After
        What follows the sums.
    """

    def __init__(self, conv: nn.Module, norm: nn.Module | None, after: After) -> None:
        super().__init__()
        # Not as submodules: those of a traced model are the model's.
        self.__dict__.update(conv=conv, norm=norm, after=after, packed=Packed(self._fold, after))

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Convolve, outside of any graph."""
        mine = self.__dict__
        conv, norm = mine["conv"].__dict__, mine["norm"]
        weight, bias = conv["_parameters"]["weight"], conv["_parameters"]["bias"]
        if is_computable(x, weight, bias) and x.dim() == weight.dim():
            transposed = conv["transposed"]
            call = Call(
                weight.dim() - 2,
                conv["stride"],
                conv["padding"],
                conv["dilation"],
                conv["groups"],
                conv["padding_mode"],
                conv["output_padding"] if transposed else 0,
                transposed,
            )
            tensors = (weight, bias) if norm is None else (weight, bias, *_numbers(norm))
            bound = mine["packed"].bind(x, tensors, call, resolve)
            if residual is None or (residual.shape == bound.way.room.shape and residual.dtype is x.dtype):
                return bound.run(x, residual)
        return self._one_by_one(x, residual)

    def _one_by_one(self, x: Tensor, residual: Tensor | None) -> Tensor:
        """The same by the modules themselves: what is to be added may only be of the result's shape once repeated."""
        y: Tensor = self.conv(x)
        if self.norm is not None:
            y = self.norm(y)
        if residual is not None:
            y = y + residual
        name, slope, _ = self.after
        if name is None:
            return y
        return ACTIVATIONS[name](y) if slope is None else ACTIVATIONS[name](y, slope)

    def _fold(self, weight: Tensor, bias: Tensor | None, *numbers: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The weight and bias that convolve and normalise at once; worked out in float64."""
        if not numbers:
            return weight, bias
        gamma, beta, mean, variance, _ = (None if number is None else number.detach().double() for number in numbers)
        assert mean is not None
        assert variance is not None
        scale = (variance + self.norm.eps).rsqrt()
        if gamma is not None:
            scale = scale * gamma
        shift = -mean if bias is None else bias.detach().double() - mean
        shift = shift * scale if beta is None else shift * scale + beta
        return _scaled(weight.detach(), scale, self.conv), shift.to(weight.dtype)


def is_foldable(norm: Any) -> bool:
    """Whether a module is a BatchNorm that in evaluation multiplies and adds numbers of its own."""
    return type(norm) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d) and norm.running_mean is not None


def _numbers(norm: Any) -> tuple[Tensor | None, ...]:
    """What a BatchNorm multiplies by and adds; PyTorch counts changes of its statistics by their number alone."""
    parameters, buffers = norm._parameters, norm._buffers
    statistics = buffers["running_mean"], buffers["running_var"], buffers["num_batches_tracked"]
    return parameters["weight"], parameters["bias"], *statistics


def _scaled(weight: Tensor, scale: Tensor, conv: Any) -> Tensor:
    """The weight with each output channel multiplied by its number."""
    if not conv.transposed:
        return (weight.double() * scale.reshape(-1, *[1] * (weight.dim() - 1))).to(weight.dtype)
    # Output channels are the second axis, and each group has those of its own.
    by_group = weight.double().unflatten(0, (conv.groups, -1))
    factors = scale.reshape(conv.groups, 1, -1, *[1] * (weight.dim() - 2))
    return (by_group * factors).flatten(0, 1).to(weight.dtype)
