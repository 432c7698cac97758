"""Kernels as sums of few products of a column and a row, as far as rounding lets them be told from such.

A kernel plane of rank r is ``sum over i of outer(columns[i], rows[i])``: convolving with it is convolving along the
columns and then along the rows, r times. Gaussians, boxes and the usual derivatives have rank 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tweakconv.arrays import FloatArray

_Array = NDArray[np.float64]

_MOST_DIGITS = 24
"""Binary digits of whole numbers up to which a kernel's factors are looked for among whole numbers."""

_PLAIN_ERROR = 0.2
"""The RMS error of a plain sum of n normal numbers times equal weights, over ``rounding * n * weight``."""


class Factors(NamedTuple):
    """What planes of a kernel are products of.

    Attributes
    ----------
    columns, rows : ndarray, shape (planes, rank, kernel height or width)
        In float64; planes of a smaller rank have zeros at the end.
    exact : bool
        Whether they are whole numbers times powers of two whose products are the kernel: then sums of products with
        whole numbers are exact where those with the kernel are.
    """

    columns: _Array
    rows: _Array
    exact: bool

    @property
    def rank(self) -> int:
        """Products for each plane."""
        return int(self.columns.shape[1])


def factor(planes: FloatArray, rank: int | None = None) -> Factors:
    """The fewest factors whose products differ from each plane by no more than rounding does.

    Products of whole numbers where there are such, else by the singular value decomposition, which for any number of
    them leaves the least (C. Eckart and G. Young, Psychometrika 1, 1936).

    Parameters
    ----------
    planes : ndarray, shape (planes, kernel height, kernel width)
        Finite, in the type that is computed in.
    rank
        Take so many, where it is known how many are needed.

    Examples
    --------
    >>> gauss = np.exp(-np.linspace(-2, 2, 9) ** 2)
    >>> factor(np.outer(gauss, gauss)[None]).rank
    1
    >>> found = factor(np.array([[[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0]]]))
    >>> found.columns, found.rows, found.exact
    (array([[[-1., -2.]]]), array([[[ 1.,  0., -1.]]]), True)
    """
    wide = planes.astype(np.float64)
    found = [factors for plane in wide if (factors := _whole_factors(plane)) is not None]
    if len(found) == len(planes):
        columns, rows = (np.stack(side)[:, None] for side in zip(*found, strict=True))
        return Factors(columns, rows, exact=True)
    left, values, right = np.linalg.svd(wide, full_matrices=False)
    kept = rank or _rank(wide, values, _rounding(planes))
    if planes.dtype == np.float64:
        return Factors(*_refined(wide, left[:, :, :kept]), exact=False)
    share = np.sqrt(values[:, :kept, None])
    return Factors(left[:, :, :kept].swapaxes(1, 2) * share, right[:, :kept] * share, exact=False)


def _refined(planes: _Array, left: _Array) -> tuple[_Array, _Array]:
    """Factors of float64's full precision, which the decomposition's rounding spoils: a step of subspace iteration."""
    exact = planes.astype(np.longdouble)
    along = (exact.swapaxes(1, 2) @ left).astype(np.float64)  # what the rows span
    basis, _ = np.linalg.qr(along)
    wide = basis.astype(np.longdouble)
    identity = np.eye(basis.shape[2])
    inverse = 2 * identity - wide.swapaxes(1, 2) @ wide  # of a matrix that is the identity but for rounding
    return (exact @ wide @ inverse).swapaxes(1, 2).astype(np.float64), basis.swapaxes(1, 2)


class Rank(NamedTuple):
    """How many factors `factor` finds for each plane, and whether they are exact."""

    rank: int
    exact: bool


def rank(planes: FloatArray) -> Rank:
    """What `factor` finds, without the factors, in less time.

    Examples
    --------
    >>> rank(np.ones((1, 5, 5))), rank(np.eye(3)[None])
    (Rank(rank=1, exact=True), Rank(rank=3, exact=False))
    """
    wide = planes.astype(np.float64)
    if all(_whole_factors(plane) is not None for plane in wide):
        return Rank(1, exact=True)
    return Rank(_rank(wide, np.linalg.svd(wide, compute_uv=False), _rounding(planes)), exact=False)


def _rank(planes: _Array, values: FloatArray, rounding: float) -> int:
    """The least rank for all planes with singular values that leaves less than rounding does.

    What is left, as the root of its sum of squares, is an output's error for normal inputs of variance 1. A plain sum
    of n weights of equal size has about ``0.2 * n * weight`` roundings; where few weights are large, those are what
    counts, and where one is alone, half a rounding is what it has by itself.
    """
    size = np.sqrt((planes**2).sum((1, 2)))
    weights = np.abs(planes).sum((1, 2)) / np.where(size > 0, size, 1)  # the root of how many there are in effect
    allowed = rounding * size * np.maximum(0.5, _PLAIN_ERROR * weights)
    left = np.sqrt(np.cumsum(values[:, ::-1] ** 2, axis=1))[:, ::-1]  # where all from here on are left out
    return max(1, int((left > allowed[:, None]).sum(axis=1).max()))


def _rounding(planes: FloatArray) -> float:
    return float(np.finfo(planes.dtype).eps) / 2


def _whole_factors(plane: _Array) -> tuple[_Array, _Array] | None:
    """A column and a row of whole numbers, times powers of two, whose product is the plane, where there are such."""
    largest = float(np.abs(plane).max())
    if largest == 0:
        return np.zeros(plane.shape[0]), np.zeros(plane.shape[1])
    _, exponent = math.frexp(largest)
    scaled = np.ldexp(plane, _MOST_DIGITS - exponent)
    if not (scaled == np.rint(scaled)).all():
        return None
    numbers = scaled.astype(np.int64)
    row = numbers[np.abs(numbers).max(axis=1).argmax()]
    row = row // np.gcd.reduce(row)
    place = np.abs(row).argmax()
    column = numbers[:, place] // row[place]
    if not (np.multiply.outer(column, row) == numbers).all():
        return None
    power = int(np.gcd.reduce(column))
    power &= -power  # the largest power of two in all of them belongs to neither
    sign = 1 if row[np.flatnonzero(row)[0]] > 0 else -1
    unit = math.ldexp(1.0, exponent - _MOST_DIGITS)
    return sign * column / power, sign * row * (power * unit)
