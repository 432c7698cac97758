"""What size comes out? The formula, with everything that people forget in it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tweakconv.view.practice.exercise import Explanation, Kind, Question, Ruling
from tweakconv.view.practice.forms import Field, Numbers
from tweakconv.view.practice.layer_case import LayerCase, has_output, one_of
from tweakconv.view.practice.words import AXES, caught, size_sentences, size_slips, solution_words

_FORM = Numbers((Field("height", "rows", 1), Field("width", "columns", 1)))


def _draw(level: int, draw: Random) -> LayerCase | None:
    """Squares and exact steps first; then 'same', two axes and remainders; then dilation and uneven pads."""
    if level == 1:
        side, kernel, pad = draw.randint(5, 32), draw.randint(2, 7), draw.randint(0, 2)
        stride = draw.randint(1, 3)
        case = LayerCase((side, side), (kernel, kernel), (stride, stride), ((pad, pad), (pad, pad)))
        good = has_output(case) and pad < kernel and all(axis.slack % stride == 0 for axis in case.geometry().axes)
        return case if good and case.geometry().output_size != case.input_size else None
    sizes = draw.randint(6, 40), draw.randint(6, 40)
    if level == 2:
        kernel, stride, pad = draw.randint(2, 7), draw.randint(2, 4), draw.randint(1, 3)
        padding = one_of(draw, "valid", "same", "same", ((pad, pad), (pad, pad)))
        case = LayerCase(sizes, (kernel, kernel), (stride, stride), padding)
    else:
        kernels = draw.randint(2, 5), draw.randint(2, 5)
        strides = draw.randint(1, 3), draw.randint(1, 3)
        rates = draw.randint(1, 4), draw.randint(2, 4)
        pairs = tuple((draw.randint(0, 4), draw.randint(0, 4)) for _ in range(2))
        padding = one_of(draw, "valid", "full", "same", pairs, pairs)
        case = LayerCase(sizes, kernels, strides, padding, rates)
    if not has_output(case):
        return None
    geometry = case.geometry()
    return case if any(axis.slack % axis.stride for axis in geometry.axes) and min(geometry.output_size) > 1 else None


def _ask(case: LayerCase) -> Question[dict[str, int]]:
    return Question("A kernel moves over an image. What size comes out?", _FORM, case.given())


def _judge(case: LayerCase, answer: dict[str, int]) -> Ruling:
    geometry = case.geometry()
    size = answer["height"], answer["width"]
    if size == geometry.output_size:
        return Ruling(True)
    if size == geometry.output_size[::-1]:
        return Ruling(False, "Height and width are the other way round: rows come first.", "swapped")
    place = next(place for place in range(2) if size[place] != geometry.output_size[place])
    axis, given = geometry.axes[place], size[place]
    ruling = caught(
        given, size_slips(axis, case.padding), f"{given} is too {'many' if given > axis.output else 'few'}."
    )
    if len(set(size)) == len(set(geometry.axes)) == 1:
        return ruling
    return replace(ruling, hint=f"In {AXES[place]}: {ruling.hint}")


def _explain(case: LayerCase, answer: dict[str, int] | None) -> Explanation:
    geometry = case.geometry()
    return Explanation(size_sentences(geometry, case.padding), solution_words(geometry), case.state())


def _solve(case: LayerCase) -> dict[str, int]:
    height, width = case.geometry().output_size
    return {"height": height, "width": width}


KIND: Kind[LayerCase, dict[str, int]] = Kind(
    "output_size",
    "What size comes out?",
    "Work out the size from input, kernel, strides, padding and dilation.",
    _draw,
    _ask,
    _judge,
    _explain,
    _solve,
)
