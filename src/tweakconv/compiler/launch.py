"""One call of compiled code: its working space, the integers its threads share, and helpers where there are several."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from tweakconv.compiler import helpers, threads
from tweakconv.compiler.call import Shared, Space

if TYPE_CHECKING:
    from tweakconv.compiler.jit import Loaded

_LINE = 64
"""Bytes of a cache line; what several threads write to lies in lines of its own."""

_Integers = ctypes.c_int64 * Shared.COUNT
_Job = ctypes.c_int64 * helpers.Job.COUNT


def launch(code: Loaded, arrays: tuple[int, ...], integers: int, space: Space, used: int, flags: int = 0) -> None:
    """Run compiled code in so many threads, the calling one among them; returns when it is done.

    Parameters
    ----------
    arrays
        Addresses of input, weights, bias, output and residual.
    integers
        Address of the run-time integers.
    """
    own, shared = space
    step = -(-own // _LINE) * _LINE
    if used == 1:
        alone = threads.workspace(shared + step)
        between = _Integers(0, alone.address, helpers.await_address())
        code.run(*arrays, integers, ctypes.addressof(between), alone.address + shared, flags)
        return
    with threads.borrowed(shared + used * step) as common:
        between = _Integers(0, common.address, helpers.await_address())
        windows = common.address + shared
        job = _Job(code.address(), *arrays, integers, ctypes.addressof(between), windows, step, flags)
        helpers.run(job, used - 1)
