"""What a tweak means: the size, the pads and the taps of a convolution, in plain integers.

Along one axis a convolution is a window of ``kernel`` taps, ``dilation`` positions apart, that moves
``stride`` positions at a time over an input with ``pad_lo`` positions added before it and ``pad_hi`` behind
it. Everything else follows (Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016,
https://arxiv.org/abs/1603.07285):

- the effective kernel ``E = dilation * (kernel - 1) + 1`` is what the window spans;
- the effective input ``J = input_dilation * (input - 1) + 1`` is what the pixels span, more than there are of
  them in a transposed convolution only;
- ``output = floor((J + pad_lo + pad_hi - E) / stride) + 1``;
- the tap map says which pixel meets which weight: ``y[o]`` is the sum over ``k`` of
  ``x[axis.tap(o, k)] * w[k]``, where a tap of ``None`` reads the padding.

A published lecture prints the size as ``(I - K + 2P) / (S + 1)`` and then computes
``(28 - 3 + 2) / 1 + 1 = 28``. The computation is right and the print is not: the 1 is added after the
division, for it counts the first window, which takes no step. At stride 3 the misprint would give 27 / 4; the
size is 27 / 3 + 1 = 10.

>>> print(ConvGeometry.of(28, 3, strides=3, padding=1).formula())
(28 - 3 + 2*1) / 3 + 1 = 10
"""

from tweakconv.geometry.arguments import IntPerAxis
from tweakconv.geometry.axis import AxisGeometry, effective_kernel, span
from tweakconv.geometry.conv import ConvGeometry, output_size
from tweakconv.geometry.gradients import gradient_padding
from tweakconv.geometry.padding import PADDING_MODES, PADDINGS, PaddingLike, extend
from tweakconv.geometry.phases import AxisPhase, DilatedPhase
from tweakconv.geometry.unread import UnreadPerAxis, UnreadPixels

__all__ = [
    "PADDINGS",
    "PADDING_MODES",
    "AxisGeometry",
    "AxisPhase",
    "ConvGeometry",
    "DilatedPhase",
    "IntPerAxis",
    "PaddingLike",
    "UnreadPerAxis",
    "UnreadPixels",
    "effective_kernel",
    "extend",
    "gradient_padding",
    "output_size",
    "span",
]
