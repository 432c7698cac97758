"""The function ``run`` of the rows schedule: tasks, and for each block the chunks of its sums."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.tasks import emit_tasks

if TYPE_CHECKING:
    from tweakconv.compiler.schedules.rows import RowsPlan

FIELDS = (
    "batch", "height", "width", "out_height", "out_width", "pad_top", "first_row", "pad_left",
    "planes_per_task", "rows_per_task", "bands", "x_image", "x_row", "x_channel", "y_image", "y_row", "y_channel",
    "narrow", "blocks_0", "blocks_1",
)  # fmt: skip
"""The run-time integers of one call, in order.

Strides count elements. A task is some planes, each a channel of an image or two of them, or a band of the rows of each
of their phases. The first phase begins at the input row ``first_row``, less ``pad_top`` of its own. A row has
``blocks_i`` blocks of the i-th width, or where ``narrow`` is 1, none.
"""


class Driver(abc.ABC):
    """Emits ``run``: tasks (planes or bands of their rows), blocks, chunks of the sum.

    Attributes
    ----------
    x, w, bias, y, residual : Value
        Where what belongs to a plane begins.
    more : Value
        1 where the next plane is computed with it, else 0.
    """

    x: Value
    w: Value
    bias: Value
    y: Value
    residual: Value
    more: Value

    def __init__(self, b: Builder, plan: RowsPlan) -> None:
        self.b = b
        self.plan = plan
        self.spec = plan.spec

    def run(
        self, x: Value, w: Value, bias: Value, y: Value, residual: Value, shape: Value, shared: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        """Take tasks until none is left."""
        b, spec, plan = self.b, self.spec, self.plan
        s = self.shape = b.load_integers(shape, FIELDS)
        self.integers, self.window = shape, window
        self.prepare()
        planes = s["batch"] * plan.pairs

        def one(ticket: Value) -> None:
            band, rest = ticket % s["bands"], ticket // s["bands"]
            first = rest * s["planes_per_task"]
            stop = b.minimum(first + s["planes_per_task"], planes)
            b.loop(first, stop, lambda number: plane(band, number), once=True)

        def plane(band: Value, number: Value) -> None:
            group, image = number % plan.pairs * plan.planes, number // plan.pairs
            self.more = b.select(group + 1 < spec.groups, 1, 0) if plan.planes == 2 else b.integer(0)
            self.x = b.at(x, image * s["x_image"] + group * s["x_channel"] * spec.group_in)
            out = image * s["y_image"] + group * s["y_channel"]
            self.y, self.residual = b.at(y, out), b.at(residual, out)
            self.w = b.at(w, group * math.prod(spec.taps))
            self.bias = b.at(bias, group)
            first = band * s["rows_per_task"]
            self.phases(lambda: self.rows(first, b.minimum(first + s["rows_per_task"], self.shape["out_height"])))

        tasks = (planes + s["planes_per_task"] - 1) // s["planes_per_task"] * s["bands"]
        emit_tasks(b, shared, flags, tasks, one)

    def phases(self, body: Callable[[], None]) -> None:
        """Run `body` for each phase of a plane, with the sizes, strides and places that its rows have."""
        b, s, x, y, residual, apart = self.b, self.shape, self.x, self.y, self.residual, self.plan.phases
        if apart == 1:
            body()
            return

        def one(number: Value) -> None:
            beyond = s["first_row"] + number >= apart
            row = s["first_row"] + number - b.select(beyond, apart, 0)
            self.x, self.y = b.at(x, row * s["x_row"]), b.at(y, number * s["y_row"])
            self.residual = b.at(residual, number * s["y_row"])
            self.shape = {
                **s,
                "height": (s["height"] - row + (apart - 1)) // apart,
                "out_height": (s["out_height"] - number + (apart - 1)) // apart,
                "pad_top": s["pad_top"] - b.select(beyond, 1, 0),
                "x_row": s["x_row"] * apart,
                "y_row": s["y_row"] * apart,
            }
            body()

        b.loop(0, apart, one)
        self.shape = s

    @abc.abstractmethod
    def prepare(self) -> None:
        """What is done once, with the working space."""

    @abc.abstractmethod
    def rows(self, first: Value, stop: Value) -> None:
        """Compute some output rows of a plane."""

    def for_each_chunk(self, oh: Value, body: Callable[[Value, Value, int, Value, Value], None]) -> None:
        """Run ``body(x, w, kernel_rows, ih, mode)``: the channel of the image, the weights, and the first input row."""
        b, s, spec = self.b, self.shape, self.spec

        def of_channel(channel: Value) -> None:
            x = b.at(self.x, channel * s["x_channel"])
            w = b.at(self.w, channel * math.prod(spec.kernel))
            for start, stop in self.plan.chunks():
                ih = oh * spec.strides[0] - s["pad_top"] + start * self.plan.of_phase.dilation[0]
                mode = b.integer(0)
                if start == 0:
                    mode = b.select(channel.equals(0), 1, 0)
                if stop == spec.kernel[0]:
                    mode = mode + b.select(channel.equals(spec.group_in - 1), 2, 0)
                body(x, b.at(w, start * spec.kernel[1]), stop - start, ih, mode)

        b.loop(0, spec.group_in, of_channel, once=True)
