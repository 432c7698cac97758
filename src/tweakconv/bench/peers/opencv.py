"""OpenCV on the board: ``filter2D`` on images of one channel, the ``dnn`` module for everything else.

``filter2D`` has nothing to pack; it writes into an output that is there already. ``dnn`` packs its weights at
the first forward pass and includes Winograd; its input blob is set before each pass, for otherwise it would
return what it has computed before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tweakconv.bench.contender import CannotExpressError, Contender, Prepared
from tweakconv.bench.peers.onnx_model import onnx_model
from tweakconv.bench.problem import Problem

__all__ = ["contenders"]


def contenders(threads: int) -> tuple[Contender, ...]:
    """OpenCV in the module that is made for the line."""
    import cv2  # noqa: PLC0415 - only the measuring process needs it

    cv2.setNumThreads(threads)
    return (_OpenCv(cv2),)


@dataclass(frozen=True, slots=True)
class _OpenCv:
    cv2: Any
    name: str = "OpenCV"

    def prepare(self, problem: Problem) -> Prepared:
        return (_filter2d if problem.line.one_filter else _dnn)(self.cv2, problem)


def _filter2d(cv2: Any, problem: Problem) -> Prepared:
    image = np.ascontiguousarray(problem.x[0, ..., 0])
    kernel = np.ascontiguousarray(problem.kernel[..., 0, 0])
    out = np.empty_like(image)

    def run() -> Any:
        return cv2.filter2D(image, -1, kernel, dst=out, borderType=cv2.BORDER_CONSTANT)

    return Prepared(run, lambda y: y[None, ..., None], how="filter2D")


def _dnn(cv2: Any, problem: Problem) -> Prepared:
    try:
        model = onnx_model(problem)
    except ImportError as error:
        raise CannotExpressError("cv2.dnn reads the line as ONNX: pip install onnx") from error
    net = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))
    x = problem.nchw

    def run() -> Any:
        net.setInput(x)
        return net.forward()

    return Prepared(run, lambda y: y.transpose(0, 2, 3, 1), how="dnn")
