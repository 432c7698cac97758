"""What is worth knowing about one convolution, in words: uneven pads, unread pixels, empty windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tweakconv.geometry import AxisGeometry, ConvGeometry

_NAMES = {1: ("along the axis",), 2: ("in height", "in width")}


def notes_on(geometry: ConvGeometry, padding_mode: str = "zeros") -> tuple[str, ...]:
    """Sentences about what a person might not expect of a convolution.

    Parameters
    ----------
    geometry
        With one axis or two.
    padding_mode
        What its padding holds.

    Returns
    -------
    tuple of str
        Empty where there is nothing to say. What holds for both axes is said once.

    Examples
    --------
    >>> for note in notes_on(ConvGeometry.of((6, 6), 3, strides=2, padding="same")):
    ...     print(note)
    The padding is uneven: 0 before and 1 after. A layer that pads 1 on both sides, such as PyTorch's padding=1, \
gives the same size and reads other pixels.
    """
    found: dict[str, list[str]] = {}
    for name, axis in zip(_NAMES[geometry.rank], geometry.axes, strict=True):
        for note in _notes(axis, padding_mode):
            found.setdefault(note, []).append(name)
    return tuple(
        note if len(names) == geometry.rank else f"{note[0].upper()}{note[1:-1]} ({names[0]})."
        for note, names in found.items()
    )


def _notes(axis: AxisGeometry, padding_mode: str) -> Iterator[str]:
    """What there is to say about one axis."""
    if axis.flipped:
        yield from _checkerboard(axis)
    elif axis.pad_lo != axis.pad_hi and min(axis.pad_lo, axis.pad_hi) >= 0:
        yield from _uneven(axis)
    if unread := axis.unread():
        yield unread.explain()
    if blind := sum(all(pixel is None for pixel in axis.taps(o)) for o in range(axis.output)):
        what = "read padding and nothing else" if not axis.flipped else "meet no pixel at all and stay 0"
        one = what.replace("read", "reads").replace("meet", "meets").replace("stay", "stays")
        yield f"{blind} of {axis.output} outputs {one if blind == 1 else what}."
    reach = {"reflect": axis.input - 1, "symmetric": axis.input, "wrap": axis.input}.get(padding_mode)
    if reach is not None and max(axis.pad_lo, axis.pad_hi) > reach:
        yield (
            f"The padding is wider than the {axis.input} pixels it repeats, so it repeats them more than once; "
            f"PyTorch refuses that."
        )


def _uneven(axis: AxisGeometry) -> Iterator[str]:
    """Pads that differ; and the even pad that gives as many outputs, which is what frameworks confuse them with."""
    words = f"The padding is uneven: {axis.pad_lo} before and {axis.pad_hi} after."
    for pad in sorted({axis.pad_lo, axis.pad_hi}):
        try:
            even = replace(axis, pad_lo=pad, pad_hi=pad)
        except ValueError:  # too little for a single output
            continue
        if even.output == axis.output:
            words += (
                f" A layer that pads {pad} on both sides, such as PyTorch's padding={pad}, gives the same size and "
                f"reads other pixels."
            )
            break
    yield words


def _checkerboard(axis: AxisGeometry) -> Iterator[str]:
    """Outputs that sum over different numbers of products (Odena, Dumoulin & Olah, "Deconvolution and
    checkerboard artifacts", Distill, 2016).
    """
    inner = [sum(pixel is not None for pixel in axis.taps(o)) for o in axis.interior]
    if inner and min(inner) != max(inner):
        yield (
            f"Inner outputs sum over {min(inner)} to {max(inner)} products in turn: this is where checkerboard "
            f"patterns come from; a kernel of a multiple of {axis.input_dilation} taps avoids it."
        )
