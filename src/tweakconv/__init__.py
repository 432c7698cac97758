"""Convolutions you can tweak, see and trust.

A convolution is a handful of integers per axis: input, kernel, padding, stride, dilation. tweakconv turns them
into the exact size, into pictures and into native code.
"""

# ruff: noqa: F405 - the names of the gradients, which are loaded late

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from tweakconv.ops.gradients import *  # noqa: F403
    from tweakconv.view.animation import animate as animate
    from tweakconv.view.plotting import plot_receptive_field as plot_receptive_field
    from tweakconv.view.widget import explore as explore

__version__ = "0.1.0"

__all__ = [
    "AxisGeometry",
    "ConvGeometry",
    "Layer",
    "PreparedConv",
    "PreparedInputGrad",
    "PreparedKernelGrad",
    "activation_grad",
    "activation_keeps",
    "bias_grad",
    "compile_conv1d",
    "compile_conv1d_input_grad",
    "compile_conv1d_kernel_grad",
    "compile_conv1d_transpose",
    "compile_conv1d_transpose_input_grad",
    "compile_conv1d_transpose_kernel_grad",
    "compile_conv2d",
    "compile_conv2d_input_grad",
    "compile_conv2d_kernel_grad",
    "compile_conv2d_transpose",
    "compile_conv2d_transpose_input_grad",
    "compile_conv2d_transpose_kernel_grad",
    "compile_conv3d",
    "compile_conv3d_input_grad",
    "compile_conv3d_kernel_grad",
    "compile_conv3d_transpose",
    "compile_conv3d_transpose_input_grad",
    "compile_conv3d_transpose_kernel_grad",
    "compile_depthwise_conv1d",
    "compile_depthwise_conv2d",
    "compile_separable_conv1d",
    "compile_separable_conv2d",
    "conv1d",
    "conv1d_input_grad",
    "conv1d_kernel_grad",
    "conv1d_transpose",
    "conv1d_transpose_input_grad",
    "conv1d_transpose_kernel_grad",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_kernel_grad",
    "conv2d_transpose",
    "conv2d_transpose_input_grad",
    "conv2d_transpose_kernel_grad",
    "conv3d",
    "conv3d_input_grad",
    "conv3d_kernel_grad",
    "conv3d_transpose",
    "conv3d_transpose_input_grad",
    "conv3d_transpose_kernel_grad",
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

# What is on offer but not here yet, the gradients, is loaded when it is first asked for; so is what shows things, for
# which `from tweakconv import *` does not ask.
_LAZY = {
    **{name: "tweakconv.ops.gradients" for name in __all__ if name not in globals()},
    "animate": "tweakconv.view.animation",
    "explore": "tweakconv.view.widget",
    "plot_receptive_field": "tweakconv.view.plotting",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_LAZY[name]), name)
    except ModuleNotFoundError as missing:
        needed = missing.name
    raise ModuleNotFoundError(f'{needed} is not installed; run: pip install "tweakconv[view]"', name=needed)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
