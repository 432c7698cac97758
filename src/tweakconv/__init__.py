"""Convolutions you can tweak, see and trust.

A convolution is a handful of integers per axis: input, kernel, padding, stride, dilation. tweakconv turns them
into the exact size and into native code.
"""

from tweakconv.compiler.threads import get_num_threads, set_num_threads
from tweakconv.geometry import AxisGeometry, ConvGeometry, output_size
from tweakconv.inverse import find_geometries
from tweakconv.ops import (
    compile_conv1d,
    compile_conv1d_transpose,
    compile_conv2d,
    compile_conv2d_transpose,
    compile_conv3d,
    compile_conv3d_transpose,
    compile_depthwise_conv1d,
    compile_depthwise_conv2d,
    compile_separable_conv1d,
    compile_separable_conv2d,
    conv1d,
    conv1d_transpose,
    conv2d,
    conv2d_transpose,
    conv3d,
    conv3d_transpose,
    depthwise_conv1d,
    depthwise_conv2d,
    filter2d,
    separable_conv1d,
    separable_conv2d,
)
from tweakconv.prepared import PreparedConv
from tweakconv.receptive_fields import Layer, receptive_field

__version__ = "0.1.0"

__all__ = [
    "AxisGeometry",
    "ConvGeometry",
    "Layer",
    "PreparedConv",
    "compile_conv1d",
    "compile_conv1d_transpose",
    "compile_conv2d",
    "compile_conv2d_transpose",
    "compile_conv3d",
    "compile_conv3d_transpose",
    "compile_depthwise_conv1d",
    "compile_depthwise_conv2d",
    "compile_separable_conv1d",
    "compile_separable_conv2d",
    "conv1d",
    "conv1d_transpose",
    "conv2d",
    "conv2d_transpose",
    "conv3d",
    "conv3d_transpose",
    "depthwise_conv1d",
    "depthwise_conv2d",
    "filter2d",
    "find_geometries",
    "get_num_threads",
    "output_size",
    "receptive_field",
    "separable_conv1d",
    "separable_conv2d",
    "set_num_threads",
]
