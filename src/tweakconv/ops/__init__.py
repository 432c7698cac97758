"""The operations on arrays: one general convolution under thin wrappers, each as a call and as something prepared."""

from tweakconv.ops.conv import compile_conv1d, compile_conv2d, compile_conv3d, conv1d, conv2d, conv3d
from tweakconv.ops.depthwise import (
    compile_depthwise_conv1d,
    compile_depthwise_conv2d,
    depthwise_conv1d,
    depthwise_conv2d,
)
from tweakconv.ops.filter2d import filter2d
from tweakconv.ops.separable import (
    compile_separable_conv1d,
    compile_separable_conv2d,
    separable_conv1d,
    separable_conv2d,
)
from tweakconv.ops.transposed import (
    compile_conv1d_transpose,
    compile_conv2d_transpose,
    compile_conv3d_transpose,
    conv1d_transpose,
    conv2d_transpose,
    conv3d_transpose,
)

__all__ = [
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
    "separable_conv1d",
    "separable_conv2d",
]
