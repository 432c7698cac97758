"""Gradients of convolutions: with respect to the input, the kernel and the bias, and through a fused activation."""

from tweakconv.gradients.activation import activation_grad, activation_keeps
from tweakconv.gradients.bias import bias_grad
from tweakconv.gradients.input_gradient import PreparedInputGrad
from tweakconv.gradients.kernel_gradient import PreparedKernelGrad

__all__ = ["PreparedInputGrad", "PreparedKernelGrad", "activation_grad", "activation_keeps", "bias_grad"]
