"""The direct schedule: every output is the sum of its taps, accumulated in registers, nothing rearranged.

Two forms share one driver. `channel_lanes` gives each vector lane an output channel and broadcasts input
values (channels_last); `pixel_lanes` gives each lane an output column and broadcasts weights
(channels_first). Both compute a block of pixels x a block of output channels per call of a *microkernel*
whose sums never leave the registers.

Where a block's taps all lie in the image, the microkernel reads the image where it lies. Where some fall
into the padding, it reads a small zero-padded copy of just that block's window (`fill`), so no padded copy
of the input is ever made and zeros are multiplied as the definition says. Kernel rows that fall into the
padding as a whole are skipped, unless the kernel holds an infinity or a NaN, whose product with zero counts.

Long sums are cut into *chunks* of at most a few hundred products, each summed in registers from zero and
then added to the output: rounding errors grow with the chunk, not with the sum, and a chunk's weights stay
in cache while many pixels use them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules import channel_lanes, pixel_lanes
from tweakconv.compiler.schedules.blocking import Blocking, Chunk, split_width
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target
from tweakconv.geometry import ConvGeometry

SHAPE_FIELDS = (
    "batch", "height", "width", "out_height", "out_width", "pad_top", "pad_left", "rows_per_task", "bands",
    "x_image", "x_row", "x_channel", "y_image", "y_row", "y_channel",
    "blocks_0", "blocks_1", "blocks_2", "blocks_3",
)  # fmt: skip
"""The run-time integers of one call, in order; strides count elements."""

FINITE = 1
"""Flag of a call: every weight is finite, so kernel rows in the padding add nothing."""

ALONE = 2
"""Flag of a call: no other thread runs it, so the code itself sets the shared counter to zero."""


@dataclass(frozen=True, slots=True)
class DirectPlan:
    """A convolution, a target, and how the work is cut up: all that determines the code and its bits."""

    spec: ConvSpec
    target: Target
    blocking: Blocking

    @property
    def window_bytes(self) -> int:
        """Size of the padded copy of one block's window that each thread keeps."""
        form = _form(self.spec)
        return int(form.window_elements(self.spec, self.blocking)) * self.spec.element_bytes

    def describe(self) -> list[str]:
        """How the work is cut up, a line for each matter."""
        blocking, spec = self.blocking, self.spec
        rows, columns, channels = blocking.chunk
        lines = [
            f"block: {blocking.pixels[0]} pixels x {min(blocking.out_block, spec.group_out)} output channels "
            f"in registers; other widths in blocks of {', '.join(map(str, blocking.pixels[1:])) or 'that size'}",
            f"chunk: sums of {rows}x{columns} taps x {channels} channels = {rows * columns * channels} products",
        ]
        return lines


@dataclass(frozen=True, slots=True)
class Call:
    """One use of the code: the batch, the geometry, how the arrays lie in memory, how finely to share the work.

    Attributes
    ----------
    x_strides, y_strides : tuple of int
        Elements from one image, one row and one channel to the next.
    tasks : int
        How many tasks there should be at least, where there are rows enough.
    """

    batch: int
    geometry: ConvGeometry
    x_strides: tuple[int, int, int]
    y_strides: tuple[int, int, int]
    tasks: int


def integers(plan: DirectPlan, call: Call) -> tuple[int, ...]:
    """The run-time integers of a call, in the order of `SHAPE_FIELDS`."""
    rows, columns = call.geometry.axes
    band = _band(plan, call)
    blocks = split_width(columns.output, plan.blocking.pixels)
    return (
        call.batch, rows.input, columns.input, rows.output, columns.output, rows.pad_lo, columns.pad_lo,
        band, -(-rows.output // band), *call.x_strides, *call.y_strides, *blocks, *(0,) * (4 - len(blocks)),
    )  # fmt: skip


def _band(plan: DirectPlan, call: Call) -> int:
    """How many output rows one task computes.

    A band's input and output should stay in the second-level cache while the chunks pass over them.
    """
    spec = plan.spec
    rows, columns = call.geometry.axes
    in_row = rows.stride * columns.input * spec.group_in
    out_row = columns.output * spec.group_out
    fits = max(1, plan.target.l2_bytes // ((in_row + out_row) * spec.element_bytes))
    share = -(-rows.output * call.batch * spec.groups // call.tasks)
    bands = -(-rows.output // max(1, min(fits, share)))
    return -(-rows.output // bands)


def plan(spec: ConvSpec, target: Target) -> DirectPlan:
    """Choose blocks and chunks for a convolution on a target."""
    return DirectPlan(spec, target, _form(spec).blocking(spec, target))


def reset_counter(counter: int) -> None:
    """Set the shared counter at an address to zero, before several threads run a call."""
    ctypes.c_int64.from_address(counter).value = 0


def pack(plan: DirectPlan, kernel: NDArray[np.floating]) -> NDArray[np.floating]:
    """Lay the kernel out in the order in which the code reads it.

    Parameters
    ----------
    plan : DirectPlan
        What the code was made for.
    kernel : ndarray, shape (KH, KW, CI / groups, CO)
        In the spec's element type.

    Returns
    -------
    ndarray, one-dimensional
        Group by group, chunk by chunk, block by block, with zeros where the last block is not full.
    """
    spec, blocking = plan.spec, plan.blocking
    form = _form(spec)
    kh, kw, ci, _ = kernel.shape
    grouped = kernel.reshape(kh, kw, ci, spec.groups, spec.group_out)
    packed = np.empty((spec.groups, kh * kw * ci * blocking.padded_out), kernel.dtype)
    position = 0
    for chunk in blocking.chunks(kernel.shape[:3]):
        part = grouped[chunk.rows, chunk.columns, chunk.channels]
        steps = part.shape[0] * part.shape[1] * part.shape[2]
        for start, width, padded in blocking.out_blocks():
            room = packed[:, position : position + steps * padded]
            form.pack_block(part[..., start : start + width], room, padded)
            position += steps * padded
    return packed.reshape(-1)


def pack_bias(plan: DirectPlan, bias: NDArray[np.floating]) -> NDArray[np.floating]:
    """The bias of each group, padded with zeros to whole blocks."""
    groups, width = plan.spec.groups, plan.spec.group_out
    packed = np.zeros((groups, plan.blocking.padded_out), bias.dtype)
    packed[:, :width] = bias.reshape(groups, width)
    return packed.reshape(-1)


def emit(plan: DirectPlan) -> str:
    """The LLVM module of a plan; its one public function is ``run``."""
    builder = Builder(plan.target, plan.spec.element)
    form = _form(plan.spec)
    form.emit_fill(builder, plan.spec, plan.blocking)
    for pixels in plan.blocking.pixels:
        for width, padded in plan.blocking.distinct_widths():
            form.emit_micro(builder, plan.spec, plan.blocking, _micro_name(pixels, width), pixels, width, padded)
    _Driver(builder, plan, form).emit()
    return builder.module()


def _form(spec: ConvSpec) -> ModuleType:
    return channel_lanes if spec.channels_last else pixel_lanes


def _micro_name(pixels: int, width: int) -> str:
    return f"micro_{pixels}x{width}"


@dataclass(slots=True)
class _Task:
    """The values that hold for one task: one group of one image, and a band of its output rows."""

    x: Value
    y: Value
    w: Value
    bias: Value
    first_row: Value
    stop_row: Value


class _Driver:
    """Emits ``run``: tasks, chunks, rows, blocks of pixels, blocks of channels, outermost first."""

    def __init__(self, builder: Builder, plan: DirectPlan, form: ModuleType) -> None:
        self.b = builder
        self.spec = plan.spec
        self.blocking = plan.blocking
        self.form = form
        self.shape: dict[str, Value] = {}
        self.window = self.flags = builder.integer(0)

    def emit(self) -> None:
        pointers = dict.fromkeys(("x", "w", "bias", "y", "shape", "counter", "window"), "ptr")
        self.b.function("run", {**pointers, "flags": "i64"}, self._run, public=True)

    def _run(
        self, x: Value, w: Value, bias: Value, y: Value, shape: Value, counter: Value, window: Value, flags: Value
    ) -> None:
        b, spec = self.b, self.spec
        s = self.shape = {name: b.load_integer(shape, i) for i, name in enumerate(SHAPE_FIELDS)}
        self.window, self.flags = window, flags
        b.when((flags & ALONE).equals(ALONE), lambda: b.store(b.integer(0), counter))
        tasks = s["batch"] * spec.groups * s["bands"]
        kernel_elements = spec.kernel[0] * spec.kernel[1] * spec.group_in * self.blocking.padded_out

        def one_task(leave_if: Callable[[Value], None]) -> None:
            ticket = b.next_ticket(counter)
            leave_if(ticket >= tasks)
            band, rest = ticket % s["bands"], ticket // s["bands"]
            group, image = rest % spec.groups, rest // spec.groups
            first_row = band * s["rows_per_task"]
            self._chunks(
                _Task(
                    x=b.at(x, image * s["x_image"] + group * spec.group_in * s["x_channel"]),
                    y=b.at(y, image * s["y_image"] + group * spec.group_out * s["y_channel"]),
                    w=b.at(w, group * kernel_elements),
                    bias=b.at(bias, group * self.blocking.padded_out),
                    first_row=first_row,
                    stop_row=b.minimum(first_row + s["rows_per_task"], s["out_height"]),
                )
            )

        b.forever(one_task)

    def _chunks(self, task: _Task) -> None:
        """Loop over the chunks of the sum in the order in which `pack` laid them out."""
        b = self.b
        sizes = (*self.spec.kernel, self.spec.group_in)
        steps = self.blocking.chunk

        def nest(axis: int, starts: tuple[Value, ...], counts: tuple[Value, ...], w: Value) -> Value:
            if axis == len(sizes):
                taps = counts[0] * counts[1] * counts[2]
                self._chunk(task, starts, counts, w)
                return b.at(w, taps * self.blocking.padded_out)
            if steps[axis] == sizes[axis]:
                return nest(axis + 1, (*starts, b.integer(0)), (*counts, b.integer(sizes[axis])), w)

            def body(start: Value, w: Value) -> list[Value]:
                even = sizes[axis] % steps[axis] == 0
                count = b.integer(steps[axis]) if even else b.minimum(steps[axis], b.integer(sizes[axis]) - start)
                return [nest(axis + 1, (*starts, start), (*counts, count), w)]

            return b.loop(0, sizes[axis], body, [w], step=steps[axis], once=True)[0]

        nest(0, (), (), task.w)

    def _chunk(self, task: _Task, starts: tuple[Value, ...], counts: tuple[Value, ...], w: Value) -> None:
        b, spec, s = self.b, self.spec, self.shape
        mode = self._mode(starts, counts)

        def row(oh: Value) -> None:
            ih = oh * spec.strides[0] - s["pad_top"] + starts[0] * spec.dilation[0]
            skip, kernel_rows = self._rows_inside(ih, counts[0])
            ih = ih + skip * spec.dilation[0]
            last = ih + (kernel_rows - 1) * spec.dilation[0]
            chunk = Chunk(
                starts=starts,
                counts=(kernel_rows, counts[1], counts[2]),
                taps=counts[0] * counts[1] * counts[2],
                skipped=skip * counts[1] * counts[2],
                mode=mode,
            )
            rows_inside = b.both(ih >= 0, last < s["height"])
            source = b.at(task.x, ih * s["x_row"] + starts[2] * s["x_channel"])
            target = b.at(task.y, oh * s["y_row"])
            self._row(task, chunk, w, ih, rows_inside, source, target)

        def super_block(first: Value, stop: Value) -> None:
            self.first_block, self.stop_block = first, stop
            b.loop(task.first_row, task.stop_row, lambda oh: row(oh))

        count = self.blocking.out_block_count
        group = self.blocking.blocks_per_pass
        if group >= count:
            super_block(b.integer(0), b.integer(count))
        else:
            b.loop(0, count, lambda i: super_block(i, b.minimum(i + group, count)), step=group, once=True)

    def _mode(self, starts: tuple[Value, ...], counts: tuple[Value, ...]) -> Value:
        """Bit 0: the output's first chunk; bit 1: its last."""
        b = self.b
        sizes = (*self.spec.kernel, self.spec.group_in)
        if self.blocking.chunk == sizes:
            return b.integer(3)
        first = last = None
        for start, count, size in zip(starts, counts, sizes, strict=True):
            at_start, at_end = start.equals(0), (start + count).equals(size)
            first = at_start if first is None else b.both(first, at_start)
            last = at_end if last is None else b.both(last, at_end)
        assert first is not None and last is not None
        return b.select(first, 1, 0) + b.select(last, 2, 0)

    def _rows_inside(self, ih: Value, count: Value) -> tuple[Value, Value]:
        """How many kernel rows to leave out at the top, and how many to compute."""
        b, dilation = self.b, self.spec.dilation[0]
        above = (b.maximum(b.integer(0) - ih, 0) + (dilation - 1)) // dilation
        skip = b.minimum(above, count)
        stop = b.minimum((b.maximum(self.shape["height"] - ih, 0) + (dilation - 1)) // dilation, count)
        inside = b.maximum(stop - skip, 0)
        finite = (self.flags & FINITE).equals(FINITE)
        return b.select(finite, skip, 0), b.select(finite, inside, count)

    def _row(
        self, task: _Task, chunk: Chunk, w: Value, ih: Value, rows_inside: Value, source: Value, target: Value
    ) -> None:
        """One output row: as many blocks of each size as the call says, the last perhaps not full."""
        b = self.b
        ow = b.integer(0)
        for index, pixels in enumerate(self.blocking.pixels):
            stop = ow + self.shape[f"blocks_{index}"] * pixels

            def block(ow: Value, pixels: int = pixels) -> None:
                count = b.minimum(b.integer(pixels), self.shape["out_width"] - ow)
                self._block(task, chunk, w, ih, rows_inside, source, target, pixels, ow, count)

            b.loop(ow, stop, block, step=pixels)
            ow = stop

    def _block(
        self,
        task: _Task,
        chunk: Chunk,
        w: Value,
        ih: Value,
        rows_inside: Value,
        source: Value,
        target: Value,
        pixels: int,
        ow: Value,
        count: Value,
    ) -> None:
        """One block of pixels: find its input, in the image or in a padded copy, and run all its channels."""
        b, spec, s = self.b, self.spec, self.shape
        span = (chunk.counts[1] - 1) * spec.dilation[1] + ((pixels - 1) * spec.strides[1] + 1)
        iw = ow * spec.strides[1] - s["pad_left"] + chunk.starts[1] * spec.dilation[1]
        inside = b.both(rows_inside, b.both(iw >= 0, iw + span <= s["width"]))

        def in_place() -> list[Value]:
            return [b.at(source, iw * self.form.pixel_stride(spec)), s["x_row"] * spec.dilation[0], s["x_channel"]]

        def in_window() -> list[Value]:
            origin = b.at(task.x, chunk.starts[2] * s["x_channel"])
            b.call(
                "fill", self.window, origin, ih, iw, chunk.counts[0], span, chunk.counts[2],
                s["height"], s["width"], s["x_row"], s["x_channel"],
            )  # fmt: skip
            row = span * self.form.pixel_stride(spec)
            return [self.window, row, row * chunk.counts[0]]

        x, x_row, x_channel = b.when(inside, in_place, in_window)
        y = b.at(target, ow * self.form.out_pixel_stride(spec))

        def channels(start: Value | int, width: int) -> None:
            offset = self.b.integer(0) + start
            weights = b.at(w, offset * chunk.taps + chunk.skipped * self.blocking.padded_width(width))
            b.call(
                _micro_name(pixels, width), x, x_row, x_channel, weights,
                b.at(y, offset * s["y_channel"]), s["y_channel"], b.at(task.bias, offset),
                *chunk.counts, chunk.mode, count,
            )  # fmt: skip

        block, full, tail = self.blocking.out_block, self.blocking.full_blocks, self.blocking.tail
        if full:
            stop = b.minimum(self.stop_block, full)
            b.loop(self.first_block, stop, lambda i: channels(i * block, block), once=not tail)
        if tail:
            b.when(self.stop_block > full, lambda: channels(full * block, tail))
