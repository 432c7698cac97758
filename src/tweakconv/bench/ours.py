"""tweakconv on its own board."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tweakconv
from tweakconv.bench.contender import Prepared, fastest
from tweakconv.bench.problem import Problem

__all__ = ["Ours"]


@dataclass(frozen=True, slots=True)
class Ours:
    """A prepared convolution of ours, in the data format of the line.

    The quicker of two ways runs: into an array that is there already, or into a new one for each call.

    Parameters
    ----------
    threads : int
        How many threads it may use.
    """

    threads: int
    name: str = "tweakconv"

    def prepare(self, problem: Problem) -> Prepared:
        """Compile the line, and pack its weights."""
        tweakconv.set_num_threads(self.threads)
        line = problem.line
        last = line.data_format == "channels_last"
        x = problem.x if last else problem.nchw
        conv = tweakconv.compile_conv2d(
            problem.kernel,
            problem.bias,
            input_shape=x.shape,
            strides=line.strides,
            padding=line.padding,
            dilation_rate=line.dilation_rate,
            groups=line.groups,
            data_format=line.data_format,
        )
        out = conv(x)

        def to_nhwc(y: Any) -> NDArray[np.floating]:
            result: NDArray[np.floating] = y if last else y.transpose(0, 2, 3, 1)
            return result

        return fastest(
            {"out=": Prepared(lambda: conv(x, out=out), to_nhwc), "new": Prepared(lambda: conv(x), to_nhwc)}
        )
