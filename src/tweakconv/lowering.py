"""From a layer, as its user describes it, to what the compiler is asked for.

The compiler computes ordinary convolutions of images and of volumes. A convolution along one axis is one of images of a
single row. A transposed one is taken apart into pieces, one for each combination of the phases of its axes
(`tweakconv.geometry.phases`): each is an ordinary convolution with some of the weights.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from tweakconv.arrays import FloatArray, stored_as
from tweakconv.compiler.call import Border, Piece
from tweakconv.compiler.choose import Choice
from tweakconv.compiler.spec import AxisSpec, ConvSpec
from tweakconv.geometry import AxisGeometry, AxisPhase, ConvGeometry
from tweakconv.layer import LayerConfig

MOST_STRIDE = 1 << 16

_MOST_PIECES = 4096

Phases = tuple[AxisPhase, ...]


class Lowered(NamedTuple):
    """What the compiler is asked for, and how a kernel as users write it is handed over.

    Attributes
    ----------
    spec : ConvSpec
    pieces : tuple of tuple of AxisPhase
        The phases of the axes, at least two, of each piece; one piece for an ordinary convolution.
    """

    layer: LayerConfig
    spec: ConvSpec
    pieces: tuple[Phases, ...]


def lower(
    layer: LayerConfig,
    dtype: np.dtype[Any],
    geometry: ConvGeometry,
    *,
    finite: bool,
    stored: tuple[np.dtype[Any], np.dtype[Any]] | None = None,
) -> Lowered:
    """What computes a layer, the same for every input size.

    Parameters
    ----------
    dtype
        What is computed in.
    geometry
        The layer's, for an input of some size.
    finite
        Whether all weights are finite. If not, and only then, it matters that a transposed convolution multiplies
        nothing where there is no pixel; sums are then taken in parts, and come out unrounded.
    stored
        What the input and the output are stored in, where that is another type.

    Raises
    ------
    ValueError
        Where strides take the outputs apart into more pieces than are computed.
    """
    if layer.transposed and math.prod(layer.strides) > _MOST_PIECES:
        raise ValueError(
            f"strides: received {layer.strides}, which take the outputs of a transposed convolution apart into "
            f"{math.prod(layer.strides):,} phases; up to {_MOST_PIECES:,} are computed"
        )
    axes = with_rows(geometry).axes
    phases = [AxisPhase.all_of(axis) for axis in axes]
    *planes, rows, columns = (_largest(axis, of_axis) for axis, of_axis in zip(axes, phases, strict=True))
    # One channel in and out lies in memory the same either way, and columns fill the lanes that channels would not.
    single = layer.in_channels == layer.out_channels == 1
    spec = ConvSpec(
        kernel=(rows.kernel, columns.kernel),
        strides=(rows.stride, columns.stride),
        dilation=(rows.dilation, columns.dilation),
        in_channels=layer.in_channels,
        out_channels=layer.out_channels,
        groups=layer.groups,
        channels_last=layer.channels_last and not single,
        double=dtype == np.float64,
        activation=layer.activation,
        residual=layer.residual,
        mapped_padding=not layer.pads_zeros,
        depth=planes[0] if planes else None,
        pieces=len(phases) < sum(map(len, phases)),
        ragged=any(len({len(phase.taps) for phase in of_axis}) > 1 for of_axis in phases),
        out_step=phases[-1][0].step,
        skips_padding=layer.transposed and not finite,
        x_stored="" if stored is None else stored_as(stored[0], dtype),
        y_stored="" if stored is None or (layer.transposed and not finite) else stored_as(stored[1], dtype),
    )
    return Lowered(layer, spec, tuple(itertools.product(*phases)))


def _largest(axis: AxisGeometry, phases: Phases) -> AxisSpec:
    """Kernel, stride and dilation along an axis: those of the phase with the most taps.

    Where a kernel has one tap its dilation says nothing, and where there is one output its stride says nothing; huge
    ones, which would only overflow, are left out.
    """
    phase = max(phases, key=lambda phase: len(phase.taps))
    stride = 1 if axis.output == 1 and phase.stride > MOST_STRIDE else phase.stride
    return AxisSpec(len(phase.taps), stride, 1 if len(phase.taps) == 1 else phase.dilation)


def with_rows(geometry: ConvGeometry) -> ConvGeometry:
    """The geometry with an axis of one row before, where there is only one axis."""
    if geometry.rank > 1:
        return geometry
    axes = (AxisGeometry(1, 1), *geometry.axes)
    return ConvGeometry(axes, geometry.in_channels, geometry.out_channels, geometry.groups)


def six_axes(layer: LayerConfig, kernel: FloatArray) -> FloatArray:
    """A kernel, as users write it, with the six axes of `compiler.packing.parts`: the same memory.

    Examples
    --------
    >>> from tweakconv.ops.general import Tweaks, layer_of
    >>> layer = layer_of(1, (5, 2, 6), Tweaks(1, "valid", 1, 3, "channels_last"), residual=False)
    >>> six_axes(layer, np.zeros((5, 2, 6))).shape
    (1, 1, 5, 2, 3, 2)
    """
    by_group = kernel.reshape(*kernel.shape[:-1], layer.groups, -1)
    if layer.transposed:  # from (F / groups, groups, C / groups)
        by_group = by_group.swapaxes(-1, -3)
    return by_group[(None,) * (3 - layer.rank)]


def taps_of(kernel: FloatArray, phases: Phases) -> FloatArray:
    """What a piece has of a kernel with six axes: its taps, as they stand in the window."""
    slices = [_slice(phase.taps) for phase in phases]
    return kernel[(*[slice(None)] * (3 - len(slices)), *slices)]


def plain_kernel(lowered: Lowered, kernel: FloatArray) -> FloatArray | None:
    """A kernel as the compiler sees it: (height, width, channels / groups, out channels); None but for plain images."""
    if not lowered.spec.is_plain:
        return None
    view = taps_of(six_axes(lowered.layer, kernel), lowered.pieces[0])[0]
    plain: FloatArray = view.reshape(*view.shape[:3], -1)
    return plain


def _slice(taps: range) -> slice:
    return slice(taps.start, taps.stop if taps.stop >= 0 else None, taps.step) if taps else slice(0, 0)


def pieces(lowered: Lowered, choice: Choice, geometry: ConvGeometry) -> tuple[Piece, ...]:
    """The pieces of a call with inputs of a size; none for an ordinary convolution.

    Parameters
    ----------
    geometry
        That of the call, with at least two axes.
    """
    if not lowered.spec.pieces:
        return ()
    found, start = [], 0
    for phases in itertools.product(*map(AxisPhase.all_of, geometry.axes)):
        if all(phase.outputs for phase in phases):
            found.append(Piece(phases, start))
        start += choice.schedule.packed_elements(choice.plan, math.prod(len(phase.taps) for phase in phases))
    return tuple(found)


def border_of(layer: LayerConfig, dtype: np.dtype[Any], geometry: ConvGeometry, *, double: bool) -> Border | None:
    """What the padding holds, for an input of a type and a geometry with at least two axes; None for zeros."""
    if layer.pads_zeros:
        return None
    with np.errstate(over="ignore"):  # too large for float32: infinity, as in the arrays
        value = float(dtype.type(layer.constant_value))
    return Border(value, double, layer.border(geometry))


def element_strides(x: FloatArray, channels_last: bool) -> tuple[int, ...] | None:
    """Elements between images, planes, rows and channels; None where pixels or channels do not lie as the code needs.

    Examples
    --------
    >>> image = np.zeros((2, 5, 6, 3))
    >>> element_strides(image, True), element_strides(image[:, :, ::2], True), element_strides(image[:, ::2], True)
    ((90, 18, 1), None, (90, 36, 1))
    """
    size = x.itemsize
    # An axis of one entry is never stepped along, so its stride says nothing.
    steps = [stride if extent > 1 else 0 for stride, extent in zip(x.strides, x.shape, strict=True)]
    if any(step % size for step in steps):
        return None
    if channels_last:
        image, *spatial, pixel, channel = steps
        dense = channel in (0, size) if x.shape[-1] == 1 else channel == size
        if not dense or (pixel != x.shape[-1] * size and x.shape[-2] > 1):
            return None
        return _strides(image // size, [step // size for step in spatial], 1)
    image, channel, *spatial, pixel = steps
    if pixel != size and x.shape[-1] > 1:
        return None
    return _strides(image // size, [step // size for step in spatial], channel // size)


def contiguous_strides(shape: tuple[int, ...], channels_last: bool) -> tuple[int, ...]:
    """Elements between images, planes, rows and channels of an array in C order.

    Examples
    --------
    >>> contiguous_strides((2, 5, 6, 3), True), contiguous_strides((2, 3, 30), False)
    ((90, 18, 1), (90, 0, 30))
    """
    steps = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return _strides(steps[0], steps[1:-2], 1) if channels_last else _strides(steps[0], steps[2:-1], steps[1])


def _strides(image: int, spatial: list[int], channel: int) -> tuple[int, ...]:
    """With a step of rows, where there is only one row."""
    return (image, *(spatial or [0]), channel)
