"""The numbers in a scene: small whole ones from a seed, with edits, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tweakconv.reference import FloatArray

_Hash: TypeAlias = NDArray[np.uint64]

#: Larger numbers would not fit into a cell.
LARGEST = 999_999.0
_INPUTS = (0, 1, 2, 3, 4, 5)  # sums that a person can check
_WEIGHTS = (-1, 0, 1, 2)


def some_inputs(seed: int, channels: Sequence[int], rows: int, cols: int) -> FloatArray:
    """Input values, (channels, rows, cols): each follows from the seed and its own place alone.

    Examples
    --------
    >>> small, large = some_inputs(3, [0], 4, 5), some_inputs(3, [0], 6, 8)
    >>> bool((small == large[:, :4, :5]).all())
    True
    """
    return _chosen(_INPUTS, seed, (0, 0), channels, rows, cols)


def some_weights(seed: int, output_channel: int, channels: Sequence[int], rows: int, cols: int) -> FloatArray:
    """Weights of one output channel, (channels, rows, cols), in the same way."""
    return _chosen(_WEIGHTS, seed, (1, output_channel), channels, rows, cols)


def edited(
    name: str, values: FloatArray, replacement: ArrayLike | None, edits: Mapping[tuple[int, int], float] | None
) -> FloatArray:
    """A plane of values, replaced as a whole or cell by cell.

    Parameters
    ----------
    name
        "input" or "kernel", for errors.
    values
        (rows, cols).
    replacement
        An array of that shape, or of shape (cols,) where there is one row.
    edits
        Numbers by (row, column).

    Raises
    ------
    ValueError
        Where a shape differs, a place lies outside, or a number is not finite or beyond `LARGEST`.
    TypeError
        Where something is not a number, or a place not a pair of integers.

    Examples
    --------
    >>> edited("kernel", np.zeros((2, 2)), None, {(0, 1): 5})
    array([[0., 5.],
           [0., 0.]])
    """
    rows, cols = values.shape
    if replacement is not None:
        values = _checked_array(f"{name}_values", replacement, rows, cols)
    values = values.copy()
    for place, number in (edits or {}).items():
        if not (isinstance(place, tuple) and len(place) == 2 and all(type(entry) is int for entry in place)):
            raise TypeError(f"{name}_edits must have (row, column) as keys, received {place!r}")
        row, col = place
        if not (0 <= row < rows and 0 <= col < cols):
            raise ValueError(f"{name}_edits must lie within {rows} rows and {cols} columns, received {place!r}")
        values[row, col] = checked_number(f"{name}_edits", number)
    return values


def checked_number(name: str, value: Any) -> float:
    """`value` as a float that a cell can show.

    Raises
    ------
    TypeError
        Where it is not a real number.
    ValueError
        Where it is not finite or beyond `LARGEST`.
    """
    if isinstance(value, bool | str | bytes):
        raise TypeError(f"{name} must be a number, received {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} must be a number, received {value!r}") from None
    if not math.isfinite(number) or abs(number) > LARGEST:
        raise ValueError(f"{name} must lie between -{LARGEST:,.0f} and {LARGEST:,.0f}, received {value!r}")
    return number


def _checked_array(name: str, replacement: ArrayLike, rows: int, cols: int) -> FloatArray:
    array = np.asarray(replacement)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must hold real numbers, received dtype {array.dtype}")
    if array.ndim == 1:
        array = array[None]
    if array.shape != (rows, cols):
        raise ValueError(f"{name} must have shape {(rows, cols)}, received {np.shape(replacement)}")
    values: FloatArray = array.astype(np.float64)
    if not np.isfinite(values).all() or np.abs(values).max() > LARGEST:
        raise ValueError(f"{name} must lie between -{LARGEST:,.0f} and {LARGEST:,.0f}, received others too")
    return values


def _chosen(
    choices: Sequence[int], seed: int, kind: tuple[int, int], channels: Sequence[int], rows: int, cols: int
) -> FloatArray:
    """One of `choices` for each cell, by a hash: NumPy's generators may draw differently from version to version,
    and a link that somebody shared must go on showing the same numbers.
    """
    mixed = np.zeros((1, 1, 1), np.uint64)
    for part in (seed & (2**64 - 1), *kind):
        mixed = _mix(mixed ^ np.uint64(part))
    for axis, indices in enumerate((channels, range(rows), range(cols))):
        shape = [1, 1, 1]
        shape[axis] = len(indices)
        mixed = _mix(mixed ^ np.array(indices, np.uint64).reshape(shape))
    chosen: FloatArray = np.array(choices, np.float64)[(mixed >> np.uint64(33)) % np.uint64(len(choices))]
    return chosen


def _mix(x: _Hash) -> _Hash:
    """A step of splitmix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
