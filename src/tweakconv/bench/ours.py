"""tweakconv on its own board: prepared, in either data format, and as the function that packs at every call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tweakconv
from tweakconv.arrays import FloatArray
from tweakconv.bench.contender import Prepared, Ways
from tweakconv.bench.problem import Problem
from tweakconv.prepared import PreparedConv

__all__ = ["LAYOUTS", "Ours", "OursFunctional", "compiled", "input_of"]

#: The data formats, with the short names that the board gives them.
LAYOUTS = {"channels_last": "NHWC", "channels_first": "NCHW"}


def compiled(problem: Problem, data_format: str = "channels_last") -> PreparedConv:
    """The prepared convolution of a problem."""
    return tweakconv.compile_conv2d(
        problem.kernel,
        problem.bias,
        input_shape=input_of(problem, data_format).shape,
        data_format=data_format,
        **_tweaks(problem),
    )


def input_of(problem: Problem, data_format: str = "channels_last") -> FloatArray:
    """The input of a problem in a data format."""
    return problem.x if data_format == "channels_last" else problem.nchw


@dataclass(frozen=True, slots=True)
class Ours:
    """A prepared convolution of ours.

    The quickest of these ways runs: into an array that is there already; into a new one for each call; and, for one
    filter over all channels of one image, `filter2d`, which prepares at each call.

    Parameters
    ----------
    threads : int
        How many threads it may use.
    data_format : {"channels_last", "channels_first"}
    """

    threads: int
    data_format: str = "channels_last"

    @property
    def name(self) -> str:
        """With the data format, as PyTorch's."""
        return f"tweakconv {LAYOUTS[self.data_format]}"

    def ways(self, problem: Problem) -> Ways:
        """Compile the line, and pack its weights."""
        tweakconv.set_num_threads(self.threads)
        conv, x = compiled(problem, self.data_format), input_of(problem, self.data_format)
        out = conv(x)
        to_nhwc = _to_nhwc(self.data_format)
        ways = {
            "out=": lambda: Prepared(lambda: conv(x, out=out), to_nhwc),
            "new": lambda: Prepared(lambda: conv(x), to_nhwc),
        }
        if problem.line.shared and problem.line.batch == 1 and self.data_format == "channels_last":
            ways["filter2d"] = lambda: _filter2d(problem)
        return ways


@dataclass(frozen=True, slots=True)
class OursFunctional:
    """`conv2d`, which packs the weights at each call."""

    threads: int
    data_format: str = "channels_last"
    name: str = "tweakconv conv2d"

    def ways(self, problem: Problem) -> Ways:
        """Nothing is prepared: that is the point."""
        tweakconv.set_num_threads(self.threads)
        x, tweaks, data_format = input_of(problem, self.data_format), _tweaks(problem), self.data_format

        def run() -> FloatArray:
            return tweakconv.conv2d(x, problem.kernel, problem.bias, data_format=data_format, **tweaks)

        return {"conv2d": lambda: Prepared(run, _to_nhwc(data_format))}


def _filter2d(problem: Problem) -> Prepared:
    line, image, kernel = problem.line, problem.x[0], problem.kernel[..., 0, 0]

    def run() -> FloatArray:
        return tweakconv.filter2d(image, kernel, padding=line.padding, dilation_rate=line.dilation_rate)

    return Prepared(run, lambda y: y[None])


def _tweaks(problem: Problem) -> dict[str, Any]:
    line = problem.line
    return {
        "strides": line.strides,
        "padding": line.padding,
        "dilation_rate": line.dilation_rate,
        "groups": line.groups,
    }


def _to_nhwc(data_format: str) -> Callable[[FloatArray], FloatArray]:
    return (lambda y: y) if data_format == "channels_last" else (lambda y: y.transpose(0, 2, 3, 1))
