"""Gradients of convolutions as operations on arrays, each as a call and as something prepared."""

from tweakconv.gradients import PreparedInputGrad, PreparedKernelGrad, activation_grad, activation_keeps, bias_grad
from tweakconv.ops.gradients.input_grad import (
    compile_conv1d_input_grad,
    compile_conv2d_input_grad,
    compile_conv3d_input_grad,
    conv1d_input_grad,
    conv2d_input_grad,
    conv3d_input_grad,
)
from tweakconv.ops.gradients.kernel_grad import (
    compile_conv1d_kernel_grad,
    compile_conv2d_kernel_grad,
    compile_conv3d_kernel_grad,
    conv1d_kernel_grad,
    conv2d_kernel_grad,
    conv3d_kernel_grad,
)
from tweakconv.ops.gradients.transposed_input_grad import (
    compile_conv1d_transpose_input_grad,
    compile_conv2d_transpose_input_grad,
    compile_conv3d_transpose_input_grad,
    conv1d_transpose_input_grad,
    conv2d_transpose_input_grad,
    conv3d_transpose_input_grad,
)
from tweakconv.ops.gradients.transposed_kernel_grad import (
    compile_conv1d_transpose_kernel_grad,
    compile_conv2d_transpose_kernel_grad,
    compile_conv3d_transpose_kernel_grad,
    conv1d_transpose_kernel_grad,
    conv2d_transpose_kernel_grad,
    conv3d_transpose_kernel_grad,
)

__all__ = [
    "PreparedInputGrad",
    "PreparedKernelGrad",
    "activation_grad",
    "activation_keeps",
    "bias_grad",
    "compile_conv1d_input_grad",
    "compile_conv1d_kernel_grad",
    "compile_conv1d_transpose_input_grad",
    "compile_conv1d_transpose_kernel_grad",
    "compile_conv2d_input_grad",
    "compile_conv2d_kernel_grad",
    "compile_conv2d_transpose_input_grad",
    "compile_conv2d_transpose_kernel_grad",
    "compile_conv3d_input_grad",
    "compile_conv3d_kernel_grad",
    "compile_conv3d_transpose_input_grad",
    "compile_conv3d_transpose_kernel_grad",
    "conv1d_input_grad",
    "conv1d_kernel_grad",
    "conv1d_transpose_input_grad",
    "conv1d_transpose_kernel_grad",
    "conv2d_input_grad",
    "conv2d_kernel_grad",
    "conv2d_transpose_input_grad",
    "conv2d_transpose_kernel_grad",
    "conv3d_input_grad",
    "conv3d_kernel_grad",
    "conv3d_transpose_input_grad",
    "conv3d_transpose_kernel_grad",
]
