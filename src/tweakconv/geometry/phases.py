"""Phases: a convolution over spread-out pixels, taken apart into ordinary ones.

Where pixels stand `S` positions apart, as in a transposed convolution of stride `S`, most taps of an output fall into
the gaps between pixels. Outputs that are `S` apart meet pixels with the same taps, so each of `S` *phases* of the
outputs is an ordinary convolution with some of the weights, and no zero between two pixels is ever multiplied.
"""

from __future__ import annotations

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
