"""A layer that an exercise is about: its tweaks as they are written, its geometry, and the state that draws it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tweakconv.geometry import ConvGeometry
from tweakconv.view.captions import by, one_or_each
from tweakconv.view.practice.exercise import State

Numbers = tuple[int, ...]
Padding = str | tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class LayerCase:
    """A layer over one axis or two, in Keras' words.

    Examples
    --------
    >>> case = LayerCase((8, 9), (3, 3), (2, 2), "same")
    >>> case.geometry().output_size, case.given()[3]
    ((4, 5), ('padding', 'same'))
    """

    input_size: Numbers
    kernel_size: Numbers
    strides: Numbers
    padding: Padding = "valid"
    dilation_rate: Numbers = ()
    transposed: bool = False
    output_padding: Numbers | None = None
    in_channels: int = 1
    out_channels: int = 1
    groups: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.dilation_rate:
            object.__setattr__(self, "dilation_rate", (1,) * len(self.input_size))

    def arguments(self) -> dict[str, Any]:
        """The arguments of `ConvGeometry.of`."""
        return {
            "input_size": self.input_size,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "groups": self.groups,
        }

    def geometry(self) -> ConvGeometry:
        """Its geometry.

        Raises
        ------
        ValueError
            Where it has no output.
        """
        if self.transposed:
            return ConvGeometry.transposed(**self.arguments(), output_padding=self.output_padding)
        return ConvGeometry.of(**self.arguments())

    def state(self) -> State:
        """What draws it, as `tweakconv.view.practice` says."""
        padding = self.padding if isinstance(self.padding, str) else [list(sides) for sides in self.padding]
        return {
            "input_size": list(self.input_size),
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "padding": padding,
            "dilation_rate": list(self.dilation_rate),
            "transposed": self.transposed,
            "output_padding": None if self.output_padding is None else list(self.output_padding),
            "groups": self.groups,
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "padding_mode": "zeros",
            "seed": self.seed,
        }

    def given(self, *, without: Iterable[str] = ()) -> tuple[tuple[str, str], ...]:
        """The facts, each with its name; those that change nothing are left out, but strides and padding."""
        facts = [
            ("input", by(self.input_size)),
            ("kernel", by(self.kernel_size)),
            ("strides", one_or_each(self.strides)),
            ("padding", padding_words(self.padding)),
        ]
        if max(self.dilation_rate) > 1:
            facts.append(("dilation rate", one_or_each(self.dilation_rate)))
        if self.output_padding is not None:
            facts.append(("output padding", one_or_each(self.output_padding)))
        return tuple(fact for fact in facts if fact[0] not in without)

    def changed(self, **tweaks: Any) -> LayerCase:
        """The layer with some tweaks exchanged."""
        return replace(self, **tweaks)


def one_of(draw: Random, *paddings: Padding) -> Padding:
    """One of some paddings."""
    return draw.choice(paddings)


def has_output(case: LayerCase) -> bool:
    """Whether there is any output."""
    try:
        case.geometry()
    except ValueError:
        return False
    return True


def padding_words(padding: Padding) -> str:
    """A padding in words.

    Examples
    --------
    >>> padding_words("same"), padding_words(((1, 1), (1, 1))), padding_words(((0, 1), (2, 3)))
    ('same', '1 on every side', '0 above, 1 below, 2 left, 3 right')
    """
    if isinstance(padding, str):
        return padding
    sides = {side for pair in padding for side in pair}
    if len(sides) == 1:
        return f"{sides.pop()} on every side"
    if len(padding) == 1:
        ((before, after),) = padding
        return f"{before} before, {after} after"
    (top, bottom), (left, right) = padding
    return f"{top} above, {bottom} below, {left} left, {right} right"
