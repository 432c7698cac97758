"""OpenVINO on the board.

The model is built with OpenVINO's own operations, with constant weights, which the CPU plugin packs when it
compiles the model, for latency and in true float32 (on processors with bfloat16 units it would use those).
The quicker of two layouts of input and output runs, chosen anew for each line: NHWC, where the plugin's
kernels need no reordering, and NCHW.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tweakconv.bench.contender import Contender, Prepared, Ways
from tweakconv.bench.problem import Problem

__all__ = ["contenders"]


def contenders(threads: int) -> tuple[Contender, ...]:
    """OpenVINO's CPU plugin."""
    import openvino  # noqa: PLC0415 - only the measuring process needs it
    import openvino.opset13  # noqa: PLC0415
    import openvino.preprocess  # noqa: PLC0415

    return (_OpenVino(openvino, threads),)


@dataclass(frozen=True, slots=True)
class _OpenVino:
    ov: Any
    threads: int
    name: str = "OpenVINO"

    def ways(self, problem: Problem) -> Ways:
        return {"NHWC": lambda: self._way(problem, last=True), "NCHW": lambda: self._way(problem, last=False)}

    def _way(self, problem: Problem, *, last: bool) -> Prepared:
        ov = self.ov
        model = _model(ov, problem)
        settings = {
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,  # the process is pinned already, if at all
        }
        compiled = ov.Core().compile_model(_channels_last(ov, model) if last else model, "CPU", settings)
        request = compiled.create_infer_request()
        request.set_input_tensor(ov.Tensor(problem.x if last else problem.nchw))

        def to_nhwc(_: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
            y: np.ndarray[Any, np.dtype[np.float32]] = request.get_output_tensor().data
            return y if last else y.transpose(0, 2, 3, 1)

        return Prepared(request.infer, to_nhwc)


def _model(ov: Any, problem: Problem) -> Any:
    line, weights, operations = problem.line, problem.oihw, ov.opset13
    x = operations.parameter((line.batch, line.in_channels, *line.image), np.float32)
    tweaks = {
        "strides": line.strides,
        "pads_begin": line.pad,
        "pads_end": line.pad,
        "dilations": line.dilation_rate,
    }
    if line.groups == 1:
        y = operations.convolution(x, operations.constant(weights), **tweaks)
    else:
        grouped = weights.reshape(line.groups, line.out_channels // line.groups, *weights.shape[1:])
        y = operations.group_convolution(x, operations.constant(grouped), **tweaks)
    if problem.bias is not None:
        y = operations.add(y, operations.constant(problem.bias.reshape(1, -1, 1, 1)))
    return ov.Model([y], [x], "line")


def _channels_last(ov: Any, model: Any) -> Any:
    """The same model with NHWC arrays outside."""
    outside = ov.preprocess.PrePostProcessor(model)
    for end in (outside.input(), outside.output()):
        end.tensor().set_layout(ov.Layout("NHWC"))
        end.model().set_layout(ov.Layout("NCHW"))
    return outside.build()
