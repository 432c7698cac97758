"""Kernels brought to the points of Winograd's products: the code that packs for that schedule.

The values at the points are computed in float64 and rounded once, as vectors of output channels; the code is one for
all kernels of a size and all channels. Behind the values of a group lie the weights as they are. It also finds the
largest magnitude among the weights.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tweakconv.compiler.build import load
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.tasks import define_run, emit_tasks
from tweakconv.compiler.schedules.winograd_forms import Form
from tweakconv.compiler.schedules.winograd_transforms import vector_at_points
from tweakconv.compiler.target import Target

if TYPE_CHECKING:
    from tweakconv.compiler.jit import Loaded

FIELDS = (
    "source", "row", "column", "channel", "group", "in_channels", "out_channels", "channels", "out_block", "multiple",
    "padded_out", "blocks", "step", "steps", "tasks",
)  # fmt: skip
"""The run-time integers.

Where the kernel's first weight lies in the source, and elements from one to the next along its axes; output channels
lie side by side. Channels of a group, and input channels as they are padded; how output channels are cut into blocks;
and of the tasks, each of which is `step` input channels of a block of a group, how many there are for a block and for
all groups.
"""


@functools.cache
def pointer(target: Target, form: Form) -> Loaded:
    """The code for kernels of some taps."""
    return load(emit(target, form), ("run",), target)


def emit(target: Target, form: Form) -> str:
    """The LLVM module of the code; its one public function is ``run``, called as that of `moves`."""
    b = Builder(target, "double")
    define_run(b, _Driver(b, form).run, {"x": "ptr float32", "y": "ptr float32"})
    return b.module()


class _Driver:
    """Emits ``run``: take tasks until none is left."""

    def __init__(self, b: Builder, form: Form) -> None:
        self.b = b
        self.form = form
        self.lanes = 2 * b.lanes  # of float32, so that whole vectors are stored

    def run(
        self, x: Value, w: Value, bias: Value, y: Value, residual: Value, shape: Value, shared: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        b, form = self.b, self.form
        s = b.load_integers(shape, FIELDS)
        self.shape = s
        self.some_taps = b.stack_room(form.tap_count * self.lanes, "float32")
        of_group = s["channels"] * s["padded_out"]

        def one(ticket: Value) -> None:
            part, rest = ticket % s["steps"], ticket // s["steps"]
            block, group = rest % s["blocks"], rest // s["blocks"]
            first = block * s["out_block"]
            width = b.minimum(s["out_channels"] - first, s["out_block"])
            padded = (width + s["multiple"] - 1) // s["multiple"] * s["multiple"]
            source = b.at(x, s["source"] + group * s["group"] + first)
            target = b.at(y, group * of_group * (form.weights + form.tap_count))
            at_points = b.at(target, s["channels"] * first * form.weights)
            as_it_is = b.at(b.at(target, of_group * form.weights), s["channels"] * first * form.tap_count)
            start = part * s["step"]
            stop = b.minimum(start + s["step"], s["channels"])
            last = b.minimum(stop, s["in_channels"])

            def weights(channel: Value, largest: Value) -> list[Value]:
                at = channel * padded
                from_here, kept = b.at(source, channel * s["channel"]), b.at(as_it_is, at * form.tap_count)
                return [self.vectors(from_here, b.at(at_points, at), kept, width, padded, largest)]

            def zeros(channel: Value) -> None:
                at = channel * padded
                b.loop(0, form.weights, lambda i: b.fill_zero(b.at(at_points, i * s["channels"] * padded + at), padded))
                b.fill_zero(b.at(as_it_is, at * form.tap_count), padded * form.tap_count)

            (largest,) = b.loop(start, last, weights, [b.magnitudes(b.number(0.0, self.lanes))])
            b.loop(b.maximum(start, s["in_channels"]), stop, zeros)
            b.raise_to(residual, b.highest(largest))

        emit_tasks(b, shared, flags, s["tasks"], one)

    def vectors(
        self, source: Value, at_points: Value, as_it_is: Value, width: Value, padded: Value, largest: Value
    ) -> Value:
        """All output channels of a block, for one input channel; returns the largest magnitudes so far."""
        b, form, s = self.b, self.form, self.shape
        step = s["channels"] * padded

        def some(lane: Value, largest: Value) -> list[Value]:
            start, row, column = self.whole(b.at(source, lane), width - lane)
            taps = [
                [b.load(b.at(b.at(start, row * i), column * j), self.lanes) for j in range(form.taps[1])]
                for i in range(form.taps[0])
            ]
            for number, tap in enumerate(tap for of_row in taps for tap in of_row):
                largest = b.larger(largest, b.magnitudes(tap))
                b.store(tap, b.at(b.at(as_it_is, padded * number), lane))
            for number, value in enumerate(vector_at_points(b, form, taps)):
                b.store(value, b.at(b.at(at_points, step * number), lane))
            return [largest]

        return b.loop(0, padded, some, [largest], step=self.lanes, once=True)[0]

    def whole(self, source: Value, count: Value) -> tuple[Value, Value, Value]:
        """Where a vector's weights lie, and the steps from row to row and column to column; zeros where some lack."""
        b, form, s = self.b, self.form, self.shape
        rows, columns = form.taps
        room = self.some_taps

        def copied() -> list[Value]:
            def tap(i: Value, j: Value) -> None:
                at = b.at(room, (i * columns + j) * self.lanes)
                b.fill_zero(at, self.lanes)
                b.copy(at, b.at(source, i * s["row"] + j * s["column"]), b.maximum(count, 0))

            b.loop(0, rows, lambda i: b.loop(0, columns, lambda j: tap(i, j), once=True), once=True)
            return [room, b.integer(columns * self.lanes), b.integer(self.lanes)]

        start, row, column = b.when(count < self.lanes, copied, lambda: [source, s["row"], s["column"]])
        return start, row, column
