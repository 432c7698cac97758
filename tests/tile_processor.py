"""A processor's tiles in NumPy, for machines that have none: what AMX's instructions do, as Intel's manual tells it.

The six instructions of `tweakconv.compiler.emit.tiles` become calls of the functions below; all else of the code is as
it is. Each thread has eight tiles of its own. (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2,
LDTILECFG to TDPBF16PS.)
"""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import numpy as np
import pytest

from tweakconv.compiler import target
from tweakconv.compiler.emit.tiles import TileBuilder
from tweakconv.compiler.target import TILE_TARGETS, runnable_targets, runnable_tile_targets

_SMALLEST_NORMAL = np.finfo(np.float32).tiny


def targets_with_tiles() -> tuple[str, ...]:
    """Names of the targets with tiles whose code runs here, by the processor's own tiles or by these."""
    return tuple(TILE_TARGETS) if _is_possible() else runnable_tile_targets()


def stand_in(patch: pytest.MonkeyPatch) -> None:
    """Have code that is generated from now on use these tiles, where the processor has none."""
    if runnable_tile_targets():
        return
    patch.setattr(target, "_has_tiles", lambda: True)
    patch.setattr(TileBuilder, "_tile", _call)
    patch.setenv("TWEAKCONV_CACHE_DIR", "")  # code that holds addresses is this process' own


def _is_possible() -> bool:
    """Whether the processor does all the rest: vectors of 512 bits, and rounding them to bfloat16."""
    if "avx512" not in runnable_targets():
        return False
    import llvmlite.binding as llvm  # noqa: PLC0415 - loaded when code is first generated

    return bool(llvm.get_host_cpu_features().get("avx512bf16"))


class _Tiles(threading.local):
    """A thread's tiles: rows of bytes."""

    def __init__(self) -> None:
        self.held: list[Any] = []

    def configure(self, address: int) -> None:
        told = ctypes.string_at(address, 64)
        assert told[0] == 1, "there is but one palette"
        sizes = ((told[48 + number], told[16 + 2 * number]) for number in range(8))
        self.held = [np.zeros(size, np.uint8) for size in sizes]

    def release(self) -> None:
        self.held = []

    def zero(self, number: int) -> None:
        self.held[number][...] = 0

    def load(self, number: int, address: int, apart: int) -> None:
        self.held[number][...] = _rows_at(address, apart, self.held[number].shape)

    def store(self, number: int, address: int, apart: int) -> None:
        _rows_at(address, apart, self.held[number].shape)[...] = self.held[number]

    def multiply(self, sums: int, a: int, b: int) -> None:
        """Add the products of a row's numbers with a column's, which lie in pairs; in another order than a processor.

        Numbers too small for normal ones count as zero.
        """
        total, rows, columns = self.held[sums].view(np.float32), _widened(self.held[a]), _widened(self.held[b])
        with np.errstate(all="ignore"):
            products = rows[:, 0::2] @ columns[:, 0::2] + rows[:, 1::2] @ columns[:, 1::2]
            total[...] = _flushed(total + products)


def _rows_at(address: int, apart: int, shape: tuple[int, int]) -> Any:
    """Rows of bytes in memory, so many bytes apart."""
    rows, row_bytes = shape
    memory = (ctypes.c_uint8 * ((rows - 1) * apart + row_bytes)).from_address(address)
    return np.ndarray(shape, np.uint8, memory, strides=(apart, 1))


def _widened(tile: Any) -> Any:
    """Numbers of bfloat16 as float32."""
    return _flushed((tile.view(np.uint16).astype(np.uint32) << 16).view(np.float32))


def _flushed(values: Any) -> Any:
    return np.where(np.abs(values) < _SMALLEST_NORMAL, np.copysign(np.float32(0), values), values)


_tiles = _Tiles()
_NUMBER, _ADDRESS = ctypes.c_uint8, ctypes.c_uint64
_FUNCTIONS = {
    "ldtilecfg": ctypes.CFUNCTYPE(None, _ADDRESS)(_tiles.configure),
    "tilerelease": ctypes.CFUNCTYPE(None)(_tiles.release),
    "tilezero": ctypes.CFUNCTYPE(None, _NUMBER)(_tiles.zero),
    "tileloadd64": ctypes.CFUNCTYPE(None, _NUMBER, _ADDRESS, ctypes.c_int64)(_tiles.load),
    "tilestored64": ctypes.CFUNCTYPE(None, _NUMBER, _ADDRESS, ctypes.c_int64)(_tiles.store),
    "tdpbf16ps": ctypes.CFUNCTYPE(None, _NUMBER, _NUMBER, _NUMBER)(_tiles.multiply),
}
_ADDRESSES = {name: ctypes.cast(function, ctypes.c_void_p).value for name, function in _FUNCTIONS.items()}


def _call(builder: TileBuilder, name: str, kinds: str, arguments: str) -> None:
    """What `TileBuilder` writes in place of an instruction."""
    widened = arguments.replace("i8 ", "i8 zeroext ")
    builder._lines.append(f"  call void inttoptr (i64 {_ADDRESSES[name]} to ptr)({widened})")
