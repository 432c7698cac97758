"""The function ``run`` of the direct schedule: loops around the microkernels, outermost first.

Threads take *tasks* (one group of one image, a band of output rows) from a shared counter. Within a task come the
chunks of the sum, passes over blocks of output channels, output rows, blocks of pixels, and innermost the output
channels of the pass. Where a block of pixels reaches into the padding, its window is copied out first (``fill``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tweakconv.compiler.call import FINITE
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.blocking import Blocking
from tweakconv.compiler.schedules.micro import call
from tweakconv.compiler.schedules.tasks import emit_tasks
from tweakconv.compiler.spec import ConvSpec

SHAPE_FIELDS = (
    "batch", "height", "width", "out_height", "out_width", "pad_top", "pad_left", "rows_per_task", "bands",
    "x_image", "x_row", "x_channel", "y_image", "y_row", "y_channel",
    "blocks_0", "blocks_1", "blocks_2", "blocks_3",
)  # fmt: skip
"""The run-time integers of one call, in order; strides count elements, ``blocks_i`` blocks of the i-th size."""


def emit_run(builder: Builder, spec: ConvSpec, blocking: Blocking) -> None:
    """Define ``run`` over the microkernels and ``fill``."""
    pointers = dict.fromkeys(("x", "w", "bias", "y", "residual", "shape", "shared", "window"), "ptr")
    driver = _Driver(builder, spec, blocking)
    builder.function("run", {**pointers, "flags": "i64"}, driver.run, public=True)


def micro_name(pixels: int, width: int) -> str:
    """The microkernel for a block of pixels and of output channels."""
    return f"micro_{pixels}x{width}"


@dataclass(frozen=True, slots=True)
class _Task:
    """One group of one image and a band of its output rows.

    Attributes
    ----------
    x, y, residual, w, bias : Value
        Where the group's input, output, residual, weights and bias begin.
    first_row, stop_row : Value
        The band.
    """

    x: Value
    y: Value
    residual: Value
    w: Value
    bias: Value
    first_row: Value
    stop_row: Value


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A part of the sum: some kernel rows, kernel columns and input channels, in that order.

    Attributes
    ----------
    starts, counts : tuple of Value
        The first of each, and how many.
    w : Value
        Where its weights begin.
    mode : Value
        Bit 0: it is the sum's first; bit 1: its last.
    """

    starts: tuple[Value, ...]
    counts: tuple[Value, ...]
    w: Value
    mode: Value


@dataclass(frozen=True, slots=True)
class _Row:
    """One output row under one chunk, after kernel rows in the padding are left out.

    Attributes
    ----------
    ih : Value
        Input row under the first kernel row that is left.
    kernel_rows, skipped : Value
        How many kernel rows are left, and how many were left out before them.
    inside : Value
        One bit: all of them lie in the image.
    x, y, residual : Value
        Where input row `ih`, the output row and its residual begin, at the chunk's first channel.
    """

    ih: Value
    kernel_rows: Value
    skipped: Value
    inside: Value
    x: Value
    y: Value
    residual: Value


@dataclass(frozen=True, slots=True)
class _Pass:
    """A range of blocks of output channels."""

    first: Value
    stop: Value


class _Driver:
    def __init__(self, builder: Builder, spec: ConvSpec, blocking: Blocking) -> None:
        self.b = builder
        self.spec = spec
        self.blocking = blocking

    def run(
        self,
        x: Value,
        w: Value,
        bias: Value,
        y: Value,
        residual: Value,
        shape: Value,
        shared: Value,
        window: Value,
        flags: Value,
    ) -> None:
        """Take tasks until none is left."""
        b, spec = self.b, self.spec
        s = self.shape = {name: b.load_integer(shape, i) for i, name in enumerate(SHAPE_FIELDS)}
        self.integers = shape
        self.window, self.finite = window, (flags & FINITE).equals(FINITE)
        groups = self.blocking.groups
        tasks = s["batch"] * groups * s["bands"]
        group_weights = math.prod(spec.taps) * self.blocking.padded_out

        def one(ticket: Value) -> None:
            band, rest = ticket % s["bands"], ticket // s["bands"]
            group, image = rest % groups, rest // groups
            first_row = band * s["rows_per_task"]
            out = image * s["y_image"] + group * spec.group_out * s["y_channel"]
            self.task(
                _Task(
                    x=b.at(x, image * s["x_image"] + group * spec.group_in * s["x_channel"]),
                    y=b.at(y, out),
                    residual=b.at(residual, out),
                    w=b.at(w, group * group_weights),
                    bias=b.at(bias, group * self.blocking.padded_out),
                    first_row=first_row,
                    stop_row=b.minimum(first_row + s["rows_per_task"], s["out_height"]),
                )
            )

        emit_tasks(b, shared, flags, tasks, one)

    def task(self, task: _Task) -> None:
        """Loop over the chunks, in the order in which the weights are packed."""

        def nest(starts: tuple[Value, ...], counts: tuple[Value, ...], w: Value) -> Value:
            axis = len(starts)
            if axis == len(self.spec.taps):
                self.chunk(task, _Chunk(starts, counts, w, self.mode(starts, counts)))
                return self.b.at(w, counts[0] * counts[1] * counts[2] * self.blocking.padded_out)
            size, step = self.spec.taps[axis], self.blocking.chunk[axis]
            whole = self.b.integer(step)
            if step == size:
                return nest((*starts, self.b.integer(0)), (*counts, whole), w)

            def body(start: Value, w: Value) -> list[Value]:
                count = self.b.minimum(whole, self.b.integer(size) - start) if size % step else whole
                return [nest((*starts, start), (*counts, count), w)]

            return self.b.loop(0, size, body, [w], step=step, once=True)[0]

        nest((), (), task.w)

    def mode(self, starts: tuple[Value, ...], counts: tuple[Value, ...]) -> Value:
        """Bit 0: the chunk is the sum's first; bit 1: its last."""
        b = self.b
        first = last = b.integer(0).equals(0)
        for start, count, size in zip(starts, counts, self.spec.taps, strict=True):
            first = b.both(first, start.equals(0))
            last = b.both(last, (start + count).equals(size))
        return b.select(first, 1, 0) + b.select(last, 2, 0)

    def chunk(self, task: _Task, chunk: _Chunk) -> None:
        """Loop over passes and, within each, over the band's rows."""
        b, count, step = self.b, self.blocking.out_block_count, self.blocking.blocks_per_pass

        def rows(channels: _Pass) -> None:
            b.loop(task.first_row, task.stop_row, lambda oh: self.row(task, chunk, channels, oh))

        if step >= count:
            rows(_Pass(b.integer(0), b.integer(count)))
        else:
            b.loop(0, count, lambda i: rows(_Pass(i, b.minimum(i + step, count))), step=step, once=True)

    def row(self, task: _Task, chunk: _Chunk, channels: _Pass, oh: Value) -> None:
        """Loop over one output row: as many blocks of each size as the call says, the last perhaps not full."""
        b, s, spec = self.b, self.shape, self.spec
        stride, dilation = spec.strides[0], spec.dilation[0]
        top = oh * stride - s["pad_top"] + chunk.starts[0] * dilation
        skipped, kernel_rows = self.kernel_rows(top, chunk.counts[0])
        ih = top + skipped * dilation
        row = _Row(
            ih=ih,
            kernel_rows=kernel_rows,
            skipped=skipped,
            inside=b.both(ih >= 0, ih + (kernel_rows - 1) * dilation < s["height"]),
            x=b.at(task.x, ih * s["x_row"] + chunk.starts[2] * s["x_channel"]),
            y=b.at(task.y, oh * s["y_row"]),
            residual=b.at(task.residual, oh * s["y_row"]),
        )
        ow = b.integer(0)
        for index, pixels in enumerate(self.blocking.pixels):
            stop = ow + s[f"blocks_{index}"] * pixels

            def block(ow: Value, pixels: int = pixels) -> None:
                self.block(task, chunk, channels, row, pixels, ow)

            b.loop(ow, stop, block, step=pixels)
            ow = stop

    def kernel_rows(self, top: Value, count: Value) -> tuple[Value, Value]:
        """How many kernel rows to leave out at the top, and how many to compute."""
        if self.spec.mapped_padding:
            return self.b.integer(0), count
        b, dilation = self.b, self.spec.dilation[0]
        above = b.minimum((b.maximum(b.integer(0) - top, 0) + (dilation - 1)) // dilation, count)
        below = b.minimum((b.maximum(self.shape["height"] - top, 0) + (dilation - 1)) // dilation, count)
        left = b.maximum(below - above, 0)
        return b.select(self.finite, above, 0), b.select(self.finite, left, count)

    def block(self, task: _Task, chunk: _Chunk, channels: _Pass, row: _Row, pixels: int, ow: Value) -> None:
        """One block of pixels: find its input, in the image or in a padded copy, and run the pass' channels."""
        b, spec, s = self.b, self.spec, self.shape
        stride, dilation = spec.strides[1], spec.dilation[1]
        pixel = spec.pixel_stride
        span = (chunk.counts[1] - 1) * dilation + ((pixels - 1) * stride + 1)
        iw = ow * stride - s["pad_left"] + chunk.starts[1] * dilation
        inside = b.both(row.inside, b.both(iw >= 0, iw + span <= s["width"]))

        def in_place() -> list[Value]:
            return [b.at(row.x, iw * pixel), s["x_row"] * spec.dilation[0], s["x_channel"]]

        def in_window() -> list[Value]:
            b.call(
                "fill", self.window, b.at(task.x, chunk.starts[2] * s["x_channel"]), row.ih, iw, row.kernel_rows,
                span, chunk.counts[2], s["height"], s["width"], s["x_row"], s["x_channel"], self.integers,
            )  # fmt: skip
            return [self.window, span * pixel, span * pixel * row.kernel_rows]

        source = b.when(inside, in_place, in_window)
        first = ow * spec.out_pixel_stride
        wanted = b.minimum(b.integer(pixels), s["out_width"] - ow)
        taps = chunk.counts[0] * chunk.counts[1] * chunk.counts[2]
        skipped_taps = row.skipped * chunk.counts[1] * chunk.counts[2]

        def micro(start: Value, width: int) -> None:
            channel = start * s["y_channel"]
            call(
                b, micro_name(pixels, width),
                x=b.at(source[0], start) if self.blocking.channelwise else source[0],
                x_row=source[1], x_channel=source[2],
                w=b.at(chunk.w, start * taps + skipped_taps * self.blocking.padded_width(width)),
                y=b.at(row.y, first + channel), y_channel=s["y_channel"],
                residual=b.at(row.residual, first + channel) if spec.residual else None,
                bias=b.at(task.bias, start), rows=row.kernel_rows, columns=chunk.counts[1], channels=chunk.counts[2],
                mode=chunk.mode, count=wanted,
            )  # fmt: skip

        width, full, tail = self.blocking.out_block, self.blocking.full_blocks, self.blocking.tail
        if full:
            stop = b.minimum(channels.stop, full)
            b.loop(channels.first, stop, lambda i: micro(i * width, width), once=not tail)
        if tail:
            b.when(channels.stop > full, lambda: micro(b.integer(full * width), tail))
