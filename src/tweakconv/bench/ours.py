"""tweakconv on its own board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tweakconv
from tweakconv.arrays import FloatArray
from tweakconv.bench.contender import Prepared, fastest
from tweakconv.bench.problem import Problem

__all__ = ["Ours", "compiled", "input_of"]


def compiled(problem: Problem) -> Callable[..., FloatArray]:
    """The prepared convolution of a problem, in the data format of its line."""
    line = problem.line
    return tweakconv.compile_conv2d(
        problem.kernel,
        problem.bias,
        input_shape=input_of(problem).shape,
        strides=line.strides,
        padding=line.padding,
        dilation_rate=line.dilation_rate,
        groups=line.groups,
        data_format=line.data_format,
    )


def input_of(problem: Problem) -> FloatArray:
    """The input of a problem in the data format of its line."""
    return problem.x if problem.line.data_format == "channels_last" else problem.nchw


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
        conv, x = compiled(problem), input_of(problem)
        out = conv(x)

        def to_nhwc(y: FloatArray) -> FloatArray:
            return y if problem.line.data_format == "channels_last" else y.transpose(0, 2, 3, 1)

        return fastest({"out=": Prepared(lambda: conv(x, out=out), to_nhwc), "new": Prepared(lambda: conv(x), to_nhwc)})
