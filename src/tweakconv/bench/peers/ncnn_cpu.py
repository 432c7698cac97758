"""ncnn on the board.

The net has one layer, whose weights ncnn packs when it loads them. The input is packed beforehand as ncnn's
layers hand it to each other (16, 8 or 4 channels interleaved, what the processor's vectors hold), and the
output is left packed. ncnn takes one image at a time: a batch is as many calls. Everything is in float32: the
half-precision modes are off. Winograd is on, as it is by default.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tweakconv.bench.contender import Contender, Prepared, Ways
from tweakconv.bench.problem import Problem
from tweakconv.compiler.target import TARGETS, runnable_targets

__all__ = ["contenders"]

_HALF_PRECISION = (
    "use_fp16_storage",
    "use_fp16_packed",
    "use_fp16_arithmetic",
    "use_bf16_storage",
    "use_bf16_packed",
)
#: Results of `extract` in the layout in which the layer left them.
_AS_IT_IS = 1


def contenders(threads: int) -> tuple[Contender, ...]:
    """The CPU layers of ncnn."""
    import ncnn  # noqa: PLC0415 - only the measuring process needs it

    return (_Ncnn(ncnn, threads),)


@dataclass(frozen=True, slots=True)
class _Ncnn:
    ncnn: Any
    threads: int
    name: str = "ncnn"

    def ways(self, problem: Problem) -> Ways:
        pack = _pack(problem.line.in_channels)
        return {f"{pack} channels interleaved": lambda: self._packed(problem, pack)}

    def _packed(self, problem: Problem, pack: int) -> Prepared:
        ncnn, net = self.ncnn, self._net(problem)
        planes = problem.nchw  # a Mat does not keep alive the array it was made of
        images = [_packed(ncnn, ncnn.Mat(values).clone(), pack) for values in planes]

        def run() -> Any:
            results = []
            for image in images:
                extractor = net.create_extractor()
                extractor.input("x", image)
                results.append(extractor.extract("y", _AS_IT_IS)[1])
            return results

        def to_nhwc(results: Any) -> NDArray[np.floating]:
            return np.stack([np.array(_packed(ncnn, y, 1)) for y in results]).transpose(0, 2, 3, 1)

        return Prepared(run, to_nhwc)

    def _net(self, problem: Problem) -> Any:
        net = self.ncnn.Net()
        net.opt.num_threads = self.threads
        net.opt.use_vulkan_compute = False
        for mode in _HALF_PRECISION:
            setattr(net.opt, mode, False)
        net.load_param_mem(_structure(problem))
        bias = b"" if problem.bias is None else problem.bias.tobytes()
        # ncnn's Python loads weights from a file only. Four zero bytes announce float32.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "weights.bin")
            path.write_bytes(bytes(4) + problem.oihw.tobytes() + bias)
            net.load_model(str(path))
        return net


def _structure(problem: Problem) -> str:
    """The net as ncnn's text: a magic number, the counts of layers and blobs, and the layers."""
    line = problem.line
    (kernel_h, kernel_w), (stride_h, stride_w) = line.kernel, line.strides
    (rate_h, rate_w), (pad_h, pad_w) = line.dilation_rate, line.pad
    # The numbers of these parameters are those of ncnn's documentation ("operators", Convolution).
    parameters = {
        0: line.out_channels,
        1: kernel_w,
        11: kernel_h,
        2: rate_w,
        12: rate_h,
        3: stride_w,
        13: stride_h,
        4: pad_w,
        14: pad_h,
        5: int(line.bias),
        6: problem.oihw.size,
    }
    layer = "Convolution"
    if line.groups > 1:
        layer, parameters[7] = "ConvolutionDepthWise", line.groups
    values = " ".join(f"{key}={value}" for key, value in parameters.items())
    return f"7767517\n2 2\nInput x 0 1 x\n{layer} line 1 1 x y {values}\n"


def _pack(channels: int) -> int:
    """How many channels ncnn interleaves on this processor."""
    lanes = max(TARGETS[name].lanes(4) for name in runnable_targets())
    return next((pack for pack in (16, 8, 4) if pack <= lanes and channels % pack == 0), 1)


def _packed(ncnn: Any, mat: Any, pack: int) -> Any:
    if mat.elempack == pack:
        return mat
    packed = ncnn.Mat()
    ncnn.convert_packing(mat, packed, pack)
    return packed
