"""What the code of a kernel gradient is for: everything about it that is fixed before it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tweakconv.compiler.spec import AxisSpec


@dataclass(frozen=True, slots=True)
class KernelGradSpec:
    """The gradient of a convolution with respect to its kernel, as the compiler sees it.

    ``dw[u, v, c, o] = sum over n, i, j of x[n, i*S + u*D - lo, j*S + v*D - lo, c] * dy[n, i, j, o]``, where `x` outside
    of the image is the number 0. Batch, sizes and pads are arguments of the code.

    Attributes
    ----------
    axes : tuple of AxisSpec
        Kernel size, stride and dilation of planes, rows and columns.
    in_channels, out_channels, groups : int
        Channels of `x` and of `dy`, and how many groups split them.
    channels_last : bool
        NHWC (True) or NCHW (False), for `x` and `dy` alike.
    double : bool
        float64 instead of float32.
    """

    axes: tuple[AxisSpec, AxisSpec, AxisSpec]
    in_channels: int
    out_channels: int
    groups: int
    channels_last: bool
    double: bool

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
        """Input channels that a weight of each output channel has."""
        return self.in_channels // self.groups

    @property
    def group_out(self) -> int:
        """Output channels of one group."""
        return self.out_channels // self.groups

    @property
    def taps(self) -> int:
        """Taps of the kernel."""
        return math.prod(axis.kernel for axis in self.axes)

    @property
    def elements(self) -> int:
        """Weights of the kernel."""
        return self.taps * self.group_in * self.out_channels
