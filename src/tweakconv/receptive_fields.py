"""The receptive field of a chain of layers: what of the input one output of the last layer sees.

Sizes, jumps and starts follow the recurrences in Araujo, Norris & Sim, "Computing Receptive Fields of
Convolutional Neural Networks", Distill, 2019 (https://distill.pub/2019/computing-receptive-fields/); coverage
counts what gridding leaves out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tweakconv.geometry import AxisGeometry, ConvGeometry, IntPerAxis, PaddingLike, effective_kernel
from tweakconv.geometry.arguments import per_axis, rank_of
from tweakconv.geometry.padding import AxisPadding, padding_per_axis, pads
from tweakconv.geometry.spelling import shortest_call


@dataclass(frozen=True, slots=True, repr=False)
class Layer:
    """What of a convolution or pooling layer decides on sizes and receptive fields.

    Parameters
    ----------
    kernel_size, strides, padding, dilation_rate
        As in `ConvGeometry.of`; of a pooling layer, those of its window.

    Raises
    ------
    ValueError, TypeError
        As in `ConvGeometry.of`.

    Examples
    --------
    >>> chain = [Layer((3, 3), padding="same"), Layer((2, 2), strides=2)]
    >>> chain[1]
    Layer((2, 2), strides=2)
    >>> receptive_field(chain, input_size=28).output_sizes
    ((28, 28), (14, 14))
    """

    kernel_size: IntPerAxis
    strides: IntPerAxis = 1
    padding: PaddingLike = "valid"
    dilation_rate: IntPerAxis = 1

    def __post_init__(self) -> None:
        _any_size(self, rank_of(*_arguments(self)))  # refuses what no chain could hold

    def __repr__(self) -> str:
        return shortest_call(self)


FloatArray: TypeAlias = NDArray[np.float64]
LayerLike: TypeAlias = Layer | ConvGeometry | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What one output of a chain of layers sees of the input. Every entry is per axis and in input pixels.

    Parameters
    ----------
    size
        From the first to the last pixel seen, both included.
    jump
        From the field of one output to that of the next: the product of the strides.
    start
        The first pixel that output 0 sees, negative where it lies in the padding. None where it depends on an
        input size that is not known.
    output_sizes
        The output size of each layer, first to last; None where it depends on an input size that is not
        known.
    taps
        For each layer the number of taps and their distance; `coverage` follows from them.
    """

    size: tuple[int, ...]
    jump: tuple[int, ...]
    start: tuple[int | None, ...]
    output_sizes: tuple[tuple[int, ...] | None, ...] = field(repr=False)
    taps: tuple[tuple[tuple[int, int], ...], ...] = field(repr=False)

    @property
    def pixels(self) -> int:
        """Pixels that the field spans, over all axes."""
        return math.prod(self.size)

    @property
    def pixels_read(self) -> int:
        """Pixels of the field that reach the output; dilation and strides can leave out the others."""
        return math.prod(map(_count_read, self.taps))

    def as_one_layer(self, input_size: IntPerAxis) -> tuple[AxisGeometry, ...]:
        """The chain as a single layer whose window is the field: where the fields of all outputs lie.

        Parameters
        ----------
        input_size
            Pixels of the input, the same that the field was asked for with.

        Returns
        -------
        tuple of AxisGeometry
            For each axis; ``first(o)`` is where the field of output `o` begins, and ``interior`` holds the outputs
            that see no padding.

        Raises
        ------
        ValueError
            Where the field was asked for without an input size.

        Examples
        --------
        >>> field = receptive_field([Layer(3, strides=2, padding=1)] * 2, input_size=16)
        >>> (one,) = field.as_one_layer(16)
        >>> one.effective_kernel, [one.first(o) for o in range(one.output)], one.interior
        (7, [-3, 1, 5, 9], range(1, 4))
        """
        sizes = per_axis("input_size", input_size, len(self.size), at_least=1)
        outputs = self.output_sizes[-1] if self.output_sizes else sizes
        if outputs is None or None in self.start:
            raise ValueError("input_size must be given to receptive_field for the field to have a place")
        return tuple(
            AxisGeometry(pixels, span, jump, 1, -start, (count - 1) * jump + start + span - pixels)
            for pixels, span, jump, start, count in zip(sizes, self.size, self.jump, self.start, outputs, strict=True)
            if start is not None
        )

    @property
    def coverage(self) -> float:
        """Part of the field's pixels that reach the output, 1.0 where all do.

        Examples
        --------
        >>> field = receptive_field([Layer((3, 3), dilation_rate=2)] * 3)
        >>> field.pixels_read, field.pixels
        (49, 169)
        """
        return self.pixels_read / self.pixels


def receptive_field(layers: Iterable[LayerLike], input_size: IntPerAxis | None = None) -> ReceptiveField:
    """The receptive field of one output of a chain of layers.

    Parameters
    ----------
    layers
        A list, first to last: `Layer`, a dict with its arguments, or `ConvGeometry`. Single numbers hold for
        every axis; there is one axis where nothing is written axis by axis.
    input_size
        Pixels of the input. The output sizes need it, and "same" under a stride, whose pads depend on it.

    Returns
    -------
    ReceptiveField
        Its size, jump, start and coverage, and the output size of each layer. A chain of no layers sees one
        pixel.

    Raises
    ------
    ValueError
        For what `ConvGeometry.of` refuses, a layer with input dilation (whose outputs do not all see alike),
        or a `ConvGeometry` that was made for another input size.
    TypeError
        For what `ConvGeometry.of` refuses, a layer of another type, or one layer that is not in a list.

    Examples
    --------
    >>> receptive_field([Layer((3, 3), strides=2, padding=1), Layer((3, 3), padding=1)])
    ReceptiveField(size=(7, 7), jump=(2, 2), start=(-3, -3))
    >>> receptive_field([{"kernel_size": 3, "strides": 2, "padding": "same"}]).start
    (None,)
    >>> receptive_field([{"kernel_size": 3, "strides": 2, "padding": "same"}], input_size=28).start
    (0,)
    >>> receptive_field([Layer(3)] * 3, input_size=28).output_sizes
    ((26,), (24,), (22,))
    """
    if isinstance(layers, Layer | ConvGeometry | Mapping | str) or not isinstance(layers, Iterable):
        raise TypeError(f"layers must be a list of layers, such as [Layer(3)], received {layers!r}")
    chain = [_layer(number, layer) for number, layer in enumerate(layers)]
    rank = rank_of(input_size, *(argument for layer in chain for argument in _arguments(layer)))
    known = None if input_size is None else per_axis("input_size", input_size, rank, at_least=1)

    size, jump, start = [1] * rank, [1] * rank, [0] * rank
    undetermined: set[int] = set()
    output_sizes: list[tuple[int, ...] | None] = []
    taps: tuple[list[tuple[int, int]], ...] = tuple([] for _ in range(rank))
    for number, layer in enumerate(chain):
        try:
            steps, known = _steps(layer, rank, known)
        except (TypeError, ValueError) as error:
            raise type(error)(f"layer {number}: {error}") from None
        output_sizes.append(known)
        for a, step in enumerate(steps):
            spacing = step.dilation * jump[a]
            taps[a].append((step.kernel, spacing))
            size[a] += (step.kernel - 1) * spacing
            if step.pad_lo is None:
                undetermined.add(a)
            else:
                start[a] -= step.pad_lo * jump[a]
            jump[a] *= step.stride
    return ReceptiveField(
        size=tuple(size),
        jump=tuple(jump),
        start=tuple(None if a in undetermined else first for a, first in enumerate(start)),
        output_sizes=tuple(output_sizes),
        taps=tuple(map(tuple, taps)),
    )


def relative_paths(chain: Sequence[AxisGeometry], output: int | None = None) -> FloatArray:
    """How many ways lead from each pixel to an output through the taps of a chain, along one axis.

    A pixel is read where there is at least one. Ways through the padding of any layer lead to no pixel, which is
    why outputs at the border may see their field unevenly. Along several axes the numbers multiply.

    Parameters
    ----------
    chain
        The same axis of each layer, first to last, at least one; the outputs of one are the pixels of the next.
    output
        Of the last layer; None for all of them together.

    Returns
    -------
    ndarray, shape (pixels,)
        Numbers of ways, divided by the largest; all 0 where no pixel is read.

    Raises
    ------
    IndexError
        Where there is no such output.

    Examples
    --------
    >>> chain = [AxisGeometry(7, 3), AxisGeometry(5, 3, dilation=2)]
    >>> 2 * relative_paths(chain)
    array([1., 1., 2., 1., 2., 1., 1.])
    """
    last = chain[-1].output
    if output is not None and not 0 <= output < last:
        raise IndexError(f"output must be at least 0 and below {last}, received {output}")
    ways: FloatArray = np.ones(last) if output is None else np.zeros(last)
    if output is not None:
        ways[output] = 1
    for axis in reversed(chain):
        before: FloatArray = np.zeros(axis.input)
        for k in range(axis.kernel):
            outputs, pixels = axis.meetings(k)
            before[pixels.start : pixels.stop : pixels.step] += ways[outputs.start : outputs.stop : outputs.step]
        ways = before / max(before.max(), 1e-300)  # the numbers themselves grow without bound
    return ways


class _Step(NamedTuple):
    """One layer along one axis."""

    kernel: int
    stride: int
    dilation: int
    pad_lo: int | None


def _layer(number: int, layer: LayerLike) -> Layer | ConvGeometry:
    if isinstance(layer, Layer | ConvGeometry):
        return layer
    if not isinstance(layer, Mapping):
        raise TypeError(f"layers must be Layer, ConvGeometry or dict objects, received {layer!r} as layer {number}")
    names = [f.name for f in fields(Layer)]
    if "kernel_size" not in layer or not set(layer) <= set(names):
        raise ValueError(
            f"layers must have a kernel_size and may have {', '.join(names[1:])}, received {layer!r} as layer {number}"
        )
    try:
        return Layer(**layer)
    except (TypeError, ValueError) as error:
        raise type(error)(f"layer {number}: {error}") from None


def _arguments(layer: Layer | ConvGeometry) -> tuple[object, ...]:
    """What may say how many axes a layer has."""
    if isinstance(layer, ConvGeometry):
        return (layer.axes,)
    return (layer.kernel_size, layer.strides, layer.padding, layer.dilation_rate)


def _steps(
    layer: Layer | ConvGeometry, rank: int, known: tuple[int, ...] | None
) -> tuple[list[_Step], tuple[int, ...] | None]:
    """A layer along each axis, and the size of what it gives, where that is known."""
    if isinstance(layer, Layer):
        if known is None:
            return _any_size(layer, rank), None
        layer = ConvGeometry.of(
            known,
            layer.kernel_size,
            strides=layer.strides,
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
        )
    if layer.rank != rank:
        raise ValueError(f"layers must have {rank} axes, as the first that says so, received {layer.rank}")
    if known not in (None, layer.input_size):
        raise ValueError(f"input_size must be {known}, as what comes before, received {layer.input_size}")
    if max(layer.input_dilation) > 1:
        raise ValueError(f"input_dilation must be 1, or not all outputs see alike, received {layer.input_dilation}")
    steps = [_Step(axis.kernel, axis.stride, axis.dilation, axis.pad_lo) for axis in layer.axes]
    return steps, layer.output_size


def _any_size(layer: Layer, rank: int) -> list[_Step]:
    """A layer along each axis, for an input of any size."""
    axes = zip(
        per_axis("kernel_size", layer.kernel_size, rank, at_least=1),
        per_axis("strides", layer.strides, rank, at_least=1),
        per_axis("dilation_rate", layer.dilation_rate, rank, at_least=1),
        padding_per_axis(layer.padding, rank),
        strict=True,
    )
    return [
        _Step(kernel, stride, dilation, _pad_lo(padding, effective_kernel(kernel, dilation), stride))
        for kernel, stride, dilation, padding in axes
    ]


def _pad_lo(padding: AxisPadding, span: int, stride: int) -> int | None:
    """The pad at the start, None where it depends on the input size.

    What "same" needs shrinks as the size grows from 1 pixel above a multiple of the stride to the next
    multiple. Where these two agree, so does every size between.
    """
    most, least = (pads(padding, size, span, stride)[0] for size in (1, stride))
    return most if most == least else None


def _count_read(taps: tuple[tuple[int, int], ...]) -> int:
    """Pixels along one axis that some path of taps leads to."""
    read = 1  # bit i stands for pixel i of the field
    for kernel, spacing in taps:
        before, read = read, 0
        for k in range(kernel):
            read |= before << (k * spacing)
    return read.bit_count()
