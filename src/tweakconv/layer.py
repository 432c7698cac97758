"""A two-dimensional convolution layer as its user describes it: the tweaks, the channels, the data format."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from tweakconv.activations import Activation
from tweakconv.geometry import ConvGeometry
from tweakconv.geometry.padding import border


@dataclass(frozen=True, slots=True)
class LayerConfig:
    """What defines a two-dimensional convolution besides its weights and the size of its input.

    Attributes
    ----------
    padding : str or tuple of pair of int
        A name, or (lo, hi) for each axis.
    padding_mode, constant_value : str, float
        As in `tweakconv.conv2d`.
    channels_last : bool
        NHWC or NCHW, as the user's arrays are.
    activation : Activation or None
        What follows the sum, its bias and the residual.
    residual : bool
        Whether every call adds an array of the output's shape.
    interleaved : int
        How many neighbours along the width are the channels of one pixel, which padding continues together.
    """

    kernel_size: tuple[int, int]
    strides: tuple[int, int]
    padding: str | tuple[tuple[int, int], ...]
    padding_mode: str
    dilation_rate: tuple[int, int]
    in_channels: int
    out_channels: int
    groups: int
    channels_last: bool
    activation: Activation | None = None
    residual: bool = False
    constant_value: float = 0.0
    interleaved: int = 1

    @property
    def pads_zeros(self) -> bool:
        """Whether the padding holds zeros, by whatever name."""
        return self.padding_mode == "zeros" or (self.padding_mode == "constant" and self.constant_value == 0)

    def geometry(self, input_size: tuple[int, int]) -> ConvGeometry:
        """The geometry for an input of a height and width."""
        return _geometry(self, input_size)

    def border(self, geometry: ConvGeometry) -> tuple[tuple[tuple[int | None, ...], tuple[int | None, ...]], ...]:
        """The pixels that stand in the padding of each axis, before the image and behind it.

        Examples
        --------
        One pixel before and behind the three of a row, each of two channels, continued with the others' channels:

        >>> padding = (0, 0), (2, 2)
        >>> layer = LayerConfig((1, 3), (1, 1), padding, "reflect", (1, 2), 1, 1, 1, False, interleaved=2)
        >>> layer.border(layer.geometry((1, 6)))
        (((), ()), ((2, 3), (2, 3)))
        """
        *rows, columns = geometry.axes
        each = self.interleaved
        of_pixels = border(columns.input // each, columns.pad_lo // each, columns.pad_hi // each, self.padding_mode)
        before, behind = (
            tuple(None if pixel is None else pixel * each + channel for pixel in pixels for channel in range(each))
            for pixels in of_pixels
        )
        return (
            *(border(axis.input, axis.pad_lo, axis.pad_hi, self.padding_mode) for axis in rows),
            (before, behind),
        )

    def shape(self, batch: int, size: tuple[int, ...], channels: int) -> tuple[int, ...]:
        """The shape of an array of this layer's data format."""
        return (batch, *size, channels) if self.channels_last else (batch, channels, *size)

    def size_of(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Height and width of an array of this layer's data format."""
        return (shape[1], shape[2]) if self.channels_last else (shape[2], shape[3])

    def channels_of(self, shape: tuple[int, ...]) -> int:
        """Channels of an array of this layer's data format."""
        return shape[3] if self.channels_last else shape[1]


def check_shape(layer: LayerConfig, shape: tuple[int, ...], name: str = "x") -> None:
    """Refuse, with words, an input shape that the layer cannot take."""
    order = "(batch, height, width, channels)" if layer.channels_last else "(batch, channels, height, width)"
    if len(shape) != 4:
        raise ValueError(f"{name}: received shape {shape} with {len(shape)} axes; 4 are needed: {order}")
    channels = layer.channels_of(shape)
    if min(shape) < 0 or 0 in (*layer.size_of(shape), channels):
        raise ValueError(f"{name}: received shape {shape}; only the batch of {order} may be empty, and none negative")
    if channels != layer.in_channels:
        share = layer.in_channels // layer.groups
        taken = f"{share}" if layer.groups == 1 else f"{layer.groups} groups of {share} = {layer.in_channels}"
        kernel = (*layer.kernel_size, share, layer.out_channels)
        raise ValueError(
            f"{name}: received shape {shape}, which has {channels} channels in {order}; the kernel takes {taken}, for "
            f"its shape {kernel} is (height, width, channels / groups, out channels); a PyTorch kernel comes to that "
            "order by transpose(2, 3, 1, 0)"
        )


@functools.lru_cache(maxsize=256)
def _geometry(layer: LayerConfig, input_size: tuple[int, int]) -> ConvGeometry:
    return ConvGeometry.of(
        input_size,
        layer.kernel_size,
        strides=layer.strides,
        padding=layer.padding,
        dilation_rate=layer.dilation_rate,
        groups=layer.groups,
        in_channels=layer.in_channels,
        out_channels=layer.out_channels,
    )
