"""How compiled code is called: what one call hands over, whichever schedule made the code.

The code's one function is ``run(x, w, bias, y, residual, integers, counter, window, flags)``: addresses of the first
elements of input, packed weights, packed bias, output and residual, which where there is none may be anything; of the
schedule's run-time integers; of a counter that the threads of a call share; and of each thread's own working space.
"""

from __future__ import annotations

from typing import NamedTuple

from tweakconv.geometry import AxisPhase, ConvGeometry

FINITE = 1
"""Flag of a call: every weight is finite, so kernel rows in the padding add nothing."""

ALONE = 2
"""Flag of a call: no other thread runs it, so the code itself sets the shared counter to zero."""


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
