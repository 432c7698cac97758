"""Rows with masks: blocks that reach beyond the image or the output leave out what lies there."""

from __future__ import annotations

import math

from tweakconv.compiler.emit import Value
from tweakconv.compiler.schedules.rows_driver import Driver


class Masking(Driver):
    """Emits ``run``: whole blocks of a plane, between vectors of two planes at either end of a row."""

    def prepare(self) -> None:
        """Lay out a row of zeros."""
        self.b.fill_zero(self.window, self.plan.input_columns(self.plan.columns[0]))

    def rows(self, first: Value, stop: Value) -> None:
        """Compute some output rows of the planes."""
        b, plan = self.b, self.plan
        b.when(
            self.shape["narrow"].equals(1),
            lambda: b.loop(first, stop, self.narrow, step=plan.narrow_rows) and None,
            lambda: b.loop(first, stop, self.wide, step=plan.rows) and None,
        )

    def wide(self, oh: Value) -> None:
        """Some output rows: blocks, whole but at top and bottom, between vectors that may reach beyond either end."""
        b, plan, lanes = self.b, self.plan, self.plan.lanes
        ow = b.integer(lanes)
        self.edge(oh, b.integer(0), plan.rows)
        for i, (vectors, columns) in enumerate(zip(plan.vectors, plan.columns, strict=True)):
            stop = ow + self.shape[f"blocks_{i}"] * columns

            def block(ow: Value, vectors: int = vectors, columns: int = columns) -> None:
                b.when(
                    self.is_inside(oh, ow, columns),
                    lambda: self.whole_block(oh, ow, vectors),
                    lambda: b.loop(0, columns, lambda j: self.edge(oh, ow + j, plan.rows), step=lanes) and None,
                )

            b.loop(ow, stop, block, step=columns)
            ow = stop
        b.loop(ow, self.shape["out_width"], lambda ow: self.edge(oh, ow, plan.rows), step=lanes)

    def narrow(self, oh: Value) -> None:
        """Some output rows with nothing between the ends."""
        b, plan = self.b, self.plan
        b.loop(0, self.shape["out_width"], lambda ow: self.edge(oh, ow, plan.narrow_rows), step=plan.lanes, once=True)

    def is_inside(self, oh: Value, ow: Value, columns: int) -> Value:
        """Whether all inputs of a block lie in the image, and its outputs in the output."""
        b, s, spec, plan = self.b, self.shape, self.spec, self.plan
        ih, iw = oh * spec.strides[0] - s["pad_top"], ow * spec.strides[1] - s["pad_left"]
        high = plan.input_rows_under(spec.kernel[0])
        beside = b.both(iw >= 0, iw + plan.input_columns(columns) <= s["width"])
        return b.both(b.both(beside, oh + plan.rows <= s["out_height"]), b.both(ih >= 0, ih + high <= s["height"]))

    def whole_block(self, oh: Value, ow: Value, vectors: int) -> None:
        """A block of each plane that is inside."""
        b, s, spec, plan = self.b, self.shape, self.spec, self.plan
        first, iw = oh * s["y_row"] + ow, ow * spec.strides[1] - s["pad_left"]

        def plane(number: Value) -> None:
            out, bias = first + number * s["y_channel"], b.at(self.bias, number)
            residual = [b.at(self.residual, out)] if spec.residual else []
            of_plane, of_weights = number * (s["x_channel"] * spec.group_in), number * math.prod(spec.taps)

            def some(x: Value, w: Value, kernel_rows: int, ih: Value, mode: Value) -> None:
                at = b.at(x, of_plane + ih * s["x_row"] + iw)
                into = b.at(self.y, out), s["y_row"], bias, mode
                b.call(
                    f"rows_{kernel_rows}x{plan.rows}x{vectors}", at, s["x_row"], b.at(w, of_weights), *into, *residual
                )

            self.for_each_chunk(oh, some)

        b.loop(0, self.more + 1, plane, once=True)

    def edge(self, oh: Value, ow: Value, rows: int) -> None:
        """A vector of columns of each plane, of some rows, of which some may reach beyond the image or the output."""
        b, s, spec = self.b, self.shape, self.spec
        out, iw = oh * s["y_row"] + ow, ow * spec.strides[1] - s["pad_left"]
        residual = [b.at(self.residual, out)] if spec.residual else []
        wanted = [s["out_height"] - oh, s["out_width"] - ow]
        if self.plan.planes == 2:
            steps = s["x_channel"] * spec.group_in, math.prod(spec.taps), s["y_channel"], 1
            wanted += [self.more * step for step in steps]

        def some(x: Value, w: Value, kernel_rows: int, ih: Value, mode: Value) -> None:
            at, place = b.at(x, ih * s["x_row"] + iw), (ih, iw, s["height"], s["width"], self.window)
            into = b.at(self.y, out), s["y_row"], self.bias, mode
            b.call(f"edge_{kernel_rows}x{rows}", at, s["x_row"], w, *into, *place, *wanted, *residual)

        self.for_each_chunk(oh, some)
