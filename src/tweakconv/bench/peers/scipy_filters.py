"""SciPy on the board, on images of one channel under a centred filter, which is what it is made for.

The quicker of these runs, chosen anew for each line:

- ``ndimage``: ``scipy.ndimage.correlate`` with zeros outside, into an output that is there already.
- ``fft``: what ``scipy.signal.fftconvolve`` does, in float32, with the transform of the kernel made once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import fft, ndimage

from tweakconv.bench.contender import CannotExpressError, Contender, Prepared, fastest
from tweakconv.bench.problem import Problem

__all__ = ["contenders"]


def contenders(threads: int) -> tuple[Contender, ...]:
    """SciPy; only its FFT knows threads."""
    return (_SciPy(threads),)


@dataclass(frozen=True, slots=True)
class _SciPy:
    threads: int
    name: str = "SciPy"

    def prepare(self, problem: Problem) -> Prepared:
        if not problem.line.one_filter:
            raise CannotExpressError("only for images of one channel, unstrided")
        image = np.ascontiguousarray(problem.x[0, ..., 0])
        kernel = np.ascontiguousarray(problem.kernel[..., 0, 0])
        return fastest({"ndimage": _ndimage(image, kernel), "fft": self._fft(image, kernel)})

    def _fft(self, image: Any, kernel: Any) -> Prepared:
        (height, width), (rows, columns) = image.shape, kernel.shape
        # Long enough that the linear convolution does not wrap around into the pixels that are kept.
        size = [fft.next_fast_len(n + k - 1, real=True) for n, k in zip(image.shape, kernel.shape, strict=True)]
        flipped = fft.rfft2(kernel[::-1, ::-1], size, workers=self.threads)
        top, left = rows // 2, columns // 2

        def run() -> Any:
            product = fft.rfft2(image, size, workers=self.threads)
            product *= flipped
            full = fft.irfft2(product, size, overwrite_x=True, workers=self.threads)
            return full[top : top + height, left : left + width]

        return Prepared(run, lambda y: y[None, ..., None])


def _ndimage(image: Any, kernel: Any) -> Prepared:
    out = np.empty_like(image)

    def run() -> Any:
        return ndimage.correlate(image, kernel, output=out, mode="constant")

    return Prepared(run, lambda _: out[None, ..., None])
