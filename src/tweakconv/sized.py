"""A convolution of inputs of one size, and its two gradients: what the adapters of frameworks compute, on NumPy arrays.

All three are linear in each of their arguments, and the gradients of each are the other two: that is all a framework
needs to know to differentiate them any number of times.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from tweakconv.arrays import FloatArray
from tweakconv.geometry import AxisGeometry, ConvGeometry
from tweakconv.ops.general import Tweaks, convolve, prepare
from tweakconv.prepared import PreparedConv
from tweakconv.remembered import PREPARED
from tweakconv.sized_gradients import input_gradient, kernel_gradient


class After(NamedTuple):
    """What follows the sums of a convolution besides its bias; as in `tweakconv.conv2d`."""

    activation: str | None = None
    negative_slope: float | None = None


NOTHING = After()


@dataclass(frozen=True, slots=True)
class SizedConv:
    """An ordinary convolution of inputs of one size.

    A transposed convolution is the gradient with respect to the input of the one that undoes its sizes: it is written
    as that one, and computed by `transposed`.

    Attributes
    ----------
    geometry : ConvGeometry
        Sizes, pads, strides, dilation rates, channels and groups.
    channels_last : bool
        Whether arrays are (batch, *spatial, channels), or (batch, channels, *spatial).
    padding_mode : str
        What lies in the padding; a constant other than 0 would not be linear, and is not one of them.

    Examples
    --------
    >>> import numpy as np
    >>> conv = SizedConv(ConvGeometry.of((6, 6), 3, strides=2, padding="same", in_channels=2, out_channels=4), True)
    >>> x, kernel = np.ones((5, 6, 6, 2)), np.ones(conv.kernel_shape)
    >>> y = conv.forward(x, kernel)
    >>> y.shape, conv.input_grad(y, kernel).shape, conv.kernel_grad(x, y).shape
    ((5, 3, 3, 4), (5, 6, 6, 2), (3, 3, 2, 4))
    """

    geometry: ConvGeometry
    channels_last: bool
    padding_mode: str = "zeros"

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        """(*kernel size, channels / groups, out channels)."""
        geometry = self.geometry
        return (*geometry.kernel_size, geometry.in_channels // geometry.groups, geometry.out_channels)

    def input_shape(self, batch: int) -> tuple[int, ...]:
        """The shape of its input."""
        return self._shape(batch, self.geometry.input_size, self.geometry.in_channels)

    def output_shape(self, batch: int) -> tuple[int, ...]:
        """The shape of its output."""
        return self._shape(batch, self.geometry.output_size, self.geometry.out_channels)

    def forward(self, x: FloatArray, kernel: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """The convolution, with weights packed for this call: those of training change from step to step."""
        return convolve(self.geometry.rank, x, kernel, None, self._tweaks(NOTHING), out, "auto", None)

    def input_grad(self, y: FloatArray, kernel: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """The gradient with respect to the input, from `y`, that with respect to the output."""
        return input_gradient(self.geometry, self.channels_last, self.padding_mode, y, kernel, out)

    def kernel_grad(self, x: FloatArray, y: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """The gradient with respect to the kernel, from the input and `y`, that with respect to the output."""
        return kernel_gradient(self.geometry, self.channels_last, self.padding_mode, x, y, out)

    def finished(
        self, x: FloatArray, kernel: FloatArray, bias: FloatArray | None, after: After, out: FloatArray | None = None
    ) -> FloatArray:
        """The convolution and what follows it, with weights that stay packed for the next call."""

        def make() -> PreparedConv:
            return prepare(self.geometry.rank, kernel, bias, x.shape, self._tweaks(after), None, None, "auto", False)

        return PREPARED.get((self, after), kernel, bias, make)(x, out)

    def transposed(
        self, y: FloatArray, kernel: FloatArray, bias: FloatArray | None, after: After, out: FloatArray | None = None
    ) -> FloatArray:
        """The gradient with respect to the input, as a layer: with what follows it, and weights that stay packed."""

        def make() -> PreparedConv:
            cuts = tuple(_cuts(axis) for axis in self.geometry.axes)
            tweaks = self._tweaks(after)._replace(padding=cuts, transposed=True)
            return prepare(self.geometry.rank, kernel, bias, y.shape, tweaks, None, None, "auto", False)

        return PREPARED.get((self, "transposed", after), kernel, bias, make)(y, out)

    def text(self) -> str:
        """All of it as text, from which `parsed` makes it again.

        Examples
        --------
        >>> conv = SizedConv(ConvGeometry.of(5, 3, padding="same"), True)
        >>> conv.text(), SizedConv.parsed(conv.text()) == conv
        ('[[[5, 3, 1, 1, 1, 1]], [1, 1, 1], true, "zeros"]', True)
        """
        geometry = self.geometry
        axes = [[a.input, a.kernel, a.stride, a.dilation, a.pad_lo, a.pad_hi] for a in geometry.axes]
        channels = [geometry.in_channels, geometry.out_channels, geometry.groups]
        return json.dumps([axes, channels, self.channels_last, self.padding_mode])

    @classmethod
    def parsed(cls, text: str) -> SizedConv:
        """What `text` gave."""
        return _parsed(text)

    def _shape(self, batch: int, size: tuple[int, ...], channels: int) -> tuple[int, ...]:
        return (batch, *size, channels) if self.channels_last else (batch, channels, *size)

    def _tweaks(self, after: After) -> Tweaks:
        geometry = self.geometry
        return Tweaks(
            geometry.strides,
            geometry.pads,
            geometry.dilation_rate,
            geometry.groups,
            "channels_last" if self.channels_last else "channels_first",
            self.padding_mode,
            0,
            *after,
        )


def undone_by(geometry: ConvGeometry) -> ConvGeometry:
    """The ordinary convolution whose gradient with respect to the input is a transposed one.

    Examples
    --------
    >>> undone_by(ConvGeometry.transposed(4, 3, strides=2, padding="same")).formula()
    '(8 - 3 + 0 + 1) / 2 + 1 = 4'
    """
    axes = tuple(
        AxisGeometry(axis.output, axis.kernel, axis.input_dilation, axis.dilation, *axis.cuts) for axis in geometry.axes
    )
    return ConvGeometry(axes, geometry.out_channels, geometry.in_channels, geometry.groups)


def _cuts(axis: AxisGeometry) -> tuple[int, int]:
    """What the transposed convolution cuts from its full result to have as many outputs as this axis has pixels."""
    full = (axis.output - 1) * axis.stride + axis.effective_kernel
    return axis.pad_lo, full - axis.pad_lo - axis.input


@lru_cache(maxsize=1024)
def _parsed(text: str) -> SizedConv:
    axes, (in_channels, out_channels, groups), channels_last, padding_mode = json.loads(text)
    geometry = ConvGeometry(tuple(AxisGeometry(*axis) for axis in axes), in_channels, out_channels, groups)
    return SizedConv(geometry, channels_last, padding_mode)
