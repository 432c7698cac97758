"""What a scene is made of: planes of numbers, what stands along each axis, which channels are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from tweakconv.geometry import AxisGeometry, ConvGeometry
from tweakconv.geometry.arguments import integer
from tweakconv.reference import FloatArray

Kind: TypeAlias = Literal["input", "pad", "gap"]
Rows: TypeAlias = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A plane of numbers.

    Parameters
    ----------
    rows, cols
        Its size, at least 1 by 1.
    values
        A tuple of numbers for each row.
    """

    rows: int
    cols: int
    values: Rows

    @classmethod
    def of(cls, values: FloatArray) -> Grid:
        """The plane that a two-dimensional array holds."""
        rows, cols = values.shape
        return cls(rows, cols, tuple(map(tuple, values.tolist())))

    def as_json(self) -> dict[str, Any]:
        """The plane as JSON's types; whole numbers are written as such."""
        values = [[plain(value) for value in row] for row in self.values]
        return {"rows": self.rows, "cols": self.cols, "values": values}


@dataclass(frozen=True, slots=True)
class Along:
    """The cells and windows of a scene along one axis; entry `p` of the first three is about position `p`.

    Parameters
    ----------
    kinds
        "input" where a pixel stands, "pad" in the padding, "gap" between the spread pixels of a transposed
        convolution.
    pixels
        The pixel that stands there, None in padding and gaps.
    sources
        The pixel whose value is read there: that pixel, or the one that the padding repeats; None where the
        padding holds a constant, and in gaps.
    taps
        For each output, the position of each weight in the order they are stored.
    starts
        For each output, the first position of its window.
    span
        Positions that a window spans: the effective kernel.
    unread
        For each pixel why no output reads it, "head", "tail", "lattice" or "gap"; None where one does.
    """

    kinds: tuple[Kind, ...]
    pixels: tuple[int | None, ...]
    sources: tuple[int | None, ...]
    taps: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]
    span: int
    unread: tuple[str | None, ...]

    @classmethod
    def of(cls, axis: AxisGeometry, padding_mode: str) -> Along:
        """Read one axis off its tap map."""
        positions = axis.positions
        unread = axis.unread()
        inside = range(axis.effective_input)
        pixels = tuple(axis.pixel(position) for position in positions)
        return cls(
            kinds=tuple(
                "input" if pixel is not None else "gap" if position in inside else "pad"
                for position, pixel in zip(positions, pixels, strict=True)
            ),
            pixels=pixels,
            sources=tuple(axis.pixel(position, padding_mode) for position in positions),
            taps=tuple(
                tuple(positions.index(axis.position(o, k)) for k in range(axis.kernel)) for o in range(axis.output)
            ),
            starts=tuple(positions.index(axis.first(o)) for o in range(axis.output)),
            span=axis.effective_kernel,
            unread=tuple(map(unread.why, range(axis.input))),
        )

    def as_json(self) -> dict[str, Any]:
        """What stands where, as JSON's types; the taps and the unread pixels are on the scene's first level."""
        return {
            "kinds": list(self.kinds),
            "pixels": list(self.pixels),
            "sources": list(self.sources),
            "starts": list(self.starts),
            "span": self.span,
        }


@dataclass(frozen=True, slots=True)
class Channels:
    """Which channels a scene shows, and which ones the output channel reads.

    Parameters
    ----------
    inputs, outputs, groups
        Channels of the layer, and its groups.
    shown_input, shown_output
        The input channel and the output channel in the picture.
    read
        The input channels that the output channel sums over, those of its group.
    """

    inputs: int
    outputs: int
    groups: int
    shown_input: int
    shown_output: int
    read: tuple[int, ...]

    @classmethod
    def of(cls, geometry: ConvGeometry, output_channel: int, input_channel: int | None) -> Channels:
        """The channels of a geometry; where no input channel is chosen, the first that the output reads."""
        shown = index("output_channel", output_channel, geometry.out_channels)
        group = shown // (geometry.out_channels // geometry.groups)
        share = geometry.in_channels // geometry.groups
        read = range(group * share, (group + 1) * share)
        seen = read[0] if input_channel is None else index("input_channel", input_channel, geometry.in_channels)
        if seen not in read:
            raise ValueError(
                f"input_channel must be one that output channel {shown} reads, {read[0]} to {read[-1]} in group "
                f"{group}, received {seen}"
            )
        return cls(geometry.in_channels, geometry.out_channels, geometry.groups, seen, shown, tuple(read))

    def as_json(self) -> dict[str, Any]:
        """The channels as JSON's types."""
        return {
            "inputs": self.inputs,
            "outputs": self.outputs,
            "groups": self.groups,
            "shown_input": self.shown_input,
            "shown_output": self.shown_output,
            "read": list(self.read),
        }


def index(name: str, value: int, count: int) -> int:
    """`value` as one of the numbers from 0 that are below `count`.

    Raises
    ------
    ValueError
        Where it is none of them.
    TypeError
        Where it is not an integer.
    """
    number = integer(name, value, at_least=0)
    if number >= count:
        raise ValueError(f"{name} must be below {count}, received {number}")
    return number


def plain(value: float) -> int | float:
    """A number as JSON is to have it, without a point where it is whole."""
    return int(value) if value.is_integer() else value
