"""A model of PyTorch's with its convolutions computed by tweakconv, in place; and as it was again."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from tweakconv.torch.modules import CLASSES
from tweakconv.torch.plan import Plan

Model = TypeVar("Model", bound=nn.Module)

_OURS = {theirs: ours for ours, theirs in CLASSES.items()}


def accelerate(model: Model, *, fuse: bool = True) -> Model:
    """Swap the convolutions of a model, in place.

    Every module that is exactly a ``torch.nn.Conv1d``, ``Conv2d``, ``Conv3d`` or ``ConvTranspose...`` changes its class
    to tweakconv's of the same name. Nothing else about it changes: parameters, hooks, names, ``state_dict`` and whoever
    shares it stay. For a copy, ``accelerate(copy.deepcopy(model))``.

    In evaluation and without gradients (``model.eval()`` under ``torch.inference_mode()`` or ``torch.no_grad()``) the
    model runs as ``torch.fx`` traces it: with each BatchNorm and activation and, where it is the only reader, each
    addition of a residual computed by the convolution before it, with maximum pooling in compiled code, and in
    channels_last throughout. The result lies in memory as the input does. Weights and statistics are looked at in every
    call, so training on, loading a ``state_dict`` and replacing a layer are noticed; other attributes that the model's
    own code reads are taken as they are in the first call. A model that cannot be traced is tried part by part.

    Parameters
    ----------
    model : torch.nn.Module
    fuse : bool
        Whether to trace it; if not, convolutions are swapped and that is all.

    Returns
    -------
    torch.nn.Module
        `model` itself.

    Raises
    ------
    TypeError
        For what is not a module.

    Examples
    --------
    >>> import torch, tweakconv.torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU()).eval()
    >>> x = torch.rand(1, 3, 16, 16)
    >>> with torch.inference_mode():
    ...     expected = model(x)
    ...     print(torch.allclose(tweakconv.torch.accelerate(model)(x), expected, atol=1e-6))
    True
    """
    _check(model)
    for module in model.modules():
        if type(module) in _OURS:
            module.__class__ = _OURS[type(module)]
    if fuse:
        Plan.install(model)
    return model


def restore(model: Model) -> Model:
    """Undo `accelerate`, in place: every convolution of tweakconv's becomes PyTorch's.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    torch.nn.Module
        `model` itself.

    Raises
    ------
    TypeError
        For what is not a module.
    ValueError
        Where a convolution has a padding that PyTorch's does not; the model is left as it is.

    Examples
    --------
    >>> import torch, tweakconv.torch
    >>> model = tweakconv.torch.accelerate(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3)))
    >>> tweakconv.torch.restore(model)
    Sequential(
      (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
    )
    """
    _check(model)
    for name, module in model.named_modules():
        if type(module) in CLASSES and not _is_theirs(module):
            raise ValueError(
                f"model: {name or 'it'} has padding={module.padding!r}, padding_mode={module.padding_mode!r} and "
                f"stride={module.stride!r}, which torch.nn's convolutions do not have"
            )
    for module in model.modules():
        Plan.remove(module)
        if type(module) in CLASSES:
            module.__class__ = CLASSES[type(module)]
    return model


def _check(model: object) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: received {type(model).__name__}; a torch.nn.Module is needed")


def _is_theirs(module: nn.Module) -> bool:
    """Whether PyTorch's class can take the place of ours."""
    padding, strides = module.padding, module.stride
    if isinstance(padding, str):
        known = padding == "valid" or (padding == "same" and all(stride == 1 for stride in strides))
        return known and not module.transposed and module.padding_mode != "symmetric"
    return all(isinstance(pad, int) and pad >= 0 for pad in padding) and module.padding_mode != "symmetric"
