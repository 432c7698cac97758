"""Winograd for channels_first: the tiles of a row are brought in and taken out in strips that the first cache holds.

The transforms want the channels of a pixel side by side. So a strip of neighbouring tiles, a vector of channels at a
time, is laid out anew before it is transformed, with what the padding holds; and the outputs of a strip of tiles, a
block of channels at a time, are written side by side first and then turned over into the output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.lines import emit_line
from tweakconv.compiler.schedules.transpose import emit_transpose, slack

if TYPE_CHECKING:
    from tweakconv.compiler.schedules.winograd import WinogradPlan

IN_TILES = 16
"""Tiles that are brought in together: 66 columns of a vector of channels, 6 rows, are 25 kB."""

_OUT_BYTES = 32 << 10
"""Outputs that are taken out together, at most; but always some tiles, since long runs are turned over faster."""


def out_tiles(plan: WinogradPlan) -> int:
    """Tiles that are taken out together."""
    high, wide = plan.form.tile
    tile_bytes = high * wide * plan.products.out_block * plan.spec.element_bytes
    lanes = plan.target.lanes(plan.spec.element_bytes)
    return max(-(-lanes // wide), _OUT_BYTES // tile_bytes)


def elements(plan: WinogradPlan) -> int:
    """Room for a strip of either kind, and of the residual."""
    lanes = plan.target.lanes(plan.spec.element_bytes)
    out = _out_elements(plan) * (2 if plan.spec.residual else 1)
    return max(plan.form.patch[0] * in_columns(plan) * lanes, out) + slack(lanes)


def in_columns(plan: WinogradPlan) -> int:
    """Columns of inputs of a strip of tiles."""
    return (IN_TILES - 1) * _in_step(plan) + plan.form.patch[1]


def _in_step(plan: WinogradPlan) -> int:
    """Columns of inputs from one tile to the next."""
    return plan.form.tile[1] * plan.form.strides[1]


def _out_elements(plan: WinogradPlan) -> int:
    return plan.form.tile[0] * out_tiles(plan) * plan.form.tile[1] * plan.products.out_block


def define(b: Builder, plan: WinogradPlan, fields: int) -> None:
    """Define the functions that lay rows out, behind `fields` integers of the call."""
    some = plan.channels != plan.spec.group_in
    emit_transpose(b, "turn", spills=False)
    if some:
        emit_transpose(b, "turn_few", spills=True)
    emit_line(b, plan.spec, "lay_line", "turn_few" if some else "turn", fields, clears=some)


class Strips:
    """Emits what brings strips in and takes them out.

    Parameters
    ----------
    shape : dict
        The run-time integers of the call, by name.
    integers : Value
        Where they begin.
    room : Value
        Working space of `elements`.
    """

    def __init__(self, b: Builder, plan: WinogradPlan, shape: dict[str, Value], integers: Value, room: Value) -> None:
        self.b = b
        self.plan = plan
        self.shape = shape
        self.integers = integers
        self.room = room
        self.pixel = plan.products.out_block
        self.row = out_tiles(plan) * plan.form.tile[1] * self.pixel
        self.residual = b.at(room, _out_elements(plan))

    def bring(self, x: Value, ih: Value, iw: Value, tiles: Value, v: Value) -> None:
        """Transform the inputs of some tiles from a row and column on, of all channels."""
        b, s, plan = self.b, self.shape, self.plan
        lanes, (high, wide) = b.lanes, plan.form.patch
        across = _in_step(plan)
        columns = (tiles - 1) * across + wide
        row = in_columns(plan) * lanes

        corner = b.at(b.at(x, b.maximum(ih, 0) * s["x_row"]), b.maximum(iw, 0))

        def ask(first: Value) -> None:
            self.ask(b.at(corner, first * s["x_channel"]), s["x_channel"], lanes, s["x_row"], high, columns)

        def channels(first: Value) -> None:
            source = b.at(x, first * s["x_channel"])
            left = b.integer(plan.spec.group_in) - first
            b.when(left > lanes, lambda: ask(first + lanes))

            def line(i: Value) -> None:
                target = b.at(self.room, i * row)
                places = (s["x_row"], s["x_channel"], ih + i, iw, s["height"], s["width"])
                b.call("lay_line", source, *places, lanes, columns, b.minimum(left, lanes), target, self.integers)

            b.loop(0, high, line, once=True)

            def tile(t: Value) -> None:
                target = b.at(v, t * plan.channels + first)
                b.call("transform_input", b.at(self.room, t * (across * lanes)), row, lanes, target)

            b.loop(0, tiles, tile, once=True)

        b.loop(0, plan.channels, channels, step=lanes, once=True)

    def bring_residual(self, residual: Value, rows: Value, columns: Value, channels: int) -> None:
        """Bring in the residual of some outputs."""
        b, s = self.b, self.shape

        def row(i: Value) -> None:
            source, target = b.at(residual, i * s["y_row"]), b.at(self.residual, i * self.row)
            b.call("turn", source, s["y_channel"], channels, target, self.pixel, columns)

        b.loop(0, rows, row)

    def ask_for(self, y: Value, rows: Value, columns: Value, channels: int) -> None:
        """Ask for the lines that some outputs will be written to."""
        self.ask(y, self.shape["y_channel"], channels, self.shape["y_row"], rows, columns, to_write=True)

    def take(self, y: Value, rows: Value, columns: Value, channels: int) -> None:
        """Take out some outputs."""
        b, s = self.b, self.shape

        def row(i: Value) -> None:
            source, target = b.at(self.room, i * self.row), b.at(y, i * s["y_row"])
            b.call("turn", source, self.pixel, columns, target, s["y_channel"], channels)

        b.loop(0, rows, row)

    def ask(
        self, corner: Value, channel_step: Value, channels: int, row_step: Value, rows: Value | int, columns: Value,
        *, to_write: bool = False,
    ) -> None:  # fmt: skip
        """Ask for the cache lines of rows of channels, which lie too far apart for the processor to foresee."""
        b = self.b

        def row(start: Value) -> None:
            b.loop(0, columns, lambda j: b.prefetch(b.at(start, j), to_write=to_write), step=b.line_elements, once=True)

        def channel(c: Value) -> None:
            b.loop(0, rows, lambda i: row(b.at(corner, c * channel_step + i * row_step)), once=True)

        b.loop(0, channels, channel, once=True)
