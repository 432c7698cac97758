"""MNN on the board.

The model is converted from ONNX, so that the weights are a part of it and MNN packs them when it loads it. Input and
output are then put into MNN's packed layout (NC4HW4), as its layers hand them to each other. Everything is in float32.

MNN chooses large tiles for Winograd by default, whose relative errors are around 1e-4, which is not what float32 is
for; its hint to keep Winograd's memory small makes it choose small tiles, with errors of 1e-6. Both ways are tried.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tweakconv.bench.contender import Contender, Prepared, Ways
from tweakconv.bench.peers.onnx_model import onnx_model
from tweakconv.bench.problem import Problem

__all__ = ["contenders"]

#: The number of the hint, in MNN's `Interpreter::HintMode`, and a value that keeps tiles small.
_WINOGRAD_MEMORY_LEVEL, _SMALL_TILES = 3, 1


def contenders(threads: int) -> tuple[Contender, ...]:
    """MNN's CPU backend."""
    import _tools  # noqa: PLC0415 - MNN's converter; MNN.tools.mnnconvert reads the command line
    import MNN  # noqa: PLC0415 - only the measuring process needs it
    import MNN.expr  # noqa: PLC0415

    return (_Mnn(MNN, _tools.mnnconvert, threads),)


@dataclass(frozen=True, slots=True)
class _Mnn:
    mnn: Any
    convert: Any
    threads: int
    name: str = "MNN"

    def ways(self, problem: Problem) -> Ways:
        return {
            "large Winograd tiles": partial(self._way, problem, ()),
            "small Winograd tiles": partial(self._way, problem, (_WINOGRAD_MEMORY_LEVEL, _SMALL_TILES)),
        }

    def _way(self, problem: Problem, hint: tuple[int, ...]) -> Prepared:
        mnn = self.mnn
        with tempfile.TemporaryDirectory() as folder:
            net = mnn.Interpreter(self._model(problem, Path(folder)))
        if hint:
            net.setSessionHint(*hint)
        session = net.createSession({"backend": "CPU", "numThread": self.threads, "precision": "normal"})
        net.getSessionInput(session).copyFrom(_tensor(mnn, problem.nchw))

        def to_nhwc(_: Any) -> NDArray[np.floating]:
            y = net.getSessionOutput(session)
            result = _tensor(mnn, np.zeros(y.getShape(), np.float32))
            y.copyToHostTensor(result)
            channels_first: NDArray[np.floating] = np.array(result.getNumpyData())
            return channels_first.transpose(0, 2, 3, 1)

        return Prepared(lambda: net.runSession(session), to_nhwc)

    def _model(self, problem: Problem, folder: Path) -> str:
        """The path of a model in that folder, with packed layouts outside."""
        expr, line = self.mnn.expr, problem.line
        original, converted, packed = (str(folder / f"line.{end}") for end in ("onnx", "mnn", "packed.mnn"))
        Path(original).write_bytes(onnx_model(problem))
        self.convert(["", "-f", "ONNX", "--modelFile", original, "--MNNModel", converted, "--bizCode", "line"])
        graph = expr.load_as_dict(converted)
        graph["x"].replace(expr.placeholder([line.batch, line.in_channels, *line.image], expr.NC4HW4, expr.float))
        y = graph["y"]
        while y.op_type == "ConvertTensor":  # from the packed layout to ONNX's
            (y,) = y.inputs
        expr.save([y], packed)
        return packed


def _tensor(mnn: Any, values: NDArray[np.floating]) -> Any:
    """A tensor over a contiguous NCHW array."""
    return mnn.Tensor(values.shape, mnn.Halide_Type_Float, values, mnn.Tensor_DimensionType_Caffe)
