"""How NumPy's arrays lie in memory: ``PyArrayObject_fields``, which ndarraytypes.h publishes for C.

To ask an array for its address by way of Python takes longer than some convolutions.
"""

from __future__ import annotations

import ctypes
import functools
import sys

import numpy as np

TYPE = object.__basicsize__ - ctypes.sizeof(ctypes.c_void_p)
"""Where in any object its type stands; what follows is the array's."""


class Array(ctypes.Structure):
    """An array from its type on."""

    _fields_ = (
        ("type", ctypes.c_void_p),
        ("data", ctypes.c_size_t),
        ("axes", ctypes.c_int),
        ("extents", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("base", ctypes.c_void_p),
        ("dtype", ctypes.c_void_p),
        ("flags", ctypes.c_int),
    )


@functools.cache
def is_as_published() -> bool:
    """Whether arrays do lie so, where objects are what CPython makes of them."""
    if sys.implementation.name != "cpython":
        return False
    some = np.zeros((3, 4, 5), np.float32)[::2, :, 1:]
    found = Array.from_address(id(some) + TYPE)
    words = found.type, found.data, found.axes, found.dtype, found.flags
    return words == (id(np.ndarray), some.ctypes.data, some.ndim, id(some.dtype), some.flags.num) and (
        (found.extents[:3], found.strides[:3]) == ([*some.shape], [*some.strides])
    )
