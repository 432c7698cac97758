"""The same convolution by SciPy: is it the same result, and how long does each take?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from tweakconv.geometry import ConvGeometry
from tweakconv.ops import filter2d

Image: TypeAlias = NDArray[np.float32]
Correlate: TypeAlias = Callable[[Image, Image], Image]

#: What float32 may lose, relative to the largest value that a sum of products can reach.
TOLERANCE: Final = 1e-5
WARM_UPS: Final = 2


@dataclass(frozen=True, slots=True)
class Comparison:
    """How `filter2d` compares with SciPy on one convolution.

    Attributes
    ----------
    ours, scipy
        Median seconds of one call, SciPy's by the faster of its two functions.
    function
        Which one that was.
    difference, allowed
        The largest difference between the results, and how large rounding may make it.
    """

    ours: float
    scipy: float
    function: str
    difference: float
    allowed: float

    @property
    def agrees(self) -> bool:
        """Whether the results are the same up to rounding."""
        return self.difference <= self.allowed


def compare(
    image: Image, kernel: Image, geometry: ConvGeometry, rounds: int, padding_mode: str = "zeros"
) -> Comparison:
    """Compute one convolution with `filter2d` and with SciPy, and time both.

    Parameters
    ----------
    image
        Of shape (height, width, channels).
    kernel
        Of shape (kernel height, kernel width).
    geometry
        What is computed.
    rounds
        How many timed calls each gets, in turns, so that whatever slows the machine slows all alike.
    padding_mode
        What the padding holds.

    Examples
    --------
    >>> image = np.arange(60, dtype=np.float32).reshape(5, 4, 3)
    >>> kernel = np.array([[1, 2], [0, -1]], np.float32)
    >>> compare(image, kernel, ConvGeometry.of((5, 4), (2, 2), strides=2), 1).agrees
    True
    """
    contenders: dict[str, Callable[[], Image]] = {
        "filter2d": partial(
            filter2d,
            image,
            kernel,
            strides=geometry.strides,
            padding=geometry.pads,
            dilation_rate=geometry.dilation_rate,
            padding_mode=padding_mode,
        )
    }
    for name, correlate in CORRELATIONS.items():
        contenders[name] = partial(with_scipy, image, kernel, geometry, correlate, padding_mode)
    results = {name: call() for name, call in contenders.items()}
    seconds = _median_seconds(contenders, rounds)
    fastest = min(CORRELATIONS, key=seconds.__getitem__)
    return Comparison(
        ours=seconds["filter2d"],
        scipy=seconds[fastest],
        function=fastest,
        difference=max(float(np.abs(results["filter2d"] - results[name]).max()) for name in CORRELATIONS),
        allowed=TOLERANCE * float(np.abs(kernel).sum() * np.abs(image).max()),
    )


def with_scipy(
    image: Image, kernel: Image, geometry: ConvGeometry, correlate: Correlate, padding_mode: str = "zeros"
) -> Image:
    """The convolution by SciPy, which knows neither pads, strides nor dilation.

    The image is padded, the kernel spread with zeros, every position computed, and those of the stride kept.

    Parameters
    ----------
    image, kernel, geometry, padding_mode
        As in `compare`; no pad may be negative.
    correlate
        Correlates (height, width, channels) with (kernel height, kernel width, 1) where the kernel fits.
    """
    mode: Any = "constant" if padding_mode == "zeros" else padding_mode  # the other names are NumPy's
    padded = np.pad(image, (*geometry.pads, (0, 0)), mode=mode)
    spread = np.zeros(geometry.effective_kernel_size, kernel.dtype)
    down, across = geometry.dilation_rate
    spread[::down, ::across] = kernel
    down, across = geometry.strides
    return correlate(padded, spread[..., None])[::down, ::across]


def _ndimage_correlate(image: Image, kernel: Image) -> Image:
    around_every_pixel = ndimage.correlate(image, kernel, mode="constant")
    where_it_fits = tuple(
        slice(taps // 2, size - (taps - 1) // 2) for size, taps in zip(image.shape, kernel.shape, strict=True)
    )
    return np.asarray(around_every_pixel[where_it_fits])


def _signal_correlate(image: Image, kernel: Image) -> Image:
    return np.asarray(signal.correlate(image, kernel, mode="valid"))  # direct or by FFT, as it estimates


#: The functions of SciPy that can do it; which is faster depends on the size of the kernel.
CORRELATIONS: Final[Mapping[str, Correlate]] = {
    "scipy.ndimage.correlate": _ndimage_correlate,
    "scipy.signal.correlate": _signal_correlate,
}


def _median_seconds(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(WARM_UPS + rounds):
        for name, call in contenders.items():
            started = time.perf_counter()
            call()
            if turn >= WARM_UPS:
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}
