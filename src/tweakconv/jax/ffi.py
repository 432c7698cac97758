"""How compiled programs of XLA call back: its foreign function interface, spoken from Python.

XLA hands over a call frame: addresses and shapes of the arguments and of the results, and one attribute, a text that
says what to compute. The handler is a Python function behind a C function pointer that ctypes makes; it reads the
arguments where they lie and writes the results where they are to be. That skips what `jax.pure_callback` does on the
way (conversions to JAX arrays and back, copies of the results) and takes about 15 µs a call instead of 60.

The structs are those of ``xla/ffi/api/c_api.h``, which jaxlib ships (``jax.ffi.include_dir()``); XLA checks the version
of the interface that the handler states (`MAJOR`, `MINOR`), and keeps older ones working for a year at least.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from ctypes import POINTER, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_void_p
from typing import Any

import jax
import numpy as np

from tweakconv.arrays import DTYPES, FloatArray

MAJOR, MINOR = 0, 1
"""The version of the interface that the handler speaks; what it uses has been there since 0.1."""

_METADATA = 1
_EXECUTE = 3
_INVALID_ARGUMENT = 3
_TYPES: dict[int, np.dtype[Any]] = {11: DTYPES[0], 12: DTYPES[1]}
"""Element types by their number in XLA."""


class _Extension(ctypes.Structure):
    pass


_Extension._fields_ = [("struct_size", c_size_t), ("type", c_int), ("next", POINTER(_Extension))]


class _Version(ctypes.Structure):
    _fields_ = (
        ("struct_size", c_size_t),
        ("extensions", POINTER(_Extension)),
        ("major", c_int),
        ("minor", c_int),
    )


class _Metadata(ctypes.Structure):
    _fields_ = (("struct_size", c_size_t), ("version", _Version), ("traits", c_uint32))


class _MetadataExtension(ctypes.Structure):
    _fields_ = (("base", _Extension), ("metadata", POINTER(_Metadata)))


class _Buffer(ctypes.Structure):
    _fields_ = (
        ("struct_size", c_size_t),
        ("extensions", POINTER(_Extension)),
        ("dtype", c_int),
        ("data", c_void_p),
        ("rank", c_int64),
        ("dims", POINTER(c_int64)),
    )


class _Buffers(ctypes.Structure):
    _fields_ = (
        ("struct_size", c_size_t),
        ("extensions", POINTER(_Extension)),
        ("size", c_int64),
        ("types", POINTER(c_int)),
        ("buffers", POINTER(POINTER(_Buffer))),
    )


class _Text(ctypes.Structure):
    _fields_ = (("data", c_void_p), ("size", c_size_t))


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("struct_size", c_size_t),
        ("extensions", POINTER(_Extension)),
        ("size", c_int64),
        ("types", POINTER(c_int)),
        ("names", POINTER(POINTER(_Text))),
        ("texts", POINTER(POINTER(_Text))),
    )


class _Failure(ctypes.Structure):
    _fields_ = (
        ("struct_size", c_size_t),
        ("extensions", POINTER(_Extension)),
        ("message", c_char_p),
        ("code", c_int),
    )


class _Api(ctypes.Structure):
    _fields_ = (
        ("struct_size", c_size_t),
        ("extensions", POINTER(_Extension)),
        ("version", _Version),
        ("internal", c_void_p),
        ("create_error", ctypes.CFUNCTYPE(c_void_p, POINTER(_Failure))),
    )


class _Frame(ctypes.Structure):
    _fields_ = (
        ("struct_size", c_size_t),
        ("extensions", POINTER(_Extension)),
        ("api", POINTER(_Api)),
        ("context", c_void_p),
        ("stage", c_int),
        ("arguments", _Buffers),
        ("results", _Buffers),
        ("attributes", _Attributes),
    )


_Handler = ctypes.CFUNCTYPE(c_void_p, POINTER(_Frame))

Run = Callable[..., None]
"""``run(text, out, *arguments)``: computes what the text says, into `out`."""

_kept_alive: list[Any] = []


def register(name: str, run: Run) -> None:
    """Make a function callable from compiled programs on CPUs, by a name.

    Parameters
    ----------
    run
        Called with the attribute ``text``, the array of the result and those of the arguments. What it raises becomes
        an error of the program.
    """

    def handle(pointer: Any) -> int | None:
        frame = pointer.contents
        if _asks_for_metadata(frame) or frame.stage != _EXECUTE:
            return None
        try:
            text = frame.attributes.texts[0].contents
            arguments = frame.arguments
            arrays = [_array(arguments.buffers[i].contents) for i in range(arguments.size)]
            run(ctypes.string_at(text.data, text.size).decode(), _array(frame.results.buffers[0].contents), *arrays)
        except Exception as error:
            message = f"tweakconv: {type(error).__name__}: {error}".encode()
            failure = _Failure(ctypes.sizeof(_Failure), None, message, _INVALID_ARGUMENT)
            created: int = frame.api.contents.create_error(ctypes.byref(failure))
            return created
        return None

    handler = _Handler(handle)
    _kept_alive.append(handler)
    jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(handler), platform="cpu")


def _asks_for_metadata(frame: Any) -> bool:
    """Answer XLA's question for the version that is spoken, if it is one."""
    extension = frame.extensions
    while extension:
        if extension.contents.type == _METADATA:
            asked = ctypes.cast(extension, POINTER(_MetadataExtension)).contents.metadata.contents
            asked.version.major, asked.version.minor, asked.traits = MAJOR, MINOR, 0
            return True
        extension = extension.contents.next
    return False


def _array(buffer: Any) -> FloatArray:
    """An array of XLA's, where it lies; NumPy does not own its memory."""
    dtype = _TYPES[buffer.dtype]
    shape = tuple(buffer.dims[: buffer.rank])
    size = math.prod(shape) * dtype.itemsize
    if size == 0:
        return np.empty(shape, dtype)
    return np.frombuffer((c_char * size).from_address(buffer.data), dtype).reshape(shape)
