"""Convolutions you can tweak, see and trust.

A convolution is a handful of integers per axis: input, kernel, padding, stride, dilation. tweakconv turns them
into the exact size and into native code.
"""

from tweakconv.compiler.threads import get_num_threads, set_num_threads
from tweakconv.geometry import AxisGeometry, ConvGeometry, output_size
from tweakconv.inverse import find_geometries
from tweakconv.ops import compile_conv2d, conv2d, filter2d
from tweakconv.prepared import PreparedConv2D
from tweakconv.receptive_fields import Layer, receptive_field

__version__ = "0.1.0"

__all__ = [
    "AxisGeometry",
    "ConvGeometry",
    "Layer",
    "PreparedConv2D",
    "compile_conv2d",
    "conv2d",
    "filter2d",
    "find_geometries",
    "get_num_threads",
    "output_size",
    "receptive_field",
    "set_num_threads",
]
