"""How compiled code is called: what one call hands over, whichever schedule made the code.

The code's one function is ``run(x, w, bias, y, residual, integers, shared, window, flags)``: addresses of the first
elements of input, packed weights, packed bias, output and residual, which where there is none may be anything; of the
schedule's run-time integers; of the integers that the threads of a call share; and of each thread's own working space.
"""

from __future__ import annotations

from typing import NamedTuple

from tweakconv.geometry import AxisPhase, ConvGeometry

FINITE = 1
"""Flag of a call: every weight is finite, so kernel rows in the padding add nothing."""

ALONE = 2
"""Flag of a call: no other thread runs it, so the code itself sets the number of the next task to zero."""


class Shared:
    """Where in the shared integers of a call what stands; all are zero at first but for the addresses.

    The code takes numbered tasks; those that build on others wait until these have been announced. The first of
    ``LOADED`` and ``USED`` counts for even rounds of such tasks, the second for odd ones.
    """

    TICKET = 0  # the next task
    SPACE = 1  # address of working space that the threads share
    AWAIT = 2  # address of ``await(counter, number)``, which waits until a counter has reached a number
    LOADED = 4
    USED = 6
    COUNT = 8


class Border(NamedTuple):
    """What the padding holds where it is not zeros.

    Attributes
    ----------
    value : float
        The number that stands where there is no pixel.
    double : bool
        Whether it is a float64.
    axes : tuple of pair of tuple
        For each spatial axis the pixels that stand before the image and behind it, as `geometry.padding.border`.
    """

    value: float
    double: bool
    axes: tuple[tuple[tuple[int | None, ...], tuple[int | None, ...]], ...]


class Piece(NamedTuple):
    """Outputs of a transposed convolution that are computed together, as an ordinary convolution of their own.

    Attributes
    ----------
    axes : tuple of AxisPhase
        The phase of each spatial axis.
    weights : int
        Where its packed weights begin among all of them, in elements.
    """

    axes: tuple[AxisPhase, ...]
    weights: int


class Call(NamedTuple):
    """One use of the code: the batch, the geometry, how the arrays lie in memory, who shares the work.

    Attributes
    ----------
    geometry : ConvGeometry
        Of two or three axes.
    x_strides, y_strides : tuple of int
        Elements from one image, one plane where there are three axes, one row and one channel to the next.
    threads : int
        How many threads run it; never matters to the result.
    border : Border or None
        What the padding holds; None for zeros.
    pieces : tuple of Piece
        Those of a transposed convolution; none for an ordinary one.
    """

    batch: int
    geometry: ConvGeometry
    x_strides: tuple[int, ...]
    y_strides: tuple[int, ...]
    threads: int
    border: Border | None = None
    pieces: tuple[Piece, ...] = ()


class Space(NamedTuple):
    """Bytes of working space: each thread's own, and what the threads of a call share."""

    own: int
    shared: int = 0
