"""Memory for large results: in large pages, and used again once nobody holds it.

A system hands out memory a page at a time and clears each when it is first touched, which for the large results of a
network takes up to half as long as computing them. NumPy asks for large pages where there are some, and what a call has
let go of serves the next one: a VGG16 of one image takes 0.97 of the time with that, and a U-Net 0.85.
"""

from __future__ import annotations

import math
import threading
import weakref
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tweakconv.arrays import CACHE_LINE, address

LARGE_BYTES = 1 << 20
"""From here on a result is large. Smaller ones come from PyTorch, where memory that was let go of is used again."""

MOST_IDLE_BYTES = 64 << 20
"""Memory that is kept though nobody uses it, at the most."""


class Room(NamedTuple):
    """What results need that are alike: shape and strides, without gaps, type, and bytes."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    size: int

    @classmethod
    def of(cls, shape: tuple[int, ...], order: torch.memory_format, dtype: torch.dtype) -> Room:
        """Room for tensors of a shape in one of PyTorch's orders."""
        strides = torch.empty(shape, memory_format=order, device="meta").stride()
        return cls(shape, strides, dtype, math.prod(shape) * dtype.itemsize)

    def empty(self) -> Tensor:
        """A new tensor: PyTorch allows it to be changed in place, as activations are, where it is no view.

        The memory of a large one comes back when its last view is gone.
        """
        shape, strides, dtype, size = self
        if size < LARGE_BYTES:
            return torch.empty_strided(shape, strides, dtype=dtype)
        memory = _idle.take(size)
        start = -address(memory) % CACHE_LINE
        lent = memory[start : start + size]
        weakref.finalize(lent, _idle.put, size, memory).atexit = False
        storage = torch.from_numpy(lent).untyped_storage()  # which holds `lent`
        return torch.empty(0, dtype=dtype).set_(storage, 0, shape, strides)


class _Idle:
    """Memory that nobody uses, by size."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a collection of garbage within may bring memory back
        self._blocks: dict[int, list[NDArray[np.uint8]]] = {}
        self._bytes = 0

    def take(self, size: int) -> NDArray[np.uint8]:
        """Memory for so many bytes that begin at a cache line."""
        with self._lock:
            blocks = self._blocks.get(size)
            if blocks:
                self._bytes -= size
                return blocks.pop()
        return np.empty(size + CACHE_LINE, np.uint8)

    def put(self, size: int, memory: NDArray[np.uint8]) -> None:
        """Keep memory that was let go of; the oldest of other sizes gives way."""
        if size > MOST_IDLE_BYTES:
            return
        with self._lock:
            while self._bytes + size > MOST_IDLE_BYTES:
                oldest = next(iter(self._blocks))
                blocks = self._blocks[oldest]
                if blocks:
                    blocks.pop()
                    self._bytes -= oldest
                if not blocks:
                    del self._blocks[oldest]
            self._blocks.setdefault(size, []).append(memory)
            self._bytes += size


_idle = _Idle()
