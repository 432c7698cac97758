"""Which weights go where: what a schedule says of the order in which its code reads a kernel.

A kernel has six axes here, whatever its rank: planes, rows and columns of taps, the input channels of a group, groups,
and the output channels of a group.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tweakconv.arrays import FloatArray

PLANE, ROW, COLUMN, CHANNEL, GROUP, OUT = range(6)
"""The axes of a kernel."""


class Along(NamedTuple):
    """Weights one after another: `length` of them, `step` apart along an axis of the kernel, `to` apart when packed.

    A `step` of 0 is for zeros, which come from nowhere.
    """

    axis: int
    length: int
    to: int
    step: int = 1


class Part(NamedTuple):
    """Weights that are laid out by one rule, or zeros.

    Attributes
    ----------
    start : tuple of int
        The first weight, by the axes of the kernel.
    at : int
        Where it goes, in elements.
    along : tuple of Along
        All of them, nested.
    zeros : bool
        Whether zeros stand there, and no weights.
    """

    start: tuple[int, ...]
    at: int
    along: tuple[Along, ...]
    zeros: bool = False

    @property
    def size(self) -> int:
        """How many weights or zeros."""
        return math.prod(along.length for along in self.along)


def unpacked(parts: tuple[Part, ...], packed: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """The kernel, with all six axes, that was packed by some parts.

    Examples
    --------
    >>> turned = Part((0,) * 6, 0, (Along(CHANNEL, 3, 1), Along(OUT, 2, 3)))
    >>> unpacked((turned,), np.arange(6.0), (1, 1, 1, 3, 1, 2)).reshape(3, 2)
    array([[0., 3.],
           [1., 4.],
           [2., 5.]])
    """
    kernel = np.empty(shape, packed.dtype)
    places = np.arange(kernel.size).reshape(shape)
    steps = [stride // places.itemsize for stride in places.strides]
    for part in parts:
        if not part.zeros:
            lengths = [along.length for along in part.along]
            index = np.indices(lengths, sparse=True)
            source = places[part.start] + sum(
                i * along.step * steps[along.axis] for i, along in zip(index, part.along, strict=True)
            )
            target = part.at + sum(i * along.to for i, along in zip(index, part.along, strict=True))
            kernel.reshape(-1)[source] = packed[target]
    return kernel
