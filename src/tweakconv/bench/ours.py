"""tweakconv on its own board."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tweakconv.bench.contender import Prepared
from tweakconv.bench.problem import Problem

__all__ = ["OURS", "Ours"]

#: What the board calls us.
OURS = "tweakconv"


@dataclass(frozen=True, slots=True)
class Ours:
    """A prepared convolution of ours, written into an output array that is there already.

    Parameters
    ----------
    threads : int
        How many threads to run on.
    """

    threads: int
    name: str = OURS

    def prepare(self, problem: Problem) -> Prepared:
        """Compile the line for its data format; the input is in that format already."""
        from tweakconv import ops  # noqa: PLC0415  only the measuring process needs the compiler

        ops.set_num_threads(self.threads)
        line = problem.line
        first = line.data_format == "channels_first"
        x = problem.nchw if first else problem.x
        conv = ops.compile_conv2d(
            problem.kernel,
            problem.bias,
            input_shape=x.shape,
            strides=line.strides,
            padding=line.padding,
            dilation_rate=line.dilation_rate,
            groups=line.groups,
            data_format=line.data_format,
        )
        out = np.empty_like(conv(x))
        return Prepared(lambda: conv(x, out=out), lambda y: y.transpose(0, 2, 3, 1) if first else y)
