"""A line of the board: one convolution with every number stated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tweakconv.geometry import ConvGeometry

__all__ = ["Line", "in_batches"]

Pads = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Line:
    """One convolution to measure: 2-D, float32.

    Pads are symmetric on each axis, because that is what every library on the board can express.

    Attributes
    ----------
    kind : str
        The key of its class.
    image : tuple of int
        Height and width of the input.
    in_channels, out_channels, kernel, strides, dilation_rate, groups
        As everywhere.
    pad : tuple of int
        Rows above and below, columns left and right.
    bias : bool
        Whether there is one.
    shared : bool
        Whether all channels of a depthwise line have the same filter, as image libraries have it.
    source : str
        The network, or the use, that it comes from.
    batch : int
        Images in a call.
    single : bool
        Whether it is only measured one image at a time, because some libraries take seconds for one.

    Examples
    --------
    >>> line = Line("strided", (56, 56), 128, 128, (3, 3), strides=(2, 2), pad=(1, 1))
    >>> line.name
    '3x3 stride 2 56x56x128->128'
    >>> line.geometry.output_size
    (28, 28)
    >>> line.flops == 2 * 28 * 28 * 128 * 128 * 9
    True
    """

    kind: str
    image: tuple[int, int]
    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilation_rate: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    groups: int = 1
    bias: bool = True
    shared: bool = False
    source: str = ""
    batch: int = 1
    single: bool = False

    @property
    def padding(self) -> Pads:
        """The pads as (lo, hi) for each axis."""
        (height, width) = self.pad
        return ((height, height), (width, width))

    @property
    def geometry(self) -> ConvGeometry:
        """The sizes of this line, from the one place that works them out."""
        return ConvGeometry.of(
            self.image,
            self.kernel,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            groups=self.groups,
            in_channels=self.in_channels,
            out_channels=self.out_channels,
        )

    @property
    def depthwise(self) -> bool:
        """Whether every channel has its own filter."""
        return 1 < self.groups == self.in_channels == self.out_channels

    @property
    def image_filter(self) -> bool:
        """Whether this is one filter that passes over every channel of an image, as image libraries know it.

        The output has the size of the image, and the kernel's middle is at the output's pixel.
        """
        one_filter = self.shared or self.in_channels == self.out_channels == 1
        return one_filter and self.strides == (1, 1) and self.geometry.output_size == self.image and not self.bias

    @property
    def name(self) -> str:
        """What the board calls this line, made of its numbers; the batch is said elsewhere."""
        words = ["filter" if self.shared else "depthwise"] if self.depthwise else []
        words.append(_by(self.kernel))
        if self.strides != (1, 1):
            words.append(f"stride {_each(self.strides)}")
        if self.dilation_rate != (1, 1):
            words.append(f"dilation {_each(self.dilation_rate)}")
        if self.groups > 1 and not self.depthwise:
            words.append(f"groups {self.groups}")
        size = _by((*self.image, self.in_channels))
        words.append(size if self.depthwise else f"{size}->{self.out_channels}")
        return " ".join(words)

    @property
    def flops(self) -> int:
        """Floating-point operations of the definition: a multiplication and an addition for each product."""
        return 2 * self.batch * self.geometry.multiply_adds

    @property
    def read_bytes(self) -> int:
        """Bytes that have to be read at least once: input, weights and bias in float32."""
        height, width = self.image
        weights = self.geometry.parameters + (self.out_channels if self.bias else 0)
        return 4 * (self.batch * height * width * self.in_channels + weights)

    @property
    def write_bytes(self) -> int:
        """Bytes that have to be written: the output in float32."""
        height, width = self.geometry.output_size
        return 4 * self.batch * height * width * self.out_channels


def _by(sizes: Sequence[int]) -> str:
    return "x".join(str(size) for size in sizes)


def _each(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else _by(values)


def in_batches(lines: Sequence[Line], batches: Sequence[int]) -> tuple[Line, ...]:
    """The lines at each of these batch sizes, without those that are only measured one image at a time.

    Raises
    ------
    ValueError
        Where nothing is left.

    Examples
    --------
    >>> line = Line("images", (1080, 1920), 1, 1, (63, 63), pad=(31, 31), bias=False, single=True)
    >>> [line.batch for line in in_batches([line, replace(line, single=False)], [1, 8])]
    [1, 1, 8]
    """
    found = tuple(replace(line, batch=batch) for batch in batches for line in lines if batch == 1 or not line.single)
    if lines and not found:
        raise ValueError(
            f"batch: {'; '.join(line.name for line in lines)} "
            f"{'is' if len(lines) == 1 else 'are'} measured with batch 1 only, received {', '.join(map(str, batches))}"
        )
    return found
