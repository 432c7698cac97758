"""ONNX Runtime on the board.

The weights are constants of the model, which ONNX Runtime packs when it creates the session; input and output
are bound once, so that a call copies nothing. The quicker of two graph optimization levels runs, chosen anew
for each line: ``all`` lets it compute in its blocked NCHWc layout, with reorders before and after,
``extended`` keeps to NCHW (much the quicker one for images of one channel).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tweakconv.bench.contender import Contender, Prepared, Ways
from tweakconv.bench.peers.onnx_model import onnx_model
from tweakconv.bench.problem import Problem

__all__ = ["contenders"]


def contenders(threads: int) -> tuple[Contender, ...]:
    """ONNX Runtime's CPU execution provider."""
    import onnxruntime  # noqa: PLC0415 - only the measuring process needs it

    return (_OnnxRuntime(onnxruntime, threads),)


@dataclass(frozen=True, slots=True)
class _OnnxRuntime:
    ort: Any
    threads: int
    name: str = "ONNX Runtime"

    def ways(self, problem: Problem) -> Ways:
        model, levels = onnx_model(problem), self.ort.GraphOptimizationLevel
        return {
            "all": lambda: self._way(problem, model, levels.ORT_ENABLE_ALL),
            "extended": lambda: self._way(problem, model, levels.ORT_ENABLE_EXTENDED),
        }

    def _way(self, problem: Problem, model: bytes, level: Any) -> Prepared:
        ort = self.ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = level
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", ort.OrtValue.ortvalue_from_numpy(problem.nchw))
        binding.bind_output("y", "cpu")
        return Prepared(
            lambda: session.run_with_iobinding(binding),
            lambda _: binding.copy_outputs_to_cpu()[0].transpose(0, 2, 3, 1),
        )
