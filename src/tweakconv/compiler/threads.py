"""How many threads a convolution may use, and the memory they work in."""

from __future__ import annotations

import contextlib
import operator
import os
import threading
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_VARIABLE = "TWEAKCONV_NUM_THREADS"

_PRODUCTS_PER_THREAD, _BYTES_PER_THREAD = 4_000_000, 1 << 19
"""Multiply-adds (about 50 µs), and bytes moved, below which waking another thread costs more than it saves.

Depthwise convolution spends longer on what it moves than on its products, and packing does nothing else.
"""

_MOST_SPACES = 4
"""Working spaces of calls with several threads that are kept for later calls."""


def get_num_threads() -> int:
    """The most threads one convolution uses.

    It is what `set_num_threads` set, else the environment variable ``TWEAKCONV_NUM_THREADS``, else the number of
    processors this process may run on.

    Raises
    ------
    ValueError
        Where the environment variable is not a whole number of at least 1.

    Examples
    --------
    >>> get_num_threads() >= 1
    True
    """
    if _state.threads is None:
        _state.threads = _from_environment()
    return _state.threads


def set_num_threads(threads: int) -> None:
    """Set the most threads one convolution uses, for the whole process.

    Parameters
    ----------
    threads : int
        At least 1. Results do not depend on it, to the last bit.

    Raises
    ------
    TypeError, ValueError
        Where it is not an integer of at least 1.

    Examples
    --------
    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(before)
    """
    if isinstance(threads, bool):
        raise TypeError(f"threads must be an integer of at least 1, received {threads!r}")
    try:
        number = operator.index(threads)
    except TypeError:
        raise TypeError(f"threads must be an integer of at least 1, received {threads!r}") from None
    if number < 1:
        raise ValueError(f"threads must be at least 1, received {threads!r}")
    _state.threads = number


def worth(most: int, products: int, moved: int = 0) -> int:
    """How many threads, of at most so many, a call is worth.

    Parameters
    ----------
    products
        Its multiply-adds.
    moved
        Bytes of its input and output.

    Examples
    --------
    >>> worth(8, 10_000_000), worth(8, 100), worth(8, 100, 3 << 20)
    (2, 1, 6)
    """
    return max(1, min(most, max(products // _PRODUCTS_PER_THREAD, moved // _BYTES_PER_THREAD)))


class Workspace(NamedTuple):
    """Memory of one thread or call; it stays as long as this object, also where the thread is given more meanwhile."""

    memory: NDArray[np.uint8]
    address: int


def workspace(size: int) -> Workspace:
    """At least `size` bytes, aligned to 64, that belong to the calling thread.

    What the thread had there before is lost.
    """
    space: Workspace | None = getattr(_local, "space", None)
    if space is None or space.memory.nbytes < size + 63:
        space = _local.space = _aligned(size)
    return space


@contextlib.contextmanager
def borrowed(size: int) -> Iterator[Workspace]:
    """At least `size` bytes, aligned to 64, for the time of one call."""
    try:
        space = _spaces.pop()
    except IndexError:
        space = None
    if space is None or space.memory.nbytes < size + 63:
        space = _aligned(size)
    try:
        yield space
    finally:
        if len(_spaces) < _MOST_SPACES:
            _spaces.append(space)


class _State:
    threads: int | None = None


def _aligned(size: int) -> Workspace:
    # Tiles that are not full are computed with whatever lies there, and let go of: with denormal numbers, such as
    # integers are when read as floats, that takes up to sixteen times as long.
    memory = np.zeros(size + 63, np.uint8)
    return Workspace(memory, -(-memory.ctypes.data // 64) * 64)


def _from_environment() -> int:
    text = os.environ.get(_VARIABLE, "").strip()
    if not text:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"environment variable {_VARIABLE} must be a whole number of at least 1, received {text!r}")
    return int(text)


_state = _State()
_local = threading.local()
_spaces: list[Workspace] = []
