"""What one piece of compiled code is for: everything about a convolution that is fixed before it runs.

Batch, image size and padding are not here: they are arguments of the compiled code, so a new image size
compiles nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tweakconv.activations import Activation


class AxisSpec(NamedTuple):
    """Kernel size, stride and dilation along one axis."""

    kernel: int
    stride: int
    dilation: int


@dataclass(frozen=True, slots=True)
class ConvSpec:
    """A convolution of images or of volumes as the compiler sees it.

    Attributes
    ----------
    kernel, strides, dilation : tuple of int
        Height and width of each.
    in_channels, out_channels, groups : int
        Channels of the whole input and output, and how many groups split them.
    channels_last : bool
        NHWC (True) or NCHW (False), for input and output alike.
    double : bool
        Whether it is computed in float64 instead of float32.
    activation : Activation or None
        What follows the sum, its bias and the residual.
    residual : bool
        Whether an array of the output's shape is added to the sum and its bias.
    mapped_padding : bool
        Whether the padding holds what tables of the call say, and not zeros.
    depth : AxisSpec or None
        The axis of planes; None for images.
    pieces : bool
        Whether the outputs come in pieces that the call tells of, those of a transposed convolution.
    ragged : bool
        Whether the pieces differ in their kernel sizes, of which `kernel` and `depth` hold the largest.
    out_step : int
        Pixels of the output from one that is computed to the next along a row.
    skips_padding : bool
        Whether taps in the padding are left out, where others multiply what lies there.
    x_stored, y_stored : str
        What the input, and output and residual, are stored in where that is not what is computed in; one of
        `elements.ELEMENTS`.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilation: tuple[int, int]
    in_channels: int
    out_channels: int
    groups: int
    channels_last: bool
    double: bool
    activation: Activation | None = None
    residual: bool = False
    mapped_padding: bool = False
    depth: AxisSpec | None = None
    pieces: bool = False
    ragged: bool = False
    out_step: int = 1
    skips_padding: bool = False
    x_stored: str = ""
    y_stored: str = ""

    @property
    def element(self) -> str:
        """LLVM's name of the element type."""
        return "double" if self.double else "float"

    @property
    def element_bytes(self) -> int:
        """Bytes of one element."""
        return 8 if self.double else 4

    @property
    def pointers(self) -> dict[str, str]:
        """How a `Builder` names what points to input, output and residual."""
        x, y = (f"ptr {stored}".rstrip() for stored in (self.x_stored, self.y_stored))
        return {"x": x, "y": y, "residual": y}

    @property
    def group_in(self) -> int:
        """Input channels each output channel reads."""
        return self.in_channels // self.groups

    @property
    def group_out(self) -> int:
        """Output channels of one group."""
        return self.out_channels // self.groups

    @property
    def taps(self) -> tuple[int, int, int]:
        """Kernel rows, kernel columns and input channels that one output sums over in each kernel plane."""
        return (*self.kernel, self.group_in)

    @property
    def kernel_planes(self) -> int:
        """Kernel planes that one output sums over."""
        return 1 if self.depth is None else self.depth.kernel

    @property
    def is_plain(self) -> bool:
        """Whether it is an ordinary convolution of images, with its outputs side by side."""
        return self.depth is None and not self.pieces

    @property
    def pixel_stride(self) -> int:
        """Elements from one input pixel of a row to the next."""
        return self.in_channels if self.channels_last else 1

    @property
    def out_pixel_stride(self) -> int:
        """Elements from one output pixel of a row that is computed to the next."""
        return self.out_step * (self.out_channels if self.channels_last else 1)
