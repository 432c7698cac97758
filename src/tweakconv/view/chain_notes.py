"""What is worth knowing about a chain of layers, in words: gridding, borders, fields that are too large."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final, NamedTuple

import numpy as np

from tweakconv.geometry import ConvGeometry
from tweakconv.receptive_fields import Layer, ReceptiveField, receptive_field, relative_paths
from tweakconv.view.captions import by
from tweakconv.view.chain import Chain
from tweakconv.view.notes import notes_on

_NAMES: Final = ("height", "width")
_LINES: Final = ("rows", "columns")
_MOST_TRIED: Final = 700  # rates tried for a remedy: some tens of milliseconds
_LARGEST_NOTED: Final = 2048  # along an axis; what a note says of a layer is read output by output


class Note(NamedTuple):
    """A sentence or more about one layer, or about the chain where `layer` is None.

    `kind` is "layer" (what `tweakconv.view.notes` says of any convolution), "idle", "gridding", "larger",
    "padding" or "unread".
    """

    layer: int | None
    kind: str
    text: str


def notes_on_chain(chain: Chain) -> tuple[Note, ...]:
    """Sentences about what a person might not expect of a chain.

    Examples
    --------
    >>> for note in notes_on_chain(Chain.of((64, 64), [Layer((3, 3), dilation_rate=2)] * 3)):
    ...     print(note.kind, "-", note.text)
    gridding - One output reads 49 of the 169 pixels that it spans. Dilation 2, 2, 2 leaves the holes of a grid; \
1, 2, 3 would read every pixel of a field of 13 × 13.
    """
    notes = [
        Note(number, kind, text)
        for number, geometry in enumerate(chain.geometries, 1)
        for kind, text in _of_layer(geometry)
    ]
    if chain.geometries:
        notes += [Note(None, kind, text) for kind, text in (*_gridding(chain), *_field(chain), *_unread(chain))]
    return tuple(notes)


def _of_layer(geometry: ConvGeometry) -> Iterator[tuple[str, str]]:
    if max(geometry.input_size + geometry.output_size) <= _LARGEST_NOTED:
        yield from (("layer", text) for text in notes_on(geometry))
    for name, axis in zip(_NAMES, geometry.axes, strict=True):
        idle = sum(not pixels for _, pixels in map(axis.meetings, range(axis.kernel)))
        if idle:
            verb, them = ("meets", "it") if idle == 1 else ("meet", "them")
            yield (
                "idle",
                f"In {name}, {idle} of the {axis.kernel} weights {verb} nothing but padding, wherever the window is: a "
                f"kernel without {them} would do the same.",
            )


def _gridding(chain: Chain) -> Iterator[tuple[str, str]]:
    field = chain.field()
    if field.coverage < 1:
        text = f"One output reads {field.pixels_read:,} of the {field.pixels:,} pixels that it spans."
        yield "gridding", text + (_remedy(chain) if len(chain.geometries) > 1 else "")


def _remedy(chain: Chain) -> str:
    """Dilation rates under which every pixel of the field is read, where some of about the same size do that.

    That rates should grow and have no common factor is the rule of Wang et al., "Understanding Convolution for
    Semantic Segmentation", 2018 (https://arxiv.org/abs/1702.08502), against gridding; here they are tried.
    """
    dilated = {number: g.dilation_rate[0] for number, g in enumerate(chain.geometries) if max(g.dilation_rate) > 1}
    if not dilated or any(len(set(chain.geometries[number].dilation_rate)) > 1 for number in dilated):
        return ""
    rates = tuple(dilated.values())
    better = _better_rates(chain, tuple(dilated), rates)
    if better is None:
        return f" Dilation {_listed(rates)} leaves the holes of a grid."
    size = _with_rates(chain, tuple(dilated), better).size
    return (
        f" Dilation {_listed(rates)} leaves the holes of a grid; {_listed(better)} would read every pixel of a field "
        f"of {by(size)}."
    )


def _better_rates(chain: Chain, dilated: tuple[int, ...], rates: tuple[int, ...]) -> tuple[int, ...] | None:
    """The growing rates with the largest field up to the present one that leave no hole; the smaller the better."""
    most = max(rates) + 1
    if most ** len(rates) > _MOST_TRIED:
        return None
    found, best = None, (0, 0)
    for tried in product(range(1, most + 1), repeat=len(rates)):
        if list(tried) != sorted(tried) or sum(tried) > sum(rates):
            continue
        field = _with_rates(chain, dilated, tried)
        worth = (field.pixels, -max(tried))
        if field.coverage == 1 and worth > best:
            found, best = tried, worth
    return found


def _with_rates(chain: Chain, dilated: tuple[int, ...], rates: tuple[int, ...]) -> ReceptiveField:
    """The field under other dilation rates; padding only moves it."""
    changed = dict(zip(dilated, rates, strict=True))
    return receptive_field(
        Layer(g.kernel_size, g.strides, 0, changed.get(number, g.dilation_rate))
        for number, g in enumerate(chain.geometries)
    )


def _field(chain: Chain) -> Iterator[tuple[str, str]]:
    one = chain.as_one_layer()
    spans = tuple(axis.effective_kernel for axis in one)
    if any(span > pixels for span, pixels in zip(spans, chain.input_size, strict=True)):
        yield (
            "larger",
            f"The field is larger than the image: one output spans {by(spans)} pixels, the image has "
            f"{by(chain.input_size)}. Every output sees padding.",
        )
        return
    outputs, inner = math.prod(axis.output for axis in one), math.prod(len(axis.interior) for axis in one)
    if 2 * inner < outputs:
        yield (
            "padding",
            f"Only {inner:,} of the {outputs:,} outputs see nothing but the image; the others see padding too.",
        )


def _unread(chain: Chain) -> Iterator[tuple[str, str]]:
    """Pixels that reach no output, where that is more than the first layer leaves out anyway."""
    lost = [int(np.count_nonzero(relative_paths(chain.along(axis)) == 0)) for axis in range(2)]
    at_once = [len(unread) for unread in chain.geometries[0].unread()]
    for name, count, first, pixels in zip(_LINES, lost, at_once, chain.input_size, strict=True):
        if count > first:
            yield (
                "unread",
                f"{count} of the {pixels} {name} reach no output of the last layer"
                + (f"; {first} of them are not read by the first layer already." if first else "."),
            )


def _listed(numbers: Sequence[int]) -> str:
    """The first few of some numbers."""
    return ", ".join(map(str, numbers[:6])) + ", ..." * (len(numbers) > 6)
