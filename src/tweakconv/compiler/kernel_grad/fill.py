"""Copies a kernel gradient works on: the window of a block of outputs, and the outputs' own gradients tile by tile.

The window holds the pixels that a block's taps meet, and the number 0 where they lie in the padding. Along an axis taps
share pixels, or under large strides and dilations each tap has those that it meets (`plan.shared`). Either way the
channels of a pixel lie side by side, whatever the layout of the image, so that one microkernel reads all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.kernel_grad.call import load
from tweakconv.compiler.kernel_grad.plan import KernelGradPlan

_POINTERS = dict.fromkeys(("into", "source", "shape"), "ptr")
_BLOCK = {"image": "i64", "images": "i64", "plane": "i64", "row": "i64", "rows": "i64", "column": "i64",
          "columns": "i64"}  # fmt: skip
"""A block of outputs: its first image and how many, its plane, its first row and column and how many."""

_CHANNELS = {"channel": "i64", "channels": "i64"}
"""The first of some channels, and how many."""


def emit_fills(b: Builder, plan: KernelGradPlan) -> None:
    """Define ``fill(window, x, shape, *block, *channels)`` and ``pack(packed, dy, shape, *block, *channels)``.

    Channels are input channels counted from the image's first and, where each lane has one of its own and for ``pack``,
    output channels.
    """
    if not plan.spec.channels_last:
        step = 1 if plan.shared[2] else plan.spec.axes[2].stride
        for each in sorted({1, step}):
            emit_turn(b, each)
    emit_fill(b, plan, "fill", load)
    if not plan.in_place:
        b.function("pack", {**_POINTERS, **_BLOCK, **_CHANNELS}, lambda *values: _pack(b, plan, *values))


def emit_fill(
    b: Builder, plan: KernelGradPlan, name: str, numbers: Callable[[Builder, Value], dict[str, Value]]
) -> None:
    """Define ``fill`` under some name, with the numbers of the call that `numbers(b, shape)` loads."""
    body = functools.partial(_fill, b, plan, numbers)
    b.function(name, {**_POINTERS, **_BLOCK, **_CHANNELS}, body)


def _fill(
    b: Builder, plan: KernelGradPlan, numbers: Callable[[Builder, Value], dict[str, Value]], window: Value, x: Value,
    shape: Value, image: Value, images: Value, plane: Value, row: Value, rows: Value, column: Value, columns: Value,
    channel: Value, channels: Value,
) -> None:  # fmt: skip
    spec, s = plan.spec, numbers(b, shape)
    line = _Line(b, plan, s, channel, channels)

    def image_of(i: Value) -> None:
        source, into = b.at(x, (image + i) * s["x_image"]), b.at(window, i * s["image_step"])

        def plane_of(tap: Value) -> None:
            position = plane * spec.axes[0].stride + s["front"] + tap * spec.axes[0].dilation
            inside, line_into = position.below(s["depth"]), b.at(into, tap * s["plane_step"])
            line_source = b.at(source, position * s["x_plane"])

            def one(number: Value, position: Value) -> None:
                there = b.both(inside, position.below(s["height"]))
                at = b.at(line_into, number * s["window_row"])
                start = b.at(line_source, position * s["x_row"])
                first = column * spec.axes[2].stride + s["left"]
                b.when(there, lambda: line.copy(at, start, first, columns), lambda: line.nothing(at, columns))

            _along(b, plan, 1, row, rows, s["rows"], s["top"], one)

        b.loop(0, spec.axes[0].kernel, plane_of, once=True)

    b.loop(0, images, image_of)


def _along(
    b: Builder, plan: KernelGradPlan, axis: int, first: Value, count: Value, room: Value, start: Value,
    each: Callable[[Value, Value], None],
) -> None:  # fmt: skip
    """Run `each(number, position)` for the pixels along an axis that a window of `count` outputs holds."""
    of_axis = plan.spec.axes[axis]
    position = first * of_axis.stride + start
    if plan.shared[axis]:
        pixels = (count - 1) * of_axis.stride + ((of_axis.kernel - 1) * of_axis.dilation + 1)
        b.loop(0, pixels, lambda i: each(i, position + i))
        return

    def tap(k: Value) -> None:
        at = position + k * of_axis.dilation
        b.loop(0, count, lambda i: each(k * room + i, at + i * of_axis.stride))

    b.loop(0, of_axis.kernel, tap, once=True)


class _Line:
    """Copies a row of the window: runs of pixels, those beyond the ends of the image's row being zero."""

    def __init__(self, b: Builder, plan: KernelGradPlan, s: dict[str, Value], channel: Value, channels: Value) -> None:
        self.b, self.plan, self.s = b, plan, s
        self.channel, self.channels = channel, channels
        self.axis = plan.spec.axes[2]
        self.step = 1 if plan.shared[2] else self.axis.stride

    def copy(self, into: Value, source: Value, first: Value, outputs: Value) -> None:
        """The runs of a row of the image that begins at `source`, from column `first` on."""
        for_each = self._runs(outputs)
        for_each(lambda start, tap, count: self._run(self._at(into, start), source, first + tap, count))

    def nothing(self, into: Value, outputs: Value) -> None:
        """Zeros in place of such a row."""
        for_each = self._runs(outputs)
        for_each(lambda start, _, count: self.b.fill_zero(self._at(into, start), count * self.plan.unit))

    def _at(self, into: Value, pixels: Value) -> Value:
        return self.b.at(into, pixels * self.plan.unit)

    def _runs(self, outputs: Value) -> Callable[[Callable[[Value, Value, Value], None]], None]:
        """For each run where it starts in the window, how far from the first column, and how many pixels it has."""
        b, axis = self.b, self.axis

        def for_each(body: Callable[[Value, Value, Value], None]) -> None:
            if self.plan.shared[2]:
                count = (outputs - 1) * axis.stride + ((axis.kernel - 1) * axis.dilation + 1)
                body(b.integer(0), b.integer(0), count)
            else:
                taps = axis.kernel
                b.loop(0, taps, lambda k: body(k * self.s["columns"], k * axis.dilation, outputs), once=True)

        return for_each

    def _run(self, into: Value, source: Value, first: Value, count: Value) -> None:
        """`count` pixels from column `first` on, `step` apart."""
        b, step, unit = self.b, self.step, self.plan.unit
        left = b.minimum((b.maximum(b.integer(0) - first, 0) + (step - 1)) // step, count)
        behind = (b.maximum(self.s["width"] - first, 0) + (step - 1)) // step
        right = b.maximum(b.minimum(behind, count), left)
        b.fill_zero(into, left * unit)
        self._pixels(self._at(into, left), source, first + left * step, right - left)
        b.fill_zero(self._at(into, right), (count - right) * unit)

    def _pixels(self, into: Value, source: Value, first: Value, count: Value) -> None:
        """Pixels that are there, from column `first` on."""
        b, plan, spec, unit = self.b, self.plan, self.plan.spec, self.plan.unit
        step = self.step
        alike = not plan.lanewise or spec.group_in == spec.group_out == 1
        if not spec.channels_last:
            start = b.at(source, first)
            if alike:
                at = b.at(start, self.channel * self.s["x_channel"])
                b.call(f"turn_{step}", into, b.integer(unit), at, self.s["x_channel"], count, self.channels)
            else:
                self._turned(into, start, count)
            return
        start, pixel = b.at(source, first * spec.in_channels), step * spec.in_channels
        if not alike:
            self._spread(into, start, pixel, count)
        elif step == 1 and unit == spec.in_channels:
            b.copy(into, start, count * unit)
        else:
            at = b.at(start, self.channel)
            b.loop(0, count, lambda j: b.copy(b.at(into, j * unit), b.at(at, j * pixel), self.channels))

    def _spread(self, into: Value, start: Value, pixel: int, count: Value) -> None:
        """Pixels whose channels go to lanes that several output channels of a group share (channels_last)."""
        b, plan, share, each = self.b, self.plan, self.plan.spec.group_in, self.plan.spec.group_out
        lanes, groups = b.lanes, b.lanes // each
        if lanes % each or share > each:
            self._scattered(into, start, b.integer(1), pixel, count)
            return
        whole = self.channels & -lanes

        def one(j: Value) -> None:
            at = b.at(start, j * pixel)

            def vector(f: Value) -> None:
                held = b.load_part(b.at(at, (self.channel + f) // each * share), groups * share)
                for c in range(share):
                    spread = b.shuffle(held, held, [lane // each * share + c for lane in range(lanes)])
                    b.store(spread, b.at(into, j * plan.unit + c * plan.padded_panel + f))

            b.loop(0, whole, vector, step=lanes)

        b.loop(0, count, one)
        self._scattered(into, start, b.integer(1), pixel, count, whole)

    def _turned(self, into: Value, start: Value, count: Value) -> None:
        """The same of an image whose channels are apart: squares of pixels and lanes are turned in registers."""
        b, plan, share, each = self.b, self.plan, self.plan.spec.group_in, self.plan.spec.group_out
        lanes, apart = b.lanes, self.s["x_channel"]

        def square(f: Value, c: Value, pixel: Value) -> None:
            at = b.at(start, pixel * self.step)
            # Lanes behind the last channel repeat it.
            members = [b.minimum(self.channel + f + lane, self.channel + self.channels - 1) for lane in range(lanes)]
            sources = [b.at(at, (member // each * share + c) * apart) for member in members]
            vectors = turned(b, [b.load_strided(source, self.step) for source in sources])
            target = b.at(into, c * plan.padded_panel + f)
            for p, vector in enumerate(vectors):
                b.store(vector, b.at(target, (pixel + p) * plan.unit))

        def squares() -> None:
            def across(i: Value) -> None:
                pixel = b.minimum(i, count - lanes)
                b.loop(
                    0, self.channels, lambda f: b.loop(0, share, lambda c: square(f, c, pixel), once=True), step=lanes
                )

            b.loop(0, count, across, step=lanes)

        b.when(count >= lanes, squares, lambda: self._scattered(into, start, apart, self.step, count))

    def _scattered(
        self, into: Value, start: Value, channel_step: Value, pixel: int, count: Value, first: Value | int = 0
    ) -> None:
        """The same number by number, for the panel's channels from `first` on."""
        b, plan, spec = self.b, self.plan, self.plan.spec

        def lane(f: Value) -> None:
            source = (self.channel + f) // spec.group_out * spec.group_in

            def channel(c: Value) -> None:
                at, target = b.at(start, (source + c) * channel_step), b.at(into, c * plan.padded_panel + f)
                b.loop(0, count, lambda j: b.store(b.load(b.at(at, j * pixel)), b.at(target, j * plan.unit)))

            b.loop(0, spec.group_in, channel, once=True)

        b.loop(first, self.channels, lane)


def _pack(
    b: Builder, plan: KernelGradPlan, packed: Value, dy: Value, shape: Value, image: Value, images: Value,
    plane: Value, row: Value, rows: Value, column: Value, columns: Value, channel: Value, channels: Value,
) -> None:  # fmt: skip
    """Tile by tile the outputs of a block, pixel by pixel, lanes without a channel being zero."""
    spec, s, lanes = plan.spec, load(b, shape), b.lanes
    pixel = spec.out_channels if spec.channels_last else 1
    start = b.at(dy, image * s["y_image"] + plane * s["y_plane"] + row * s["y_row"] + column * pixel)
    start = b.at(start, channel * s["y_channel"])
    # Whole rows lie one behind another.
    whole = columns.equals(s["out_width"])
    lines, length = b.select(whole, 1, rows), b.select(whole, rows * columns, columns)
    pixels = images * rows * columns

    def tile(first: Value, width: int) -> None:
        padded = -(-width // lanes) * lanes
        into, source = b.at(packed, first * pixels), b.at(start, first * s["y_channel"])

        def line(i: Value, j: Value) -> None:
            at = b.at(into, (i * lines + j) * length * padded)
            run = b.at(source, i * s["y_image"] + j * s["y_row"])
            if not spec.channels_last:
                if width < padded:
                    b.fill_zero(at, length * padded)
                b.call("turn_1", at, b.integer(padded), run, s["y_channel"], length, b.integer(width))
                return

            def one(p: Value) -> None:
                for v in range(0, width, lanes):
                    vector = b.load_part(b.at(run, p * pixel + v), min(lanes, width - v))
                    b.store(vector, b.at(at, p * padded + v))

            b.loop(0, length, one)

        b.loop(0, images, lambda i: b.loop(0, lines, lambda j: line(i, j)))

    for_each_tile(b, plan, channels, tile)


def for_each_tile(b: Builder, plan: KernelGradPlan, channels: Value, tile: Callable[[Value, int], None]) -> None:
    """Run `tile(first channel, width)` for the tiles across a panel of so many channels."""
    width = plan.tile.vectors * b.lanes
    whole = channels // width * width
    if width in plan.widths():
        b.loop(0, whole, lambda first: tile(first, width), step=width)
    for rest in plan.widths():
        if rest != width:
            b.when((channels - whole).equals(rest), lambda rest=rest: tile(whole, rest))  # type: ignore[misc]


def emit_turn(b: Builder, step: int) -> None:
    """Define ``turn(into, unit, source, apart, count, channels)``: from channels of pixels to pixels of channels.

    The pixels of a channel lie `step` elements apart, its first one `apart` elements behind the channel's before;
    those of `into` lie `unit` apart. Squares as wide as a vector are turned in registers, the last ones overlapping
    those before; what is smaller goes number by number.
    """
    lanes = b.lanes

    def body(into: Value, unit: Value, source: Value, apart: Value, count: Value, channels: Value) -> None:
        def square(pixel: Value, channel: Value) -> None:
            at = b.at(source, channel * apart + pixel * step)
            rows = [b.load_strided(b.at(at, apart * r), step) for r in range(lanes)]
            for p, vector in enumerate(turned(b, rows)):
                b.store(vector, b.at(into, (pixel + p) * unit + channel))

        def squares() -> None:
            def across(i: Value) -> None:
                pixel = b.minimum(i, count - lanes)
                b.loop(0, channels, lambda c: square(pixel, b.minimum(c, channels - lanes)), step=lanes)

            b.loop(0, count, across, step=lanes)

        def numbers() -> None:
            def one(c: Value) -> None:
                at, target = b.at(source, c * apart), b.at(into, c)
                b.loop(0, count, lambda p: b.store(b.load(b.at(at, p * step)), b.at(target, p * unit)))

            b.loop(0, channels, one)

        b.when(b.both(count >= lanes, channels >= lanes), squares, numbers)

    parameters = {"into": "ptr", "unit": "i64", "source": "ptr", "apart": "i64", "count": "i64", "channels": "i64"}
    b.function(f"turn_{step}", parameters, body)


def turned(b: Builder, rows: list[Value]) -> list[Value]:
    """A square of vectors with rows and columns exchanged: pairs of vectors swap halves, quarters, and so on."""
    lanes = len(rows)
    half = lanes // 2
    while half:
        turned_rows = list(rows)
        for i in range(lanes):
            if not i & half:
                above, below = rows[i], rows[i + half]
                low = [lane if not lane & half else lane - half + lanes for lane in range(lanes)]
                high = [lane + half if not lane & half else lane + lanes for lane in range(lanes)]
                turned_rows[i], turned_rows[i + half] = b.shuffle(above, below, low), b.shuffle(above, below, high)
        rows, half = turned_rows, half // 2
    return rows
