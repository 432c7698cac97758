"""The way in for calls so small that looking at their arrays in Python takes longer than to convolve.

A door is made for inputs of some shape and strides. Native code looks whether a call's arrays are for it: NumPy's own,
of the right dtypes, aligned, the output of the right shape, in C order, writeable and apart from the input. If so it
convolves. If not nothing has happened, and the call takes the long way, on which errors find their words.

What it reads of an array lies where NumPy says (`published`). There are no doors where it does not.

The interpreter's lock is held all the while, some microseconds of the milliseconds that Python lets a thread have it:
to release it and wait for it again can take longer. So no two threads are behind doors at once, and each door has
working space of its own.
"""

from __future__ import annotations

import ctypes
import functools
import math
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tweakconv.compiler.call import ALONE
from tweakconv.compiler.target import get_target, runnable_targets
from tweakconv.published import TYPE, Array, is_as_published

if TYPE_CHECKING:
    from tweakconv.compiler.jit import Loaded

MOST_PRODUCTS = 1 << 16
"""Multiply-adds behind a door, at the most: they take some microseconds."""

MOST_SPACE = 1 << 14
"""Bytes of working space behind a door, at the most."""

_LINE = 64
"""Bytes of a cache line."""

_MOST_AXES = 5

_C_CONTIGUOUS, _ALIGNED, _WRITEABLE = 0x1, 0x100, 0x400
"""NumPy's flags of an array."""


class _Kind(ctypes.Structure):
    """What an array is to be: with these flags, and of so many axes with these strides."""

    _fields_ = (
        ("type", ctypes.c_int64),
        ("dtype", ctypes.c_int64),
        ("flags", ctypes.c_int64),
        ("axes", ctypes.c_int64),
        ("extents", ctypes.c_int64 * _MOST_AXES),
        ("strided", ctypes.c_int64),
        ("strides", ctypes.c_int64 * _MOST_AXES),
    )


class _Record(ctypes.Structure):
    """All that native code knows of a door: what to look for, and what `call` says that ``run`` is handed.

    Memory begins and ends so many bytes from an array's first element.
    """

    _fields_ = (
        ("x", _Kind),
        ("y", _Kind),
        ("x_begin", ctypes.c_int64),
        ("x_end", ctypes.c_int64),
        ("y_end", ctypes.c_int64),
        ("code", ctypes.c_int64),
        ("integers", ctypes.c_int64),
        ("shared", ctypes.c_int64),
        ("window", ctypes.c_int64),
        ("flags", ctypes.c_int64),
    )


_CODE = """
target triple = "{triple}"

define internal i1 @equal(ptr %some, ptr %others, i64 %count) {{
entry:
  br label %look
look:
  %i = phi i64 [ 0, %entry ], [ %next, %compare ]
  %all = icmp uge i64 %i, %count
  br i1 %all, label %done, label %compare
compare:
  %one.at = getelementptr i64, ptr %some, i64 %i
  %one = load i64, ptr %one.at
  %other.at = getelementptr i64, ptr %others, i64 %i
  %other = load i64, ptr %other.at
  %same = icmp eq i64 %one, %other
  %next = add i64 %i, 1
  br i1 %same, label %look, label %done
done:
  ret i1 %all
}}

define internal i1 @is_of(ptr %object, ptr %kind) {{
entry:
  %type.at = getelementptr i8, ptr %object, i64 {array_type}
  %type = load i64, ptr %type.at
  %wanted.type.at = getelementptr i8, ptr %kind, i64 {kind_type}
  %wanted.type = load i64, ptr %wanted.type.at
  %is.array = icmp eq i64 %type, %wanted.type
  br i1 %is.array, label %array, label %no
array:
  %dtype.at = getelementptr i8, ptr %object, i64 {array_dtype}
  %dtype = load i64, ptr %dtype.at
  %wanted.dtype.at = getelementptr i8, ptr %kind, i64 {kind_dtype}
  %wanted.dtype = load i64, ptr %wanted.dtype.at
  %is.dtype = icmp eq i64 %dtype, %wanted.dtype
  %flags.at = getelementptr i8, ptr %object, i64 {array_flags}
  %flags.short = load i32, ptr %flags.at
  %flags = zext i32 %flags.short to i64
  %wanted.flags.at = getelementptr i8, ptr %kind, i64 {kind_flags}
  %wanted.flags = load i64, ptr %wanted.flags.at
  %of.wanted = and i64 %flags, %wanted.flags
  %are.flags = icmp eq i64 %of.wanted, %wanted.flags
  %axes.at = getelementptr i8, ptr %object, i64 {array_axes}
  %axes.short = load i32, ptr %axes.at
  %axes = zext i32 %axes.short to i64
  %wanted.axes.at = getelementptr i8, ptr %kind, i64 {kind_axes}
  %wanted.axes = load i64, ptr %wanted.axes.at
  %are.axes = icmp eq i64 %axes, %wanted.axes
  %are.words = and i1 %is.dtype, %are.flags
  %is.likely = and i1 %are.words, %are.axes
  br i1 %is.likely, label %layout, label %no
layout:
  %extents.at = getelementptr i8, ptr %object, i64 {array_extents}
  %extents = load ptr, ptr %extents.at
  %wanted.extents = getelementptr i8, ptr %kind, i64 {kind_extents}
  %are.extents = call i1 @equal(ptr %extents, ptr %wanted.extents, i64 %axes)
  %strides.at = getelementptr i8, ptr %object, i64 {array_strides}
  %strides = load ptr, ptr %strides.at
  %wanted.strides = getelementptr i8, ptr %kind, i64 {kind_strides}
  %strided.at = getelementptr i8, ptr %kind, i64 {kind_strided}
  %strided = load i64, ptr %strided.at
  %are.strides = call i1 @equal(ptr %strides, ptr %wanted.strides, i64 %strided)
  %is.of = and i1 %are.extents, %are.strides
  ret i1 %is.of
no:
  ret i1 false
}}

; Convolve from one address to another.
define void @run(ptr %door, i64 %weights, i64 %bias, i64 %x, i64 %y) {{
entry:
  %code.at = getelementptr i8, ptr %door, i64 {record_code}
  %code = load ptr, ptr %code.at
  %integers.at = getelementptr i8, ptr %door, i64 {record_integers}
  %integers = load i64, ptr %integers.at
  %shared.at = getelementptr i8, ptr %door, i64 {record_shared}
  %shared = load i64, ptr %shared.at
  %window.at = getelementptr i8, ptr %door, i64 {record_window}
  %window = load i64, ptr %window.at
  %flags.at = getelementptr i8, ptr %door, i64 {record_flags}
  %flags = load i64, ptr %flags.at
  call void %code(i64 %x, i64 %weights, i64 %bias, i64 %y, i64 0, i64 %integers, i64 %shared, i64 %window, i64 %flags)
  ret void
}}

; Convolve one object into another where both are arrays of their kinds, and apart; returns whether they were.
define zeroext i1 @enter(ptr %door, i64 %weights, i64 %bias, ptr %x, ptr %y) {{
entry:
  %x.kind = getelementptr i8, ptr %door, i64 {record_x}
  %x.fits = call i1 @is_of(ptr %x, ptr %x.kind)
  br i1 %x.fits, label %output, label %no
output:
  %y.kind = getelementptr i8, ptr %door, i64 {record_y}
  %y.fits = call i1 @is_of(ptr %y, ptr %y.kind)
  br i1 %y.fits, label %memory, label %no
memory:
  %x.at = getelementptr i8, ptr %x, i64 {array_data}
  %x.data = load i64, ptr %x.at
  %y.at = getelementptr i8, ptr %y, i64 {array_data}
  %y.data = load i64, ptr %y.at
  %to.begin.at = getelementptr i8, ptr %door, i64 {record_x_begin}
  %to.begin = load i64, ptr %to.begin.at
  %x.begin = add i64 %x.data, %to.begin
  %to.end.at = getelementptr i8, ptr %door, i64 {record_x_end}
  %to.end = load i64, ptr %to.end.at
  %x.end = add i64 %x.data, %to.end
  %size.at = getelementptr i8, ptr %door, i64 {record_y_end}
  %size = load i64, ptr %size.at
  %y.end = add i64 %y.data, %size
  %before = icmp ule i64 %y.end, %x.begin
  %behind = icmp uge i64 %y.data, %x.end
  %apart = or i1 %before, %behind
  br i1 %apart, label %convolve, label %no
convolve:
  call void @run(ptr %door, i64 %weights, i64 %bias, i64 %x.data, i64 %y.data)
  ret i1 true
no:
  ret i1 false
}}
"""


class Form(NamedTuple):
    """What arrays have in common that go through a door."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Door(NamedTuple):
    """A way in.

    Attributes
    ----------
    enter : callable
        ``enter(place, weights, bias, id(x), id(y))`` says whether it convolved `x` into `y`, with packed weights and a
        packed bias at two addresses.
    run : callable
        ``run(place, weights, bias, x, y)`` convolves what lies at an address into memory at another.
    place : int
        Address of the record.
    x, y : Form
        Of input and output.
    held : tuple
        What must stay where it is.
    """

    enter: Any
    run: Any
    place: int
    x: Form
    y: Form
    held: tuple[object, ...]


def door(code: Loaded, x: Form, y: Form, integers: NDArray[np.int64], space: int, flags: int) -> Door | None:
    """A door for inputs and outputs of some forms; None where there are none.

    Parameters
    ----------
    code : Loaded
        The compiled convolution.
    integers : ndarray
        Those of run time.
    space : int
        Bytes of a thread's own working space.
    flags : int
        Those of a call.
    """
    native = _native()
    if native is None:
        return None
    room = np.zeros(space + 2 * _LINE, np.uint8)
    shared = -(-room.ctypes.data // _LINE) * _LINE
    spans = [(extent - 1) * stride for extent, stride in zip(x.shape, x.strides, strict=True)]
    record = _Record(
        _kind(x, _ALIGNED, x.strides),
        _kind(y, _C_CONTIGUOUS | _ALIGNED | _WRITEABLE, ()),
        sum(span for span in spans if span < 0),
        sum(span for span in spans if span > 0) + x.dtype.itemsize,
        math.prod(y.shape) * y.dtype.itemsize,
        code.address(),
        integers.ctypes.data,
        shared,
        shared + _LINE,
        flags | ALONE,
    )
    held = native, record, room, code, integers
    return Door(native.enter, native.run, ctypes.addressof(record), x, y, held)


def _kind(form: Form, flags: int, strides: tuple[int, ...]) -> _Kind:
    some = ctypes.c_int64 * _MOST_AXES
    kind = id(np.ndarray), id(form.dtype), flags, len(form.shape)
    return _Kind(*kind, some(*form.shape), len(strides), some(*strides))


class _Native(NamedTuple):
    """The native functions, and what keeps them in memory."""

    enter: Any
    run: Any
    loaded: Loaded


@functools.cache
def _native() -> _Native | None:
    """The native functions; None where there can be no doors."""
    if not _are_possible():
        return None
    from tweakconv.compiler import build  # noqa: PLC0415 - LLVM is loaded when code is first needed

    target = get_target(runnable_targets()[-1])  # any that the processor runs would do
    loaded = build.load(_text(target.triple), ("enter", "run"), target)
    types = [ctypes.c_void_p] * 5
    enter = ctypes.PYFUNCTYPE(ctypes.c_bool, *types)(loaded.address("enter"))
    return _Native(enter, ctypes.PYFUNCTYPE(None, *types)(loaded.address("run")), loaded)


def _are_possible() -> bool:
    """Whether arrays lie as they are taken to, and all that runs Python holds one lock."""
    one_lock = getattr(sys, "_is_gil_enabled", lambda: True)()
    return is_as_published() and one_lock and ctypes.sizeof(ctypes.c_void_p) == 8


def _text(triple: str) -> str:
    """The native functions as LLVM assembly."""
    places = {f"array_{name}": TYPE + getattr(Array, name).offset for name, _ in Array._fields_}
    places |= {f"kind_{name}": getattr(_Kind, name).offset for name, _ in _Kind._fields_}
    places |= {f"record_{name}": getattr(_Record, name).offset for name, _ in _Record._fields_}
    return _CODE.format(triple=triple, **places)
