"""How tensors lie in memory, and the same memory as arrays: nothing here copies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

DTYPES = (torch.float32, torch.float64)
"""The types that tweakconv computes in."""


def is_channels_last(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether the channels of a pixel lie next to each other, one pixel after the other.

    So it is in ``torch.channels_last``, and in what is cut out of it, channels included. Sizes may be symbols.

    Examples
    --------
    >>> is_channels_last((2, 3, 5, 7), (105, 1, 21, 3)), is_channels_last((2, 3, 5, 7), (105, 35, 7, 1))
    (True, False)
    """
    return len(shape) > 3 and bool(strides[1] == 1 and strides[-1] >= shape[1])


def prefers_channels_last(one: Tensor, other: Tensor) -> bool:
    """The order of what comes of two tensors, by PyTorch's rule: channels_last where either is."""
    return is_channels_last(one.shape, one.stride()) or is_channels_last(other.shape, other.stride())


def to_last(rank: int) -> tuple[int, ...]:
    """The axes of a tensor with so many spatial ones, in the order (batch, *spatial, channels)."""
    return (0, *range(2, rank + 2), 1)


@lru_cache
def kernel_axes(rank: int) -> tuple[int, ...]:
    """The axes of a weight in the order of a kernel: spatial ones first, PyTorch's first axis last."""
    return (*range(2, rank + 2), 1, 0)


def memory_format(rank: int, *, channels_last: bool) -> torch.memory_format:
    """PyTorch's name for the order of a tensor with so many spatial axes."""
    if not channels_last:
        return torch.contiguous_format
    return torch.channels_last if rank == 2 else torch.channels_last_3d


def like(x: Tensor, shape: Sequence[int], *, channels_last: bool) -> Tensor:
    """A new tensor of a shape (batch, channels, *spatial), of the type of `x`, in one of the two orders."""
    order = memory_format(len(shape) - 2, channels_last=channels_last)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=order)


def in_order(x: Tensor, *, channels_last: bool) -> Tensor:
    """`x`, copied only where it is not in the order that is asked for."""
    return x.contiguous(memory_format=memory_format(x.dim() - 2, channels_last=channels_last))


def as_it_lies(x: Tensor) -> Tensor:
    """`x` with its sign in memory: copied, strides and all, where PyTorch has put off turning it."""
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype).copy_(x) if x.is_neg() else x


def is_computable(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether tweakconv computes with these: on the CPU, of one type that it knows, with an address."""
    dtype = x.dtype
    return (
        dtype in DTYPES
        and weight.dtype is dtype
        and x.is_cpu
        and weight.is_cpu
        and x.layout is torch.strided
        and weight.layout is torch.strided
        and (bias is None or (bias.dtype is dtype and bias.is_cpu))
    )
