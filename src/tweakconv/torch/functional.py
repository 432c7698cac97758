"""Convolutions as functions, with the arguments of ``torch.nn.functional`` and paddings that it does not have."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import _C, Tensor, fx
from torch.autograd import forward_ad

from tweakconv.geometry import PaddingLike
from tweakconv.torch import native, operators
from tweakconv.torch.layout import is_computable
from tweakconv.torch.quiet import are_plain, is_quiet, wants_gradient
from tweakconv.torch.tweaks import Tweaks, checked_mode, cuts_of, numbers_per_axis, pads_of
from tweakconv.torch.weights import packed

Numbers: TypeAlias = int | Sequence[int]


class Call(NamedTuple):
    """The arguments of a convolution besides its tensors, as modules keep them; hashable."""

    rank: int
    stride: Numbers
    padding: PaddingLike
    dilation: Numbers
    groups: int
    padding_mode: str = "zeros"
    output_padding: Numbers = 0
    transposed: bool = False


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: PaddingLike = 0,
    dilation: Numbers = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
) -> Tensor:
    """One-dimensional convolution: the arguments of `conv2d`, and ``padding="causal"``.

    Examples
    --------
    >>> import torch
    >>> conv1d(torch.ones(1, 1, 4), torch.ones(1, 1, 3), padding="causal").ravel()
    tensor([1., 2., 3., 3.])
    """
    return _convolution(1, input, weight, bias, stride, padding, dilation, groups, padding_mode)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: PaddingLike = 0,
    dilation: Numbers = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
) -> Tensor:
    """Two-dimensional convolution, as ``torch.nn.functional.conv2d``.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, height, width), or (channels, height, width)
        The result lies in memory as it does, or as the weight: in channels_last where either is.
    weight : Tensor, shape (out channels, channels / groups, kernel height, kernel width)
    bias : Tensor, shape (out channels,), optional
    stride, dilation : int or pair of int
    padding : str, int or sequence
        As in PyTorch; also "same" with strides, "same_lower", "full", and a (lo, hi) pair for each axis.
    groups : int
    padding_mode : str
        What the padding holds: "zeros", "reflect", "replicate", "circular" or "symmetric", at any distance.

    Returns
    -------
    Tensor, shape (batch, out channels, out height, out width)

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import torch
    >>> conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3), stride=2, padding="same")[0, 0]
    tensor([[9., 6.],
            [6., 4.]])
    """
    return _convolution(2, input, weight, bias, stride, padding, dilation, groups, padding_mode)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: PaddingLike = 0,
    dilation: Numbers = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
) -> Tensor:
    """Three-dimensional convolution: the arguments of `conv2d`.

    Examples
    --------
    >>> import torch
    >>> conv3d(torch.ones(1, 2, 8, 8, 8), torch.ones(4, 2, 3, 3, 3), stride=2, padding="same").shape
    torch.Size([1, 4, 4, 4, 4])
    """
    return _convolution(3, input, weight, bias, stride, padding, dilation, groups, padding_mode)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: PaddingLike = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """One-dimensional transposed convolution: the arguments of `conv_transpose2d`.

    Examples
    --------
    >>> import torch
    >>> conv_transpose1d(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[1.0, 10.0, 100.0]]]), stride=2).ravel()
    tensor([  1.,  10., 102.,  20., 200.])
    """
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: PaddingLike = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """Two-dimensional transposed convolution, as ``torch.nn.functional.conv_transpose2d``.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, height, width), or (channels, height, width)
    weight : Tensor, shape (channels, out channels / groups, kernel height, kernel width)
    bias : Tensor, shape (out channels,), optional
    stride, dilation, output_padding : int or pair of int
    padding : str, int or sequence
        What is cut from the full result, as in PyTorch; also a (lo, hi) pair for each axis, and "same" and
        "same_lower", which cut to input * stride.
    groups : int

    Returns
    -------
    Tensor, shape (batch, out channels, out height, out width)

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> import torch
    >>> conv_transpose2d(torch.ones(1, 2, 5, 5), torch.ones(2, 4, 3, 3), stride=2, padding="same").shape
    torch.Size([1, 4, 10, 10])
    """
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: PaddingLike = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """Three-dimensional transposed convolution: the arguments of `conv_transpose2d`.

    Examples
    --------
    >>> import torch
    >>> conv_transpose3d(torch.ones(1, 2, 4, 4, 4), torch.ones(2, 3, 2, 2, 2), stride=2).shape
    torch.Size([1, 3, 8, 8, 8])
    """
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, call: Call) -> Tensor:
    """Convolve: at once where only the result matters, through the registered operators where anything watches."""
    if is_quiet() and are_plain(x, weight, bias) and is_computable(x, weight, bias):
        if x.dim() == call.rank + 1:
            return convolve(x.unsqueeze(0), weight, bias, call).squeeze(0)
        if not wants_gradient(x, weight, bias):
            if x.dim() == call.rank + 2:
                return packed(weight, bias).bind(x, (weight, bias), call, resolve).run(x)
        elif call.padding_mode == "zeros":
            return operators.recorded(x, weight, bias, _resolved(call, x.shape, weight.shape))
    return _observed(x, weight, bias, call)


def resolve(call: Hashable, x: Tensor, weight: Tensor) -> Tweaks:
    """What a call means for an input.

    Raises
    ------
    ValueError
        Where the channels or the axes of input and weight do not go together.
    """
    assert isinstance(call, Call)
    return _tweaks(call, x.shape, weight.shape)


def _tweaks(call: Call, shape: torch.Size, weight_shape: torch.Size) -> Tweaks:
    """The same for shapes, whose sizes may be symbols."""
    rank, kernel = call.rank, weight_shape[2:]
    _check(call, shape, weight_shape)
    strides = numbers_per_axis("stride", call.stride, rank, at_least=1)
    dilation = numbers_per_axis("dilation", call.dilation, rank, at_least=1)
    if call.transposed:
        extras = numbers_per_axis("output_padding", call.output_padding, rank, at_least=0)
        cuts = cuts_of(call.padding, kernel, strides, dilation, extras)
        return Tweaks(strides, cuts, dilation, call.groups, transposed=True)
    pads = pads_of(call.padding, shape[2:], kernel, strides, dilation)
    return Tweaks(strides, pads, dilation, call.groups, padding_mode=checked_mode(call.padding_mode))


_resolved = lru_cache(maxsize=1024)(_tweaks)
"""The same again, remembered, where all sizes are numbers."""


def plain(numbers: Any) -> Any:
    """Numbers as they can be remembered: lists as tuples.

    Examples
    --------
    >>> plain([1, [0, 2]]), plain("same"), plain(3)
    ((1, (0, 2)), 'same', 3)
    """
    return tuple(map(plain, numbers)) if isinstance(numbers, list | tuple) else numbers


def _convolution(
    rank: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Numbers,
    padding: PaddingLike,
    dilation: Numbers,
    groups: int,
    padding_mode: str,
) -> Tensor:
    call = Call(rank, plain(stride), plain(padding), plain(dilation), groups, padding_mode)
    return convolve(x, weight, bias, call)


def _transposed(
    rank: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Numbers,
    padding: PaddingLike,
    output_padding: Numbers,
    groups: int,
    dilation: Numbers,
) -> Tensor:
    extra = plain(output_padding)
    call = Call(rank, plain(stride), plain(padding), plain(dilation), groups, output_padding=extra, transposed=True)
    return convolve(x, weight, bias, call)


def _observed(x: Tensor, weight: Tensor, bias: Tensor | None, call: Call) -> Tensor:
    """Through the dispatcher, for autograd, ``torch.func``, ``torch.compile`` and the like to see."""
    for name, given in (("input", x), ("weight", weight)):
        if not isinstance(given, Tensor | fx.Proxy):
            raise TypeError(f"{name}: received {type(given).__name__}; a torch.Tensor is needed")
    if x.dim() == call.rank + 1:
        return _observed(x.unsqueeze(0), weight, bias, call).squeeze(0)
    tweaks = resolve(call, x, weight)
    # Forward-mode derivatives, mixed precision and TorchScript are PyTorch's; so is what tweakconv does not compute.
    if (
        forward_ad._current_level >= 0
        or torch.is_autocast_enabled("cpu")
        or _C._get_tracing_state() is not None
        or not is_computable(x, weight, bias)
    ):
        return native.by_torch(x, weight, bias, tweaks)
    if tweaks.padding_mode != "zeros":
        x, tweaks = native.extended(x, tweaks), native.without_padding(tweaks)
    return operators.convolution(x, weight, bias, tweaks)


def _check(call: Call, shape: torch.Size, weight_shape: torch.Size) -> None:
    """Refuse, with words, tensors that do not go together."""
    rank, groups = call.rank, call.groups
    if len(weight_shape) != rank + 2 or len(shape) != rank + 2:
        raise ValueError(
            f"input, weight: received shapes {tuple(shape)} and {tuple(weight_shape)}; {rank + 2} axes are needed: "
            f"(batch, channels) and {rank} of space, (out channels, channels / groups) and {rank} of the kernel; "
            "the batch may be missing"
        )
    takes = weight_shape[0] if call.transposed else weight_shape[1] * groups
    # Where TorchScript traces, sizes are tensors that are not to be looked at.
    if not isinstance(shape[1], Tensor) and shape[1] != takes:
        raise ValueError(
            f"input: received shape {tuple(shape)}, which has {shape[1]} channels; the weight of shape "
            f"{tuple(weight_shape)} takes {takes} with groups={groups}"
        )
