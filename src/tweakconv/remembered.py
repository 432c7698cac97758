"""Prepared convolutions for weights that frameworks hand over anew at every call.

A framework that compiles programs passes weights by address, and gives no word when they change. What was packed is
therefore remembered together with a copy of what it was packed from, and used again only where the bytes are the same.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

from tweakconv.arrays import FloatArray, address
from tweakconv.prepared import PreparedConv

MOST_BYTES = 512 << 20
"""Copies and packed weights that are remembered at most; VGG16's convolutions take about 300 MB."""

_compare = ctypes.CDLL("msvcrt" if os.name == "nt" else None).memcmp
_compare.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class _Entry(NamedTuple):
    arrays: tuple[FloatArray, ...]
    conv: PreparedConv
    bytes: int


class Remembered:
    """The prepared convolutions that were used last, as many as fit into a number of bytes.

    Examples
    --------
    >>> import numpy as np
    >>> import tweakconv as tc
    >>> kernel, memory = np.ones((3, 3, 1, 1)), Remembered(1 << 20)
    >>> def prepared():
    ...     return memory.get("blur", kernel, None, lambda: tc.compile_conv2d(kernel, input_shape=(1, 9, 9, 1)))
    >>> first = prepared()
    >>> prepared() is first
    True
    >>> kernel[0, 0] = 5
    >>> prepared() is first
    False
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._entries: OrderedDict[tuple[Hashable, int], _Entry] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(
        self, key: Hashable, kernel: FloatArray, bias: FloatArray | None, make: Callable[[], PreparedConv]
    ) -> PreparedConv:
        """What `make` made when weights of these bytes lay at this address, or makes now.

        Parameters
        ----------
        key
            What the convolution is, besides its weights.
        kernel, bias
            In C order.
        """
        arrays = (kernel,) if bias is None else (kernel, bias)
        place = (key, address(kernel))
        with self._lock:
            entry = self._entries.get(place)
            if entry is not None:
                self._entries.move_to_end(place)
        if entry is not None and _same_bytes(entry.arrays, arrays):
            return entry.conv
        conv = make()
        kept = tuple(array.copy() for array in arrays)
        self._keep(place, _Entry(kept, conv, conv.weights_bytes + sum(array.nbytes for array in kept)))
        return conv

    def _keep(self, place: tuple[Hashable, int], entry: _Entry) -> None:
        with self._lock:
            replaced = self._entries.pop(place, None)
            self._entries[place] = entry
            self._bytes += entry.bytes - (0 if replaced is None else replaced.bytes)
            while self._bytes > self._most_bytes and self._entries:
                _, oldest = self._entries.popitem(last=False)
                self._bytes -= oldest.bytes


def _same_bytes(kept: tuple[FloatArray, ...], given: tuple[FloatArray, ...]) -> bool:
    """Whether arrays in C order are as many and hold the same bytes; NaN is NaN, and -0 is not 0.

    Examples
    --------
    >>> import numpy as np
    >>> _same_bytes((np.array([np.nan]),), (np.array([np.nan]),)), _same_bytes((np.array([0.0]),), (np.array([-0.0]),))
    (True, False)
    """
    return len(kept) == len(given) and all(
        a.shape == b.shape and a.dtype == b.dtype and _compare(address(a), address(b), a.nbytes) == 0
        for a, b in zip(kept, given, strict=True)
    )


PREPARED = Remembered(MOST_BYTES)
"""The memory that all adapters share."""
