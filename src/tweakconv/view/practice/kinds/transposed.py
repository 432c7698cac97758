"""What size comes out of a transposed convolution? It puts windows down instead of reading through them."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from tweakconv.geometry import AxisGeometry
from tweakconv.view.captions import printed
from tweakconv.view.practice.exercise import Explanation, Kind, Question, Ruling
from tweakconv.view.practice.forms import Field, Numbers
from tweakconv.view.practice.layer_case import LayerCase, has_output, one_of
from tweakconv.view.practice.words import AXES, Slip, caught, solution_words

_FORM = Numbers((Field("height", "rows", 1), Field("width", "columns", 1)))


def _draw(level: int, draw: Random) -> LayerCase | None:
    """Squares without padding first; then what is cut, on two axes; then output padding and dilation."""
    if level == 1:
        side, kernel, stride = draw.randint(2, 14), draw.randint(2, 6), draw.randint(1, 4)
        good = kernel >= stride
        return LayerCase((side, side), (kernel, kernel), (stride, stride), transposed=True) if good else None
    sizes = draw.randint(2, 12), draw.randint(2, 12)
    kernels = draw.randint(2, 5), draw.randint(2, 5)
    strides = draw.randint(1, 3), draw.randint(2, 3)
    pad = draw.randint(1, 2)
    padding = one_of(draw, "valid", "same", ((pad, pad), (pad, pad)))
    case = LayerCase(sizes, kernels, strides, padding, transposed=True)
    if level == 3:
        rates = draw.randint(1, 3), draw.randint(1, 2)
        extra = draw.choice([None, (strides[0] - 1, strides[1] - 1)])
        if max(rates) == 1 and extra is None:
            return None
        case = case.changed(dilation_rate=rates, output_padding=extra, padding=((pad, pad), (pad, pad)))
    return case if has_output(case) else None


def _ask(case: LayerCase) -> Question[dict[str, int]]:
    cut = "" if isinstance(case.padding, str) else " The padding is cut from the result, as in PyTorch."
    return Question(f"A transposed convolution enlarges an image. What size comes out?{cut}", _FORM, case.given())


def _judge(case: LayerCase, answer: dict[str, int]) -> Ruling:
    geometry = case.geometry()
    size = answer["height"], answer["width"]
    if size == geometry.output_size:
        return Ruling(True)
    if size == geometry.output_size[::-1]:
        return Ruling(False, "Height and width are the other way round: rows come first.", "swapped")
    place = next(place for place in range(2) if size[place] != geometry.output_size[place])
    axis, given = geometry.axes[place], size[place]
    more = "many" if given > axis.output else "few"
    return caught(given, _slips(case, place, axis), f"{given} is too {more} in {AXES[place]}.")


def _slips(case: LayerCase, place: int, axis: AxisGeometry) -> Iterator[Slip]:
    name, stride = AXES[place], axis.input_dilation
    yield from _changed(
        case,
        place,
        "as_ordinary",
        f"In {name} you reckoned as for an ordinary convolution. Here every pixel puts down a whole window.",
        transposed=False,
        output_padding=None,
    )
    if case.padding != "same":
        yield Slip(
            "times_stride",
            axis.input * stride,
            f"Input times stride is what 'same' gives; here the windows of {axis.effective_kernel} stick out in "
            f"{name}.",
        )
    yield Slip(
        "one_step_too_many",
        axis.output + stride,
        f"From the first window to the last there are {axis.input - 1} steps in {name}, one less than pixels.",
    )
    if axis.dilation > 1:
        yield from _changed(
            case,
            place,
            "no_dilation",
            f"In {name} the kernel spans {axis.effective_kernel}: its taps stand {axis.dilation} apart.",
            dilation_rate=(1, 1),
        )
    if case.output_padding is not None:
        yield from _changed(
            case, place, "no_output_padding", "The output padding is added at the end.", output_padding=(0, 0)
        )
    if case.padding != "valid":
        yield from _changed(
            case,
            place,
            "no_padding",
            "That is the full result. In a transposed convolution padding cuts from it, at both ends.",
            padding="valid",
        )


def _changed(case: LayerCase, place: int, mistake: str, hint: str, **tweaks: Any) -> Iterator[Slip]:
    other = case.changed(**tweaks)
    if has_output(other):
        yield Slip(mistake, other.geometry().output_size[place], hint)


def _explain(case: LayerCase, answer: dict[str, int] | None) -> Explanation:
    geometry = case.geometry()
    sentences = ["Each pixel puts down a window, a stride from the one before; where windows overlap they add up."]
    alike = len(set(geometry.axes)) == 1
    for name, axis in zip(AXES, geometry.axes, strict=True):
        where = "" if alike else f"In {name}: "
        lo, hi = axis.cuts
        span = f"the kernel spans {axis.effective_kernel}"
        cut = f", {lo} cut at the start and {hi} at the end" if lo > 0 or hi > 0 else ""
        cut = f"{cut}, {-hi} added at the end" if hi < 0 else cut
        steps = f"{axis.input - 1} steps of {axis.input_dilation}"
        sentences.append(f"{where}{steps}, {span}{cut}. {printed(axis.formula())}.")
        if alike:
            break
    return Explanation(tuple(sentences), solution_words(geometry), case.state())


def _solve(case: LayerCase) -> dict[str, int]:
    height, width = case.geometry().output_size
    return {"height": height, "width": width}


KIND: Kind[LayerCase, dict[str, int]] = Kind(
    "transposed",
    "How large does a transposed convolution make it?",
    "Turn the formula round.",
    _draw,
    _ask,
    _judge,
    _explain,
    _solve,
)
