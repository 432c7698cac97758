"""SciPy on the board, on images of one channel under a centred filter, which is what it is made for.

The quicker of these runs, chosen anew for each line:

- ``ndimage``: ``scipy.ndimage.correlate`` with zeros outside, into an output that is there already.
- ``fft``: what ``scipy.signal.fftconvolve`` does, in float32, with the transform of the kernel made once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tweakconv.bench.contender import CannotExpressError, Contender, Prepared, fastest
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

    def prepare(self, problem: Problem) -> Prepared:
        if not problem.line.one_filter:
            raise CannotExpressError("only for images of one channel, unstrided")
        image = np.ascontiguousarray(problem.x[0, ..., 0])
        kernel = np.ascontiguousarray(problem.kernel[..., 0, 0])
        return fastest(
            {
                "ndimage": _ndimage(self.scipy.ndimage, image, kernel),
                "fft": self._fft(image, kernel, problem.line.pad),
            }
        )

    def _fft(self, image: Any, kernel: Any, pad: tuple[int, int]) -> Prepared:
        fft = self.scipy.fft
        # As long as the full convolution at least, so that nothing wraps around.
        full_size = ConvGeometry.of(image.shape, kernel.shape, padding="full").output_size
        size = [fft.next_fast_len(n, real=True) for n in full_size]
        flipped = fft.rfft2(kernel[::-1, ::-1], size, workers=self.threads)
        (height, width), (top, left) = image.shape, pad

        def run() -> Any:
            product = fft.rfft2(image, size, workers=self.threads)
            product *= flipped
            full = fft.irfft2(product, size, overwrite_x=True, workers=self.threads)
            return full[top : top + height, left : left + width]

        return Prepared(run, lambda y: y[None, ..., None])


def _ndimage(ndimage: Any, image: Any, kernel: Any) -> Prepared:
    out = np.empty_like(image)

    def run() -> Any:
        return ndimage.correlate(image, kernel, output=out, mode="constant")

    return Prepared(run, lambda _: out[None, ..., None])
