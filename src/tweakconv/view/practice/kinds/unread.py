"""Which pixels are never read? What strides, dilation and a missing step leave out."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from tweakconv.geometry import AxisGeometry
from tweakconv.view.practice.exercise import Explanation, Kind, Question, Ruling
from tweakconv.view.practice.forms import Cells
from tweakconv.view.practice.layer_case import LayerCase, has_output, one_of
from tweakconv.view.practice.words import Slip, caught

Pixels = frozenset[tuple[int, int]]


def _draw(level: int, draw: Random) -> LayerCase | None:
    """A tail first; then strides beyond the kernel; then strides and dilation with a common factor, and holes."""
    size = draw.randint(6, 24)
    if level == 1:
        kernel, stride = draw.randint(2, 7), draw.randint(2, 7)
        layer = LayerCase((size,), (kernel,), (stride,))
    elif level == 2:
        stride, pad = draw.randint(2, 6), draw.randint(0, 2)
        layer = LayerCase((size,), (draw.randint(1, 4),), (stride,), one_of(draw, "valid", "same", ((pad, pad),)))
    else:
        pads = draw.randint(0, 3), draw.randint(0, 3)
        layer = LayerCase(
            (size,), (draw.randint(2, 4),), (draw.randint(1, 4),), one_of(draw, "same", (pads,)), (draw.randint(2, 4),)
        )
    if not has_output(layer):
        return None
    counts = _axis(layer).unread().counts()
    wanted = {1: counts["tail"], 2: counts["lattice"], 3: counts["lattice"] + counts["gap"]}
    return layer if wanted[level] and (level > 1 or not counts["lattice"]) else None


def _axis(layer: LayerCase) -> AxisGeometry:
    (axis,) = layer.geometry().axes
    return axis


def _unread(layer: LayerCase) -> Pixels:
    return frozenset((0, pixel) for pixel in _axis(layer).unread())


def _ask(case: LayerCase) -> Question[Pixels]:
    return Question(
        "A kernel moves along a signal. Which pixels does no output read?",
        Cells(1, case.input_size[0], "pixels of the input"),
        case.given(),
    )


def _judge(case: LayerCase, answer: Pixels) -> Ruling:
    right = _unread(case)
    if answer == right:
        return Ruling(True)
    axis = _axis(case)
    everything = frozenset((0, pixel) for pixel in range(axis.input))
    if answer == everything - right:
        return Ruling(False, "Those are the pixels that are read: the others are asked for.", "inverted")
    extra = sorted(pixel for _, pixel in answer - right)
    if extra:
        reader = next(o for o in range(axis.output) if extra[0] in axis.taps(o))
        otherwise = f"Pixel {extra[0]} is read, by output {reader}."
    else:
        missed = min(pixel for _, pixel in right - answer)
        otherwise = f"{len(right - answer)} more {'is' if len(right - answer) == 1 else 'are'} never read. " + (
            "Look behind the last window."
            if axis.unread().why(missed) == "tail"
            else "Look at where the taps of one window after another land."
        )
    return caught(answer, _slips(case), otherwise)


def _slips(case: LayerCase) -> Iterator[Slip]:
    yield Slip("none", frozenset(), "Some are not: mark the taps of every window, and see what is left.")
    axis = _axis(case)
    if axis.dilation > 1:
        covered = {axis.first(o) + place for o in range(axis.output) for place in range(axis.effective_kernel)}
        yield Slip(
            "no_dilation",
            frozenset((0, pixel) for pixel in range(axis.input) if pixel not in covered),
            "A pixel under a window is read only where a tap lands; between taps it is not.",
        )
    unread = axis.unread()
    if unread.tail and len(unread) > len(unread.tail):
        yield Slip(
            "tail_only",
            frozenset((0, pixel) for pixel in unread.tail),
            "That is what lies behind the last window. Between the taps there are more.",
        )


def _explain(case: LayerCase, answer: Pixels | None) -> Explanation:
    axis = _axis(case)
    windows = "; ".join(
        f"{o} reads {', '.join(str(axis.position(o, k)).replace('-', '−') for k in range(axis.kernel))}"
        for o in range(axis.output)
    )
    sentences = (f"Output by output: {windows}.", axis.unread().explain())
    return Explanation(sentences, ", ".join(map(str, axis.unread())), case.state())


def _solve(case: LayerCase) -> list[list[int]]:
    return [list(pixel) for pixel in sorted(_unread(case))]


KIND: Kind[LayerCase, Pixels] = Kind(
    "unread",
    "Which pixels are never read?",
    "See what strides and dilation leave out.",
    _draw,
    _ask,
    _judge,
    _explain,
    _solve,
)
