"""Phases: a convolution over spread-out pixels, taken apart into ordinary ones.

Where pixels stand `S` positions apart, as in a transposed convolution of stride `S`, most taps of an output fall into
the gaps between pixels. Outputs that are `S` apart meet pixels with the same taps, so each of `S` *phases* of the
outputs is an ordinary convolution with some of the weights, and no zero between two pixels is ever multiplied.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from tweakconv.geometry.axis import AxisGeometry


@dataclass(frozen=True, slots=True)
class AxisPhase:
    """Outputs ``first, first + step, first + 2*step, ...`` of an axis, and what they read.

    Tap `t` of output ``first + m*step`` is weight ``taps[t]`` and reads pixel ``start + m*stride + t*dilation``, which
    lies in the padding where there is no such pixel.

    Parameters
    ----------
    first, step, outputs
        Which outputs, and how many; there may be none.
    taps
        The weights that meet pixels, in the order in which they stand in the window; there may be none.
    start
        Pixel under the first of the taps for the first output; negative in the padding.
    stride, dilation
        Pixels from one window and from one tap to the next.

    Examples
    --------
    >>> from tweakconv.geometry import ConvGeometry
    >>> (transposed,) = ConvGeometry.transposed(4, 3, strides=2).axes
    >>> for phase in AxisPhase.all_of(transposed):
    ...     print(phase.outputs, list(phase.taps), phase.start)
    5 [2, 0] -1
    4 [1] 0
    """

    first: int
    step: int
    outputs: int
    taps: range
    start: int
    stride: int
    dilation: int

    @classmethod
    def all_of(cls, axis: AxisGeometry) -> tuple[AxisPhase, ...]:
        """The phases of an axis: as many as positions from one pixel to the next.

        Their taps and starts do not depend on the size of the input.

        Raises
        ------
        ValueError
            Where pixels have gaps and windows move further than a position, which no operation here does.
        """
        if axis.input_dilation > 1 and axis.stride > 1:
            raise ValueError(f"stride must be 1 with input_dilation {axis.input_dilation}, received {axis.stride}")
        return tuple(cls._of(axis, first) for first in range(axis.input_dilation))

    def stretches(self, size: int) -> tuple[tuple[range, range], ...]:
        """Neighbouring outputs that meet pixels with the same taps, and which of `taps` those are, from the left.

        Outputs count within the phase, from 0. Together the stretches hold all of them; the taps of some may be none.

        Parameters
        ----------
        size
            Pixels of the input.

        Examples
        --------
        >>> (phase,) = AxisPhase.all_of(AxisGeometry(input=5, kernel=3, dilation=3, pad_lo=3, pad_hi=3))
        >>> phase.stretches(5)
        ((range(0, 2), range(1, 3)), (range(2, 3), range(1, 2)), (range(3, 5), range(0, 2)))
        """
        first = [
            -(self.start + t * self.dilation) for t in range(len(self.taps))
        ]  # positions before each meets a pixel
        ends = {-(-(before + reach) // self.stride) for before in first for reach in (0, size)}
        edges = [0, *sorted(end for end in ends if 0 < end < self.outputs), self.outputs]
        found = []
        for start, stop in itertools.pairwise(edges):
            met = [t for t, before in enumerate(first) if 0 <= start * self.stride - before < size]
            found.append((range(start, stop), range(met[0], met[-1] + 1) if met else range(0)))
        return tuple(found)

    @classmethod
    def _of(cls, axis: AxisGeometry, first: int) -> AxisPhase:
        gap, position = axis.input_dilation, axis.first(first)
        # The tap at place j of the window stands at position + j*dilation, which has to be a multiple of the gap. Where
        # there are such places, they are `period` apart.
        common = math.gcd(gap, axis.dilation)
        period = gap // common
        places = range(0)
        for j in range(min(period, axis.kernel)):
            if (position + j * axis.dilation) % gap == 0:
                places = range(j, axis.kernel, period)
        weights = range(axis.kernel)[::-1] if axis.flipped else range(axis.kernel)
        return cls(
            first=first,
            step=gap,
            outputs=max(0, -(-(axis.output - first) // gap)),
            taps=weights[places.start : places.stop : places.step],
            start=(position + places.start * axis.dilation) // gap,
            stride=axis.stride,
            dilation=axis.dilation // common,
        )


@dataclass(frozen=True, slots=True)
class DilatedPhase:
    """Outputs ``first, first + step, ...`` of an axis and pixels ``pixel, pixel + step, ...``, as far apart as taps.

    These outputs read those pixels and no others, as `axis` says: a convolution of its own, without dilation.

    Parameters
    ----------
    first, pixel
        The first output, and the first pixel.
    step
        From one to the next of both.
    axis
        How the outputs follow from the pixels.

    Examples
    --------
    >>> for phase in DilatedPhase.all_of(AxisGeometry(input=5, kernel=3, dilation=2, pad_lo=2, pad_hi=1)):
    ...     print(phase)
    DilatedPhase(first=0, pixel=0, step=2, axis=AxisGeometry(3, 3, pad_lo=1))
    DilatedPhase(first=1, pixel=1, step=2, axis=AxisGeometry(2, 3, pad_lo=1, pad_hi=1))
    """

    first: int
    pixel: int
    step: int
    axis: AxisGeometry

    @classmethod
    def all_of(cls, axis: AxisGeometry) -> tuple[DilatedPhase, ...]:
        """The phases of an axis: as many as positions from one tap to the next, or as there are outputs.

        Raises
        ------
        ValueError
            Where windows move further than a position, or pixels have gaps.
        """
        if axis.stride > 1 or axis.input_dilation > 1:
            raise ValueError(f"stride and input_dilation must be 1, received {axis.stride} and {axis.input_dilation}")
        return tuple(cls._of(axis, first) for first in range(min(axis.dilation, axis.output)))

    @classmethod
    def _of(cls, axis: AxisGeometry, first: int) -> DilatedPhase:
        step = axis.dilation
        before, pixel = divmod(axis.first(first), step)
        span = -(-(axis.output - first) // step) + axis.kernel - 1
        pixels = -(-(axis.input - pixel) // step)
        if pixels < 1:  # none: one before the first window
            return cls(first, 0, step, AxisGeometry(1, axis.kernel, pad_lo=-1, pad_hi=span))
        return cls(first, pixel, step, AxisGeometry(pixels, axis.kernel, pad_lo=-before, pad_hi=span + before - pixels))
