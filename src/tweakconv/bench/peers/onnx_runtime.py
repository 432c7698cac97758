"""ONNX Runtime on the board.

The weights are constants of the model, which ONNX Runtime packs when it creates the session; input and output
are bound once, so that a call copies nothing. The quicker of two graph optimization levels runs, chosen anew
for each line: ``all`` lets it compute in its blocked NCHWc layout, with reorders before and after,
``extended`` keeps to NCHW (much the quicker one for images of one channel).
"""

from __future__ import annotations

from dataclasses import dataclass

import onnxruntime as ort

from tweakconv.bench.contender import Contender, Prepared, fastest
from tweakconv.bench.peers.onnx_model import onnx_model
from tweakconv.bench.problem import Problem

__all__ = ["contenders"]

_LEVELS = {
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
}


def contenders(threads: int) -> tuple[Contender, ...]:
    """ONNX Runtime's CPU execution provider."""
    return (_OnnxRuntime(threads),)


@dataclass(frozen=True, slots=True)
class _OnnxRuntime:
    threads: int
    name: str = "ONNX Runtime"

    def prepare(self, problem: Problem) -> Prepared:
        model = onnx_model(problem)
        return fastest({name: self._way(problem, model, level) for name, level in _LEVELS.items()})

    def _way(self, problem: Problem, model: bytes, level: ort.GraphOptimizationLevel) -> Prepared:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = level
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", ort.OrtValue.ortvalue_from_numpy(problem.nchw))
        binding.bind_output("y", "cpu")
        return Prepared(
            lambda: session.run_with_iobinding(binding),
            lambda _: binding.copy_outputs_to_cpu()[0].transpose(0, 2, 3, 1),
        )
