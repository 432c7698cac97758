"""SciPy on the board, where the line is a filter over an image, which is what it is made for.

The quicker of these runs, chosen anew for each line:

- ``ndimage``: ``scipy.ndimage.correlate`` with zeros outside, plane by plane, into an output that is there already;
  a kernel with dilation gets zeros in the gaps.
- ``fft``: what ``scipy.signal.fftconvolve`` does, in float32, with the transform of the kernel made once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tweakconv.bench.contender import CannotExpressError, Contender, Prepared, Ways
from tweakconv.bench.problem import Problem
from tweakconv.geometry import ConvGeometry

__all__ = ["contenders"]


def contenders(threads: int) -> tuple[Contender, ...]:
    """SciPy; only its FFT knows threads."""
    import scipy  # noqa: PLC0415 - only the measuring process needs it
    import scipy.fft  # noqa: PLC0415
    import scipy.ndimage  # noqa: PLC0415

    return (_SciPy(scipy, threads),)


@dataclass(frozen=True, slots=True)
class _SciPy:
    scipy: Any
    threads: int
    name: str = "SciPy"

    def ways(self, problem: Problem) -> Ways:
        line = problem.line
        if not line.image_filter:
            raise CannotExpressError("only for one filter over an image, unstrided")
        kernel = np.zeros(line.geometry.effective_kernel_size, np.float32)
        kernel[:: line.dilation_rate[0], :: line.dilation_rate[1]] = problem.kernel[..., 0, 0]
        return {
            "ndimage": lambda: _ndimage(self.scipy.ndimage, problem.nchw, kernel),
            "fft": lambda: self._fft(problem.nchw, kernel, line.pad),
        }

    def _fft(self, planes: Any, kernel: Any, pad: tuple[int, int]) -> Prepared:
        fft, image = self.scipy.fft, planes.shape[2:]
        # As long as the full convolution at least, so that nothing wraps around.
        full_size = ConvGeometry.of(image, kernel.shape, padding="full").output_size
        size = [fft.next_fast_len(n, real=True) for n in full_size]
        flipped = fft.rfft2(kernel[::-1, ::-1], size, workers=self.threads)
        (height, width), (top, left) = image, pad

        def run() -> Any:
            product = fft.rfft2(planes, size, workers=self.threads)
            product *= flipped
            full = fft.irfft2(product, size, overwrite_x=True, workers=self.threads)
            return full[..., top : top + height, left : left + width]

        return Prepared(run, _to_nhwc)


def _ndimage(ndimage: Any, planes: Any, kernel: Any) -> Prepared:
    outs = np.empty_like(planes)

    def run() -> Any:
        for images, results in zip(planes, outs, strict=True):
            for image, result in zip(images, results, strict=True):
                ndimage.correlate(image, kernel, output=result, mode="constant")
        return outs

    return Prepared(run, _to_nhwc)


def _to_nhwc(y: Any) -> Any:
    return y.transpose(0, 2, 3, 1)
