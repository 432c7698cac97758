"""PyTorch on the board, in both memory formats, under ``inference_mode``.

In each format the quickest of these ways runs, found anew for each line:

- ``plain``: ``torch.nn.functional.conv2d``; oneDNN reorders the weights at each call.
- ``prepacked``: ``torch.ops.mkldnn._convolution_pointwise``, the operator that TorchInductor emits for frozen CPU
  models, on weights reordered once. In channels_last it is the quickest on nearly every line.
- ``blocked`` (contiguous format only): ``torch.utils.mkldnn.to_mkldnn``, with the weights prepacked, the input kept
  as an oneDNN tensor and the output left in oneDNN's blocked layout.

What the functional call is compared with is ``plain`` in the quicker of the two formats.

``torch.jit.optimize_for_inference`` reaches the same oneDNN code, and is slower than the best of these on every
line (PyTorch 2.13: by 15 to 50 %).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tweakconv.bench.contender import Contender, Prepared, Ways
from tweakconv.bench.problem import Problem

__all__ = ["contenders", "functional"]


def contenders(threads: int) -> tuple[Contender, ...]:
    """PyTorch in channels_last and in contiguous format."""
    torch, mode = _started(threads)
    return (
        _PyTorch("PyTorch NHWC", torch, torch.channels_last, mode),
        _PyTorch("PyTorch NCHW", torch, torch.contiguous_format, mode),
    )


def functional(threads: int) -> Contender:
    """``torch.nn.functional.conv2d``, to which the weights are handed at each call."""
    return _Functional(*_started(threads))


def _started(threads: int) -> tuple[Any, Any]:
    """PyTorch, and the mode it is in."""
    import torch  # noqa: PLC0415 - only the measuring process needs it

    torch.set_num_threads(threads)
    # Entered once and never left: entering it at each call would be on PyTorch's time.
    mode = torch.inference_mode()
    mode.__enter__()
    return torch, mode


@dataclass(frozen=True, slots=True)
class _PyTorch:
    name: str
    torch: Any
    memory_format: Any
    mode: Any  # it would end with the object

    def ways(self, problem: Problem) -> Ways:
        torch = self.torch
        x, weight, bias = _tensors(torch, problem, self.memory_format)
        ways = {"plain": lambda: _plain(torch, problem, x, weight, bias)}
        if torch.backends.mkldnn.is_available():
            ways["prepacked"] = lambda: _prepacked(torch, problem, x, weight, bias)
            if self.memory_format == torch.contiguous_format:
                ways["blocked"] = lambda: _blocked(torch, problem, x, weight, bias)
        return ways


@dataclass(frozen=True, slots=True)
class _Functional:
    torch: Any
    mode: Any
    name: str = "PyTorch conv2d"

    def ways(self, problem: Problem) -> Ways:
        torch = self.torch
        last, first = torch.channels_last, torch.contiguous_format
        return {
            "NHWC": lambda: _plain(torch, problem, *_tensors(torch, problem, last)),
            "NCHW": lambda: _plain(torch, problem, *_tensors(torch, problem, first)),
        }


def _tensors(torch: Any, problem: Problem, memory_format: Any) -> tuple[Any, Any, Any]:
    """Input, weight and bias."""
    x, weight = (
        torch.from_numpy(array).contiguous(memory_format=memory_format) for array in (problem.nchw, problem.oihw)
    )
    return x, weight, None if problem.bias is None else torch.from_numpy(problem.bias)


def _plain(torch: Any, problem: Problem, x: Any, weight: Any, bias: Any) -> Prepared:
    line, conv2d = problem.line, torch.nn.functional.conv2d
    return Prepared(lambda: conv2d(x, weight, bias, line.strides, line.pad, line.dilation_rate, line.groups), _to_nhwc)


def _prepacked(torch: Any, problem: Problem, x: Any, weight: Any, bias: Any) -> Prepared:
    line, ops = problem.line, torch.ops.mkldnn
    tweaks = ([*line.pad], [*line.strides], [*line.dilation_rate], line.groups)
    packed = ops._reorder_convolution_weight(weight, *tweaks, list(x.shape))
    return Prepared(lambda: ops._convolution_pointwise(x, packed, bias, *tweaks, "none", [], ""), _to_nhwc)


def _blocked(torch: Any, problem: Problem, x: Any, weight: Any, bias: Any) -> Prepared:
    from torch.utils import mkldnn  # noqa: PLC0415 - as above

    line = problem.line
    layer = torch.nn.Conv2d(
        line.in_channels,
        line.out_channels,
        line.kernel,
        line.strides,
        line.pad,
        line.dilation_rate,
        line.groups,
        bias=bias is not None,
    ).eval()
    layer.weight = torch.nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        layer.bias = torch.nn.Parameter(bias, requires_grad=False)
    to_mkldnn: Any = mkldnn.to_mkldnn
    packed, blocked = to_mkldnn(layer), x.to_mkldnn()
    return Prepared(lambda: packed(blocked), lambda y: _to_nhwc(y.to_dense()))


def _to_nhwc(y: Any) -> NDArray[np.floating]:
    result: NDArray[np.floating] = y.numpy().transpose(0, 2, 3, 1)
    return result
