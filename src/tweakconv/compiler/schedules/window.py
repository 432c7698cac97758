"""The window of a block of pixels: how large it is, and the code that copies it out of a padded image.

A block whose taps reach into the padding cannot be read in place. ``fill`` copies the input under one block and
one chunk to a thread's working space, what the padding holds where it lies outside of the image, in the image's own
layout, so that the same microkernel reads either.

Where the input is stored in another type than is computed in, blocks are read from their window wherever they lie: it
holds the numbers widened, once for all the output channels that use them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.blocking import Blocking, even_step
from tweakconv.compiler.schedules.border import tables_of
from tweakconv.compiler.schedules.shape import BORDER_START, load_call, row_dilation
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target
from tweakconv.geometry import span

MOST_BYTES = 1 << 20
"""What a window may take; chunks are made smaller until theirs fits."""

_PRODUCTS = 512
"""Of a chunk with several kernel planes, at the most."""


def window_elements(spec: ConvSpec, chunk: tuple[int, int, int], pixels: int) -> int:
    """Elements of the window of `pixels` pixels under a chunk, in one kernel plane.

    Pixels keep the distance they have in the image, so with channels_last a pixel takes the room of all channels.
    """
    columns = span(pixels, chunk[1], spec.strides[1], spec.dilation[1])
    return chunk[0] * columns * (spec.in_channels if spec.channels_last else chunk[2])


def first_that_fits(
    spec: ConvSpec, candidates: Sequence[tuple[tuple[int, int, int], tuple[int, ...]]]
) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    """The first pair of a chunk and block sizes whose window is not too large, else the last.

    Where results are rounded when they are stored, parts of them cannot be added up there: sums are not cut.
    """
    if spec.y_stored:
        candidates = [(spec.taps, pixels) for _, pixels in candidates]
    fitting = (c for c in candidates if window_elements(spec, c[0], c[1][0]) * spec.element_bytes <= MOST_BYTES)
    return next(fitting, candidates[-1])


def completed(spec: ConvSpec, blocking: Blocking) -> Blocking:
    """The blocking of a convolution of one kernel plane, made to suit all of them and taps that may be left out.

    As many kernel planes as fit come into a chunk that holds them whole. Where taps in the padding are left out, a
    chunk has one kernel column, since neighbouring pixels differ in which of them they have.
    """
    if spec.skips_padding:
        blocking = replace(blocking, chunk=(blocking.chunk[0], 1, blocking.chunk[2]))
    if blocking.chunk != spec.taps:
        return blocking
    if spec.y_stored:
        return replace(blocking, planes=spec.kernel_planes)
    products, size = math.prod(spec.taps), window_elements(spec, blocking.chunk, blocking.pixels[0])
    most = max(1, min(_PRODUCTS // products, MOST_BYTES // (size * spec.element_bytes)))
    return replace(blocking, planes=even_step(spec.kernel_planes, most))


def widens(spec: ConvSpec, blocking: Blocking) -> bool:
    """Whether windows hold the input widened, so that every block is read from one.

    Where a number that is read serves only one output channel, it is as well widened as it is read.
    """
    return bool(spec.x_stored) and not blocking.channelwise


def fills_apart(spec: ConvSpec, blocking: Blocking, target: Target) -> bool:
    """Whether each block of output channels gets a window of its own, since one of all would leave the first cache."""
    elements = window_elements(spec, blocking.chunk, blocking.pixels[0])
    return blocking.channelwise and elements * spec.element_bytes > target.l1_bytes


def emit_fill(b: Builder, spec: ConvSpec, blocking: Blocking) -> None:
    """Define ``fill(window, x, shape, iz, ih, iw, planes, rows, span, channels)``.

    It copies `rows` kernel rows of each of `planes` kernel planes, the first at input row `ih` of plane `iz`, of `span`
    pixels from column `iw` on. `shape` are the run-time integers of the call.
    """

    def body(
        window: Value, x: Value, shape: Value, iz: Value, ih: Value, iw: Value,
        planes: Value, rows: Value, span: Value, channels: Value,
    ) -> None:  # fmt: skip
        fill = _Fill(b, spec, blocking, shape, iw, span, channels)
        depth = spec.depth

        def plane(channel: Value, p: Value) -> None:
            source, inside = b.at(x, channel * fill.shape["x_channel"]), b.integer(0).equals(0)
            if depth is not None:
                position = fill.pixel("plane", iz + p * depth.dilation, fill.shape["depth"])
                source, inside = b.at(source, position * fill.shape["x_plane"]), position.below(fill.shape["depth"])
            first = (channel * planes + p) * rows

            def row(r: Value) -> None:
                position = fill.pixel("row", ih + r * row_dilation(spec, fill.shape, b), fill.shape["height"])
                target = b.at(window, (first + r) * span * spec.pixel_stride)
                there = b.both(inside, position.below(fill.shape["height"]))
                line = b.at(source, position * fill.shape["x_row"])
                b.when(there, lambda: fill.line(target, line), lambda: fill.nothing(target, b.integer(0), span))

            b.loop(0, rows, row)

        each = b.integer(1) if spec.channels_last else channels
        b.loop(0, each, lambda channel: b.loop(0, planes, lambda p: plane(channel, p)))

    integers = dict.fromkeys(("iz", "ih", "iw", "planes", "rows", "span", "channels"), "i64")
    kinds = {"window": "ptr" if widens(spec, blocking) else spec.pointers["x"], "x": spec.pointers["x"]}
    b.function("fill", {**kinds, "shape": "ptr", **integers}, body)


class _Fill:
    """Copies lines of `span` pixels from column `iw` on, and what the padding holds."""

    def __init__(
        self, b: Builder, spec: ConvSpec, blocking: Blocking, shape: Value, iw: Value, span: Value, channels: Value
    ) -> None:
        self.b = b
        self.shape = load_call(b, shape)
        self.tables = tables_of(b, spec, shape, BORDER_START)
        self.constant = b.scalar_zero() if self.tables is None else self.tables.constant()
        self.iw, self.span, self.stride = iw, span, spec.pixel_stride
        # Elements of a pixel that are copied; where that is all of them, pixels are copied together.
        all_channels = blocking.channelwise or blocking.chunk[2] == spec.in_channels
        self.together = not spec.channels_last or (all_channels and not fills_apart(spec, blocking, b.target))
        self.elements = b.integer(self.stride) if self.together else channels

    def pixel(self, axis: str, position: Value, size: Value) -> Value:
        """The pixel at a position along an axis; outside of ``range(size)`` where there is none."""
        return position if self.tables is None else self.tables.pixel(axis, position, size)

    def line(self, target: Value, source: Value) -> None:
        """Copy the line that lies at `source` in the image."""
        b, width = self.b, self.shape["width"]
        left = b.minimum(b.maximum(b.integer(0) - self.iw, 0), self.span)
        right = b.maximum(b.minimum(width - self.iw, self.span), left)
        inside = b.at(source, self.iw * self.stride)
        self.border(target, source, b.integer(0), left)
        self._pixels(left, right, lambda at, count: b.copy(b.at(target, at), b.at(inside, at), count))
        self.border(target, source, right, self.span)

    def border(self, target: Value, source: Value, start: Value, stop: Value) -> None:
        """Copy pixels of a line that lie beyond its ends."""
        b, tables = self.b, self.tables
        if tables is None:
            self.nothing(target, start, stop)
            return

        def one(i: Value) -> None:
            column, at = tables.pixel("column", self.iw + i, self.shape["width"]), b.at(target, i * self.stride)
            b.when(
                column < 0,
                lambda: b.fill(at, self.constant, self.elements),
                lambda: b.copy(at, b.at(source, column * self.stride), self.elements),
            )

        b.loop(start, stop, one)

    def nothing(self, target: Value, start: Value, stop: Value) -> None:
        """Write what stands where there is no pixel."""
        b = self.b
        self._pixels(start, stop, lambda at, count: b.fill(b.at(target, at), self.constant, count))

    def _pixels(self, start: Value, stop: Value, each: Callable[[Value, Value], None]) -> None:
        """Run `each` for the elements of some pixels: where it starts, and how many."""
        if self.together:
            each(start * self.stride, (stop - start) * self.stride)
        else:
            self.b.loop(start, stop, lambda i: each(i * self.stride, self.elements))
