"""A convolution on the PyTorch backend into autograd's graph, on tensors whose axes stay in Keras' order.

What the operators of `tweakconv.torch` take are views of Keras' tensors, each of which is recorded and differentiated
too: that takes longer than a small layer. Where nothing but autograd watches, this is called instead. Weights are
packed in each call, as training changes them, and what else a layer needs is worked out once.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tweakconv.arrays import FloatArray
from tweakconv.compiler.target import get_target
from tweakconv.gradients import PreparedKernelGrad
from tweakconv.gradients.layers import gradient_layer
from tweakconv.keras.operation import Operation
from tweakconv.layer import check_shape
from tweakconv.ops.general import bias_of, layer_of
from tweakconv.packing import array_at
from tweakconv.planned import PlannedConv, packing_counts
from tweakconv.torch import operators
from tweakconv.torch.layout import as_it_lies
from tweakconv.torch.quiet import are_plain, is_quiet
from tweakconv.torch.tweaks import Tweaks
from tweakconv.torch.weights import Way

_MOST = 256
"""Plans that are kept."""


def is_recordable(operation: Operation) -> bool:
    """Whether a convolution is one that `recorded` computes: an ordinary one, or depthwise, with zeros around it."""
    return operation.kind != "transposed" and operation.padding_mode == "zeros"


def recorded(x: Tensor, kernel: Tensor, bias: Tensor | None, operation: Operation) -> Tensor:
    """Convolve, without an activation: of one of the types that tweakconv computes in, and with nobody looking on."""
    y: Tensor = _Recorded.apply(x, kernel, bias, operation)
    return y


class _Plan(NamedTuple):
    """What convolutions of inputs of some shape and strides, and their gradients, have in common.

    Attributes
    ----------
    conv, back : PlannedConv
        The convolution, and what computes the gradient of its input.
    way, way_back : Way
        How inputs go through the one, and gradients through the other.
    kernel_grad : PreparedKernelGrad
        What computes the gradient of the kernel.
    placed : tuple of tuple of int
        Shape and strides in bytes of an input without gaps.
    shape : tuple of int
        Of the kernel as tweakconv takes it.
    tweaks : tweakconv.torch.tweaks.Tweaks
        The same in PyTorch's words.
    """

    conv: PlannedConv
    way: Way
    back: PlannedConv
    way_back: Way
    kernel_grad: PreparedKernelGrad
    placed: tuple[tuple[int, ...], tuple[int, ...]]
    shape: tuple[int, ...]
    tweaks: Tweaks

    @classmethod
    def of(cls, x: Tensor, kernel: Tensor, bias: Tensor | None, operation: Operation) -> _Plan:
        """The plan for an input and a kernel."""
        input_shape, shape = tuple(x.shape), operation.kernel_shape(tuple(kernel.shape))
        layer = layer_of(operation.rank, shape, operation.tweaks(operation.channels(input_shape)), residual=False)
        check_shape(layer, input_shape, "inputs")
        dtype, target = x.detach().resolve_neg().numpy().dtype, get_target()
        bias_of(layer, None if bias is None else bias.detach().numpy(), dtype)
        geometry = layer.geometry(layer.size_of(input_shape))
        packs = packing_counts(input_shape[0])

        def planned(of: Any, shape: tuple[int, ...]) -> PlannedConv:
            return PlannedConv(of, dtype, shape, target, algorithm="auto", packs=packs, dtype=dtype)

        grad = torch.empty(layer.shape(input_shape[0], geometry.output_size, layer.out_channels), dtype=x.dtype)
        conv, back = planned(layer, input_shape), planned(gradient_layer(layer, geometry), tuple(grad.shape))
        like = np.empty(input_shape, dtype)
        return cls(
            conv,
            Way.of_arrays(x, conv.usual),
            back,
            Way.of_arrays(grad, back.usual),
            PreparedKernelGrad(layer, (1, *input_shape[1:]), dtype, target),
            (like.shape, like.strides),
            shape,
            Tweaks(layer.strides, geometry.pads, layer.dilation_rate, layer.groups),
        )


def _plan_of(x: Tensor, kernel: Tensor, bias: Tensor | None, operation: Operation) -> _Plan:
    key = x.shape, x.stride(), x.dtype, kernel.shape, None if bias is None else bias.shape, operation
    plan = _plans.get(key)
    if plan is None:
        plan = _Plan.of(x, kernel, bias, operation)
        with _lock:
            if len(_plans) >= _MOST:
                _plans.clear()
            _plans[key] = plan
    return plan


class _Recorded(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor | None, operation: Operation) -> Tensor:
        plan = _plan_of(x, kernel, bias, operation)
        of_x, of_kernel, *_ = ctx.needs_input_grad
        ctx.save_for_backward(x if of_kernel else None, kernel if of_x else None)
        ctx.plan, ctx.operation, ctx.shapes = plan, operation, (x.shape, kernel.shape)
        addends = None if bias is None else bias.detach().numpy()
        way = plan.way
        return plan.conv.packed(_array(kernel, plan), addends, lambda conv, *packed: way.run(conv, x, None, *packed))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        if torch.is_grad_enabled() or not (is_quiet() and are_plain(grad)):
            return *_differentiable(ctx, grad), None
        plan: _Plan = ctx.plan
        (x, kernel), (wants_x, wants_kernel, wants_bias, _) = ctx.saved_tensors, ctx.needs_input_grad
        grad, of_x, of_kernel, of_bias = as_it_lies(grad.contiguous()), None, None, None
        if wants_x:
            way = plan.way_back
            of_x = plan.back.packed(
                _array(kernel, plan), None, lambda conv, *packed: way.run(conv, grad, None, *packed)
            )
        if wants_kernel:
            inputs, of_kernel = as_it_lies(x.contiguous()), torch.empty(ctx.shapes[1], dtype=grad.dtype)
            out = array_at(of_kernel.data_ptr(), plan.shape, plan.kernel_grad.dtype)
            plan.kernel_grad.run_at(*plan.placed, inputs.data_ptr(), grad.data_ptr(), out)
        if wants_bias:
            last = ctx.operation.channels_last
            of_bias = grad.sum(tuple(range(grad.dim() - 1)) if last else (0, *range(2, grad.dim())))
        return of_x, of_kernel, of_bias, None


def _array(kernel: Tensor, plan: _Plan) -> FloatArray:
    array: FloatArray = kernel.detach().numpy()
    return array if array.shape == plan.shape else array.reshape(plan.shape)


def _differentiable(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """The gradients by operators that are differentiated in turn, on views in PyTorch's order."""
    rank, last = ctx.operation.rank, ctx.operation.channels_last
    to_first, to_last = (0, rank + 1, *range(1, rank + 1)), (0, *range(2, rank + 2), 1)
    to_weight, to_kernel = (rank + 1, rank, *range(rank)), (*range(2, rank + 2), 1, 0)

    def images(tensor: Tensor | None) -> Any:
        return tensor.permute(to_first) if last and tensor is not None else tensor

    x, kernel = ctx.saved_tensors
    weight = None if kernel is None else kernel.reshape(ctx.plan.shape).permute(to_weight)
    (x_shape, kernel_shape), tweaks = ctx.shapes, ctx.plan.tweaks
    of_x, of_weight, of_bias = operators.convolution_grads(
        images(x), weight, images(grad), (x_shape[1:-1] if last else x_shape[2:], kernel_shape[:rank]), tweaks,
        ctx.needs_input_grad,
    )  # fmt: skip
    if of_x is not None and last:
        of_x = of_x.permute(to_last)
    if of_weight is not None:
        of_weight = of_weight.permute(to_kernel).reshape(kernel_shape)
    return of_x, of_weight, of_bias


_plans: dict[object, _Plan] = {}
_lock = threading.Lock()
