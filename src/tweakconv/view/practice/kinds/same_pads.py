"""Where does 'same' put its zeros? Not where PyTorch's padding=1 puts them, once there is a stride."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from tweakconv.geometry import AxisGeometry
from tweakconv.view.practice.exercise import Explanation, Kind, Question, Ruling
from tweakconv.view.practice.forms import Field, Numbers
from tweakconv.view.practice.layer_case import LayerCase, one_of
from tweakconv.view.practice.words import Slip, caught

_FORM = Numbers((Field("before", "zeros before"), Field("after", "zeros after")))


def _draw(level: int, draw: Random) -> LayerCase | None:
    """Stride 1 first; then strides on any size; then dilation, and the odd zero at the start."""
    size = draw.randint(8, 64)
    if level == 1:
        return LayerCase((size,), (draw.randint(2, 9),), (1,), "same")
    kernel, stride = draw.randint(2, 7), draw.randint(2, 4)
    if level == 2:
        return LayerCase((size,), (kernel,), (stride,), "same")
    return LayerCase(
        (size,), (kernel,), (draw.randint(1, 4),), one_of(draw, "same", "same_lower"), (draw.randint(2, 4),)
    )


def _axis(case: LayerCase) -> AxisGeometry:
    (axis,) = case.geometry().axes
    return axis


def _ask(case: LayerCase) -> Question[dict[str, int]]:
    side = "start" if case.padding == "same_lower" else "end"
    return Question(
        f"How many zeros does padding='{case.padding}' put before the signal, and how many after it? Where they cannot "
        f"be shared evenly, one more goes to the {side}.",
        _FORM,
        case.given(),
    )


def _judge(case: LayerCase, answer: dict[str, int]) -> Ruling:
    axis = _axis(case)
    pads = answer["before"], answer["after"]
    if pads == (axis.pad_lo, axis.pad_hi):
        return Ruling(True)
    total = axis.pad_lo + axis.pad_hi
    if sum(pads) == total:
        otherwise = f"Together they are right, {total}, but not how they are shared."
    else:
        otherwise = (
            f"With {sum(pads)} in all there would be {_outputs(axis, pads)}; 'same' takes the fewest for its size."
        )
    return caught(pads, _slips(case), otherwise)


def _outputs(axis: AxisGeometry, pads: tuple[int, int]) -> str:
    try:
        count = replace(axis, pad_lo=pads[0], pad_hi=pads[1]).output
    except ValueError:
        return "no output"
    return f"{count} outputs" if count != 1 else "1 output"


def _slips(case: LayerCase) -> Iterator[Slip]:
    axis = _axis(case)
    lo, hi = axis.pad_lo, axis.pad_hi
    yield Slip("wrong_end", (hi, lo), f"The odd zero goes to the {'start' if case.padding == 'same_lower' else 'end'}.")
    even = max(lo, hi)
    if lo != hi:
        same_size = replace(axis, pad_lo=even, pad_hi=even).output == axis.output
        rest = "gives the same size, but reads other pixels" if same_size else "gives another size"
        yield Slip("as_pytorch", (even, even), f"That is PyTorch's padding={even}, which {rest}.")
    at_one = _axis(case.changed(strides=(1,)))
    yield Slip(
        "stride_forgotten",
        (at_one.pad_lo, at_one.pad_hi),
        f"That is for stride 1. At stride {axis.stride} only {axis.output} windows must fit, which takes less.",
    )
    undilated = _axis(case.changed(dilation_rate=(1,)))
    yield Slip(
        "no_dilation",
        (undilated.pad_lo, undilated.pad_hi),
        f"The kernel spans {axis.effective_kernel} pixels, not {axis.kernel}: its taps stand {axis.dilation} apart.",
    )


def _explain(case: LayerCase, answer: dict[str, int] | None) -> Explanation:
    axis = _axis(case)
    last = axis.first(axis.output - 1) - axis.first(0)
    total = axis.pad_lo + axis.pad_hi
    sentences = [
        f"'{case.padding}' gives {axis.input} / {axis.stride}{', rounded up,' * bool(axis.input % axis.stride)} = "
        f"{axis.output} outputs.",
        f"From the first window to the last it is {axis.output - 1} steps of {axis.stride}, {last} pixels; a window "
        f"spans {axis.effective_kernel}. That takes {last} + {axis.effective_kernel} = {last + axis.effective_kernel}.",
        f"There are {axis.input}: {total} zeros are missing."
        if total
        else f"There are {axis.input}, which is enough: no zeros are needed.",
    ]
    if total % 2:
        sentences.append(f"{total} is odd; one more goes to the {'start' if axis.pad_lo > axis.pad_hi else 'end'}.")
    return Explanation(tuple(sentences), f"{axis.pad_lo} before, {axis.pad_hi} after", case.state())


def _solve(case: LayerCase) -> dict[str, int]:
    axis = _axis(case)
    return {"before": axis.pad_lo, "after": axis.pad_hi}


KIND: Kind[LayerCase, dict[str, int]] = Kind(
    "same_pads",
    "Where does 'same' put its zeros?",
    "Share them out between both ends, as Keras and TensorFlow do.",
    _draw,
    _ask,
    _judge,
    _explain,
    _solve,
)
