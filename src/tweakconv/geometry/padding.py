"""Padding: from the ways to write it to the positions it adds to an axis, and what those positions hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from tweakconv.geometry.arguments import entries, integer, is_per_axis

PaddingLike: TypeAlias = str | int | Sequence[int] | Sequence[tuple[int, int]]
AxisPadding: TypeAlias = str | tuple[int, int]

PADDINGS = ("valid", "same", "same_lower", "full", "causal")
PADDING_MODES = ("zeros", "constant", "reflect", "symmetric", "edge", "wrap")
_TRANSPOSED_PADDINGS = ("valid", "same", "same_lower")


def padding_per_axis(padding: PaddingLike, rank: int, *, transposed: bool = False) -> tuple[AxisPadding, ...]:
    """The padding of each axis, as one of the names in lower case or as (lo, hi).

    Raises
    ------
    ValueError
        For an unknown name, a wrong number of entries, or "causal" on several axes.
    TypeError
        For what is neither a name nor made of integers.

    Examples
    --------
    >>> padding_per_axis("SAME", 2), padding_per_axis([1, (0, 2)], 2)
    (('same', 'same'), ((1, 1), (0, 2)))
    """
    if isinstance(padding, str):
        name = padding.lower()
        names = _TRANSPOSED_PADDINGS if transposed else padding_names(rank)
        if name == "causal" and rank > 1 and not transposed:
            raise ValueError(
                f"padding='causal' needs a single axis (time), received {rank} axes; write pairs, such as "
                f"(kernel_size - 1, 0) for the axis of time and (0, 0) for the others"
            )
        if name not in names:
            raise ValueError(
                f"padding {'of a transposed convolution ' if transposed else ''}must be one of "
                f"{', '.join(map(repr, names))}, an integer, or an integer or a (lo, hi) pair per axis, "
                f"received {padding!r}"
            )
        return (name,) * rank
    if not is_per_axis(padding):
        pad = integer("padding", padding)
        return ((pad, pad),) * rank
    if len(padding) != rank:
        flat = len(padding) == 2 * rank and not any(map(is_per_axis, padding))
        hint = "; different pads at the two ends are written as pairs, one (lo, hi) per axis" if flat else ""
        raise ValueError(f"padding must have {entries(rank)}, received {padding!r}{hint}")
    return tuple(_pair(entry, padding) for entry in padding)


def padding_names(rank: int) -> tuple[str, ...]:
    """The names that a padding of `rank` axes may have.

    Examples
    --------
    >>> set(padding_names(1)) - set(padding_names(2))
    {'causal'}
    """
    return PADDINGS if rank == 1 else tuple(name for name in PADDINGS if name != "causal")


def _pair(entry: object, padding: object) -> tuple[int, int]:
    lo_hi = tuple(entry) if is_per_axis(entry) else (entry, entry)
    if len(lo_hi) != 2:
        raise ValueError(f"padding must have (lo, hi) pairs as entries, received {entry!r} in {padding!r}")
    lo, hi = (integer("padding", pad, within=padding) for pad in lo_hi)
    return lo, hi


def pads(padding: AxisPadding, size: int, span: int, stride: int) -> tuple[int, int]:
    """(lo, hi) of one axis of `size` pixels under a window that spans `span` positions.

    "same" gives ceil(size / stride) outputs, as in Keras, TensorFlow and ONNX (SAME_UPPER); where the stride
    is so large that this needs no padding at all, none is added.

    Examples
    --------
    >>> pads("same", size=6, span=3, stride=2), pads("same_lower", size=6, span=3, stride=2)
    ((0, 1), (1, 0))
    """
    if not isinstance(padding, str):
        return padding
    match padding:
        case "valid":
            return 0, 0
        case "full":
            return span - 1, span - 1
        case "causal":
            return span - 1, 0
    needed = totals_giving(-(-size // stride), size, span, stride)
    return _halved(max(needed.start, 0), padding)


def totals_giving(outputs: int, size: int, span: int, stride: int) -> range:
    """The sums lo + hi that give an axis this many outputs, least first; negative ones crop.

    Examples
    --------
    >>> totals_giving(10, size=28, span=3, stride=3)
    range(2, 5)
    """
    least = (outputs - 1) * stride + span - size
    return range(least, least + stride)


def cuts(padding: AxisPadding, span: int, stride: int, output_padding: int | None) -> tuple[int, int]:
    """(lo, hi) that one axis of a transposed convolution loses of its full result, negative where it gains.

    `output_padding` is deducted from hi. The names mean what they mean in Keras 3
    (``keras/src/backend/common/backend_utils.py``, where the same numbers are written as pads for JAX).

    Examples
    --------
    >>> cuts("same", span=3, stride=2, output_padding=None), cuts("same", span=3, stride=2, output_padding=0)
    ((0, 1), (1, 1))
    """
    if not isinstance(padding, str):
        lo, hi = padding
        return lo, hi - (output_padding or 0)
    if padding == "valid":
        return 0, -(max(stride - span, 0) if output_padding is None else output_padding)
    total = span - stride if output_padding is None else span - span % 2 - output_padding
    lo, _ = _halved(max(total, 0), padding)
    return lo, total - lo


def _halved(total: int, name: str) -> tuple[int, int]:
    """A total as (lo, hi), the odd position at the end for "same" and at the start for "same_lower"."""
    lesser, greater = total // 2, total - total // 2
    return (lesser, greater) if name == "same" else (greater, lesser)


def extend(position: int, size: int, padding_mode: str) -> int | None:
    """The pixel that stands at `position` when an axis of `size` pixels is continued beyond both its ends.

    The modes mean what they mean in `numpy.pad`, at any distance: padding wider than the image goes on
    mirroring or repeating it.

    Parameters
    ----------
    position
        Any integer; 0 is the first pixel.
    size
        Number of pixels, at least 1.
    padding_mode
        "zeros" and "constant" hold no pixel. With the pixels a b c, "edge" continues them as a a|a b c|c c,
        "symmetric" as b a|a b c|c b, "reflect" as c b|a b c|b a, and "wrap" as b c|a b c|a b.

    Returns
    -------
    int or None
        Index of the pixel, ``0 <= index < size``, or None where there is none.

    Raises
    ------
    ValueError
        For an unknown `padding_mode`.

    Examples
    --------
    >>> [extend(p, 3, "reflect") for p in range(-3, 6)]
    [1, 2, 1, 0, 1, 2, 1, 0, 1]
    """
    if padding_mode not in PADDING_MODES:
        raise ValueError(
            f"padding_mode must be one of {', '.join(map(repr, PADDING_MODES))}, received {padding_mode!r}"
        )
    if 0 <= position < size:
        return position
    match padding_mode:
        case "edge":
            return 0 if position < 0 else size - 1
        case "wrap":
            return position % size
        case "symmetric":
            turn = position % (2 * size)
            return min(turn, 2 * size - 1 - turn)
        case "reflect":
            period = max(2 * size - 2, 1)
            turn = position % period
            return min(turn, period - turn)
    return None


def border(size: int, lo: int, hi: int, padding_mode: str) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
    """The pixels that stand in the padding of an axis: before the first pixel, and behind the last.

    Parameters
    ----------
    size
        Number of pixels.
    lo, hi
        Positions of padding; where they are negative there is none.
    padding_mode
        As in `extend`.

    Examples
    --------
    >>> border(4, 2, 1, "reflect"), border(4, -1, 2, "constant")
    (((2, 1), (2,)), ((), (None, None)))
    """
    before, behind = range(-max(lo, 0), 0), range(size, size + max(hi, 0))
    return (
        tuple(extend(position, size, padding_mode) for position in before),
        tuple(extend(position, size, padding_mode) for position in behind),
    )
