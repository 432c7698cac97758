"""What bands lay out anew: an image's rows before another schedule computes on them, and its outputs afterwards.

Planes become the channels of a pixel side by side (`ToPixels`), or these become planes (`ToPlanes`).
"""

from __future__ import annotations

from collections.abc import Iterable

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.band_layout import LINE_BYTES
from tweakconv.compiler.schedules.lines import emit_line, emit_plane_line
from tweakconv.compiler.schedules.transpose import INTERLEAVED, emit_interleave, emit_separate, emit_transpose
from tweakconv.compiler.spec import ConvSpec


class ToPixels:
    """From planes to the channels of a pixel side by side, and back."""

    def __init__(self, b: Builder, spec: ConvSpec) -> None:
        self.b, self.spec = b, spec

    def define(self, fields: int) -> None:
        """Define the functions that are called; `fields` run-time integers stand before those of the border."""
        b, channels = self.b, self.spec.in_channels
        _define_turns(b, [self.spec.out_channels])
        few = "turn"
        if channels < b.lanes:
            few = "turn_few"
            if channels in INTERLEAVED:
                emit_interleave(b, few, channels)
            else:
                emit_transpose(b, few, spills=True)
        emit_line(b, self.spec, "lay_line", few, fields)

    @property
    def pixel_stride(self) -> int:
        """Elements from one pixel of a band's outputs to the next."""
        return self.spec.out_channels

    def first(self, _: Value) -> Value:
        """Elements before a band's input, by the columns of padding before the first pixel."""
        return self.b.integer(0)

    def line(
        self, x: Value, steps: tuple[Value, Value], places: tuple[Value, ...], target: Value, columns: Value, _: Value,
        shape: Value,
    ) -> None:  # fmt: skip
        """Lay out a row of so many columns.

        Parameters
        ----------
        x, steps
            The image, and elements from one row to the next, and one channel.
        places
            The row, the first column, and the image's height and width.
        target, _
            Where it is laid out, and elements from one channel to the next there.
        shape
            The run-time integers of the call.
        """
        channels = self.spec.in_channels
        self.b.call("lay_line", x, *steps, *places, channels, columns, channels, target, shape)

    def residual(self, source: Value, band: Value, steps: tuple[Value, Value], count: Value) -> None:
        """Lay out so many pixels of the residual; `steps` from one channel to the next there, and in the band."""
        channels = self.spec.out_channels
        self.b.call("turn", source, steps[0], channels, band, channels, count)

    def outputs(self, target: Value, band: Value, steps: tuple[Value, Value], count: Value) -> None:
        """Lay so many of a band's outputs out as the call wants them."""
        _to_planes(self.b, band, self.spec.out_channels, target, steps[0], count)


class ToPlanes:
    """From the channels of a pixel side by side to planes, and back; its methods are those of `ToPixels`."""

    def __init__(self, b: Builder, spec: ConvSpec) -> None:
        self.b, self.spec = b, spec

    def define(self, fields: int) -> None:
        """Define the functions that are called; `fields` run-time integers stand before those of the border."""
        b, channels = self.b, self.spec.out_channels
        _define_turns(b, [self.spec.in_channels, channels])
        if channels in INTERLEAVED:
            emit_interleave(b, f"interleave_{channels}", channels)

        def turn(pixels: Value, planes: Value, plane: Value, count: Value) -> None:
            _to_planes(b, pixels, self.spec.in_channels, planes, plane, count)

        emit_plane_line(b, self.spec, "lay_line", turn, fields)

    @property
    def pixel_stride(self) -> int:
        """Elements from one pixel of a band's outputs to the next."""
        return 1

    def first(self, left: Value) -> Value:
        """As many elements that what lies in the image begins a cache line, in bands that begin with the image."""
        line = LINE_BYTES // self.spec.element_bytes
        return (self.b.integer(0) - left) & (line - 1)

    def line(
        self, x: Value, steps: tuple[Value, Value], places: tuple[Value, ...], target: Value, columns: Value,
        plane: Value, shape: Value,
    ) -> None:  # fmt: skip
        """Lay out a row of so many columns of each plane."""
        self.b.call("lay_line", x, steps[0], *places, plane, columns, target, shape)

    def residual(self, source: Value, band: Value, steps: tuple[Value, Value], count: Value) -> None:
        """Lay out so many pixels of the residual."""
        _to_planes(self.b, source, self.spec.out_channels, band, steps[1], count)

    def outputs(self, target: Value, band: Value, steps: tuple[Value, Value], count: Value) -> None:
        """Lay so many of a band's outputs out as the call wants them."""
        channels = self.spec.out_channels
        if channels == 1:
            self.b.copy(target, band, count)
            return
        name = f"interleave_{channels}" if channels in INTERLEAVED else "turn"
        self.b.call(name, band, steps[1], channels, target, channels, count)


def _define_turns(b: Builder, channels: Iterable[int]) -> None:
    """Define what turns any matrix over, and what separates these numbers of channels."""
    emit_transpose(b, "turn", spills=False)
    for number in sorted(set(channels) & set(INTERLEAVED)):
        emit_separate(b, _separate(number), number)


def _to_planes(b: Builder, pixels: Value, channels: int, planes: Value, plane: Value, count: Value) -> None:
    if channels == 1:
        b.copy(planes, pixels, count)
    else:
        b.call(_separate(channels), pixels, channels, count, planes, plane, channels)


def _separate(channels: int) -> str:
    """The function that separates the channels of pixels."""
    return f"separate_{channels}" if channels in INTERLEAVED else "turn"
