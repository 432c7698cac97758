"""Which outputs read this pixel? The tap map the other way round: what a change of one pixel changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from random import Random

from tweakconv.geometry import AxisGeometry, ConvGeometry
from tweakconv.view.practice.exercise import Explanation, Kind, Question, Ruling
from tweakconv.view.practice.forms import Cells
from tweakconv.view.practice.layer_case import LayerCase, has_output, one_of
from tweakconv.view.practice.words import AXES, Slip, caught

Outputs = frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class PixelCase:
    """A layer and one pixel of its input."""

    layer: LayerCase
    pixel: tuple[int, int]


def _draw(level: int, draw: Random) -> PixelCase | None:
    """Stride 1 first; then strides and padding; then dilation."""
    sides = draw.randint(4, 7), draw.randint(4, 8)
    kernels = (draw.randint(2, 3),) * 2 if level == 1 else (draw.randint(1, 3), draw.randint(2, 3))
    strides = (1, 1) if level == 1 else (draw.randint(1, 2), draw.randint(1, 2))
    rates = (draw.randint(1, 2), 2) if level == 3 else (1, 1)
    layer = LayerCase(sides, kernels, strides, one_of(draw, "valid", "same"), rates)
    pixel = draw.randrange(sides[0]), draw.randrange(sides[1])
    if not has_output(layer) or min(layer.geometry().output_size) < 2:
        return None
    case = PixelCase(layer, pixel)
    return case if len(_readers(layer.geometry(), pixel)) > (level == 1) else None


def _along(axis: AxisGeometry, pixel: int) -> list[int]:
    """The outputs along an axis that read a pixel, from the tap map."""
    return [o for o in range(axis.output) if pixel in axis.taps(o)]


def _readers(geometry: ConvGeometry, pixel: tuple[int, int]) -> Outputs:
    rows, columns = (_along(axis, place) for axis, place in zip(geometry.axes, pixel, strict=True))
    return frozenset(product(rows, columns))


def _ask(case: PixelCase) -> Question[Outputs]:
    rows, columns = case.layer.geometry().output_size
    return Question(
        "One pixel of the input changes. Which outputs read it?",
        Cells(rows, columns, "outputs"),
        (*case.layer.given(), ("pixel", f"row {case.pixel[0]}, column {case.pixel[1]}")),
        state=case.layer.state(),
    )


def _judge(case: PixelCase, answer: Outputs) -> Ruling:
    right = _readers(case.layer.geometry(), case.pixel)
    if answer == right:
        return Ruling(True)
    extra, missed = len(answer - right), len(right - answer)
    wrong = [f"{extra} of those you marked {'does' if extra == 1 else 'do'} not read it"] if extra else []
    wrong += [f"{missed} more {'does' if missed == 1 else 'do'}"] if missed else []
    return caught(answer, _slips(case), f"{' and '.join(wrong)}.")


def _slips(case: PixelCase) -> Iterator[Slip]:
    layer = case.layer
    geometry = layer.geometry()
    if case.pixel in set(product(*(range(size) for size in geometry.output_size))):
        yield Slip(
            "only_same_place",
            frozenset([case.pixel]),
            "Not only the output at the same place: every window that lies over the pixel reads it.",
        )
    without = layer.changed(dilation_rate=(1, 1), padding=geometry.pads)
    if without != layer and without.dilation_rate != layer.dilation_rate and has_output(without):
        shape = [range(size) for size in geometry.output_size]
        yield Slip(
            "no_dilation",
            frozenset(_readers(without.geometry(), case.pixel) & set(product(*shape))),
            "A window may lie over the pixel and not read it: the gaps between the taps are left out.",
        )
    pads = layer.changed(padding="valid")
    if pads.padding != layer.padding and has_output(pads):
        yield Slip(
            "no_padding",
            _readers(pads.geometry(), case.pixel),
            "Output 0 begins in the padding, before the first pixel: count from there.",
        )


def _explain(case: PixelCase, answer: Outputs | None) -> Explanation:
    geometry = case.layer.geometry()
    sentences = []
    for name, axis, place in zip(AXES, geometry.axes, case.pixel, strict=True):
        readers = _along(axis, place)
        line = {"height": "row", "width": "column"}[name]
        which = f"outputs {', '.join(map(str, readers))}" if len(readers) != 1 else f"output {readers[0]}"
        windows = "; ".join(f"{o} reads {_places(axis, o)}" for o in range(axis.output))
        sentences.append(f"In {name}, output by output: {windows}. So {line} {place} is read by {which}.")
    sentences.append("An output reads the pixel where it does along both axes.")
    found = sorted(_readers(geometry, case.pixel))
    row, column = found[0]
    return Explanation(
        tuple(sentences),
        ", ".join(f"({r}, {c})" for r, c in found),
        case.layer.state(),
        row * geometry.output_size[1] + column,
    )


def _places(axis: AxisGeometry, o: int) -> str:
    return ", ".join(str(axis.position(o, k)).replace("-", "−") for k in range(axis.kernel))


def _solve(case: PixelCase) -> list[list[int]]:
    return [list(output) for output in sorted(_readers(case.layer.geometry(), case.pixel))]


KIND: Kind[PixelCase, Outputs] = Kind(
    "who_reads",
    "Which outputs read this pixel?",
    "Follow a pixel forward to where it counts.",
    _draw,
    _ask,
    _judge,
    _explain,
    _solve,
)
