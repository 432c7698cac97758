"""The function ``run`` of a kernel gradient: loops around the microkernels, outermost first.

Threads take *tasks* (a range of blocks of outputs, for some input channels and some output channels of a group). A
task copies the window of a block, packs the block's outputs, and goes over its parts; for each part and each tile
across the output channels, whose outputs stay in the first-level cache, come the taps and the tiles of their rows.
Where there are several ranges, each has sums of its own, and tasks that wait for all of them add these up.
"""

from __future__ import annotations

from dataclasses import dataclass

from tweakconv.compiler.call import Shared
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.kernel_grad.ahead import Ahead
from tweakconv.compiler.kernel_grad.call import FIELDS, SUM_ELEMENTS, load
from tweakconv.compiler.kernel_grad.fill import for_each_tile
from tweakconv.compiler.kernel_grad.micro import micro_name
from tweakconv.compiler.kernel_grad.plan import KernelGradPlan
from tweakconv.compiler.schedules.tasks import define_run, emit_tasks, wait_for


def emit_run(b: Builder, plan: KernelGradPlan) -> None:
    """Define ``run`` over the microkernels and the copies; its arguments are those of `tweakconv.compiler.call`.

    The gradient of the outputs stands in the place of the weights.
    """
    define_run(b, _Driver(b, plan).run)


@dataclass(frozen=True, slots=True)
class _Task:
    """What a task computes.

    Attributes
    ----------
    first, stop : Value
        Its blocks.
    channel, channels : Value
        Its input channels, those of the group's first counting as 0.
    panel, width : Value
        Its output channels, counted from the first of all.
    source : Value
        The first channel of `x` that it copies.
    sums : Value
        Where its range's sums begin, those of the first tap and input channel.
    """

    first: Value
    stop: Value
    channel: Value
    channels: Value
    panel: Value
    width: Value
    source: Value
    sums: Value


class _Driver:
    def __init__(self, b: Builder, plan: KernelGradPlan) -> None:
        self.b, self.plan, self.spec = b, plan, plan.spec

    def run(
        self, x: Value, dy: Value, unused: Value, dw: Value, none: Value, shape: Value, shared: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        """Take tasks until none is left: first those that sum up ranges, then those that add up their sums."""
        b = self.b
        self.cell = b.stack_room(16 // b.element_bytes)
        s = self.s = load(b, shape)
        self.x, self.dy, self.shape, self.window = x, dy, shape, window
        self.table = b.integer_at(shape, len(FIELDS))
        self.packed = b.at(window, s["outputs"])
        several = s["ranges"] > 1
        ranges = b.load_address(shared, Shared.SPACE)
        counter = b.integer_at(shared, Shared.LOADED)

        def one(ticket: Value) -> None:
            def compute() -> None:
                number = ticket % s["ranges"]
                sums = b.select(several, b.at(ranges, number * self.spec.elements), dw)
                self.task(ticket // s["ranges"], number, sums)
                b.announce(counter)

            def add() -> None:
                wait_for(b, shared, counter, s["tasks"])
                self.add(ranges, dw, (ticket - s["tasks"]) * SUM_ELEMENTS)

            b.when(ticket < s["tasks"], compute, add)

        emit_tasks(b, shared, flags, s["tasks"] + s["sums"], one)

    def add(self, ranges: Value, dw: Value, start: Value) -> None:
        """Add up some elements over the ranges, in their order."""
        b, size = self.b, self.spec.elements
        stop = b.minimum(start + SUM_ELEMENTS, size)
        whole = stop - (stop - start) % b.lanes

        def vector(i: Value, lanes: int) -> None:
            def more(r: Value, total: Value) -> list[Value]:
                return [b.add(total, b.load(b.at(ranges, r * size + i), lanes))]

            total = b.loop(1, self.s["ranges"], more, [b.load(b.at(ranges, i), lanes)], once=True)[0]
            b.store(total, b.at(dw, i))

        b.loop(start, whole, lambda i: vector(i, b.lanes), step=b.lanes)
        b.loop(whole, stop, lambda i: vector(i, 1))

    def task(self, number: Value, part: Value, sums: Value) -> None:
        """Loop over the blocks of a range, for a chunk of input channels and a panel of output channels."""
        b, s, plan, spec = self.b, self.s, self.plan, self.spec
        chunks, panels = -(-spec.group_in // plan.chunk), -(-plan.panel_channels // plan.panel)
        chunk, rest = number % chunks, number // chunks
        panel, group = rest % panels, rest // panels
        channel, first_output = chunk * plan.chunk, panel * plan.panel
        panel_start = group * plan.panel_channels + first_output
        blocks = s["image_blocks"] * s["out_depth"] * s["row_blocks"] * s["column_blocks"]
        task = _Task(
            first=blocks * part // s["ranges"],
            stop=blocks * (part + 1) // s["ranges"],
            channel=channel,
            channels=b.minimum(b.integer(plan.chunk), b.integer(spec.group_in) - channel),
            panel=panel_start,
            width=b.minimum(b.integer(plan.panel), b.integer(plan.panel_channels) - first_output),
            source=panel_start if plan.lanewise else group * spec.group_in + channel,
            sums=b.at(sums, channel * spec.out_channels + panel_start),
        )
        b.loop(task.first, task.stop, lambda block: self.block(task, block))

    def block(self, task: _Task, number: Value) -> None:
        """Copy a block's window and outputs, and loop over its parts."""
        b, s, plan = self.b, self.s, self.plan
        column_block, rest = number % s["column_blocks"], number // s["column_blocks"]
        row_block, rest = rest % s["row_blocks"], rest // s["row_blocks"]
        plane, image_block = rest % s["out_depth"], rest // s["out_depth"]
        image, row, column = image_block * s["images"], row_block * s["rows"], column_block * s["columns"]
        images = b.minimum(s["images"], s["batch"] - image)
        rows = b.minimum(s["rows"], s["out_height"] - row)
        columns = b.minimum(s["columns"], s["out_width"] - column)
        block = (image, images, plane, row, rows, column, columns)
        copied = task.width if plan.lanewise else task.channels
        b.call("fill", self.window, self.x, self.shape, *block, task.source, copied)
        if not plan.in_place:
            b.call("pack", self.packed, self.dy, self.shape, *block, task.panel, task.width)
        pixels, most = images * rows * columns, s["part_images"] * s["part_rows"] * columns
        start_y = image * s["y_image"] + plane * s["y_plane"] + row * s["y_row"] + column * self.spec.out_channels
        outputs = b.at(self.dy, start_y) if plan.in_place else self.packed
        # Whole rows lie one behind another; parts of rows are parts of a block by themselves.
        part_y = b.select(columns.equals(s["out_width"]), most * self.spec.out_channels, s["y_row"])
        ahead = self.ahead(block, b.at(self.dy, start_y), pixels)

        def part(start: Value) -> None:
            which = start // most
            source = b.at(self.window, which * s["part_step"])
            count = b.minimum(most, pixels - start)
            first = b.select(b.both(number.equals(task.first), start.equals(0)), 1, 0)

            def tile(channel: Value, width: int) -> None:
                padded = -(-width // b.lanes) * b.lanes
                grads = b.at(outputs, which * part_y if plan.in_place else channel * pixels + start * padded)
                x = b.at(source, channel) if plan.lanewise else source
                self.taps(task, x, grads, b.at(task.sums, channel), width, count, first, ahead)

            for_each_tile(b, plan, task.width, tile)

        b.loop(0, pixels, part, step=most, once=True)

    def ahead(self, block: tuple[Value, ...], dy: Value, pixels: Value) -> Ahead:
        """What lies behind a block, where that is the next one: blocks of whole rows and of all channels."""
        b, s, plan, spec = self.b, self.s, self.plan, self.spec
        image, images, plane, row, rows, _, columns = block
        last = rows.equals(s["out_height"])
        down = spec.axes[1].stride
        top = b.maximum(row * down + s["top"], 0)
        x = b.at(self.x, image * s["x_image"] + plane * spec.axes[0].stride * s["x_plane"] + top * s["x_row"])
        sizes = [b.select(last, images * s["x_image"], rows * down * s["x_row"]),
                 b.select(last, images * s["y_image"], rows * s["y_row"])]  # fmt: skip
        whole = b.both(columns.equals(s["out_width"]), s["out_depth"].equals(1))
        complete = (
            plan.unit == spec.in_channels or (plan.lanewise and plan.panel == spec.out_channels),
            plan.groups == 1 and plan.panel == spec.out_channels,
        )
        sizes = [b.select(whole, size, 0) if there and spec.channels_last else b.integer(0)
                 for size, there in zip(sizes, complete, strict=True)]  # fmt: skip
        planes, high, wide = (axis.kernel for axis in spec.axes)
        tiles = _count(plan.tile_rows(plan.chunk), plan.tile.rows) * (1 if plan.merged else wide)
        calls = _count(plan.panel, plan.tile.vectors * b.lanes) * planes * high * tiles
        return Ahead.of(b, self.cell, ((x, sizes[0]), (dy, sizes[1])), pixels * calls)

    def taps(
        self, task: _Task, x: Value, grads: Value, sums: Value, width: int, count: Value, first: Value, ahead: Ahead
    ) -> None:  # fmt: skip
        """Loop over the taps, and over the tiles of their rows."""
        b, s, plan, spec = self.b, self.s, self.plan, self.spec
        planes, rows, columns = (axis.kernel for axis in spec.axes)
        tap = spec.group_in * spec.out_channels

        def micro(x: Value, sums: Value, height: int) -> None:
            b.call(micro_name(height, width), x, grads, sums, self.table, count, first, *ahead.arguments(count))

        def tiles(x: Value, sums: Value, total: Value) -> None:
            height = plan.tile.rows
            whole = total // height * height
            if height in plan.heights():
                b.loop(
                    0, whole,
                    lambda r: micro(b.at(x, r * plan.row_step), b.at(sums, r * spec.out_channels), height), step=height,
                )  # fmt: skip
            at, behind = b.at(x, whole * plan.row_step), b.at(sums, whole * spec.out_channels)
            for rest in plan.heights():
                if rest != height:
                    b.when((total - whole).equals(rest), lambda rest=rest: micro(at, behind, rest))  # type: ignore[misc]

        def row(plane: Value, u: Value) -> None:
            at = b.at(x, plane * s["plane_step"] + u * s["row_tap"])
            to = b.at(sums, (plane * rows + u) * (columns * tap))
            if plan.merged:
                tiles(at, to, b.integer(plan.tile_rows(plan.chunk)))
            else:
                b.loop(
                    0, columns,
                    lambda v: tiles(b.at(at, v * s["column_tap"]), b.at(to, v * tap), task.channels), once=True,
                )  # fmt: skip

        b.loop(0, planes, lambda p: b.loop(0, rows, lambda u: row(p, u), once=True), once=True)


def _count(size: int, step: int) -> int:
    return -(-size // step)
