"""What becomes of filtered values that a file cannot hold: negative ones, and ones beyond white."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

#: The ways to bring values into the range of a file, and what each does.
RANGES: Final = {
    "auto": "clip where the kernel's numbers sum to more than 0, otherwise abs",
    "clip": "below black becomes black, beyond white becomes white",
    "abs": "the sign is dropped, then what is beyond white becomes white",
    "stretch": "the smallest value becomes black, the largest white",
    "midgrey": "0 becomes mid-grey, the value farthest from it black or white",
}


@dataclass(frozen=True, slots=True)
class Fitted:
    """Values as a file holds them.

    Attributes
    ----------
    values
        Of the file's dtype, rounded to the nearest (ties to even).
    method
        The way taken, never "auto"; "kept" for floating-point files, which hold any value.
    below, beyond
        How many values had been less than 0 and more than white, once rounded.
    report
        What was done, in a sentence with the numbers.
    """

    values: NDArray[Any]
    method: str
    below: int
    beyond: int
    report: str


def fit(values: NDArray[Any], dtype: DTypeLike, value_range: str, kernel_sum: float) -> Fitted:
    """Bring filtered values into the range of a file.

    Parameters
    ----------
    values
        Floating-point values in the file's units, of any shape.
    dtype
        That of the file: uint8, uint16, or floating point.
    value_range
        One of `RANGES`. "auto" follows `kernel_sum`: a kernel with a positive sum keeps something of the
        brightness, and a value beyond black or white is an overshoot to clip; one that sums to 0 measures a
        difference, whose size is what shows.
    kernel_sum
        Sum of the kernel's numbers.

    Raises
    ------
    ValueError
        For an unknown `value_range`, one that needs black and white where the file holds floating point, or
        values that are not finite where it does not.

    Examples
    --------
    >>> fitted = fit(np.array([-30.0, 10.4, 300.0]), np.uint8, "auto", kernel_sum=1)
    >>> fitted.values.tolist(), fitted.report
    ([0, 10, 255], 'clip: 1 of 3 values (33.3%) below 0 became 0, 1 (33.3%) above 255 became 255')
    >>> fit(np.array([-30.0, 10.4, 300.0]), np.uint8, "auto", kernel_sum=0).values.tolist()
    [30, 10, 255]
    """
    if value_range not in RANGES:
        raise ValueError(f"range must be one of {', '.join(RANGES)}, received {value_range!r}")
    if np.dtype(dtype).kind == "f":
        return _fit_float(values, np.dtype(dtype), value_range)
    if not np.isfinite(values).all():
        raise ValueError("kernel has weights so large that results overflow; use smaller ones")
    top = int(np.iinfo(np.dtype(dtype)).max)
    method = value_range if value_range != "auto" else "clip" if kernel_sum > 0 else "abs"
    if (method == "stretch" and np.ptp(values) == 0) or (method == "midgrey" and not values.any()):
        method = "clip"  # one value everywhere: there is nothing to spread out
    below, beyond = int((values < -0.5).sum()), int((values > top + 0.5).sum())
    mapped = _map(values, method, top)
    report = f"{method}: {_report(values, method, top, below, beyond)}"
    return Fitted(np.rint(mapped).clip(0, top).astype(dtype), method, below, beyond, report)


def _fit_float(values: NDArray[Any], dtype: np.dtype[Any], value_range: str) -> Fitted:
    below = int((values < 0).sum())
    if value_range == "auto":
        report = f"kept: floating point holds every value, {_span(values)}"
        return Fitted(values.astype(dtype), "kept", below, 0, report)
    if value_range == "abs":
        dropped = _changes(values.size, {"were negative and lost their sign": below})
        report = f"abs: {dropped or 'no value is negative, none was changed'}"
        return Fitted(np.abs(values).astype(dtype), "abs", below, 0, report)
    raise ValueError(
        f"range {value_range} needs a black and a white, which a file of {dtype} samples does not have; use auto or abs"
    )


def _map(values: NDArray[Any], method: str, top: int) -> NDArray[Any]:
    if method == "abs":
        return np.asarray(np.abs(values))
    if method == "stretch":
        low, high = float(values.min()), float(values.max())
        return (values - low) * (top / (high - low))
    if method == "midgrey":
        middle = (top + 1) // 2
        return values * ((top - middle) / float(np.abs(values).max())) + middle
    return values


def _report(values: NDArray[Any], method: str, top: int, below: int, beyond: int) -> str:
    if method == "stretch":
        return f"{values.min():.6g} became 0 and {values.max():.6g} became {top}"
    if method == "midgrey":
        farthest = np.abs(values).max()
        return f"0 became {(top + 1) // 2}, -{farthest:.6g} became 1 and {farthest:.6g} became {top}"
    if method == "abs":
        beyond = int((np.abs(values) > top + 0.5).sum())
    first = "were negative and lost their sign" if method == "abs" else "below 0 became 0"
    changes = _changes(values.size, {first: below, f"above {top} became {top}": beyond})
    return changes or f"every value lies within 0 to {top}, none was changed"


def _changes(total: int, counts: dict[str, int]) -> str:
    """What became of how many of the values, in a sentence that leaves out what became of none.

    Examples
    --------
    >>> _changes(4000, {"below 0 became 0": 0, "above 255 became 255": 1000})
    '1,000 of 4,000 values (25.0%) above 255 became 255'
    """
    words: list[str] = []
    for what, count in counts.items():
        if count:
            of_all = "" if words else f" of {total:,} values"
            words.append(f"{count:,}{of_all} ({count / total:.1%}) {what}")
    return ", ".join(words)


def _span(values: NDArray[Any]) -> str:
    finite = values[np.isfinite(values)]
    return f"from {finite.min():.6g} to {finite.max():.6g}" if finite.size else "none of them finite"
