"""The function ``run`` of the direct schedule: loops around the microkernels, outermost first.

Threads take *tasks* (one group of one image, a band of output rows) from a shared counter. Within a task come the
pieces, of which a transposed convolution has several, the chunks of the sum, passes over blocks of output channels,
output rows, blocks of pixels, and innermost the output channels of the pass. Where a block of pixels reaches into the
padding, its window is copied out first (``fill``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tweakconv.compiler.call import FINITE
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.blocking import Blocking
from tweakconv.compiler.schedules.micro import call
from tweakconv.compiler.schedules.shape import load_call, load_piece, row_dilation
from tweakconv.compiler.schedules.stretches import Stretch, load_stretch
from tweakconv.compiler.schedules.tasks import define_run, emit_tasks
from tweakconv.compiler.schedules.window import fills_apart, widens
from tweakconv.compiler.spec import ConvSpec


def emit_run(builder: Builder, spec: ConvSpec, blocking: Blocking, name: str, *, public: bool) -> None:
    """Define ``run``, by a name, over the microkernels and ``fill``."""
    define_run(builder, _Driver(builder, spec, blocking).run, spec.pointers, name=name, public=public)


def micro_name(pixels: int, width: int) -> str:
    """The microkernel for a block of pixels and of output channels."""
    return f"micro_{pixels}x{width}"


@dataclass(frozen=True, slots=True)
class _Task:
    """One group of one image, a band of its output rows, and of those the ones of a piece.

    Attributes
    ----------
    x, y, residual, w, bias : Value
        Where the group's input, output, residual, weights and bias begin.
    blocks : _Pass
        Blocks of output channels.
    first_row, stop_row : Value
        The band; the rows of a volume count through its planes.
    piece : dict
        The numbers of the piece.
    """

    x: Value
    y: Value
    residual: Value
    w: Value
    bias: Value
    blocks: _Pass
    first_row: Value
    stop_row: Value
    piece: dict[str, Value]


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A part of the sum: some kernel planes, kernel rows, kernel columns and input channels, in that order.

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
class _Taps:
    """What is left of a chunk's kernel planes or rows for one output, those in the padding left out.

    Attributes
    ----------
    first : Value
        Input plane or row under the first that is left.
    count, skipped : Value
        How many are left, and how many were left out before them.
    inside : Value
        One bit: all of them lie in the image.
    """

    first: Value
    count: Value
    skipped: Value
    inside: Value


@dataclass(frozen=True, slots=True)
class _Row:
    """One output row under one chunk.

    Attributes
    ----------
    planes, rows : _Taps
        The kernel planes and rows that it meets.
    x, y, residual : Value
        Where the first input row, the output row and its residual begin, at the chunk's first channel.
    pixels : Value
        Outputs of the band that lie before this row.
    """

    planes: _Taps
    rows: _Taps
    x: Value
    y: Value
    residual: Value
    pixels: Value


@dataclass(frozen=True, slots=True)
class _Pass:
    """A range of blocks of output channels."""

    first: Value
    stop: Value


_Source = Callable[[Value, int], Sequence[Value]]
"""Finds the input of some output channels: from which on, and how many. Where it is, and the elements from one kernel
plane, row and channel to the next."""


class _Driver:
    def __init__(self, builder: Builder, spec: ConvSpec, blocking: Blocking) -> None:
        self.b = builder
        self.spec = spec
        self.blocking = blocking
        self.fills_apart = fills_apart(spec, blocking, builder.target)

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
        s = self.shape = load_call(b, shape)
        self.row_dilation = row_dilation(spec, s, b)
        self.integers, self.finite = shape, (flags & FINITE).equals(FINITE)
        self.widens = widens(spec, self.blocking)
        self.window = window if self.widens else b.pointing_to(window, spec.x_stored)
        groups, padded_out = self.blocking.groups, self.blocking.padded_out
        tasks = s["batch"] * groups * s["bands"] * s["slices"]
        only = None if spec.pieces else load_piece(b, shape, b.integer(0))

        def one(ticket: Value) -> None:
            part, rest = ticket % s["slices"], ticket // s["slices"]
            band, rest = rest % s["bands"], rest // s["bands"]
            group, image = rest % groups, rest // groups
            first_row, first_block = band * s["rows_per_task"], part * s["blocks_per_task"]
            stop_block = b.minimum(first_block + s["blocks_per_task"], self.blocking.out_block_count)
            group_x = b.at(x, image * s["x_image"] + group * spec.group_in * s["x_channel"])
            group_y = image * s["y_image"] + group * spec.group_out * s["y_channel"]

            def one_piece(piece: dict[str, Value]) -> None:
                planes, rows, columns = self.kernel(piece)
                weights = planes * rows * columns * (spec.group_in * padded_out)
                self.task(
                    _Task(
                        x=group_x,
                        y=b.at(y, group_y + piece["out"]),
                        residual=b.at(residual, group_y + piece["out"]),
                        w=b.at(w, piece["weights"] + group * weights),
                        bias=b.at(bias, group * padded_out),
                        blocks=_Pass(first_block, stop_block),
                        first_row=first_row,
                        stop_row=b.minimum(first_row + s["rows_per_task"], piece["out_height"] * self.depth_of(piece)),
                        piece=piece,
                    )
                )

            if only is not None:
                one_piece(only)
            else:
                b.loop(0, s["pieces"], lambda number: one_piece(load_piece(b, shape, number)), once=True)

        emit_tasks(b, shared, flags, tasks, one)

    def kernel(self, piece: dict[str, Value]) -> tuple[Value, Value, Value]:
        """Kernel planes, rows and columns of a piece, constants where there is only one."""
        if self.spec.ragged:
            return piece["planes"], piece["rows"], piece["columns"]
        planes, rows, columns = (self.b.integer(n) for n in (self.spec.kernel_planes, *self.spec.kernel))
        return planes, rows, columns

    def depth_of(self, piece: dict[str, Value]) -> Value:
        """Output planes of a piece."""
        return self.b.integer(1) if self.spec.depth is None else piece["out_depth"]

    def task(self, task: _Task) -> None:
        """Loop over the chunks, in the order in which the weights are packed."""
        b = self.b
        most = (self.spec.kernel_planes, *self.spec.taps)
        steps = (self.blocking.planes, *self.blocking.chunk)
        sizes = (*self.kernel(task.piece), b.integer(self.spec.group_in))

        def nest(starts: tuple[Value, ...], counts: tuple[Value, ...], w: Value) -> Value:
            axis = len(starts)
            if axis == len(most):
                cut = [a for a in range(axis) if steps[a] < most[a]]
                self.chunk(task, _Chunk(starts, counts, w, self.mode([(starts[a], counts[a], sizes[a]) for a in cut])))
                planes, rows, columns, channels = counts
                return b.at(w, planes * rows * columns * channels * self.blocking.padded_out)
            size, step = sizes[axis], steps[axis]
            if step == most[axis]:
                return nest((*starts, b.integer(0)), (*counts, size), w)
            uneven = self.spec.ragged or most[axis] % step

            def body(start: Value, w: Value) -> list[Value]:
                count = b.minimum(b.integer(step), size - start) if uneven else b.integer(step)
                return [nest((*starts, start), (*counts, count), w)]

            return b.loop(0, size, body, [w], step=step, once=True)[0]

        nest((), (), task.w)

    def mode(self, cut: list[tuple[Value, Value, Value]]) -> Value:
        """Bit 0: a chunk is the sum's first; bit 1: its last; from start, count and size along axes that are cut."""
        b = self.b
        first = last = b.integer(0).equals(0)
        for start, count, size in cut:
            first = b.both(first, start.equals(0))
            last = b.both(last, (start + count).equals(size))
        return b.select(first, 1, 0) + b.select(last, 2, 0)

    def chunk(self, task: _Task, chunk: _Chunk) -> None:
        """Loop over passes and, within each, over the band's rows."""
        b, count, step = self.b, self.blocking.out_block_count, self.blocking.blocks_per_pass

        def rows(channels: _Pass) -> None:
            b.loop(task.first_row, task.stop_row, lambda row: self.row(task, chunk, channels, row))

        first, stop = task.blocks.first, task.blocks.stop
        if count == 1:
            rows(_Pass(b.integer(0), b.integer(1)))
        elif step >= count:
            rows(task.blocks)
        else:
            b.loop(first, stop, lambda i: rows(_Pass(i, b.minimum(i + step, stop))), step=step, once=True)

    def row(self, task: _Task, chunk: _Chunk, channels: _Pass, number: Value) -> None:
        """One output row, as a whole or in stretches."""
        b, s, spec, depth = self.b, self.shape, self.spec, self.spec.depth
        piece, oh = task.piece, number
        planes = _Taps(b.integer(0), b.integer(1), b.integer(0), b.integer(0).equals(0))
        x = b.at(task.x, chunk.starts[3] * s["x_channel"])
        out = b.integer(0)
        if depth is not None:
            od, oh = number // piece["out_height"], number % piece["out_height"]
            front = od * depth.stride + piece["front"] + chunk.starts[0] * depth.dilation
            planes = self.taps(front, chunk.counts[0], s["depth"], depth.dilation)
            x = b.at(x, planes.first * s["x_plane"])
            out = od * s["y_plane"]
        top = oh * spec.strides[0] + piece["top"] + chunk.starts[1] * self.row_dilation
        rows = self.taps(top, chunk.counts[1], s["height"], self.row_dilation)
        out = oh * s["y_row"] + out
        x, before = b.at(x, rows.first * s["x_row"]), (number - task.first_row) * piece["out_width"]
        row = _Row(planes, rows, x, b.at(task.y, out), b.at(task.residual, out), before)
        if not self.blocking.in_stretches:
            blocks = tuple(piece[f"blocks_{index}"] for index in range(len(self.blocking.pixels)))
            whole = Stretch(b.integer(0), piece["out_width"], b.integer(0), chunk.counts[2], blocks)
            self.stretch(task, chunk, channels, row, whole)
            return
        number, count = b.select(self.finite, 1, 0), b.select(self.finite, piece["stretches"], 1)
        table = b.integer_at(self.integers, piece["stretches_at"])

        def one(number: Value) -> None:
            stretch = load_stretch(b, table, number, self.blocking).under(b, chunk.starts[2], chunk.counts[2])
            # Where no tap is met, there is nothing to do but to begin the sum, or to end it.
            met = planes.count * rows.count * stretch.columns
            left = replace(row, rows=replace(rows, count=b.select(met > 0, rows.count, 0)))
            b.when(chunk.mode + met > 0, lambda: self.stretch(task, chunk, channels, left, stretch))

        b.loop(number, number + count, one, once=True)

    def stretch(self, task: _Task, chunk: _Chunk, channels: _Pass, row: _Row, stretch: Stretch) -> None:
        """Loop over a stretch of an output row: as many blocks of each size as it has, the last perhaps not full."""
        b = self.b
        ow = stretch.start
        for pixels, count in zip(self.blocking.pixels, stretch.blocks, strict=True):
            stop = ow + count * pixels

            def block(ow: Value, pixels: int = pixels) -> None:
                self.block(task, chunk, channels, row, stretch, pixels, ow)

            b.loop(ow, stop, block, step=pixels)
            ow = stop

    def taps(self, position: Value, count: Value, size: Value, dilation: Value | int) -> _Taps:
        """What is left of some kernel planes or rows, the first of them at a position, above `size` planes or rows."""
        b = self.b
        left, skipped = count, b.integer(0)
        if not self.spec.mapped_padding:
            above = b.minimum((b.maximum(b.integer(0) - position, 0) + (dilation - 1)) // dilation, count)
            below = b.minimum((b.maximum(size - position, 0) + (dilation - 1)) // dilation, count)
            skip = b.integer(0).equals(0) if self.spec.skips_padding else self.finite
            skipped, left = b.select(skip, above, 0), b.select(skip, b.maximum(below - above, 0), count)
        first = position + skipped * dilation
        return _Taps(first, left, skipped, b.both(first >= 0, first + (left - 1) * dilation < size))

    def block(
        self, task: _Task, chunk: _Chunk, channels: _Pass, row: _Row, stretch: Stretch, pixels: int, ow: Value
    ) -> None:
        """One block of pixels: find its input, in the image or in a padded copy, and run the pass' channels."""
        b, spec, s = self.b, self.spec, self.shape
        pixel, across_planes = spec.pixel_stride, 1 if spec.depth is None else spec.depth.dilation
        span = (stretch.columns - 1) * spec.dilation[1] + ((pixels - 1) * spec.strides[1] + 1)
        first = chunk.starts[2] + stretch.skipped
        wanted = b.minimum(b.integer(pixels), stretch.stop - ow)

        def column(ow: Value) -> Value:
            return ow * spec.strides[1] + task.piece["left"] + first * spec.dilation[1]

        iw = column(ow)
        inside = b.both(b.both(row.planes.inside, row.rows.inside), b.both(iw >= 0, iw + span <= s["width"]))

        def in_place(start: Value, _: int) -> list[Value]:
            return [
                b.at(b.at(row.x, iw * pixel), start),
                s["x_plane"] * across_planes,
                s["x_row"] * self.row_dilation,
                s["x_channel"],
            ]

        def in_window(iw: Value) -> _Source:
            def filled(start: Value, width: int) -> list[Value]:
                x = b.at(task.x, chunk.starts[3] * s["x_channel"])
                x = b.at(x, start) if self.fills_apart else x
                b.call(
                    "fill", self.window, x, self.integers, row.planes.first, row.rows.first, iw, row.planes.count,
                    row.rows.count, span, width if self.fills_apart else chunk.counts[3],
                )  # fmt: skip
                line = span * pixel
                return [self.window, line * row.rows.count, line, line * row.rows.count * row.planes.count]

            return filled

        def either(start: Value, width: int) -> Sequence[Value]:
            return b.when(inside, lambda: in_place(start, width), lambda: in_window(iw)(start, width))

        def from_source(source: _Source) -> None:
            self.pass_over(task, chunk, channels, row, stretch, pixels, ow, source, row.rows.count, wanted)

        def pixel_by_pixel() -> None:
            """Each with only those taps that lie in the image; chunks have one kernel column."""

            def one(ow: Value) -> None:
                rows = b.select(column(ow).below(s["width"]), row.rows.count, 0)
                source = in_window(column(ow))
                self.pass_over(task, chunk, channels, row, stretch, pixels, ow, source, rows, b.integer(1))

            b.loop(ow, ow + wanted, one, once=True)

        if spec.skips_padding:
            b.when(inside, lambda: from_source(in_window(iw) if self.widens else in_place), pixel_by_pixel)
        else:
            from_source(in_window(iw) if self.widens else either)

    def pass_over(
        self, task: _Task, chunk: _Chunk, channels: _Pass, row: _Row, stretch: Stretch, pixels: int, ow: Value,
        source: _Source, kernel_rows: Value, wanted: Value,
    ) -> None:  # fmt: skip
        """Run the microkernel of a block of pixels for each block of output channels of a pass."""
        b, spec, s, blocking = self.b, self.spec, self.shape, self.blocking
        # It is found once for all output channels, or for each block of them.
        same = None if self.fills_apart else source(b.integer(0), 0)
        planes, rows, columns, depth = chunk.counts
        out = ow * spec.out_pixel_stride
        several = blocking.planes > 1
        # A plane that is left out as a whole has no rows, where there is no loop over planes.
        kernel_rows = kernel_rows if several or spec.depth is None else b.select(row.planes.count > 0, kernel_rows, 0)
        taps = planes * rows * columns * depth
        skipped = ((row.planes.skipped * rows + row.rows.skipped) * columns + stretch.skipped) * depth

        def micro(start: Value, width: int) -> None:
            channel, padded = start * s["y_channel"], blocking.padded_width(width)
            x, x_plane, x_row, x_channel = source(start, width) if same is None else same
            x = b.at(x, start) if same is not None and blocking.channelwise else x
            if blocking.ahead:
                x_channel = self.following(taps, skipped * padded, row.pixels + ow)
            call(
                b, micro_name(pixels, width), x=x, x_row=x_row, x_channel=x_channel,
                w=b.at(chunk.w, start * taps + skipped * padded),
                y=b.at(row.y, out + channel), y_channel=s["y_channel"],
                residual=b.at(row.residual, out + channel) if spec.residual else None,
                bias=b.at(task.bias, start), rows=kernel_rows, columns=stretch.columns, channels=depth,
                mode=chunk.mode, count=wanted,
                planes=row.planes.count if several else None, x_plane=x_plane if several else None,
                w_plane=rows * columns * depth * padded if several else None,
                w_row=columns * depth * padded if blocking.in_stretches else None,
            )  # fmt: skip

        width, full, tail = blocking.out_block, blocking.full_blocks, blocking.tail
        if full:
            stop = b.minimum(channels.stop, full)
            b.loop(channels.first, stop, lambda i: micro(i * width, width), once=not tail)
        if tail:
            b.when(channels.stop > full, lambda: micro(b.integer(full * width), tail))

    def following(self, taps: Value, skipped: Value, pixels: Value) -> Value:
        """Elements from a block's weights, of which some are left out, to those of the next pass that are asked for.

        Every block of pixels asks for the next few, after so many pixels of the band before it; the last ones for none.
        """
        b, blocking = self.b, self.blocking
        whole = taps * blocking.out_block
        at = pixels * (taps * (blocking.ahead * b.line_elements) // (4 * (blocking.pixels[0] + 1)))
        return b.select(at < whole, whole * blocking.blocks_per_pass + at - skipped, 0)
