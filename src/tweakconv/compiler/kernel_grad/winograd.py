"""Kernel gradients by Winograd's minimal filtering: 36 products for a tile instead of 144, for kernels of 3x3 taps.

The forward pass computes a tile of outputs as ``A' [(G w G') * (B' x B)] A``. Its gradient with respect to `w` is
``G' [(A dy A') * (B' x B)] G``: the same points, of which the outputs' gradients are now evaluated as polynomials and
the products interpolated to the taps (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, and
`tweakconv.compiler.schedules.winograd_transforms`). The products of all tiles are summed at the points, so that one
interpolation at the end serves all of them.

Transforms smear what is not finite; a gradient that comes out with such numbers is computed once more, directly.
"""

from __future__ import annotations

from collections.abc import Callable

from tweakconv.compiler.call import Shared
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.kernel_grad.ahead import Ahead
from tweakconv.compiler.kernel_grad.fill import emit_fill, emit_turn, for_each_tile
from tweakconv.compiler.kernel_grad.micro import emit_micro, micro_name
from tweakconv.compiler.kernel_grad.winograd_call import FIELDS, integers, space, task_rows
from tweakconv.compiler.kernel_grad.winograd_plan import WHAT, WinogradGradPlan, applies, count, is_faster, plan
from tweakconv.compiler.schedules.tasks import define_run, emit_tasks, wait_for
from tweakconv.compiler.schedules.winograd_forms import Form, point_pairs
from tweakconv.compiler.schedules.winograd_transforms import input_transform, kernel_transform

__all__ = ["WHAT", "applies", "emit", "integers", "is_faster", "plan", "space"]


def emit(plan: WinogradGradPlan) -> str:
    """The LLVM module of a plan."""
    b, products = Builder(plan.target, plan.spec.element), plan.products
    if not plan.spec.channels_last:
        emit_turn(b, 1)
    emit_fill(b, plan.of_inputs, "fill", _load)
    emit_fill(b, plan.of_grads, "fill_grads", _numbers_of_grads)
    form, (inputs_apart, grads_apart) = plan.form, plan.apart
    _emit_transform(b, "transform_input", form.patch, input_transform, channels=products.chunk, apart=inputs_apart)
    _emit_transform(b, "transform_grads", form.tile, _evaluated, channels=products.padded_panel, apart=grads_apart)
    for rows in products.heights():
        for width in products.widths():
            emit_micro(b, products, rows, width, pixel=products.padded_panel)
    define_run(b, _Driver(b, plan).run)
    return b.module()


def _load(b: Builder, shape: Value) -> dict[str, Value]:
    """The integers as the code sees them; those of a window of images of one plane."""
    numbers = b.load_integers(shape, FIELDS)
    return {**numbers, "plane_step": b.integer(0)}


def _numbers_of_grads(b: Builder, shape: Value) -> dict[str, Value]:
    """Those by which the window of the outputs' gradients is filled, as if these were an image."""
    s, zero = _load(b, shape), b.integer(0)
    sizes = {name: s[f"out_{name}"] for name in ("depth", "height", "width")}
    strides = {f"x_{name}": s[f"y_{name}"] for name in ("image", "plane", "row", "channel")}
    pads = dict.fromkeys(("front", "top", "left"), zero)
    return {**s, **sizes, **strides, **pads, "image_step": s["grad_image"], "window_row": s["grad_row"]}


def _evaluated(b: Builder, values: list[Value]) -> list[Value]:
    """The four outputs of a tile along an axis, as the coefficients of a polynomial, at the six points.

    It is the transpose of `winograd_transforms.output_transform`.
    """
    first, second, third, fourth = values
    results = [first]
    for point in point_pairs(6):
        even, odd = b.scaled(third, point**2, first), b.scaled(fourth, point**3, b.times(second, point))
        results += [b.add(even, odd), b.subtract(even, odd)]
    return [*results, fourth]


def _emit_transform(
    b: Builder, name: str, size: tuple[int, int], evaluated: Callable[[Builder, list[Value]], list[Value]], *,
    channels: int, apart: int,
) -> None:  # fmt: skip
    """Define ``name(values, row, points)``: what some rows and columns of pixels become at the points.

    Pixels lie `channels` elements apart and rows ``row``; what belongs to a point lies `apart` elements from the next.
    """
    high, wide = size

    def body(values: Value, row: Value, points: Value) -> None:
        def some(channel: Value) -> None:
            at = b.at(values, channel)
            rows = [b.at(at, row * i) for i in range(high)]
            pixels = [[b.load(b.at(start, j * channels), b.lanes) for j in range(wide)] for start in rows]
            down = [evaluated(b, [pixels[i][j] for i in range(high)]) for j in range(wide)]
            target = b.at(points, channel)
            across = [evaluated(b, [column[i] for column in down]) for i in range(len(down[0]))]
            for k, value in enumerate(value for values in across for value in values):
                b.store(value, b.at(target, k * apart))

        b.loop(0, channels, some, step=b.lanes, once=True)

    b.function(name, {"values": "ptr", "row": "i64", "points": "ptr"}, body)


class _Driver:
    def __init__(self, b: Builder, plan: WinogradGradPlan) -> None:
        self.b, self.plan, self.spec, self.products = b, plan, plan.spec, plan.products

    def run(
        self, x: Value, dy: Value, unused: Value, dw: Value, none: Value, shape: Value, shared: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        """Take tasks until none is left: first those that sum products, then those that interpolate the sums."""
        b = self.b
        self.cell = b.stack_room(16 // b.element_bytes)
        s = self.s = _load(b, shape)
        self.x, self.dy, self.shape, self.window = x, dy, shape, window
        self.table = b.integer_at(shape, len(FIELDS))
        self.grads, self.v, self.u = (b.at(window, s[name]) for name in ("grads", "inputs_at", "grads_at"))
        ranges, counter = b.load_address(shared, Shared.SPACE), b.integer_at(shared, Shared.LOADED)

        def one(ticket: Value) -> None:
            def sum_up() -> None:
                self.task(ticket // s["ranges"], ticket % s["ranges"], ranges)
                b.announce(counter)

            def interpolate() -> None:
                wait_for(b, shared, counter, s["tasks"])
                self.interpolate(ranges, dw, (ticket - s["tasks"]) * task_rows(self.plan))

            b.when(ticket < s["tasks"], sum_up, interpolate)

        emit_tasks(b, shared, flags, s["tasks"] + s["sums"], one)

    def task(self, number: Value, part: Value, ranges: Value) -> None:
        """Loop over the blocks of a range, for a chunk of input channels and a panel of output channels."""
        b, s, products, spec = self.b, self.s, self.products, self.spec
        chunks, panels = count(spec.group_in, products.chunk), count(spec.group_out, products.panel)
        chunk, rest = number % chunks, number // chunks
        panel, group = rest % panels, rest // panels
        channel, first_output = chunk * products.chunk, panel * products.panel
        channels = b.minimum(b.integer(products.chunk), b.integer(spec.group_in) - channel)
        width = b.minimum(b.integer(products.panel), b.integer(spec.group_out) - first_output)
        start = group * spec.group_out + first_output
        held = self.plan.form.points * self.plan.point_elements
        sums = b.at(ranges, part * held + channel * spec.out_channels + start)
        blocks = s["image_blocks"] * s["out_depth"] * s["row_blocks"] * s["column_blocks"]
        first, stop = blocks * part // s["ranges"], blocks * (part + 1) // s["ranges"]

        def block(number: Value) -> None:
            tiles, ahead = self.transforms(number, (group * spec.group_in + channel, channels), (start, width))
            self.multiply(sums, tiles, channels, width, b.select(number.equals(first), 1, 0), ahead)

        b.loop(first, stop, block)

    def transforms(
        self, number: Value, inputs: tuple[Value, Value], outputs: tuple[Value, Value]
    ) -> tuple[Value, Ahead]:
        """Copy a block's windows and transform its tiles; how many they are, and what lies behind the block."""
        b, s, form = self.b, self.s, self.plan.form
        column_block, rest = number % s["column_blocks"], number // s["column_blocks"]
        row_block, rest = rest % s["row_blocks"], rest // s["row_blocks"]
        plane, image_block = rest % s["out_depth"], rest // s["out_depth"]
        image, row, column = image_block * s["images"], row_block * s["rows"], column_block * s["columns"]
        images = b.minimum(s["images"], s["batch"] - image)
        high, wide = form.tile
        rows = b.minimum(s["rows"], (s["out_height"] + (high - 1)) // high - row)
        columns = b.minimum(s["columns"], (s["out_width"] + (wide - 1)) // wide - column)
        block = (image, images, plane, row * high, rows * high, column * wide, columns * wide)
        b.call("fill", self.window, self.x, self.shape, *block, *inputs)
        b.call("fill_grads", self.grads, self.dy, self.shape, *block, *outputs)
        chunk, panel = self.products.chunk, self.products.padded_panel

        def tile(number: Value) -> None:
            j, rest = number % columns, number // columns
            i, n = rest % rows, rest // rows
            x = n * s["image_step"] + i * high * s["window_row"] + j * (wide * chunk)
            dy = n * s["grad_image"] + i * high * s["grad_row"] + j * (wide * panel)
            b.call("transform_input", b.at(self.window, x), s["window_row"], b.at(self.v, number * chunk))
            b.call("transform_grads", b.at(self.grads, dy), s["grad_row"], b.at(self.u, number * panel))

        tiles = images * rows * columns
        b.loop(0, tiles, tile)
        return tiles, self.ahead(block, tiles)

    def ahead(self, block: tuple[Value, ...], tiles: Value) -> Ahead:
        """What lies behind a block, where that is the next one: blocks of whole rows and of all channels."""
        b, s, products, spec = self.b, self.s, self.products, self.spec
        image, images, _, row, rows, _, columns = block
        last = rows >= s["out_height"]
        whole = b.both(columns >= s["out_width"], s["out_depth"].equals(1))
        top = b.maximum(row + s["top"], 0)
        complete = spec.group_in <= products.chunk, spec.group_out <= products.panel
        blocks = []
        for there, start, name in zip(
            complete, (b.at(self.x, top * s["x_row"]), b.at(self.dy, row * s["y_row"])), "xy", strict=True
        ):
            size = b.select(last, images * s[f"{name}_image"], rows * s[f"{name}_row"])
            size = b.select(whole, size, 0) if there and spec.groups == 1 and spec.channels_last else b.integer(0)
            blocks.append((b.at(start, image * s[f"{name}_image"]), size))
        calls = self.plan.form.points * count(products.panel, products.tile.vectors * b.lanes)
        return Ahead.of(b, self.cell, tuple(blocks), tiles * calls * count(products.chunk, products.tile.rows))

    def multiply(
        self, sums: Value, tiles: Value, channels: Value, width: Value, first: Value, ahead: Ahead
    ) -> None:  # fmt: skip
        """Add the products of a block's tiles to the sums at each point."""
        b, products, out = self.b, self.products, self.spec.out_channels
        height = products.tile.rows

        def point(k: Value) -> None:
            v, u = (b.at(values, k * apart) for values, apart in zip((self.v, self.u), self.plan.apart, strict=True))
            at = b.at(sums, k * self.plan.point_elements)

            def tile(start: Value, width: int) -> None:
                grads, to = b.at(u, start), b.at(at, start)

                def micro(row: Value, rows: int) -> None:
                    name = micro_name(rows, width)
                    later = ahead.arguments(tiles)
                    b.call(name, b.at(v, row), grads, b.at(to, row * out), self.table, tiles, first, *later)

                whole = channels // height * height
                if height in products.heights():
                    b.loop(0, whole, lambda row: micro(row, height), step=height)
                for rest in products.heights():
                    if rest != height:
                        b.when((channels - whole).equals(rest), lambda rest=rest: micro(whole, rest))  # type: ignore[misc]

            for_each_tile(b, products, width, tile)

        b.loop(0, self.plan.form.points, point, once=True)

    def interpolate(self, ranges: Value, dw: Value, first: Value) -> None:
        """Add up the ranges, in their order, and interpolate, for some rows of the kernel."""
        b, plan, out, lanes = self.b, self.plan, self.spec.out_channels, self.b.lanes
        form, apart = plan.form, plan.point_elements

        def some(at: Value, filled: int) -> None:
            def total(k: int) -> Value:
                def more(r: Value, total: Value) -> list[Value]:
                    return [b.add(total, b.load_part(b.at(ranges, (r * form.points + k) * apart + at), filled))]

                before = b.load_part(b.at(ranges, at + k * apart), filled)
                return b.loop(1, self.s["ranges"], more, [before])[0]

            sums = [total(k) for k in range(form.points)]
            down = [_interpolated(b, sums[j :: form.patch[1]], form, 0) for j in range(form.patch[1])]
            for i in range(form.taps[0]):
                for j, value in enumerate(_interpolated(b, [column[i] for column in down], form, 1)):
                    b.store_part(value, b.at(dw, at + (i * form.taps[1] + j) * apart), filled)

        def row(c: Value) -> None:
            whole = out // lanes * lanes
            b.loop(0, whole, lambda f: some(c * out + f, lanes), step=lanes)
            if out % lanes:
                some(c * out + whole, out % lanes)

        b.loop(first, b.minimum(first + task_rows(plan), self.spec.group_in), row)


def _interpolated(b: Builder, values: list[Value], form: Form, axis: int) -> list[Value]:
    """The taps of a row or column from the sums at the points."""
    matrix = kernel_transform(form.taps[axis], form.patch[axis])
    results = []
    for tap in range(form.taps[axis]):
        total = None
        for value, factor in zip(values, matrix[:, tap], strict=True):
            if factor:
                total = b.times(value, float(factor)) if total is None else b.scaled(value, float(factor), total)
        assert total is not None
        results.append(total)
    return results
