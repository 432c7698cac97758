"""Maximum pooling between convolutions that lie in channels_last, in compiled code; by PyTorch where it does not fit.

PyTorch keeps where each maximum was found, which nobody asks for in evaluation. Measured, of its time: 2x2 on 224x224
with 64 channels 0.7, on 28x28 with 512 half, 3x3 at stride 2 on 112x112 with 64 0.4.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from tweakconv.compiler import threads
from tweakconv.compiler.call import Space
from tweakconv.compiler.jit import Loaded
from tweakconv.compiler.launch import launch
from tweakconv.compiler.max_pool import MaxPoolPlan, code, integers
from tweakconv.compiler.target import get_target
from tweakconv.geometry import AxisGeometry, ConvGeometry
from tweakconv.geometry.axis import outputs
from tweakconv.torch.layout import as_it_lies, is_channels_last, is_computable
from tweakconv.torch.memory import Room

_MOST_WAYS = 64
"""Shapes of inputs that are remembered for one module."""


class MaxPool(nn.Module):
    """What a ``torch.nn.MaxPool2d`` does, in evaluation.

    It only looks at that module, whose attributes may change.
    """

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.__dict__.update(pool=pool, ways={})  # not as a submodule: it is the model's

    def forward(self, x: Tensor) -> Any:
        """Pool, outside of any graph."""
        pool, ways = self.__dict__["pool"], self.__dict__["ways"]
        if not is_computable(x, x, None) or "forward" in pool.__dict__:
            return pool.forward(x)
        asked = _Asked.of(pool)
        key = (x.shape, x.stride(), x.dtype, asked)
        way = ways.get(key)
        if way is None:
            if not _fits(x, asked):
                return pool.forward(x)
            if len(ways) >= _MOST_WAYS:
                ways.clear()
            way = ways[key] = _Way.of(x, asked)
        return way.run(x)


class _Asked(NamedTuple):
    """What a ``torch.nn.MaxPool2d`` is asked to do."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil_mode: bool
    return_indices: bool

    @classmethod
    def of(cls, pool: nn.MaxPool2d) -> _Asked:
        kernel, strides, pads, dilation = map(_pair, (pool.kernel_size, pool.stride, pool.padding, pool.dilation))
        return cls(kernel, strides, pads, dilation, pool.ceil_mode, pool.return_indices)


class _Way(NamedTuple):
    """How tensors of one shape are pooled: the code, its integers, and room for the result.

    Attributes
    ----------
    moved : int
        Bytes of the input and the result.
    """

    code: Loaded
    integers: NDArray[np.int64]
    room: Room
    moved: int

    @classmethod
    def of(cls, x: Tensor, asked: _Asked) -> _Way:
        """The way of a tensor that fits."""
        batch, channels, *size = x.shape
        each = zip(size, asked.kernel, asked.strides, asked.pads, strict=True)
        geometry = ConvGeometry(tuple(AxisGeometry(i, k, s, pad_lo=p, pad_hi=p) for i, k, s, p in each))
        (kh, kw), (down, across) = asked.kernel, asked.strides
        plan = MaxPoolPlan((kh, kw), (down, across), channels, x.dtype is torch.float64, get_target())
        room = Room.of((batch, channels, *geometry.output_size), torch.channels_last, x.dtype)
        numbers = np.array(integers(batch, geometry), np.int64)
        return cls(code(plan), numbers, room, x.numel() * x.dtype.itemsize + room.size)

    def run(self, x: Tensor) -> Tensor:
        """The pooled tensor."""
        x = as_it_lies(x)
        y = self.room.empty()
        used = threads.worth(threads.get_num_threads(), 0, self.moved)
        launch(self.code, (x.data_ptr(), 0, 0, y.data_ptr(), 0), self.integers.ctypes.data, Space(0), used)
        return y


def _fits(x: Tensor, asked: _Asked) -> bool:
    """Whether there is code for it: images in channels_last without gaps, windows without, and results of floor."""
    alike = x.dim() == 4 and x.numel() and is_channels_last(x.shape, x.stride())
    if not alike or not x.is_contiguous(memory_format=torch.channels_last):
        return False
    if asked.dilation != (1, 1) or asked.ceil_mode or asked.return_indices:
        return False
    if not len(asked.kernel) == len(asked.strides) == len(asked.pads) == 2:
        return False  # PyTorch takes one number in a list for two, and no strides for those of the kernel
    each = zip(x.shape[2:], asked.kernel, asked.strides, asked.pads, strict=True)
    return all(
        step >= 1 and 0 <= 2 * pad <= taps and outputs(size, taps, step, (pad, pad)) >= 1
        for size, taps, step, pad in each
    )
