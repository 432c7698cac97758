"""Which pixels does this output read? The tap map, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Any

from tweakconv.geometry import AxisGeometry, ConvGeometry
from tweakconv.view.practice.exercise import Explanation, Kind, Question, Ruling
from tweakconv.view.practice.forms import Cells
from tweakconv.view.practice.layer_case import LayerCase, has_output, one_of
from tweakconv.view.practice.words import AXES, Slip, caught

Pixels = frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class OutputCase:
    """A layer and one of its outputs."""

    layer: LayerCase
    output: tuple[int, int]


def _draw(level: int, draw: Random) -> OutputCase | None:
    """Strides first; then padding; then dilation, uneven pads and steps."""
    sides = draw.randint(4, 7), draw.randint(4, 8)
    kernels = (draw.randint(2, 3),) * 2 if level == 1 else (draw.randint(1, 3), draw.randint(2, 3))
    strides = (draw.randint(1, 2),) * 2 if level == 1 else (draw.randint(1, 3), draw.randint(1, 2))
    if level == 1:
        layer = LayerCase(sides, kernels, strides)
    elif level == 2:
        pad = draw.randint(1, 2)
        layer = LayerCase(sides, kernels, strides, one_of(draw, "same", ((pad, pad), (pad, pad))))
    else:
        pairs = tuple((draw.randint(0, 2), draw.randint(0, 2)) for _ in range(2))
        layer = LayerCase(sides, kernels, strides, one_of(draw, "same", pairs), (draw.randint(1, 2), 2))
    if not has_output(layer):
        return None
    rows, columns = layer.geometry().output_size
    case = OutputCase(layer, (draw.randrange(rows), draw.randrange(columns)))
    # The first output says nothing about strides.
    return case if _read(layer.geometry(), case.output) and (level == 3 or case.output != (0, 0)) else None


def _read(geometry: ConvGeometry, output: tuple[int, int]) -> Pixels:
    """The pixels, from the tap map."""
    rows, columns = (axis.taps(o) for axis, o in zip(geometry.axes, output, strict=True))
    return frozenset((row, column) for row, column in product(rows, columns) if row is not None and column is not None)


def _ask(case: OutputCase) -> Question[Pixels]:
    rows, columns = case.layer.input_size
    return Question(
        "Which pixels of the input does this output read? Padding is not to be marked.",
        Cells(rows, columns, "pixels of the input"),
        (*case.layer.given(), ("output", f"row {case.output[0]}, column {case.output[1]}")),
        state=case.layer.state(),
    )


def _judge(case: OutputCase, answer: Pixels) -> Ruling:
    right = _read(case.layer.geometry(), case.output)
    if answer == right:
        return Ruling(True)
    extra, missed = answer - right, right - answer
    if extra and missed:
        otherwise = f"{_count(extra)} should not be marked, and {_count(missed)} should."
    elif extra:
        otherwise = f"{_count(extra)} should not be marked: nothing there meets a weight."
    else:
        otherwise = f"{_count(missed)} more should be marked."
    return caught(answer, _slips(case), otherwise)


def _count(pixels: Pixels) -> str:
    return f"{len(pixels)} pixel{'s' * (len(pixels) != 1)}"


def _slips(case: OutputCase) -> Iterator[Slip]:
    layer = case.layer
    geometry = layer.geometry()
    tweaks: list[tuple[str, dict[str, Any], str]] = [
        (
            "no_stride",
            {"strides": (1, 1), "padding": geometry.pads},
            f"The window moves {_per_axis(layer.strides)} pixels for each output, not 1.",
        ),
        (
            "no_padding",
            {"padding": "valid"},
            "The padding comes before the first pixel, so the window of output 0, 0 begins there.",
        ),
        (
            "no_dilation",
            {"dilation_rate": (1, 1), "padding": geometry.pads},
            f"The taps stand {_per_axis(layer.dilation_rate)} apart, with gaps between them.",
        ),
        (
            "filled",
            {
                "kernel_size": geometry.effective_kernel_size,
                "dilation_rate": (1, 1),
                "padding": geometry.pads,
            },
            "The gaps between the taps are not read: only the taps themselves are.",
        ),
    ]
    for mistake, changes, hint in tweaks:
        other = layer.changed(**changes)
        if other != layer and has_output(other):
            sizes = other.geometry().output_size
            if all(o < size for o, size in zip(case.output, sizes, strict=True)):
                yield Slip(mistake, _read(other.geometry(), case.output), hint)
    row, column = case.output
    sizes = geometry.output_size
    if row != column and column < sizes[0] and row < sizes[1]:
        yield Slip("swapped", _read(geometry, (column, row)), "Row and column are the other way round.")


def _per_axis(numbers: tuple[int, ...]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else f"{numbers[0]} rows and {numbers[1]} columns"


def _explain(case: OutputCase, answer: Pixels | None) -> Explanation:
    geometry = case.layer.geometry()
    sentences = [
        sentence
        for name, axis, o in zip(AXES, geometry.axes, case.output, strict=True)
        for sentence in _axis_sentences(name, axis, o)
    ]
    row, column = case.output
    right = _read(geometry, case.output)
    return Explanation(
        tuple(sentences),
        ", ".join(f"({r}, {c})" for r, c in sorted(right)),
        case.layer.state(),
        row * geometry.output_size[1] + column,
    )


def _axis_sentences(name: str, axis: AxisGeometry, o: int) -> Iterator[str]:
    line = {"height": "rows", "width": "columns"}[name]
    places = ", ".join(str(axis.position(o, k)).replace("-", "−") for k in range(axis.kernel))
    before = f" − {axis.pad_lo} of padding" if axis.pad_lo else ""
    yield (
        f"In {name} the window begins at {o}·{axis.stride}{before} = {str(axis.first(o)).replace('-', '−')}, and its "
        f"taps stand {axis.dilation} apart: at {line} {places}."
    )
    outside = sum(pixel is None for pixel in axis.taps(o))
    if outside:
        yield f"{outside} of these {'lies' if outside == 1 else 'lie'} in the padding, where no pixel is."


def _solve(case: OutputCase) -> list[list[int]]:
    return [list(pixel) for pixel in sorted(_read(case.layer.geometry(), case.output))]


KIND: Kind[OutputCase, Pixels] = Kind(
    "reads",
    "Which pixels does this output read?",
    "Mark what the kernel lies on.",
    _draw,
    _ask,
    _judge,
    _explain,
    _solve,
)
