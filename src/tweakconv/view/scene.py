"""The scene: everything a picture of one convolution shows, as plain data.

Pages, widgets and files draw scenes and nothing else. Every position in a scene is read off the geometry's tap
map, so whoever draws one computes no sizes, pads or offsets.

Places are *positions* on the padded canvas: (0, 0) is the first cell of the padding, or of the input where there
is none. Because windows are boxes, what one output reads is the product of two short lists: output (oy, ox) reads
the positions ``rows.taps[oy]`` x ``cols.taps[ox]``, and ``rows.taps[oy][ky]`` with ``cols.taps[ox][kx]`` is where
weight (ky, kx) stands, as it is stored, in a transposed convolution too. Steps count the outputs in reading
order. A convolution along one axis is a picture of one row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from tweakconv.geometry import AxisGeometry, ConvGeometry
from tweakconv.geometry.arguments import integer
from tweakconv.reference import FloatArray, sum_over_taps
from tweakconv.view.expression import Expression, Term
from tweakconv.view.notes import notes_on
from tweakconv.view.parts import Along, Channels, Grid, Kind, index, plain
from tweakconv.view.values import checked_number, edited, some_inputs, some_weights

Edits: TypeAlias = Mapping[tuple[int, int], float]

#: Most cells that the padded input, the kernel or the output may have: 128 x 128 and 32 x 32.
MAX_CELLS = 128 * 128
MAX_TAPS = 32 * 32
MAX_CHANNELS = 1024


@dataclass(frozen=True, slots=True)
class Scene:
    """One convolution, ready to be drawn; `make_scene` makes it.

    Parameters
    ----------
    geometry
        What all of it follows from, with one axis or two.
    input, kernel
        The input without its padding and the weights as they are stored, of the channels that are shown.
    output
        The output channel that is shown, the sum over every input channel that it reads.
    share
        The part of it that comes from the input channel that is shown: equal to `output` where it reads one.
    rows, cols
        What stands where, and what each window reads.
    channels
        Which channels those are.
    padding_mode, pad_value
        What the padding holds; `pad_value` where it repeats no pixel.
    """

    geometry: ConvGeometry
    input: Grid
    kernel: Grid
    output: Grid
    share: Grid
    rows: Along
    cols: Along
    channels: Channels
    padding_mode: str
    pad_value: float

    @property
    def steps(self) -> int:
        """Number of outputs: the picture has a step for each, in reading order."""
        return self.output.rows * self.output.cols

    @property
    def transposed(self) -> bool:
        """Whether the picture is of a transposed convolution: a turned window over spread pixels."""
        return self.geometry.is_transposed

    def output_at(self, step: int) -> tuple[int, int]:
        """Row and column of the output that a step computes.

        Raises
        ------
        ValueError
            Where there is no such step.
        TypeError
            Where it is not an integer.
        """
        return divmod(index("step", step, self.steps), self.output.cols)

    def kind(self, row: int, col: int) -> Kind:
        """What the cell at a position is."""
        kinds: set[Kind] = {self.rows.kinds[row], self.cols.kinds[col]}
        return "pad" if "pad" in kinds else "gap" if "gap" in kinds else "input"

    def value(self, row: int, col: int) -> float | None:
        """The number that is read at a position; None where nothing is multiplied in a transposed convolution."""
        y, x = self.rows.sources[row], self.cols.sources[col]
        if y is not None and x is not None:
            return self.input.values[y][x]
        return None if self.transposed else self.pad_value

    def copies(self, row: int, col: int) -> bool:
        """Whether the padding at this position repeats a pixel."""
        return self.kind(row, col) == "pad" and None not in (self.rows.sources[row], self.cols.sources[col])

    def unread(self, row: int, col: int) -> bool:
        """Whether a pixel stands at this position that no output reads."""
        y, x = self.rows.pixels[row], self.cols.pixels[col]
        return y is not None and x is not None and (self.rows.unread[y] or self.cols.unread[x]) is not None

    def expression(self, step: int) -> Expression:
        """The sum that a step computes, weight by weight.

        Examples
        --------
        >>> scene = make_scene(ConvGeometry.of((2, 3), 2), input_values=[[1, 2, 3], [4, 5, 6]],
        ...                    kernel_values=[[1, 0], [0, -1]])
        >>> print(scene.expression(1))
        2·1 + 3·0 + 5·0 + 6·(−1) = −4
        """
        oy, ox = self.output_at(step)
        terms = [
            Term(ky, kx, row, col, value, self.kernel.values[ky][kx])
            for ky, row in enumerate(self.rows.taps[oy])
            for kx, col in enumerate(self.cols.taps[ox])
            if (value := self.value(row, col)) is not None
        ]
        others = len(self.channels.read) - 1
        return Expression(oy, ox, tuple(terms), self.share.values[oy][ox], self.output.values[oy][ox], others)

    def formulas(self) -> dict[str, str]:
        """The size along each axis as a person works it out; see `AxisGeometry.formula`.

        Examples
        --------
        >>> make_scene(ConvGeometry.of((5, 6), 3, strides=2)).formulas()["width"]
        'floor((6 - 3) / 2) + 1 = floor(3/2) + 1 = 2'
        """
        names = ("length",) if self.geometry.rank == 1 else ("height", "width")
        return {name: axis.formula() for name, axis in zip(names, self.geometry.axes, strict=True)}

    def as_json(self) -> dict[str, Any]:
        """The scene as what `json.dumps` takes; the page and the widget play it.

        Returns
        -------
        dict
            The fields of the scene, with ``row_taps``, ``col_taps`` and ``unread`` on the first level, the rest of
            `Along` under ``rows`` and ``cols``, and what is said in words: ``formula`` for each axis, ``warnings``,
            ``facts`` in numbers.

        Examples
        --------
        >>> scene = make_scene(ConvGeometry.of((5, 5), 3, strides=2, padding=1)).as_json()
        >>> scene["pads"], scene["row_taps"], scene["steps"]
        ([[1, 1], [1, 1]], [[0, 1, 2], [2, 3, 4], [4, 5, 6]], 9)
        """
        geometry = self.geometry
        rows, cols = _two_axes(geometry)
        return {
            "rank": geometry.rank,
            "transposed": self.transposed,
            "input": self.input.as_json(),
            "kernel": self.kernel.as_json(),
            "output": self.output.as_json(),
            "share": self.share.as_json(),
            "pads": [[rows.pad_lo, rows.pad_hi], [cols.pad_lo, cols.pad_hi]],
            "padding_mode": self.padding_mode,
            "pad_value": plain(self.pad_value),
            "row_taps": [list(taps) for taps in self.rows.taps],
            "col_taps": [list(taps) for taps in self.cols.taps],
            "rows": self.rows.as_json(),
            "cols": self.cols.as_json(),
            "unread": {"rows": list(self.rows.unread), "cols": list(self.cols.unread)},
            "channels": self.channels.as_json(),
            "steps": self.steps,
            "formula": self.formulas(),
            "facts": {
                "input_size": list(geometry.input_size),
                "kernel_size": list(geometry.kernel_size),
                "strides": list(geometry.input_dilation if self.transposed else geometry.strides),
                "dilation_rate": list(geometry.dilation_rate),
                "effective_kernel_size": list(geometry.effective_kernel_size),
                "cuts": [list(axis.cuts) for axis in geometry.axes] if self.transposed else None,
                "output_size": list(geometry.output_size),
                "parameters": geometry.parameters,
                "multiply_adds": geometry.multiply_adds,
                "unread_fraction": geometry.unread_fraction(),
            },
            "warnings": list(notes_on(geometry, self.padding_mode)),
        }


def make_scene(
    geometry: ConvGeometry,
    *,
    seed: int = 0,
    input_values: ArrayLike | None = None,
    kernel_values: ArrayLike | None = None,
    input_edits: Edits | None = None,
    kernel_edits: Edits | None = None,
    padding_mode: str = "zeros",
    pad_value: float = 0,
    output_channel: int = 0,
    input_channel: int | None = None,
) -> Scene:
    """Make the scene of one convolution.

    Parameters
    ----------
    geometry
        With one axis or two, ordinary or transposed.
    seed
        At least 0, of the small whole numbers that stand in the input and the kernel. A cell keeps its number
        while the sizes around it change.
    input_values, kernel_values
        Arrays of the input's and the kernel's size, for the channels that are shown, in place of those.
    input_edits, kernel_edits
        Single numbers in place of those, by (row, column); the row is 0 along a single axis.
    padding_mode, pad_value
        What the padding holds, as in `tweakconv.geometry.extend`; `pad_value` is for the mode "constant".
    output_channel, input_channel
        The channels to show, from 0. The input channel must be one that the output channel reads; None takes the
        first.

    Returns
    -------
    Scene

    Raises
    ------
    ValueError
        Where the geometry has three axes or more, or more cells than a picture shows (`MAX_CELLS`, `MAX_TAPS`,
        `MAX_CHANNELS`); where values are not finite, do not fit in shape, or an edit lies outside; for a channel
        that is not there, and for an unknown `padding_mode` or one that a transposed convolution does not have.
    TypeError
        Where a number is not one, or `geometry` no `ConvGeometry`.

    Examples
    --------
    >>> scene = make_scene(ConvGeometry.of((5, 5), 3, strides=2, padding="same"), seed=1)
    >>> scene.steps, scene.rows.taps
    (9, ((0, 1, 2), (2, 3, 4), (4, 5, 6)))
    """
    if not isinstance(geometry, ConvGeometry):
        raise TypeError(f"geometry must be a ConvGeometry, received {geometry!r}")
    _check_size(geometry)
    seed = integer("seed", seed, at_least=0)
    pad = checked_number("pad_value", pad_value)
    if pad != 0 and padding_mode != "constant":
        raise ValueError(
            f"pad_value must be 0 unless padding_mode is 'constant', received {pad_value!r} with "
            f"padding_mode {padding_mode!r}"
        )
    rows, cols = _two_axes(geometry)
    channels = Channels.of(geometry, output_channel, input_channel)
    along_rows, along_cols = Along.of(rows, padding_mode), Along.of(cols, padding_mode)

    shown = channels.read.index(channels.shown_input)
    inputs = some_inputs(seed, channels.read, rows.input, cols.input)
    weights = some_weights(seed, channels.shown_output, channels.read, rows.kernel, cols.kernel)
    inputs[shown] = edited("input", inputs[shown], input_values, input_edits)
    weights[shown] = edited("kernel", weights[shown], kernel_values, kernel_edits)
    total, share = (
        _convolved(inputs[which], weights[which], (rows, cols), padding_mode, pad)
        for which in (slice(None), slice(shown, shown + 1))
    )
    return Scene(
        geometry=geometry,
        input=Grid.of(inputs[shown]),
        kernel=Grid.of(weights[shown]),
        output=Grid.of(total),
        share=Grid.of(share),
        rows=along_rows,
        cols=along_cols,
        channels=channels,
        padding_mode=padding_mode,
        pad_value=pad,
    )


def _two_axes(geometry: ConvGeometry) -> tuple[AxisGeometry, AxisGeometry]:
    """Height and width; a single axis is drawn as a row."""
    if geometry.rank == 1:
        return AxisGeometry(1, 1, flipped=geometry.axes[0].flipped), geometry.axes[0]
    rows, cols = geometry.axes
    return rows, cols


def _check_size(geometry: ConvGeometry) -> None:
    """Refuse what no picture could show before any of it is made."""
    if geometry.rank > 2:
        raise ValueError(f"geometry must have one or two axes to be drawn, received {geometry.rank}")
    rows, cols = _two_axes(geometry)
    sizes = {
        "the padded input": (len(rows.positions), len(cols.positions), MAX_CELLS),
        "the output": (rows.output, cols.output, MAX_CELLS),
        "the kernel": (rows.kernel, cols.kernel, MAX_TAPS),
    }
    for what, (height, width, most) in sizes.items():
        if height * width > most:
            raise ValueError(
                f"geometry must be small enough to be drawn: {what} has {height} x {width} = {height * width:,} cells, "
                f"and a picture shows at most {most:,}"
            )
    share = geometry.in_channels // geometry.groups
    if share > MAX_CHANNELS:
        raise ValueError(
            f"in_channels must be at most {MAX_CHANNELS} for each group to be drawn, received {share} of "
            f"{geometry.in_channels}"
        )


def _convolved(
    inputs: FloatArray,
    weights: FloatArray,
    axes: tuple[AxisGeometry, AxisGeometry],
    padding_mode: str,
    pad_value: float,
) -> FloatArray:
    """The sum over some channels, (C, H, W) under (C, KH, KW), by the definition."""
    geometry = ConvGeometry(axes, in_channels=len(inputs))
    x = np.moveaxis(inputs, 0, -1)[None]
    w = np.moveaxis(weights, 0, -1)[..., None, None]
    return sum_over_taps(x, w, geometry, padding_mode, pad_value)[0, :, :, 0]
