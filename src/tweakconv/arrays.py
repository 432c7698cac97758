"""Arrays at the door: what is accepted, what is converted, and what is refused with words."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tweakconv.published import TYPE, Array, is_as_published

FloatArray: TypeAlias = NDArray[np.floating[Any]]

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
"""The element types that are computed in."""

INTEGERS = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.int16))
"""The types of whole numbers that images may have."""

_FLOATS = "float32, float64, float16 and bfloat16"
_CHOICES = "choose 'float32', 'float64', 'float16', or ml_dtypes.bfloat16 of the package ml_dtypes"

CACHE_LINE = 64

_DATA = TYPE + Array.data.offset
"""Where in an array its address stands."""


def as_input(name: str, array: ArrayLike, dtype: np.dtype[Any] | None = None) -> FloatArray:
    """An input array in the machine's byte order, of a supported type.

    Parameters
    ----------
    name
        The argument that errors speak of.
    array
        Anything NumPy takes as an array; other byte orders and unaligned data are copied.
    dtype
        The one type that will do; any floating one that is supported where None.

    Raises
    ------
    TypeError
        For another type, and for masked arrays, whose mask a convolution cannot honour.
    ValueError
        For lists that make no array.

    Examples
    --------
    >>> as_input("x", np.array([1, 2]))
    Traceback (most recent call last):
    TypeError: x: received dtype int64; float32, float64, float16 and bfloat16 are supported, convert it: ...
    """
    plain = as_numbers(name, array)
    native = plain.dtype.newbyteorder("=")
    if dtype is None and not is_float(native):
        raise TypeError(
            f"{name}: received dtype {plain.dtype}; {_FLOATS} are supported, convert it: {name}.astype(np.float32)"
        )
    if dtype is not None and native != dtype:
        module = "ml_dtypes" if is_bfloat16(dtype) else "np"
        raise TypeError(
            f"{name}: received dtype {plain.dtype}, but this convolution takes {dtype}; convert it: "
            f"{name}.astype({module}.{dtype})"
        )
    if plain.dtype.isnative and plain.flags.aligned:
        return plain
    return plain.astype(native)


def as_weights(name: str, array: ArrayLike, dtype: np.dtype[Any]) -> FloatArray:
    """Weights converted to the type that is computed in.

    Raises
    ------
    TypeError
        For what is not real numbers.
    """
    plain = as_numbers(name, array)
    if plain.dtype.kind not in "iuf" and not is_bfloat16(plain.dtype):
        raise TypeError(f"{name}: received dtype {plain.dtype}; real numbers are needed, such as {dtype}")
    return plain.astype(dtype, copy=False)


def as_numbers(name: str, array: ArrayLike) -> NDArray[Any]:
    """`array` as a plain NumPy array of real numbers of some kind, or truth values.

    Raises
    ------
    TypeError
        For complex numbers, text and objects, and for masked arrays, whose mask a convolution cannot honour.
    ValueError
        For lists that make no array.
    """
    if _is_masked(array):
        raise TypeError(
            f"{name}: received a masked array, whose mask would be ignored; pass {name}.filled(0), or another value"
        )
    if isinstance(array, str):
        raise TypeError(f"{name}: received the text {array!r}; an array of numbers is needed{_hint(name)}")
    try:
        plain = np.asarray(array)
    except ValueError:
        raise ValueError(f"{name}: received lists of uneven length, which make no array") from None
    if plain.dtype.kind == "c":
        raise TypeError(
            f"{name}: received dtype {plain.dtype}; convolve {name}.real and {name}.imag one after the other"
        )
    if plain.dtype.kind not in "biuf" and not is_bfloat16(plain.dtype):
        raise TypeError(f"{name}: received dtype {plain.dtype}; an array of numbers is needed")
    return plain


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """Whether it is the type that the package ml_dtypes adds to NumPy: known by its name, without loading that."""
    return dtype.kind == "V" and dtype.name == "bfloat16"


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether arrays of a type, in the machine's byte order, are convolved."""
    return dtype in DTYPES or dtype == np.float16 or is_bfloat16(dtype)


def computed(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that is computed in for arrays of a type: float64 for those of float64, float32 for all others."""
    return DTYPES[dtype == DTYPES[1]]


def stored_as(dtype: np.dtype[Any], within: np.dtype[Any]) -> str:
    """A type's name for the compiler, empty where it is what is computed in."""
    return "" if dtype == within else dtype.name


def as_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """A supported element type.

    Raises
    ------
    TypeError
        For any other.
    """
    try:
        chosen = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"dtype: received {dtype!r}; {_CHOICES}") from None
    if not is_float(chosen):
        raise TypeError(f"dtype: received {dtype!r}; {_CHOICES}")
    return chosen


def check_out(out: object, shape: tuple[int, ...], dtype: np.dtype[Any], *inputs: FloatArray) -> FloatArray:
    """`out` where a result of a shape and type can be written into it.

    Raises
    ------
    TypeError
        Where it is not an array of that type.
    ValueError
        For another shape, memory that is not in C order or is read-only, or that overlaps an input.
    """
    if not isinstance(out, np.ndarray) or _is_masked(out):
        raise TypeError(f"out: received {type(out).__name__}; an array of shape {shape} and dtype {dtype} is needed")
    if out.dtype != dtype:
        raise TypeError(f"out: received dtype {out.dtype}; the result has {dtype}")
    if out.shape != shape:
        raise ValueError(f"out: received shape {out.shape}; the result has shape {shape}")
    if not (out.flags.c_contiguous and out.flags.aligned):
        raise ValueError(
            f"out: received strides {out.strides} for shape {out.shape}; memory in C order is needed, such as "
            f"np.empty({shape}, np.{dtype}); for part of a larger array write part[...] = result"
        )
    if not out.flags.writeable:
        raise ValueError("out: received a read-only array; one that can be written is needed")
    for array in inputs:
        if np.may_share_memory(out, array):
            raise ValueError(
                "out: overlaps the memory that the input spans; the result could change what is still to be read"
            )
    return out


def empty_aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> FloatArray:
    """A new array that begins at a cache line, which wide vector stores need to be fast."""
    size = dtype.itemsize
    for extent in shape:
        size *= extent
    memory = np.empty(size + CACHE_LINE, np.uint8)
    return np.ndarray(shape, dtype, memory, -address(memory) % CACHE_LINE)


def aligned(array: FloatArray) -> FloatArray:
    """A copy that begins at a cache line."""
    copy = empty_aligned(array.shape, array.dtype)
    copy[...] = array
    return copy


def address(array: NDArray[Any]) -> int:
    """Where the first element of an array that is not empty lies.

    ``array.ctypes.data`` takes most of a microsecond; to look where NumPy keeps it takes a fifth of that.
    """
    if is_as_published():
        found: int = ctypes.c_size_t.from_address(id(array) + _DATA).value
        return found
    return array.ctypes.data


def _is_masked(array: object) -> bool:
    """Whether it is a masked array; NumPy loads those when first asked for, so there may be none."""
    return "numpy.ma" in sys.modules and isinstance(array, np.ma.MaskedArray)


def _hint(name: str) -> str:
    if name == "kernel":
        return '; tweakconv.kernels.parse_kernel("sobel-x").weights is that of a named kernel'
    return '; tweakconv.images.read_image("photo.jpg").pixels are those of a file' if name == "image" else ""
