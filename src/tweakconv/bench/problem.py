"""The numbers of one board line: input, kernel, bias, and what comes out of them in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tweakconv.arrays import FloatArray, aligned
from tweakconv.bench.geometries import Line
from tweakconv.geometry import AxisGeometry

__all__ = ["Expected", "Problem", "relative_rms_error"]

Float64Array = NDArray[np.float64]

#: Results are compared with float64 on as many rows and columns of outputs as take this many multiply-adds.
CHECKED_MULTIPLY_ADDS = 30_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What the definition gives in float64, on some rows and columns of the output.

    Attributes
    ----------
    rows, columns : list of int
        Of the output, ascending; all of them where it is small.
    shape : tuple of int
        Of the whole result: (N, OH, OW, CO).
    values : ndarray, shape (N, len(rows), len(columns), CO), float64
    """

    rows: list[int]
    columns: list[int]
    shape: tuple[int, int, int, int]
    values: Float64Array

    def error(self, result: NDArray[np.floating]) -> float:
        """The relative RMS error of a whole result; infinity for one of another shape."""
        if result.shape != self.shape:
            return float("inf")
        return relative_rms_error(result[:, self.rows][:, :, self.columns], self.values)


@dataclass(frozen=True, eq=False)
class Problem:
    """A line of the board with arrays to compute it on, which begin at a cache line.

    Attributes
    ----------
    line : Line
        The convolution.
    x : ndarray, shape (N, H, W, CI), float32
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
        >>> from tweakconv.bench.lines import FOUNDATION
        >>> problem = Problem.of(FOUNDATION[0])
        >>> problem.x.shape, problem.kernel.shape, problem.oihw.shape
        ((1, 56, 56, 64), (3, 3, 64, 64), (64, 64, 3, 3))
        """
        rng = np.random.default_rng(seed)
        depth = line.in_channels // line.groups
        x = rng.standard_normal((line.batch, *line.image, line.in_channels), dtype=np.float32)
        filters = 1 if line.shared else line.out_channels
        kernel = rng.standard_normal((*line.kernel, depth, filters), dtype=np.float32)
        kernel /= np.float32(np.sqrt(kernel[..., 0].size))
        kernel = aligned(np.broadcast_to(kernel, (*kernel.shape[:3], line.out_channels)))
        bias = rng.standard_normal(line.out_channels, dtype=np.float32) if line.bias else None
        return cls(line, aligned(x), kernel, bias)

    @cached_property
    def nchw(self) -> FloatArray:
        """The input as a contiguous (N, CI, H, W) array."""
        return aligned(self.x.transpose(0, 3, 1, 2))

    @cached_property
    def oihw(self) -> FloatArray:
        """The kernel as a contiguous (CO, CI / groups, KH, KW) array."""
        return aligned(self.kernel.transpose(3, 2, 0, 1))

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """(N, OH, OW, CO)."""
        height, width = self.line.geometry.output_size
        return self.line.batch, height, width, self.line.out_channels

    def expected(self) -> Expected:
        """The result by the definition, in float64: each output the sum over its taps.

        On as many rows and columns, the outermost among them, as `CHECKED_MULTIPLY_ADDS` allow.

        Examples
        --------
        >>> line = Line("images", (3, 4), 1, 1, (1, 3), pad=(0, 1), bias=False)
        >>> x = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)
        >>> kernel = np.array([1, 10, 100], np.float32).reshape(1, 3, 1, 1)
        >>> Problem(line, x, kernel, None).expected().values[0, 0, :, 0]  # of 0 1 2 3 with zeros around them
        array([100., 210., 321.,  32.])
        """
        shape, (height, width) = self.output_shape, self.line.geometry.axes
        pixels = CHECKED_MULTIPLY_ADDS * height.output * width.output // max(1, self.line.flops // 2)
        rows, columns = _spread(height.output, pixels), _spread(width.output, pixels)
        values = np.zeros((shape[0], len(rows), len(columns), shape[3]))
        padded = np.pad(self.x, ((0, 0), (0, 1), (0, 1), (0, 0)))  # one more pixel stands for the padding
        for u in range(height.kernel):
            across = padded[:, _taps(height, rows, u)]
            for v in range(width.kernel):
                values += self._products(across[:, :, _taps(width, columns, v)], u, v)
        if self.bias is not None:
            values += self.bias
        return Expected(rows, columns, shape, values)

    def _products(self, pixels: FloatArray, u: int, v: int) -> Float64Array:
        """Pixels (N, R, C, CI) times the weights of one tap, group by group: (N, R, C, CO)."""
        groups = self.line.groups
        weights = self.kernel[u, v].astype(np.float64)
        grouped = weights.reshape(len(weights), groups, -1).transpose(1, 0, 2)
        x = pixels.astype(np.float64).reshape(-1, groups, len(weights)).transpose(1, 0, 2)
        products: Float64Array = (x @ grouped).transpose(1, 0, 2).reshape(*pixels.shape[:3], -1)
        return products


def _spread(outputs: int, pixels: int) -> list[int]:
    """At most about the root of so many of the outputs, evenly spread, the first and the last among them."""
    count = min(outputs, max(4, round(pixels**0.5)))
    return sorted({round(place) for place in np.linspace(0, outputs - 1, count)})


def _taps(axis: AxisGeometry, outputs: Sequence[int], k: int) -> list[int]:
    """The pixel under tap `k` of each output; one past the last for the padding."""
    return [axis.input if (tap := axis.tap(o, k)) is None else tap for o in outputs]


def relative_rms_error(result: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
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
