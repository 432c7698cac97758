"""Kernels for images: a library of named ones, and reading one that is typed in or kept in a file.

The matrices are written as a cross-correlation uses them, which is what `tweakconv.filter2d` computes: the
top left number meets the top left pixel of the window. `sobel-x` is therefore positive where brightness rises
to the right.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]

#: The most taps a kernel may have along one axis: more is a slip (or a matter for a Fourier transform).
MAX_TAPS: Final = 1000
_FILE_ENDINGS: Final = (".npy", ".txt", ".csv")


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel and what to call it.

    Attributes
    ----------
    label
        What a person asked for: a name, a file, or "typed in".
    weights
        Of shape (height, width), float64, finite.
    """

    label: str
    weights: Weights

    @property
    def size(self) -> tuple[int, int]:
        """Taps down and across."""
        return self.weights.shape[0], self.weights.shape[1]

    @property
    def sum(self) -> float:
        """What a constant image is multiplied by; exactly 0 where the numbers cancel up to rounding.

        Examples
        --------
        >>> parse_kernel("sobel-x").sum, round(parse_kernel("gaussian:7").sum, 12)
        (0.0, 1.0)
        """
        total = math.fsum(self.weights.ravel())
        return 0.0 if abs(total) <= 1e-6 * np.abs(self.weights).max() else total

    def normalised(self) -> Kernel:
        """The kernel divided by its sum, so that it keeps the brightness of a constant image.

        Raises
        ------
        ValueError
            Where the sum is 0.

        Examples
        --------
        >>> parse_kernel("1 2 1; 2 4 2; 1 2 1").normalised().weights[1].tolist()
        [0.125, 0.25, 0.125]
        """
        if self.sum == 0:
            raise ValueError(f"kernel {self.label} sums to 0, so it cannot be divided by its sum")
        return Kernel(self.label, self.weights / self.sum)


@dataclass(frozen=True, slots=True)
class NamedKernel:
    """An entry of the library.

    Attributes
    ----------
    name, summary
        What it is called, and a line about what it does.
    make
        Builds the weights from its parameters, all of which have defaults.
    parameters
        Names of the parameters in order: the first is a whole number of taps, a second one any number.
    """

    name: str
    summary: str
    make: Callable[..., Weights]
    parameters: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """How it is written with all its parameters, such as 'gaussian:SIZE,SIGMA'."""
        return self.name + (":" + ",".join(self.parameters).upper() if self.parameters else "")


def parse_kernel(text: str, *, files: bool = True) -> Kernel:
    """The kernel that a person wrote.

    Parameters
    ----------
    text
        A name of the library, with parameters after a colon where it has any (``gaussian:7,1.5``); a matrix,
        its rows ended by semicolons or lines and its numbers, which may be fractions, by blanks or commas
        (``1 0 -1; 2 0 -2; 1 0 -1``); or a file that holds one, `.npy` with a 2-D array, `.txt` or `.csv` with
        the matrix as text.
    files
        Whether a file is read where its name is given; without, every text is a name or a matrix.

    Returns
    -------
    Kernel
        With weights of shape (height, width).

    Raises
    ------
    ValueError
        For an unknown name (the message suggests similar ones), a wrong parameter, a matrix that is ragged or
        holds what is not a finite number, or a file that cannot be read.

    Examples
    --------
    >>> parse_kernel("1/9 1/9 1/9").weights.round(3).tolist()
    [[0.111, 0.111, 0.111]]
    >>> parse_kernel("sobel")
    Traceback (most recent call last):
    ...
    ValueError: there is no kernel 'sobel'; did you mean sobel-x or sobel-y?
    """
    text = text.strip()
    if files and text.lower().endswith(_FILE_ENDINGS):
        return Kernel(text, _checked(_from_file(Path(text)), text))
    if text[:1].isalpha():
        return Kernel(text, _checked(_from_name(text, files), text))
    return Kernel("typed in", _checked(parse_matrix(text), repr(text)))


def parse_matrix(text: str) -> Weights:
    """The matrix written in a text, of shape (rows, columns).

    Raises
    ------
    ValueError
        Where it is empty or ragged, or an entry is not a number.

    Examples
    --------
    >>> parse_matrix("0, -1/4, 0.5; 1e-3 2 3").tolist()
    [[0.0, -0.25, 0.5], [0.001, 2.0, 3.0]]
    >>> parse_matrix("[[1, 0], [0, -1]]").tolist()
    [[1.0, 0.0], [0.0, -1.0]]
    >>> parse_matrix("1 0 -1; 2 0")
    Traceback (most recent call last):
    ...
    ValueError: kernel row 2 has 2 numbers where row 1 has 3: '2 0'
    """
    # One blank where there are many: the patterns below take time that grows with the square of a run of them.
    text = "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())
    text = text.replace("\N{MINUS SIGN}", "-")  # as web pages print it
    text = re.sub(r"\]\s*,?\s*\[", ";", text).strip("[] \t\r\n")  # as NumPy and JSON print it
    lines = [line.strip() for line in re.split(r"[;\n]", re.sub(r"\s*/\s*", "/", text)) if line.strip()]
    rows = [[_number(entry) for entry in re.split(r"\s*,\s*|\s+", line.strip(", "))] for line in lines]
    if not rows:
        raise ValueError("kernel is empty; write a name such as sobel-x, or a matrix such as '1 0 -1; 2 0 -2; 1 0 -1'")
    for count, (row, line) in enumerate(zip(rows, lines, strict=True), start=1):
        if len(row) != len(rows[0]):
            raise ValueError(f"kernel row {count} has {len(row)} numbers where row 1 has {len(rows[0])}: {line!r}")
    return np.array(rows)


def format_matrix(weights: Weights) -> str:
    """A matrix as a person writes it: whole numbers, over a common denominator where a small one exists.

    Examples
    --------
    >>> print(format_matrix(np.full((2, 2), 0.25)))
    1/4 ×  1  1
           1  1
    """
    denominator = next((d for d in range(1, 300) if np.abs(weights * d - np.rint(weights * d)).max() < 1e-9), None)
    prefix = f"1/{denominator} ×  " if denominator not in (None, 1) else ""
    decimals = 4 if denominator is None else 0
    entries = [[f"{w * (denominator or 1) + 0.0:.{decimals}f}" for w in row] for row in weights]
    width = max(len(entry) for row in entries for entry in row)
    lines = ("  ".join(entry.rjust(width) for entry in row) for row in entries)
    return prefix + ("\n" + " " * len(prefix)).join(lines)


# Reading


def _from_name(text: str, files: bool) -> Weights:
    name, _, rest = text.partition(":")
    entry = LIBRARY.get(name.strip().lower().replace("_", "-"))
    if entry is None:
        raise ValueError(f"there is no kernel {name!r}; {_suggestion(name, files)}")
    given = [part.strip() for part in rest.split(",")] if rest.strip() else []
    if len(given) > len(entry.parameters):
        takes = f"is written {entry.usage}" if entry.parameters else "takes no numbers"
        raise ValueError(f"kernel {entry.name} {takes}, received {text!r}")
    values = [_parameter(entry, index, part) for index, part in enumerate(given)]
    return entry.make(*values)


def _parameter(entry: NamedKernel, index: int, text: str) -> float:
    name = entry.parameters[index]
    if index > 0:
        try:
            return _number(text)
        except ValueError:
            raise ValueError(f"{name} of {entry.usage} must be a number, received {text!r}") from None
    taps = int(text) if text.isdecimal() else 0
    if not 1 <= taps <= MAX_TAPS:
        raise ValueError(f"{name} of {entry.usage} must be a whole number from 1 to {MAX_TAPS}, received {text!r}")
    return taps


def _suggestion(name: str, files: bool) -> str:
    if files and ("." in name or "/" in name):
        return f"a file with a kernel ends in {', '.join(_FILE_ENDINGS)}"
    directed = [known for known in LIBRARY if known.startswith(f"{name.lower()}-")]
    close = directed or difflib.get_close_matches(name.lower(), LIBRARY, n=3, cutoff=0.55)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"the names are {', '.join(LIBRARY)}"


def _from_file(path: Path) -> Weights:
    try:
        if path.suffix.lower() == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        return parse_matrix("\n".join(line.partition("#")[0] for line in lines))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except OSError as problem:
        raise ValueError(f"{path}: cannot be read ({problem.strerror or problem})") from None
    except (ValueError, EOFError) as problem:
        raise ValueError(f"{path}: {' '.join(str(problem).split())}") from None


def _number(text: str) -> float:
    above, slash, below = text.partition("/")
    try:
        value = float(above) / float(below) if slash else float(above)
    except ZeroDivisionError:
        raise ValueError(f"kernel entry {text!r} divides by 0") from None
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"kernel entry {text!r} is not a number (such as -1, 0.25 or 1/9)")
    return value


def _checked(weights: Weights, source: str) -> Weights:
    if weights.ndim != 2 or weights.size == 0:
        raise ValueError(f"kernel must be a matrix with rows and columns, {source} has shape {weights.shape}")
    if max(weights.shape) > MAX_TAPS:
        raise ValueError(f"kernel may have {MAX_TAPS} taps a side, {source} has shape {weights.shape}")
    if weights.dtype.kind not in "biuf":
        raise ValueError(f"kernel must hold real numbers, {source} has dtype {weights.dtype}")
    weights = weights.astype(np.float64)
    if not np.isfinite(weights).all():
        raise ValueError(f"kernel must hold finite numbers, {source} has NaN or infinity")
    return weights


# The library


def _fixed(text: str) -> Callable[[], Weights]:
    return lambda: parse_matrix(text)


def _transposed(text: str) -> Callable[[], Weights]:
    return lambda: parse_matrix(text).T


def _box(size: int = 3) -> Weights:
    return np.full((size, size), 1 / size**2)


def _gaussian(size: int = 5, sigma: float | None = None) -> Weights:
    """Samples of a Gaussian that sum to 1; the default sigma is the one OpenCV's getGaussianKernel takes."""
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8 if sigma is None else _positive("sigma", sigma)
    samples = np.exp(-(_offsets(size) ** 2) / (2 * sigma**2))
    samples /= samples.sum()
    return np.outer(samples, samples)


def _log(size: int = 9, sigma: float = 1.4) -> Weights:
    """Laplacian of a Gaussian (Marr & Hildreth, "Theory of edge detection", 1980).

    Shifted to sum to 0, and scaled so that the magnitudes sum to 8, as those of `laplacian` and `sobel-x` do:
    unscaled, the blur leaves so little that the result is all but black.
    """
    if size < 3:
        raise ValueError(f"size of log:SIZE,SIGMA must be at least 3, received {size}")
    variance = _positive("sigma", sigma) ** 2
    squared = np.add.outer(_offsets(size) ** 2, _offsets(size) ** 2)
    gaussian = np.exp(-squared / (2 * variance))
    kernel: Weights = (squared - 2 * variance) * gaussian
    kernel -= gaussian * (kernel.sum() / gaussian.sum())
    kernel *= 8 / np.abs(kernel).sum()
    return kernel


def _motion(size: int = 9, angle: float = 0.0) -> Weights:
    """A line of `size` equal taps through the middle, `angle` degrees anticlockwise from the horizontal.

    A tap between pixels is shared among its four neighbours by bilinear weights.
    """
    middle, turn = (size - 1) / 2, math.radians(angle)
    kernel = np.zeros((size + 1, size + 1))
    for step in _offsets(size):
        down, across = middle - step * math.sin(turn), middle + step * math.cos(turn)
        row, column = math.floor(down + 1e-9), math.floor(across + 1e-9)
        shares = np.outer([1 - (down - row), down - row], [1 - (across - column), across - column])
        kernel[row : row + 2, column : column + 2] += shares
    kernel = kernel[:size, :size] / size
    kernel[np.abs(kernel) < 1e-9] = 0
    return kernel[np.ix_(_used(kernel.max(axis=1)), _used(kernel.max(axis=0)))]


def _unsharp(size: int = 5, amount: float = 1.0) -> Weights:
    """The image plus `amount` times what a Gaussian blur takes away from it."""
    if size % 2 == 0:
        raise ValueError(f"size of unsharp:SIZE,AMOUNT must be odd, to have a middle, received {size}")
    kernel = -amount * _gaussian(size)
    kernel[size // 2, size // 2] += 1 + amount
    return kernel


def _offsets(size: int) -> Weights:
    return np.arange(size, dtype=np.float64) - (size - 1) / 2


def _used(largest: Weights) -> NDArray[np.intp]:
    """The indices from the first to the last one above 0, widened to lie evenly about the middle."""
    margin = min(int((largest > 0).argmax()), int((largest > 0)[::-1].argmax()))
    return np.arange(margin, len(largest) - margin)


def _positive(name: str, value: float) -> float:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be a number above 0, received {value:g}")
    return value


_SOBEL: Final = "-1 0 1; -2 0 2; -1 0 1"
_PREWITT: Final = "-1 0 1; -1 0 1; -1 0 1"
_SCHARR: Final = "-3 0 3; -10 0 10; -3 0 3"

#: Every named kernel, by name.
LIBRARY: Final = {
    entry.name: entry
    for entry in (
        NamedKernel("identity", "leaves the image as it is", _fixed("0 0 0; 0 1 0; 0 0 0")),
        NamedKernel("blur", "mean of a square window", _box, ("size",)),
        NamedKernel("box", "the same as blur", _box, ("size",)),
        NamedKernel("gaussian", "blur that weighs near pixels more", _gaussian, ("size", "sigma")),
        NamedKernel("motion", "blur along a line, as of a moving camera", _motion, ("size", "angle")),
        NamedKernel("sharpen", "adds the difference from the neighbours", _fixed("0 -1 0; -1 5 -1; 0 -1 0")),
        NamedKernel("unsharp", "adds what a Gaussian blur takes away", _unsharp, ("size", "amount")),
        NamedKernel("emboss", "lights the image from the top left", _fixed("-2 -1 0; -1 1 1; 0 1 2")),
        NamedKernel("sobel-x", "slope to the right, smoothed: vertical edges", _fixed(_SOBEL)),
        NamedKernel("sobel-y", "slope downwards, smoothed: horizontal edges", _transposed(_SOBEL)),
        NamedKernel("prewitt-x", "slope to the right, averaged over three rows", _fixed(_PREWITT)),
        NamedKernel("prewitt-y", "slope downwards, averaged over three columns", _transposed(_PREWITT)),
        NamedKernel("scharr-x", "slope to the right, truer for oblique edges", _fixed(_SCHARR)),
        NamedKernel("scharr-y", "slope downwards, truer for oblique edges", _transposed(_SCHARR)),
        NamedKernel("laplacian", "curvature: sum of second differences", _fixed("0 1 0; 1 -4 1; 0 1 0")),
        NamedKernel("log", "curvature of the blurred image, less noisy", _log, ("size", "sigma")),
        NamedKernel("edge", "difference from all 8 neighbours", _fixed("-1 -1 -1; -1 8 -1; -1 -1 -1")),
        NamedKernel("ridge", "difference from the 4 nearest neighbours", _fixed("0 -1 0; -1 4 -1; 0 -1 0")),
    )
}
