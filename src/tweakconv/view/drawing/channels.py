"""The channels of a layer: which input channels each output channel reads, and which of them the picture shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tweakconv.view.drawing.markup import element, group, number, text
from tweakconv.view.drawing.sheet import Sheet
from tweakconv.view.parts import Channels
from tweakconv.view.scene import Scene

_MOST: Final = 12  # channels that are drawn one by one; of more it is only said how many there are
_SIDE: Final = 15
_STEP: Final = 20
_ACROSS: Final = 78  # from the inputs to the outputs
_LABEL: Final = 13
_LETTER: Final = 7.4
_LINE: Final = 20


def draw_channels(scene: Scene) -> Sheet | None:
    """Draw the channels, or None where there is one on both sides."""
    channels = scene.channels
    if max(channels.inputs, channels.outputs) == 1:
        return None
    lines = _words(channels)
    width = max(_LETTER * max(map(len, lines)), _ACROSS + _SIDE)
    written = [text(line, 0, index * _LINE, class_="tc-label", font_size=_LABEL) for index, line in enumerate(lines)]
    top = (len(lines) - 1) * _LINE + 14
    if max(channels.inputs, channels.outputs) > _MOST:
        return Sheet("".join(written), 0, -_LABEL, width, top)
    return Sheet(
        "".join(written) + group([*_wires(channels), *_cells(channels)], transform=f"translate(0 {top})"),
        0,
        -_LABEL,
        width,
        top + max(channels.inputs, channels.outputs) * _STEP,
    )


def _words(channels: Channels) -> list[str]:
    first, last = channels.read[0], channels.read[-1]
    read = f"channel {first}" if first == last else f"channels {first} to {last}"
    return [
        f"{channels.inputs} → {channels.outputs} channels" + (f", {channels.groups} groups" * (channels.groups > 1)),
        f"{channels.shown_output} reads {read}",
        f"shown: {channels.shown_input} → {channels.shown_output}",
    ]


def _wires(channels: Channels) -> list[str]:
    """Lines from the inputs of each group to its outputs, those to the output that is shown on top."""
    ins, outs = channels.inputs // channels.groups, channels.outputs // channels.groups
    faint = [
        (group * ins + source, group * outs + target)
        for group in range(channels.groups)
        for source in range(ins)
        for target in range(outs)
    ]
    strong = [(source, channels.shown_output) for source in channels.read]
    return [
        element("path", class_=class_, d=_lines(pairs))
        for class_, pairs in (("tc-wire", faint), ("tc-wire-shown", strong))
    ]


def _lines(pairs: Iterable[tuple[int, int]]) -> str:
    return "".join(
        f"M{_SIDE} {number(source * _STEP + _SIDE / 2)}L{_ACROSS} {number(target * _STEP + _SIDE / 2)}"
        for source, target in pairs
    )


def _cells(channels: Channels) -> list[str]:
    inputs = [
        _cell("input-channel", channel, 0, "tc-input" if channel in channels.read else "tc-unread")
        for channel in range(channels.inputs)
    ]
    outputs = [
        _cell("output-channel", channel, _ACROSS, f"tc-output tc-{_state(channel == channels.shown_output)}")
        for channel in range(channels.outputs)
    ]
    rings = [
        element("rect", class_="tc-ring", x=x, y=channel * _STEP, width=_SIDE, height=_SIDE, rx=3)
        for x, channel in ((0, channels.shown_input), (_ACROSS, channels.shown_output))
    ]
    return [*inputs, *outputs, *rings]


def _state(shown: bool) -> str:
    return "done" if shown else "todo"


def _cell(part: str, channel: int, x: float, class_: str) -> str:
    return element(
        "rect",
        class_=class_,
        data_part=part,
        data_index=channel,
        x=x,
        y=channel * _STEP,
        width=_SIDE,
        height=_SIDE,
        rx=3,
    )
