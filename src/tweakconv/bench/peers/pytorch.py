"""PyTorch on the board, in both memory formats.

In each format the quickest of these ways runs, chosen anew for each line:

- ``plain``: ``torch.nn.functional.conv2d`` under ``inference_mode``; oneDNN reorders the weights at each call.
- ``prepacked``: the operator that TorchInductor emits for frozen CPU models
  (``torch.ops.mkldnn._convolution_pointwise``), on weights reordered once. It is the quickest nearly everywhere.
- ``blocked`` (contiguous format only): ``torch.utils.mkldnn.to_mkldnn``, with the weights prepacked, the
  input kept as an oneDNN tensor and the output left in oneDNN's blocked layout.

``torch.jit.optimize_for_inference`` reaches the same oneDNN code and adds about 30 µs a call, so it is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils import mkldnn

from tweakconv.bench.contender import Contender, Prepared, fastest
from tweakconv.bench.problem import Problem

__all__ = ["contenders"]


def contenders(threads: int) -> tuple[Contender, ...]:
    """PyTorch in channels_last and in contiguous format."""
    torch.set_num_threads(threads)
    # Inference for the whole process: entering the mode at each call would cost a microsecond of PyTorch's time.
    torch.inference_mode(True).__enter__()
    return (
        _PyTorch("PyTorch NHWC", torch.channels_last),
        _PyTorch("PyTorch NCHW", torch.contiguous_format),
    )


@dataclass(frozen=True, slots=True)
class _PyTorch:
    name: str
    memory_format: torch.memory_format

    def prepare(self, problem: Problem) -> Prepared:
        x = torch.from_numpy(problem.nchw).contiguous(memory_format=self.memory_format)
        weight = torch.from_numpy(problem.oihw).contiguous(memory_format=self.memory_format)
        bias = None if problem.bias is None else torch.from_numpy(problem.bias)
        ways = {"plain": _plain(problem, x, weight, bias)}
        if torch.backends.mkldnn.is_available():
            ways["prepacked"] = _prepacked(problem, x, weight, bias)
            if self.memory_format == torch.contiguous_format:
                ways["blocked"] = _blocked(problem, x, weight, bias)
        return fastest(ways)


def _plain(problem: Problem, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> Prepared:
    line = problem.line
    arguments = (x, weight, bias, line.strides, line.pad, line.dilation_rate, line.groups)
    return Prepared(lambda: torch.nn.functional.conv2d(*arguments), _to_nhwc)


def _prepacked(problem: Problem, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> Prepared:
    line, ops = problem.line, torch.ops.mkldnn
    tweaks = ([*line.pad], [*line.strides], [*line.dilation_rate], line.groups)
    packed = ops._reorder_convolution_weight(weight, *tweaks, list(x.shape))
    return Prepared(lambda: ops._convolution_pointwise(x, packed, bias, *tweaks, "none", [], ""), _to_nhwc)


def _blocked(problem: Problem, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> Prepared:
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
    layer.weight.copy_(weight)
    if bias is not None and layer.bias is not None:
        layer.bias.copy_(bias)
    packed, blocked = mkldnn.to_mkldnn(layer), x.to_mkldnn()
    return Prepared(lambda: packed(blocked), lambda y: _to_nhwc(y.to_dense()))


def _to_nhwc(y: Any) -> NDArray[np.floating]:
    result: NDArray[np.floating] = y.numpy().transpose(0, 2, 3, 1)
    return result
