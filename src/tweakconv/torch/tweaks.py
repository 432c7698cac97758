"""What PyTorch's arguments mean: a convolution between two tensors, with its pads in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from tweakconv.geometry import PaddingLike, effective_kernel
from tweakconv.geometry.arguments import is_per_axis, per_axis
from tweakconv.geometry.axis import outputs
from tweakconv.geometry.padding import cuts, padding_per_axis, pads

Pairs: TypeAlias = tuple[tuple[int, int], ...]

PADDING_MODES = {
    "zeros": "zeros",
    "reflect": "reflect",
    "replicate": "edge",
    "circular": "wrap",
    "symmetric": "symmetric",
}
"""PyTorch's names of what the padding holds, and one more, with tweakconv's."""


class Tweaks(NamedTuple):
    """A convolution besides its tensors.

    Attributes
    ----------
    pads : tuple of pair of int
        (lo, hi) of each axis; what is cut from the full result where it is transposed.
    padding_mode : str
        By tweakconv's name.
    """

    strides: tuple[int, ...]
    pads: Pairs
    dilation: tuple[int, ...]
    groups: int
    transposed: bool = False
    padding_mode: str = "zeros"


def numbers_per_axis(name: str, value: int | Sequence[int], rank: int, *, at_least: int) -> tuple[int, ...]:
    """One number for each axis; PyTorch also takes a sequence of a single one.

    Raises
    ------
    TypeError, ValueError
        For what is no whole number, or less than it may be, or as many as there are no axes.

    Examples
    --------
    >>> [numbers_per_axis("stride", stride, 2, at_least=1) for stride in (2, [3], (1, 2))]
    [(2, 2), (3, 3), (1, 2)]
    """
    if is_per_axis(value) and len(value) == 1:
        return per_axis(name, value[0], rank, at_least=at_least)
    return per_axis(name, value, rank, at_least=at_least)


def checked_mode(padding_mode: str) -> str:
    """What tweakconv calls a padding mode.

    Raises
    ------
    ValueError
        For an unknown one.
    """
    if padding_mode not in PADDING_MODES:
        choices = ", ".join(map(repr, PADDING_MODES))
        raise ValueError(f"padding_mode: received {padding_mode!r}; choose one of {choices}")
    return PADDING_MODES[padding_mode]


def pads_of(
    padding: PaddingLike, size: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> Pairs:
    """The pads of a convolution, (lo, hi) of each axis.

    Examples
    --------
    >>> pads_of("same", (8, 8), (3, 3), (2, 1), (1, 2)), pads_of([1], (8, 8), (3, 3), (2, 1), (1, 2))
    (((0, 1), (2, 2)), ((1, 1), (1, 1)))
    """
    rank = len(kernel)
    each = padding_per_axis(spread(padding, rank), rank)
    spans = [effective_kernel(taps, apart) for taps, apart in zip(kernel, dilation, strict=True)]
    return tuple(pads(*axis) for axis in zip(each, size, spans, strides, strict=True))


def cuts_of(
    padding: PaddingLike,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    output_padding: Sequence[int],
) -> Pairs:
    """What a transposed convolution cuts from its full result, (lo, hi) of each axis.

    Examples
    --------
    >>> cuts_of(1, (3, 3), (2, 2), (1, 1), (0, 1)), cuts_of("same", (3, 3), (2, 2), (1, 1), (0, 0))
    (((1, 1), (1, 0)), ((0, 1), (0, 1)))
    """
    rank = len(kernel)
    each = padding_per_axis(spread(padding, rank), rank, transposed=True)
    # By name PyTorch has no transposed padding: these are Keras', where no output padding is not one of 0.
    extras = [extra or None for extra in output_padding] if isinstance(padding, str) else output_padding
    spans = [effective_kernel(taps, apart) for taps, apart in zip(kernel, dilation, strict=True)]
    return tuple(cuts(*axis) for axis in zip(each, spans, strides, extras, strict=True))


def size_of(size: Sequence[int], kernel: Sequence[int], tweaks: Tweaks) -> list[int]:
    """The size that a convolution makes of a size, of which both may be symbols.

    Examples
    --------
    >>> size_of((8, 9), (3, 3), Tweaks((2, 2), ((1, 1), (0, 1)), (1, 1), 1))
    [4, 4]
    >>> size_of((4, 4), (3, 3), Tweaks((2, 2), ((1, 0), (0, 1)), (1, 1), 1, transposed=True))
    [8, 8]
    """
    spans = [effective_kernel(taps, apart) for taps, apart in zip(kernel, tweaks.dilation, strict=True)]
    axes = zip(size, spans, tweaks.strides, tweaks.pads, strict=True)
    if not tweaks.transposed:
        return [outputs(*axis) for axis in axes]
    # The flipped window moves one position at a time over pixels that stand a stride apart.
    return [
        outputs(effective_kernel(pixels, stride), span, 1, (span - 1 - lo, span - 1 - hi))
        for pixels, span, stride, (lo, hi) in axes
    ]


def spread(padding: PaddingLike, rank: int) -> PaddingLike:
    """PyTorch takes a sequence of one number for every axis."""
    return padding if isinstance(padding, str | int) or len(padding) != 1 else [*padding] * rank
