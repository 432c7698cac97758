"""What one piece of compiled code is for: everything about a convolution that is fixed before it runs.

Batch, image size and padding are not here: they are arguments of the compiled code, so a new image size
compiles nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from tweakconv.activations import Activation


@dataclass(frozen=True, slots=True)
class ConvSpec:
    """A two-dimensional convolution as the compiler sees it.

    Attributes
    ----------
    kernel, strides, dilation : tuple of int
        Height and width of each.
    in_channels, out_channels, groups : int
        Channels of the whole input and output, and how many groups split them.
    channels_last : bool
        NHWC (True) or NCHW (False), for input and output alike.
    double : bool
        float64 instead of float32.
    activation : Activation or None
        What follows the sum, its bias and the residual.
    residual : bool
        Whether an array of the output's shape is added to the sum and its bias.
    mapped_padding : bool
        Whether the padding holds what tables of the call say, and not zeros.
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

    @property
    def element(self) -> str:
        """LLVM's name of the element type."""
        return "double" if self.double else "float"

    @property
    def element_bytes(self) -> int:
        """Bytes of one element."""
        return 8 if self.double else 4

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
        """Kernel rows, kernel columns and input channels that one output sums over."""
        return (*self.kernel, self.group_in)

    @property
    def pixel_stride(self) -> int:
        """Elements from one input pixel of a row to the next."""
        return self.in_channels if self.channels_last else 1

    @property
    def out_pixel_stride(self) -> int:
        """Elements from one output pixel of a row to the next."""
        return self.out_channels if self.channels_last else 1
