"""The system's leave to use the registers that hold tiles (x86's AMX), which take 8 KB of each thread's state.

Linux grants them to a process that asks; threads that it has, those that it starts later and forked children may use
them then. Other systems are not known to: there code does without.
"""

from __future__ import annotations

import ctypes
import platform
import sys

_ARCH_PRCTL = 158
_REQUEST, _TILE_DATA = 0x1023, 18
"""ARCH_REQ_XCOMP_PERM, and the number of the state that holds the tiles' numbers."""


def tiles_are_granted() -> bool:
    """Ask, and tell whether the answer is yes."""
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64" or sys.maxsize < 2**32:
        return False
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    return bool(syscall(*map(ctypes.c_long, (_ARCH_PRCTL, _REQUEST, _TILE_DATA))) == 0)
