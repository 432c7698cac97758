"""The numbers of one board line: input, kernel, bias, and what comes out of them in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tweakconv import reference
from tweakconv.arrays import FloatArray, aligned
from tweakconv.bench.geometries import Line

__all__ = ["Problem", "relative_rms_error"]

Float64Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A line of the board with arrays to compute it on, which begin at a cache line.

    Attributes
    ----------
    line : Line
        The convolution.
    x : ndarray, shape (1, H, W, CI), float32
    kernel : ndarray, shape (KH, KW, CI / groups, CO), float32
    bias : ndarray, shape (CO,), float32, or None
    """

    line: Line
    x: FloatArray
    kernel: FloatArray
    bias: FloatArray | None

    @classmethod
    def of(cls, line: Line, seed: int = 0) -> Problem:
        """Random, asymmetric arrays for a line; outputs have a variance of about one.

        Examples
        --------
        >>> from tweakconv.bench.geometries import LINES
        >>> problem = Problem.of(LINES[0])
        >>> problem.x.shape, problem.kernel.shape, problem.oihw.shape
        ((1, 56, 56, 64), (3, 3, 64, 64), (64, 64, 3, 3))
        """
        rng = np.random.default_rng(seed)
        depth = line.in_channels // line.groups
        x = rng.standard_normal((1, *line.image, line.in_channels), dtype=np.float32)
        kernel = rng.standard_normal((*line.kernel, depth, line.out_channels), dtype=np.float32)
        kernel /= np.float32(np.sqrt(kernel[..., 0].size))
        bias = rng.standard_normal(line.out_channels, dtype=np.float32) if line.bias else None
        return cls(line, aligned(x), kernel, bias)

    @property
    def nchw(self) -> FloatArray:
        """The input as a contiguous (1, CI, H, W) array."""
        return aligned(self.x.transpose(0, 3, 1, 2))

    @property
    def oihw(self) -> FloatArray:
        """The kernel as a contiguous (CO, CI / groups, KH, KW) array."""
        return aligned(self.kernel.transpose(3, 2, 0, 1))

    def expected(self) -> Float64Array:
        """The result by the definition, in float64, shape (1, OH, OW, CO)."""
        line = self.line
        y = reference.conv(
            self.x,
            self.kernel,
            self.bias,
            line.strides,
            line.padding,
            dilation_rate=line.dilation_rate,
            groups=line.groups,
            accumulate=np.float64,
        )
        return y.astype(np.float64, copy=False)


def relative_rms_error(result: NDArray[np.floating], expected: Float64Array) -> float:
    """Root of the mean squared error, over the root of the mean square of what is expected.

    A result of another shape, or one with values that are not finite, has the error infinity.

    Examples
    --------
    >>> relative_rms_error(np.array([3.0, 4.5]), np.array([3.0, 4.0]))
    0.1
    >>> relative_rms_error(np.zeros(3), np.array([3.0, 4.0]))
    inf
    """
    if result.shape != expected.shape or not np.isfinite(result).all():
        return float("inf")
    return float(np.linalg.norm(result - expected) / np.linalg.norm(expected))
