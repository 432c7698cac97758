"""The lines of the board: a fixed list of convolutions, each with every number stated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tweakconv.geometry import ConvGeometry

__all__ = ["KINDS", "LINES", "Line", "select_lines"]

Pads = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Line:
    """One convolution to measure: 2-D, float32, batch 1.

    Pads are symmetric on each axis, because that is what every library on the board can express.

    Examples
    --------
    >>> line = Line("network", (56, 56), 128, 128, (3, 3), strides=(2, 2), pad=(1, 1))
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
    data_format: str = "channels_last"

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
    def one_filter(self) -> bool:
        """Whether this is one filter that passes over an image of one channel, as image libraries know it.

        The output has the size of the image, and the kernel's middle is at the output's pixel.
        """
        tweaks = {*self.strides, *self.dilation_rate, self.in_channels, self.out_channels}
        return tweaks == {1} and self.geometry.output_size == self.image and not self.bias

    @property
    def name(self) -> str:
        """What the board calls this line, made of its numbers."""
        words = ["depthwise"] if self.depthwise else []
        words.append(_by(self.kernel))
        if self.strides != (1, 1):
            words.append(f"stride {_each(self.strides)}")
        if self.dilation_rate != (1, 1):
            words.append(f"dilation {_each(self.dilation_rate)}")
        if self.groups > 1 and not self.depthwise:
            words.append(f"groups {self.groups}")
        size = _by((*self.image, self.in_channels))
        words.append(size if self.depthwise else f"{size}->{self.out_channels}")
        if self.data_format == "channels_first":
            words.append("NCHW")
        return " ".join(words)

    @property
    def flops(self) -> int:
        """Floating-point operations of the definition: a multiplication and an addition for each product."""
        return 2 * self.geometry.multiply_adds

    @property
    def read_bytes(self) -> int:
        """Bytes that have to be read at least once: input, weights and bias in float32."""
        height, width = self.image
        weights = self.geometry.parameters + (self.out_channels if self.bias else 0)
        return 4 * (height * width * self.in_channels + weights)

    @property
    def write_bytes(self) -> int:
        """Bytes that have to be written: the output in float32."""
        height, width = self.geometry.output_size
        return 4 * height * width * self.out_channels


def _by(sizes: Sequence[int]) -> str:
    return "x".join(str(size) for size in sizes)


def _each(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else _by(values)


#: What the kinds of lines stand for, in the order the board prints them.
KINDS = {
    "foundation": "layers of well-known networks",
    "image": "one-channel images under one filter",
    "network": "depthwise, grouped, small and channels-first layers",
    "tiny": "calls so small that the way in costs more than the work",
}

LINES: tuple[Line, ...] = (
    Line("foundation", (56, 56), 64, 64, (3, 3), pad=(1, 1)),
    Line("foundation", (28, 28), 128, 128, (3, 3), pad=(1, 1)),
    Line("foundation", (56, 56), 128, 128, (3, 3), strides=(2, 2), pad=(1, 1)),
    Line("foundation", (28, 28), 256, 256, (3, 3), dilation_rate=(2, 2), pad=(2, 2)),
    Line("foundation", (224, 224), 3, 64, (7, 7), strides=(2, 2), pad=(3, 3)),
    Line("foundation", (56, 56), 64, 256, (1, 1)),
    Line("foundation", (14, 14), 256, 1024, (1, 1)),
    Line("foundation", (28, 28), 64, 64, (5, 5), pad=(2, 2)),
    Line("image", (1080, 1920), 1, 1, (3, 3), pad=(1, 1), bias=False),
    Line("image", (1080, 1920), 1, 1, (5, 5), pad=(2, 2), bias=False),
    Line("image", (1080, 1920), 1, 1, (15, 15), pad=(7, 7), bias=False),
    Line("network", (112, 112), 96, 96, (3, 3), pad=(1, 1), groups=96),
    Line("network", (56, 56), 128, 128, (3, 3), pad=(1, 1), groups=32),
    Line("network", (7, 7), 512, 512, (3, 3), pad=(1, 1)),
    Line("network", (56, 56), 64, 64, (3, 3), pad=(1, 1), data_format="channels_first"),
    Line("network", (56, 56), 64, 256, (1, 1), data_format="channels_first"),
    Line("tiny", (5, 5), 1, 1, (3, 3), pad=(1, 1), bias=False),
    Line("tiny", (5, 5), 16, 16, (3, 3), pad=(1, 1)),
)


def select_lines(wanted: Sequence[str] | None = None, lines: Sequence[Line] = LINES) -> tuple[Line, ...]:
    """The lines whose kind, or part of whose name, is among the words in `wanted`.

    Parameters
    ----------
    wanted : sequence of str, optional
        Kinds (``"foundation"``) or parts of names (``"stride 2"``, ``"1x1"``); None means all lines.
    lines : sequence of Line
        What to choose from.

    Raises
    ------
    ValueError
        Where a word matches no line; the message lists the kinds and the names there are.

    Examples
    --------
    >>> [line.name for line in select_lines(["dilation", "15x15"])]
    ['3x3 dilation 2 28x28x256->256', '15x15 1080x1920x1->1']
    """
    if wanted is None:
        return tuple(lines)
    chosen: set[Line] = set()
    for word in wanted:
        matching = {line for line in lines if word == line.kind or word in line.name}
        if not matching:
            kinds = ", ".join(dict.fromkeys(line.kind for line in lines))
            names = "; ".join(line.name for line in lines)
            raise ValueError(
                f"lines: nothing on the board matches {word!r}; give a kind ({kinds}) "
                f"or a part of one of these names: {names}"
            )
        chosen |= matching
    return tuple(line for line in lines if line in chosen)
