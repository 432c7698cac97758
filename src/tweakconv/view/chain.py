"""A chain of layers over an image: each with its geometry, as far as there is any output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from tweakconv.geometry import AxisGeometry, ConvGeometry
from tweakconv.receptive_fields import Layer, ReceptiveField, receptive_field
from tweakconv.view.captions import by

Size = tuple[int, int]

#: Most pixels that a field may span along an axis. Strides multiply: forty layers of stride 2 would span a million
#: million, and whether each of them is read takes a bit.
MAX_FIELD: Final = 2**18


class Stop(NamedTuple):
    """Where a chain ends before its last layer: the number of the layer that has no output, and why."""

    layer: int
    text: str


@dataclass(frozen=True, slots=True)
class Chain:
    """Layers over an image, numbered from 1.

    Attributes
    ----------
    input_size
        Height and width of the image.
    layers
        As they were given, those behind a stop too.
    geometries
        One for each layer that has an output.
    stop
        The first that has none.
    """

    input_size: Size
    layers: tuple[Layer, ...]
    geometries: tuple[ConvGeometry, ...]
    stop: Stop | None

    @classmethod
    def of(cls, input_size: Iterable[int], layers: Iterable[Layer | Mapping[str, Any]]) -> Chain:
        """The chain that layers make, in the arguments of `tweakconv.Layer`.

        Raises
        ------
        ValueError
            Where the image has no two sizes of at least 1, or an argument of a layer makes no sense.
        TypeError
            Where something is not an integer, or an argument is not known.

        Examples
        --------
        >>> chain = Chain.of((5, 9), [{"kernel_size": 3}, {"kernel_size": 5}, {"kernel_size": 1}])
        >>> chain.sizes
        ((5, 9), (3, 7))
        >>> chain.stop.layer
        2
        """
        # Over an image, even a single layer without an argument per axis has two axes.
        height, width = ConvGeometry.of(tuple(input_size), (1, 1)).input_size
        made = tuple(_layer(number, layer) for number, layer in enumerate(layers, 1))
        size, stop = (height, width), None
        geometries: list[ConvGeometry] = []
        for number, layer in enumerate(made, 1):
            try:
                geometries.append(_over(size, layer))
            except ValueError as error:
                stop = Stop(number, str(error))
                break
            spans = receptive_field(geometries).size
            if max(spans) > MAX_FIELD:
                geometries.pop()
                stop = Stop(number, f"one output would span {by(spans)} pixels; {MAX_FIELD:,} are followed at most")
                break
            size = _two(geometries[-1].output_size)
        return cls((height, width), made, tuple(geometries), stop)

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The size of the image, then that of what each layer gives."""
        return (self.input_size, *(_two(geometry.output_size) for geometry in self.geometries))

    def field(self, layers: int | None = None) -> ReceptiveField:
        """What one output of the last layer sees, or of the first few."""
        return receptive_field(self.geometries[:layers], input_size=self.input_size)

    def as_one_layer(self, layers: int | None = None) -> tuple[AxisGeometry, ...]:
        """The chain, or its first few layers, as one layer with the field as its window."""
        return self.field(layers).as_one_layer(self.input_size)

    def along(self, axis: int) -> tuple[AxisGeometry, ...]:
        """One axis of each layer; that of a layer that changes nothing where there is none."""
        axes = tuple(geometry.axes[axis] for geometry in self.geometries)
        return axes or (AxisGeometry(self.input_size[axis], 1),)

    def padded(self, padding: str) -> Chain:
        """The same layers under another padding."""
        return Chain.of(self.input_size, [replace(layer, padding=padding) for layer in self.layers])

    def middles(self, layers: int | None = None) -> tuple[tuple[float, float], ...]:
        """For each axis where the fields of the first and of the last output have their middle, in pixels."""
        return tuple((_middle(one, 0), _middle(one, one.output - 1)) for one in self.as_one_layer(layers))

    def borders(self, layers: int | None = None) -> tuple[tuple[float, float], ...]:
        """For each axis how many pixels lie before the first middle and behind the last.

        Examples
        --------
        >>> Chain.of((9, 9), [Layer(3), Layer(3, strides=2)]).borders()
        ((2.0, 2.0), (2.0, 2.0))
        """
        return tuple(
            (first, pixels - 1 - last)
            for pixels, (first, last) in zip(self.input_size, self.middles(layers), strict=True)
        )


def _layer(number: int, layer: Layer | Mapping[str, Any]) -> Layer:
    try:
        return layer if isinstance(layer, Layer) else Layer(**layer)
    except (TypeError, ValueError) as error:
        raise type(error)(f"layer {number}: {error}") from None


def _over(size: Size, layer: Layer) -> ConvGeometry:
    return ConvGeometry.of(
        size,
        layer.kernel_size,
        strides=layer.strides,
        padding=layer.padding,
        dilation_rate=layer.dilation_rate,
    )


def _two(size: tuple[int, ...]) -> Size:
    height, width = size
    return height, width


def _middle(one: AxisGeometry, output: int) -> float:
    return one.first(output) + (one.effective_kernel - 1) / 2
