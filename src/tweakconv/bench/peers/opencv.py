"""OpenCV on the board: ``filter2D`` where the line is a filter over an image, the ``dnn`` module for all lines.

``filter2D`` has nothing to pack; it writes into an output that is there already, takes the channels of a colour
picture together, and knows no dilation: its kernel gets zeros in the gaps. ``dnn`` packs its weights at the first
forward pass and includes Winograd; its input blob is set before each pass, for otherwise it would return what it has
computed before. OpenCV 5 has two engines for it, a new and the classic one. The quickest of all these runs, chosen
anew for each line.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tweakconv.bench.contender import Contender, Prepared, Ways
from tweakconv.bench.peers.onnx_model import onnx_model
from tweakconv.bench.problem import Problem

__all__ = ["contenders"]


def contenders(threads: int) -> tuple[Contender, ...]:
    """OpenCV in the module that suits the line."""
    import cv2  # noqa: PLC0415 - only the measuring process needs it

    cv2.setNumThreads(threads)
    return (_OpenCv(cv2),)


@dataclass(frozen=True, slots=True)
class _OpenCv:
    cv2: Any
    name: str = "OpenCV"

    def ways(self, problem: Problem) -> Ways:
        ways = {name: partial(_dnn, self.cv2, problem, engine) for name, engine in _engines(self.cv2).items()}
        return {"filter2D": partial(_filter2d, self.cv2, problem)} | ways if problem.line.image_filter else ways


def _engines(cv2: Any) -> dict[str, tuple[int, ...]]:
    """The engines of ``dnn``, as what `readNetFromONNX` takes besides the model."""
    if not hasattr(cv2.dnn, "ENGINE_NEW"):
        return {"dnn": ()}
    return {"dnn": (cv2.dnn.ENGINE_NEW,), "dnn, classic engine": (cv2.dnn.ENGINE_CLASSIC,)}


def _filter2d(cv2: Any, problem: Problem) -> Prepared:
    line = problem.line
    kernel = np.zeros(line.geometry.effective_kernel_size, np.float32)
    kernel[:: line.dilation_rate[0], :: line.dilation_rate[1]] = problem.kernel[..., 0, 0]
    images, outs = problem.x, np.empty_like(problem.x)

    def run() -> Any:
        for image, out in zip(images, outs, strict=True):
            cv2.filter2D(image, -1, kernel, dst=out, borderType=cv2.BORDER_CONSTANT)
        return outs

    return Prepared(run, lambda y: y)


def _dnn(cv2: Any, problem: Problem, engine: tuple[int, ...]) -> Prepared:
    net = cv2.dnn.readNetFromONNX(np.frombuffer(onnx_model(problem), np.uint8), *engine)
    x = problem.nchw

    def run() -> Any:
        net.setInput(x)
        return net.forward()

    return Prepared(run, lambda y: y.transpose(0, 2, 3, 1))
