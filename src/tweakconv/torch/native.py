"""A convolution and its gradients on tensors, outside of any graph: in compiled code, or by PyTorch's own operators.

PyTorch computes what is not on the CPU, and what is neither float32 nor float64.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import tweakconv as tc
from tweakconv.geometry.padding import extend
from tweakconv.gradients import PreparedKernelGrad
from tweakconv.packing import Relaying, array_at, borrowed
from tweakconv.torch.anew import run_anew
from tweakconv.torch.layout import (
    as_it_lies,
    in_order,
    is_computable,
    kernel_axes,
    like,
    memory_format,
    prefers_channels_last,
    to_last,
)
from tweakconv.torch.tweaks import Pairs, Tweaks
from tweakconv.torch.weights import packed


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, tweaks: Tweaks, *, keep: bool) -> Tensor:
    """Convolve `x`, shape (batch, channels, *spatial), with weights as PyTorch keeps them.

    Parameters
    ----------
    keep : bool
        Whether what is packed from the weights may serve until PyTorch counts a change of them.
    """
    if is_computable(x, weight, bias):
        if not keep:
            return run_anew(x, weight, bias, tweaks)
        return packed(weight, bias).bind(x, (weight, bias), tweaks, _as_it_is).run(x)
    y = by_torch(x, weight, bias, tweaks)
    return in_order(y, channels_last=prefers_channels_last(x, weight))


def kernel_grad(x: Tensor, grad: Tensor, kernel: Sequence[int], tweaks: Tweaks) -> Tensor:
    """The gradient of the weight of an ordinary convolution of `x`, given that of its result; in the order of both."""
    if not is_computable(x, grad, None):
        of_weight = _kernel_grad_by_torch(x, grad, kernel, tweaks)
        return in_order(of_weight, channels_last=prefers_channels_last(x, grad))
    kernel = tuple(kernel)
    key = (x.shape, x.stride(), x.dtype, grad.shape, grad.stride(), kernel, tweaks)
    way = _ways.get(key)
    if way is None:
        way = _KernelGrad.of(x, grad, kernel, tweaks)
        with _lock:
            if len(_ways) >= _MOST_WAYS:
                _ways.clear()
            _ways[key] = way
    return way.run(x, grad)


class _KernelGrad(NamedTuple):
    """How the gradients of a weight are computed from inputs and gradients of some shapes and strides.

    Attributes
    ----------
    order : torch.memory_format
        How both lie in memory, or their copies.
    copies : tuple of bool
        Whether the input is copied, and whether the gradient.
    placed : tuple of tuple of int
        Shape and strides in bytes of the input, or of its copy, as the array that tweakconv takes.
    shape : tuple of int
        Of the kernel as tweakconv writes it.
    of_weight : tuple of tuple of int
        Shape and strides of the result, by PyTorch's axes.
    """

    prepared: PreparedKernelGrad
    order: torch.memory_format
    copies: tuple[bool, bool]
    placed: tuple[tuple[int, ...], tuple[int, ...]]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    of_weight: tuple[tuple[int, ...], tuple[int, ...]]
    relaying: Relaying

    @classmethod
    def of(cls, x: Tensor, grad: Tensor, kernel: tuple[int, ...], tweaks: Tweaks) -> _KernelGrad:
        """The way for two tensors."""
        rank, channels_last = len(kernel), prefers_channels_last(x, grad)
        order = memory_format(rank, channels_last=channels_last)
        shape = (*kernel, x.shape[1] // tweaks.groups, grad.shape[1])
        copied = as_it_lies(x.detach().contiguous(memory_format=order)).numpy()
        copied = copied.transpose(to_last(rank)) if channels_last else copied
        prepared = _prepared_kernel_grad(shape, (1, *copied.shape[1:]), tweaks, channels_last, x.dtype)
        weight = like(x, (shape[-1], shape[-2], *kernel), channels_last=channels_last)
        relaying = Relaying(np.empty(shape, copied.dtype), weight.permute(kernel_axes(rank)).numpy())
        copies = tuple(not tensor.is_contiguous(memory_format=order) for tensor in (x, grad))
        placed, of_weight = (copied.shape, copied.strides), (tuple(weight.shape), weight.stride())
        return cls(prepared, order, (copies[0], copies[1]), placed, shape, copied.dtype, of_weight, relaying)

    def run(self, x: Tensor, grad: Tensor) -> Tensor:
        """The gradient of the weight."""
        prepared, order, copies, placed, shape, dtype, of_weight, relaying = self
        if copies[0]:
            x = x.contiguous(memory_format=order)
        if copies[1]:
            grad = grad.contiguous(memory_format=order)
        x, grad = as_it_lies(x), as_it_lies(grad)
        weight = torch.empty_strided(*of_weight, dtype=x.dtype)
        with borrowed(math.prod(shape) * dtype.itemsize) as room:
            of_kernel = array_at(room, shape, dtype)
            prepared.run_at(*placed, x.data_ptr(), grad.data_ptr(), of_kernel)
            relaying.run(room, weight.data_ptr())
        return weight


_MOST_WAYS = 256
_ways: dict[object, _KernelGrad] = {}
_lock = threading.Lock()


@functools.lru_cache(maxsize=256)
def _prepared_kernel_grad(
    kernel_shape: tuple[int, ...], input_shape: tuple[int, ...], tweaks: Tweaks, channels_last: bool, dtype: torch.dtype
) -> PreparedKernelGrad:
    compile_grad = getattr(tc, f"compile_conv{len(tweaks.strides)}d_kernel_grad")
    prepared: PreparedKernelGrad = compile_grad(
        kernel_shape,
        input_shape=input_shape,
        strides=tweaks.strides,
        padding=tweaks.pads,
        dilation_rate=tweaks.dilation,
        groups=tweaks.groups,
        data_format="channels_last" if channels_last else "channels_first",
        dtype="float32" if dtype is torch.float32 else "float64",
    )
    return prepared


def _kernel_grad_by_torch(x: Tensor, grad: Tensor, kernel: Sequence[int], tweaks: Tweaks) -> Tensor:
    weight = x.new_empty((grad.shape[1], x.shape[1] // tweaks.groups, *kernel))
    padded, pads = _without_uneven_pads(x, tweaks.pads)
    _, of_weight, _ = torch.ops.aten.convolution_backward(
        grad,
        padded,
        weight,
        None,
        tweaks.strides,
        pads,
        tweaks.dilation,
        False,
        (0,) * len(kernel),
        tweaks.groups,
        (False, True, False),
    )
    return of_weight


def by_torch(x: Tensor, weight: Tensor, bias: Tensor | None, tweaks: Tweaks) -> Tensor:
    """The same by PyTorch's operators alone, which it can differentiate in every mode."""
    rank = len(tweaks.strides)
    if not tweaks.transposed:
        padded, pads = _without_uneven_pads(extended(x, tweaks), _zeros(tweaks))
        convolution = (F.conv1d, F.conv2d, F.conv3d)[rank - 1]
        return convolution(padded, weight, bias, tweaks.strides, pads, tweaks.dilation, tweaks.groups)
    transposed = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[rank - 1]
    even = all(lo == hi >= 0 for lo, hi in tweaks.pads)
    cut = [lo for lo, _ in tweaks.pads] if even else [0] * rank
    y = transposed(x, weight, None if not even else bias, tweaks.strides, cut, 0, tweaks.groups, tweaks.dilation)
    if even:
        return y
    y = F.pad(y, [-cut for pair in reversed(tweaks.pads) for cut in pair])
    return y if bias is None else y + bias.reshape(-1, *[1] * rank)


def extended(x: Tensor, tweaks: Tweaks) -> Tensor:
    """`x` with its padding around it, where that does not hold zeros: gathered, so that it can be differentiated."""
    if tweaks.padding_mode == "zeros":
        return x
    for axis, (lo, hi) in enumerate(tweaks.pads, start=2):
        size = int(x.shape[axis])
        if (lo, hi) != (0, 0):
            pixels = [extend(position, size, tweaks.padding_mode) for position in range(-lo, size + hi)]
            x = x.index_select(axis, torch.tensor(pixels, device=x.device))
    return x


def without_padding(tweaks: Tweaks) -> Tweaks:
    """The convolution of what `extended` gives."""
    return tweaks._replace(pads=_zeros(tweaks), padding_mode="zeros")


def _zeros(tweaks: Tweaks) -> Pairs:
    """The pads that are left for zeros."""
    return tweaks.pads if tweaks.padding_mode == "zeros" else ((0, 0),) * len(tweaks.pads)


def _without_uneven_pads(x: Tensor, pads: Pairs) -> tuple[Tensor, tuple[int, ...]]:
    """`x` padded or cropped so far that the rest can be said in one number for each axis."""
    if all(lo == hi >= 0 for lo, hi in pads):
        return x, tuple(lo for lo, _ in pads)
    return F.pad(x, [pad for pair in reversed(pads) for pad in pair]), (0,) * len(pads)


def _as_it_is(tweaks: Hashable, x: Tensor, weight: Tensor) -> Tweaks:
    assert isinstance(tweaks, Tweaks)
    return tweaks
