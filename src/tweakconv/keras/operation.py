"""What a layer computes, in the words of its attributes."""

from __future__ import annotations

from typing import NamedTuple

from tweakconv.geometry import PaddingLike
from tweakconv.ops.general import Tweaks


class Operation(NamedTuple):
    """A convolution besides its arrays; hashable.

    Attributes
    ----------
    kind : str
        "conv", "depthwise" or "transposed".
    """

    rank: int
    kind: str
    strides: tuple[int, ...]
    padding: PaddingLike
    dilation_rate: tuple[int, ...]
    groups: int
    data_format: str
    padding_mode: str = "zeros"
    constant_value: float = 0.0
    activation: str | None = None
    output_padding: tuple[int, ...] | None = None

    @classmethod
    def of_pixels(cls, rank: int, data_format: str, activation: str | None) -> Operation:
        """A convolution with kernels of one tap."""
        ones = (1,) * rank
        return cls(rank, "conv", ones, "valid", ones, 1, data_format, activation=activation)

    @property
    def negative_slope(self) -> float | None:
        """That of `keras.activations.leaky_relu`, which a layer cannot change."""
        return 0.2 if self.activation == "leaky_relu" else None

    @property
    def channels_last(self) -> bool:
        """Whether the channels are the last axis."""
        return self.data_format == "channels_last"

    def tweaks(self, channels: int) -> Tweaks:
        """The same for tweakconv, where every channel on its own is as many groups."""
        return Tweaks(
            self.strides,
            self.padding,
            self.dilation_rate,
            channels if self.kind == "depthwise" else self.groups,
            self.data_format,
            self.padding_mode,
            self.constant_value,
            self.activation,
            self.negative_slope,
            self.kind == "transposed",
            self.output_padding,
        )

    def channels(self, shape: tuple[int, ...]) -> int:
        """Channels of an array of this shape."""
        return shape[-1] if self.channels_last else shape[1]

    def kernel_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape in which tweakconv takes a kernel: of a depthwise one, the multiples of all channels in a row."""
        return (*shape[:-2], 1, shape[-2] * shape[-1]) if self.kind == "depthwise" else shape
