"""The geometries of gradients: a convolution's input gradient is a transposed convolution, and the other way round.

An ordinary convolution with stride `S` and pads (lo, hi) reads pixel ``o*S + k*D - lo`` for output `o` and weight `k`.
Its gradient therefore puts ``dy[o] * w[k]`` down at that pixel: a transposed convolution that cuts lo at the start,
and at the end what makes it as long as the input (Dumoulin & Visin, "A guide to convolution arithmetic for deep
learning", 2016, chapter 4, https://arxiv.org/abs/1603.07285). Pixels behind the last window get nothing, so that less
is cut than was padded, or something added.
"""

from __future__ import annotations

from dataclasses import replace

from tweakconv.geometry.axis import AxisGeometry
from tweakconv.geometry.conv import ConvGeometry
from tweakconv.geometry.padding import border

Cuts = tuple[tuple[int, int], ...]


def gradient_padding(geometry: ConvGeometry) -> Cuts:
    """The `padding` of the operation that computes the input gradient of a convolution.

    Of an ordinary convolution it is what a transposed one cuts from its full result, and of a transposed one what an
    ordinary one adds to its input; either takes the same kernel, strides, dilation rates and groups.

    Examples
    --------
    >>> forward = ConvGeometry.of((28, 28), 3, strides=2, padding="same")
    >>> cuts = gradient_padding(forward)
    >>> cuts, ConvGeometry.transposed(forward.output_size, 3, strides=2, padding=cuts).output_size
    (((0, 1), (0, 1)), (28, 28))
    """
    return tuple(axis.cuts if axis.flipped else _cuts(axis) for axis in geometry.axes)


def _cuts(axis: AxisGeometry) -> tuple[int, int]:
    full = (axis.output - 1) * axis.stride + axis.effective_kernel
    return axis.pad_lo, full - axis.pad_lo - axis.input


def extended(geometry: ConvGeometry) -> ConvGeometry:
    """The same convolution of an image that already holds its padding; pads that crop stay.

    Examples
    --------
    >>> with_padding = extended(ConvGeometry.of(5, 3, padding=[(1, -1)]))
    >>> with_padding.input_size, with_padding.pads
    ((6,), ((0, -1),))
    """
    axes = (
        replace(
            axis,
            input=axis.input + max(axis.pad_lo, 0) + max(axis.pad_hi, 0),
            pad_lo=min(axis.pad_lo, 0),
            pad_hi=min(axis.pad_hi, 0),
        )
        for axis in geometry.axes
    )
    return replace(geometry, axes=tuple(axes))


def sources(axis: AxisGeometry, padding_mode: str) -> tuple[int | None, ...]:
    """The pixel that stands at each position of an axis that holds its padding; None where there is none.

    Examples
    --------
    >>> sources(AxisGeometry(4, 3, pad_lo=2, pad_hi=1), "reflect")
    (2, 1, 0, 1, 2, 3, 2)
    """
    before, behind = border(axis.input, axis.pad_lo, axis.pad_hi, padding_mode)
    return (*before, *range(axis.input), *behind)
