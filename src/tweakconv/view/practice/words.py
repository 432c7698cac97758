"""Sentences that explain sizes, and the slips that people make on the way to one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from tweakconv.geometry import AxisGeometry, ConvGeometry
from tweakconv.view.captions import by, printed
from tweakconv.view.practice.exercise import Ruling

AXES = ("height", "width")


class Slip(NamedTuple):
    """A particular mistake: a word for it, the answer it leads to, and what to say."""

    mistake: str
    answer: Any
    hint: str


def caught(answer: object, slips: Iterable[Slip], otherwise: str) -> Ruling:
    """The ruling on a wrong answer: the first slip that leads to it, or what to say otherwise."""
    for slip in slips:
        if slip.answer == answer:
            return Ruling(False, slip.hint, slip.mistake)
    return Ruling(False, otherwise)


def axis_names(geometry: ConvGeometry) -> tuple[str, ...]:
    """What the axes are called in an answer."""
    return AXES if geometry.rank == 2 else ("length",)


def size_sentences(geometry: ConvGeometry, padding: object = None) -> tuple[str, ...]:
    """How the size comes about, axis by axis, or once where they are alike."""
    names = axis_names(geometry)
    alike = len(set(geometry.axes)) == 1
    sentences: list[str] = []
    for name, axis in zip(names, geometry.axes, strict=True):
        found = _axis_sentences(axis, padding)
        sentences += found if alike else [f"In {name}: {sentence.replace('The ', 'the ', 1)}" for sentence in found]
        if alike:
            break
    return tuple(sentences)


def solution_words(geometry: ConvGeometry) -> str:
    """The size that comes out."""
    return by(geometry.output_size)


def size_slips(axis: AxisGeometry, padding: object = None) -> Iterator[Slip]:
    """The sizes that slips lead to along one axis of an ordinary convolution."""
    kernel, stride, dilation = axis.kernel, axis.stride, axis.dilation
    if padding == "same" and stride > 1:
        yield Slip(
            "same_keeps",
            axis.input,
            f"'same' keeps the size at stride 1 only; at stride {stride} it gives the input divided by {stride}, "
            f"rounded up.",
        )
    yield Slip(
        "no_plus_one",
        axis.output - 1,
        f"{axis.output - 1} is the number of steps. The first window takes no step and counts too: add 1.",
    )
    if dilation > 1:
        yield from _changed(
            axis,
            "no_dilation",
            f"You took the kernel as {kernel} wide. With dilation {dilation} it spans E = {dilation}·({kernel}−1)+1 = "
            f"{axis.effective_kernel}.",
            dilation=1,
        )
        yield from _changed(
            axis,
            "dilation_times_kernel",
            f"Dilation {dilation} puts {dilation - 1} between neighbouring taps and none behind the last: the kernel "
            f"spans {dilation}·({kernel}−1)+1 = {axis.effective_kernel}, not {dilation}·{kernel}.",
            kernel=dilation * kernel,
            dilation=1,
        )
    if axis.slack % stride:
        yield from _changed(
            axis,
            "rounded_up",
            f"Round down: after {axis.output - 1} steps another one of {stride} does not fit any more.",
            pad_hi=axis.pad_hi + stride - 1,
        )
    if axis.pad_lo == axis.pad_hi > 0:
        yield from _changed(
            axis, "padding_once", f"The padding of {axis.pad_lo} is added at both ends: count it twice.", pad_hi=0
        )
    if axis.pad_lo or axis.pad_hi:
        yield from _changed(
            axis,
            "no_padding",
            f"You left out the padding: {axis.pad_lo} before and {axis.pad_hi} after the {axis.input} pixels.",
            pad_lo=0,
            pad_hi=0,
        )
    if stride > 1:
        yield from _changed(
            axis, "no_stride", f"That is the size at stride 1. The window moves {stride} pixels at a time.", stride=1
        )
        yield Slip(
            "misprint",
            axis.slack // (stride + 1),
            f"The 1 is added after dividing by the stride {stride}, not to the stride.",
        )


def _axis_sentences(axis: AxisGeometry, padding: object) -> Iterator[str]:
    if axis.dilation > 1:
        yield (
            f"The {axis.kernel} taps stand {axis.dilation} apart, so the kernel spans "
            f"{axis.dilation}·({axis.kernel}−1)+1 = {axis.effective_kernel} pixels."
        )
    if isinstance(padding, str) and padding != "valid" and not axis.flipped:
        yield f"'{padding}' pads {axis.pad_lo} before and {axis.pad_hi} after."
    if not axis.flipped:
        room = axis.effective_input + axis.pad_lo + axis.pad_hi
        steps = axis.output - 1
        rest = axis.slack - steps * axis.stride
        yield (
            f"The window of {axis.effective_kernel} can move {axis.slack} within {room}: {steps} "
            f"{'step' if steps == 1 else 'steps'} of {axis.stride}"
            f"{f', and {rest} left over' if rest else ''}. With the place it starts at, that makes {axis.output}."
        )
    yield f"{printed(axis.formula())}."


def _changed(axis: AxisGeometry, mistake: str, hint: str, **tweaks: Any) -> Iterator[Slip]:
    """The slip of another geometry, where that has an output."""
    try:
        yield Slip(mistake, replace(axis, **tweaks).output, hint)
    except ValueError:
        return
