"""Kernels packed: brought by native code from where users keep them to the order in which compiled code reads them.

What that takes follows from the plan and from how the kernel lies in memory, and is worked out once for both. Where a
kernel lies so that its output channels are far apart, as PyTorch's do, and cannot be gathered from there at a good
speed, a copy in another order is made first.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import struct
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tweakconv.arrays import CACHE_LINE, FloatArray, address
from tweakconv.compiler import helpers, threads
from tweakconv.compiler.call import ALONE, Shared
from tweakconv.compiler.choose import Choice
from tweakconv.compiler.llvm_lock import llvm_lock
from tweakconv.compiler.packing.parts import OUT, Along, Part, unpacked
from tweakconv.compiler.target import Target, get_target, without_tiles
from tweakconv.lowering import Lowered, plain_kernel, six_axes, taps_of

if TYPE_CHECKING:
    from tweakconv.compiler.jit import Loaded
    from tweakconv.compiler.packing.moves import Move
    from tweakconv.compiler.schedules.winograd import WinogradPlan

_MOST_ORDERS = 8
"""Orders of memory that a plan's packing is remembered for."""

_MOST_ROOM_BYTES = 64 << 20
"""Memory for packed weights that is kept from one call to the next, by all threads together.

Measured: packing 47 MB takes 6.4 ms, and 11.5 ms where the system has to find the memory first.
"""

_MOST_ROOMS, _SMALL_ROOM_BYTES = 8, 1 << 20
"""Pieces of memory that are kept, and their size up to which they are not counted."""

_TINY_ROOM_BYTES = 1 << 16
"""Rooms of this size are for whoever needs no more: any of them will do, and nobody waits for a lock."""

_FORMATS = {name: struct.Struct(name) for name in "fd"}

_Integers = ctypes.c_int64 * Shared.COUNT
_Job = ctypes.c_int64 * helpers.Job.COUNT


class _Step(NamedTuple):
    """One call of native code, the integers that it follows, and the format of the number that it finds."""

    code: Loaded
    run: Any
    run_address: int
    integers: NDArray[np.int64]
    address: int
    found: str


class _Way(NamedTuple):
    """How kernels in one order of memory are packed.

    Attributes
    ----------
    copy : _Step or None
        What makes a copy in another order first.
    copied : int
        Bytes of the copy.
    last : _Step
        What packs the kernel or its copy.
    """

    copy: _Step | None
    copied: int
    last: _Step


class Packer:
    """Packs kernels for one plan.

    Attributes
    ----------
    elements, bytes : int
        Those of a packed kernel.
    dtype : numpy.dtype
        Theirs.
    """

    def __init__(self, lowered: Lowered, choice: Choice, dtype: np.dtype[Any]) -> None:
        self._lowered, self._choice, self.dtype = lowered, choice, dtype
        taps = (math.prod(len(phase.taps) for phase in phases) for phases in lowered.pieces)
        self.elements = sum(int(choice.schedule.packed_elements(choice.plan, each)) for each in taps)
        self.bytes = self.elements * dtype.itemsize
        self._ways: dict[tuple[int, ...], _Way] = {}

    def pack(self, kernel: FloatArray, room: int) -> float:
        """Write a packed kernel to an address with room for its elements; returns its largest magnitude, or NaN."""
        way = self._ways.get(kernel.strides) if kernel.flags.aligned else None
        if way is None:
            if not hasattr(self._choice.schedule, "parts") and self._choice.algorithm != "tiles":
                return self._computed(kernel, room)
            if not kernel.flags.aligned or any(stride % kernel.itemsize for stride in kernel.strides):
                kernel = kernel.copy()
            way = self._way(kernel)
        start, size = address(kernel), self.bytes
        used = threads.worth(threads.get_num_threads(), 0, size)
        if way.copy is None:
            return _run(way.last, start, room, used)
        with borrowed(way.copied) as copy:
            _run(way.copy, start, copy, used)
            return _run(way.last, copy, room, used)

    def _way(self, kernel: FloatArray) -> _Way:
        """How kernels that lie in memory as this one does are packed, remembered."""
        way = self._ways.get(kernel.strides)
        if way is None:
            if len(self._ways) >= _MOST_ORDERS:
                self._ways.clear()
            way = self._ways[kernel.strides] = self._new_way(kernel)
        return way

    def unpack(self, packed: FloatArray) -> FloatArray:
        """The kernel that was packed, as users write it."""
        choice, kernel = self._choice, np.empty(self._lowered.layer.kernel_shape, packed.dtype)
        whole, start = six_axes(self._lowered.layer, kernel), 0
        if not hasattr(choice.schedule, "parts"):
            view = taps_of(whole, self._lowered.pieces[0])
            view[...] = choice.schedule.unpack(choice.plan, packed, view.shape[1:3]).reshape(view.shape)
            return kernel
        for phases in self._lowered.pieces:
            view = taps_of(whole, phases)
            parts = choice.schedule.parts(choice.plan, view.shape[:3])
            view[...] = unpacked(parts, packed[start:], view.shape)
            start += choice.schedule.packed_elements(choice.plan, math.prod(view.shape[:3]))
        return kernel

    def _computed(self, kernel: FloatArray, room: int) -> float:
        """Pack for a schedule that reads something else than weights in another order, which NumPy computes."""
        plain = plain_kernel(self._lowered, kernel)
        with np.errstate(invalid="ignore", over="ignore"):  # weights that are not for it are found and told of later
            packed = self._choice.schedule.pack(self._choice.plan, plain)
        target = (ctypes.c_char * self.bytes).from_address(room)
        np.frombuffer(memoryview(target), self.dtype)[:] = packed
        return float(np.abs(kernel).max())

    def _new_way(self, kernel: FloatArray) -> _Way:
        """How kernels that lie in memory as this one does are packed."""
        with llvm_lock:
            from tweakconv.compiler.packing.moves import moves  # noqa: PLC0415 - loaded when code is first needed

        whole = six_axes(self._lowered.layer, kernel)
        last = self._step(whole, kernel.ctypes.data, slow=False)
        if last is not None:
            return _Way(None, 0, last)
        # In the copy output channels lie side by side, and the rest in the order in which it was.
        order = [*sorted(range(OUT), key=lambda axis: -abs(whole.strides[axis])), OUT]
        copy = np.empty([whole.shape[axis] for axis in order], kernel.dtype).transpose(np.argsort(order))
        last = self._step(copy, copy.ctypes.data, slow=True)
        assert last is not None
        along = (
            Along(axis, count, step) for axis, (count, step) in enumerate(zip(copy.shape, _steps(copy), strict=True))
        )
        all_of_it = Part((0,) * len(order), 0, tuple(along))
        start = (whole.ctypes.data - kernel.ctypes.data) // kernel.itemsize
        return _Way(self._moving(moves([all_of_it], _steps(whole), start)), copy.nbytes, last)

    def _step(self, whole: FloatArray, base: int, *, slow: bool) -> _Step | None:
        """What packs a kernel with six axes, in memory that begins at `base`; None where only a slow one would do."""
        from tweakconv.compiler.packing.moves import are_slow, moves  # noqa: PLC0415

        choice, target = self._choice, 0
        found: list[Move] = []
        for phases in self._lowered.pieces:
            view = taps_of(whole, phases)
            start, strides = (view.ctypes.data - base) // view.itemsize, _steps(view)
            if choice.algorithm == "winograd" and not self._winograd.late:
                return self._at_points(strides, start) if strides[OUT] == 1 or view.shape[OUT] == 1 else None
            if choice.algorithm == "tiles":
                return self._as_tiles(strides, start) if strides[OUT] == 1 else None
            parts = choice.schedule.parts(choice.plan, view.shape[:3])
            if not slow and are_slow(parts, strides):
                return None
            found += moves(parts, strides, start, target) if view.size else []
            target += choice.schedule.packed_elements(choice.plan, math.prod(view.shape[:3]))
        return self._moving(found)

    def _moving(self, found: list[Move]) -> _Step:
        return _moving(found, self._choice.plan.target, self.dtype)

    @property
    def _winograd(self) -> WinogradPlan:
        plan: Any = self._choice.plan
        inner: WinogradPlan = getattr(plan, "inner", plan)
        return inner

    def _as_tiles(self, strides: list[int], start: int) -> _Step:
        from tweakconv.compiler.packing.tiles import tiler  # noqa: PLC0415
        from tweakconv.compiler.schedules import tiles  # noqa: PLC0415

        plan: Any = self._choice.plan
        return _step_of(tiler(without_tiles(plan.target)), tiles.places(plan, strides, start), "f")

    def _at_points(self, strides: list[int], start: int) -> _Step:
        from tweakconv.compiler.packing.points import pointer  # noqa: PLC0415
        from tweakconv.compiler.schedules import winograd  # noqa: PLC0415

        inner = self._winograd
        return _step_of(pointer(inner.target, inner.form), winograd.at_points(inner, strides, start), "d")


def relaid(kernel: FloatArray, target: FloatArray) -> FloatArray:
    """Copy a kernel into an array of its shape and type with another order of memory; returns that.

    NumPy does this an element at a time where both orders run along different axes.

    Examples
    --------
    >>> kernel = np.arange(6.0).reshape(2, 3)
    >>> bool((relaid(kernel, np.empty((2, 3), order="F")) == kernel).all())
    True
    """
    Relaying(kernel, target).run(address(kernel), address(target))
    return target


class Relaying:
    """What copies kernels that lie as one does into memory of another order, by addresses.

    Parameters
    ----------
    kernel, target : ndarray
        Of the same shape and type.
    """

    def __init__(self, kernel: FloatArray, target: FloatArray) -> None:
        self._step = _relaying(kernel.shape, tuple(_steps(kernel)), tuple(_steps(target)), kernel.dtype)
        self._bytes = kernel.nbytes

    def run(self, kernel: int, target: int) -> None:
        """Copy what lies at an address to another."""
        _run(self._step, kernel, target, threads.worth(threads.get_num_threads(), 0, self._bytes))


class borrowed:
    """Memory of some bytes, aligned to a cache line, for the time of one call: its address.

    Examples
    --------
    >>> with borrowed(100) as first, borrowed(100) as second:
    ...     abs(first - second) >= 100
    True
    """

    __slots__ = ("_room", "_size")

    def __init__(self, size: int) -> None:
        self._size = size + CACHE_LINE

    def __enter__(self) -> int:
        if self._size <= _TINY_ROOM_BYTES:
            try:
                self._room = _tiny_rooms.pop()
            except IndexError:
                self._room = _Room.of(_TINY_ROOM_BYTES)
        else:
            self._room = _taken(self._size) or _Room.of(self._size)
        return self._room.start

    def __exit__(self, *_: object) -> None:
        if self._size <= _TINY_ROOM_BYTES:
            if len(_tiny_rooms) < _MOST_ROOMS:
                _tiny_rooms.append(self._room)
            return
        with _lock:
            _rooms.append(self._room)
            if len(_rooms) > _MOST_ROOMS or self._size > _SMALL_ROOM_BYTES:
                while len(_rooms) > _MOST_ROOMS or sum(room.bytes for room in _rooms) > _MOST_ROOM_BYTES:
                    del _rooms[0]


def array_at(address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> FloatArray:
    """The array at an address, in C order.

    Examples
    --------
    >>> with borrowed(24) as room:
    ...     array_at(room, (2, 3), np.dtype("float32")).shape
    (2, 3)
    """
    memory = (ctypes.c_char * (math.prod(shape) * dtype.itemsize)).from_address(address)
    return np.ndarray(shape, dtype, memoryview(memory))


class _Room(NamedTuple):
    memory: NDArray[np.uint8]
    bytes: int
    start: int

    @classmethod
    def of(cls, size: int) -> _Room:
        memory = np.empty(size, np.uint8)
        return cls(memory, size, -(-memory.ctypes.data // CACHE_LINE) * CACHE_LINE)


def _taken(size: int) -> _Room | None:
    """The smallest room that is large enough, no longer among those to be had."""
    with _lock:
        fitting = [(room.bytes, i) for i, room in enumerate(_rooms) if room.bytes >= size]
        return _rooms.pop(min(fitting)[1]) if fitting else None


def _run(step: _Step, source: int, target: int, used: int) -> float:
    """Run native code in some threads; returns the largest magnitude of what it went over."""
    shared = _Integers()
    largest = ctypes.addressof(shared) + 8 * (Shared.COUNT - 1)
    arrays = (source, 0, 0, target, largest, step.address)
    if used == 1:
        step.run(*arrays, ctypes.addressof(shared), 0, ALONE)
    else:
        job = _Job(step.run_address, *arrays, ctypes.addressof(shared), 0, 0, 0)
        helpers.run(job, used - 1)
    (number,) = _FORMATS[step.found].unpack_from(shared, 8 * (Shared.COUNT - 1))
    return float(number)


@functools.lru_cache(maxsize=256)
def _relaying(
    shape: tuple[int, ...], strides: tuple[int, ...], target_strides: tuple[int, ...], dtype: np.dtype[Any]
) -> _Step:
    """What copies arrays of a shape, of up to six axes, from one order of memory to another."""
    with llvm_lock:
        from tweakconv.compiler.packing.moves import moves  # noqa: PLC0415 - loaded when code is first needed

    missing = 6 - len(shape)
    along = (Along(missing + i, count, to) for i, (count, to) in enumerate(zip(shape, target_strides, strict=True)))
    part = Part((0,) * 6, 0, tuple(along))
    return _moving(moves([part], (*(0,) * missing, *strides)), get_target(), dtype)


def _moving(found: list[Move], target: Target, dtype: np.dtype[Any]) -> _Step:
    from tweakconv.compiler.packing.moves import mover, table  # noqa: PLC0415

    double = dtype == np.float64
    code = mover(without_tiles(target), "double" if double else "float", turns=any(move.columns for move in found))
    return _step_of(code, table(found), "d" if double else "f")


def _step_of(code: Loaded, integers: Sequence[int], found: str) -> _Step:
    array = np.array(integers, np.int64)
    return _Step(code, code.run, code.address(), array, array.ctypes.data, found)


def _steps(view: FloatArray) -> list[int]:
    """Elements from one entry to the next along each axis."""
    return [stride // view.itemsize for stride in view.strides]


def _start_over() -> None:
    """In a forked child another thread may have held the lock."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


_rooms: list[_Room] = []
_tiny_rooms: list[_Room] = []
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
