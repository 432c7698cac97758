"""Which padding keeps the size? At stride 1 it is what the kernel spans beyond one pixel, shared by both ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from tweakconv.geometry import AxisGeometry
from tweakconv.view.captions import by
from tweakconv.view.practice.exercise import Explanation, Kind, Question, Ruling
from tweakconv.view.practice.forms import Field, Numbers
from tweakconv.view.practice.layer_case import LayerCase
from tweakconv.view.practice.words import Slip, axis_names, caught

_SQUARE = Numbers((Field("padding", "zeros on every side"),))
_RECTANGLE = Numbers((Field("height", "zeros above and below"), Field("width", "zeros left and right")))
_ENDS = Numbers((Field("before", "zeros before"), Field("after", "zeros after")))


def _draw(level: int, draw: Random) -> LayerCase | None:
    """Odd squares first; then two axes with dilation; then one axis with an even span, whose ends must differ."""
    if level == 1:
        side, kernel = draw.randint(5, 64), draw.choice([3, 5, 7, 9, 11, 13])
        return LayerCase((side, side), (kernel, kernel), (1, 1)) if kernel <= side else None
    if level == 2:
        kernels = draw.choice([1, 3, 5, 7]), draw.choice([3, 5, 7])
        rates = draw.randint(1, 4), draw.randint(2, 4)
        return LayerCase((draw.randint(8, 40), draw.randint(8, 40)), kernels, (1, 1), dilation_rate=rates)
    kernel, rate = draw.choice([2, 4, 6, 8]), draw.choice([1, 1, 3])
    return LayerCase((draw.randint(10, 60),), (kernel,), (1,), dilation_rate=(rate,))


def _ask(case: LayerCase) -> Question[dict[str, int]]:
    given = case.given(without=("padding",))
    form = _form(case)
    if form is _ENDS:
        text = "How many zeros before and after the signal keep its length? They need not be as many at both ends."
    else:
        text = "How many zeros around the image keep its size?"
    return Question(text, form, given)


def _form(case: LayerCase) -> Numbers:
    if len(case.input_size) == 1:
        return _ENDS
    return (
        _SQUARE
        if len(set(zip(case.input_size, case.kernel_size, case.dilation_rate, strict=True))) == 1
        else _RECTANGLE
    )


def _padded(case: LayerCase, answer: dict[str, int]) -> LayerCase:
    if "before" in answer:
        return case.changed(padding=((answer["before"], answer["after"]),))
    sides = [answer["padding"]] * 2 if "padding" in answer else [answer["height"], answer["width"]]
    return case.changed(padding=tuple((side, side) for side in sides))


def _judge(case: LayerCase, answer: dict[str, int]) -> Ruling:
    padded = _padded(case, answer)
    try:
        geometry = padded.geometry()
    except ValueError as error:
        return Ruling(False, f"With that there is no output at all: {error}.", "no_output")
    if geometry.output_size == geometry.input_size:
        return Ruling(True)
    name, axis = next(
        (name, axis)
        for name, axis in zip(axis_names(geometry), geometry.axes, strict=True)
        if axis.output != axis.input
    )
    missing = axis.input - axis.output
    what = f"In {name}, {axis.input} pixels become {axis.output}."
    ruling = caught(
        (axis.pad_lo, axis.pad_hi),
        _slips(axis),
        f"Both ends together need {abs(missing)} {'more' if missing > 0 else 'fewer'}.",
    )
    return replace(ruling, hint=f"{what} {ruling.hint}")


def _slips(axis: AxisGeometry) -> Iterator[Slip]:
    total = axis.effective_kernel - 1
    yield Slip("whole_on_each_side", (total, total), f"{total} is what both ends need together: share it out.")
    taps = axis.kernel - 1
    yield Slip(
        "no_dilation",
        (taps // 2, taps - taps // 2),
        f"You took the kernel as {axis.kernel} wide; with dilation {axis.dilation} it spans {axis.effective_kernel}.",
    )
    yield Slip("none", (0, 0), f"Without padding the border is lost: {total} pixels.")
    half = axis.effective_kernel // 2
    yield Slip(
        "half_of_kernel",
        (half, half),
        f"An even span needs an odd total, {total}: one end gets one more than the other.",
    )


def _explain(case: LayerCase, answer: dict[str, int] | None) -> Explanation:
    same = case.changed(padding="same")
    geometry = same.geometry()
    sentences = []
    for name, axis in zip(axis_names(geometry), geometry.axes, strict=True):
        span = axis.effective_kernel
        how = f" = {axis.dilation}·({axis.kernel}−1)+1" if axis.dilation > 1 else ""
        ends = f"{axis.pad_lo} at each end" if axis.pad_lo == axis.pad_hi else "in any shares"
        alike = len(set(geometry.axes)) == 1
        sentences.append(
            f"{'The' if alike else f'In {name} the'} kernel spans E = {span}{how}; without padding {axis.input} pixels "
            f"lose E − 1 = {span - 1}. As many zeros make up for it: {ends}."
        )
        if alike:
            break
    if len(case.input_size) == 1:
        sentences.append(f"Keras' 'same' puts {geometry.pads[0][0]} before and {geometry.pads[0][1]} after.")
    shown = same if answer is None else _padded(case, answer)
    pads = [str(lo) if lo == hi else f"{lo} before, {hi} after" for lo, hi in shown.geometry().pads]
    solution = pads[0] if _form(case) is not _RECTANGLE else by(pads)
    return Explanation(tuple(sentences), solution, shown.state())


def _solve(case: LayerCase) -> dict[str, int]:
    pads = case.changed(padding="same").geometry().pads
    if _form(case) is _ENDS:
        return {"before": pads[0][0], "after": pads[0][1]}
    return {"padding": pads[0][0]} if _form(case) is _SQUARE else {"height": pads[0][0], "width": pads[1][0]}


KIND: Kind[LayerCase, dict[str, int]] = Kind(
    "keep_size",
    "Which padding keeps the size?",
    "Find the zeros that make up for the border.",
    _draw,
    _ask,
    _judge,
    _explain,
    _solve,
)
