"""The window of a block of pixels: how large it is, and the code that copies it out of a padded image.

A block whose taps reach into the padding cannot be read in place. ``fill`` copies the input under one block and
one chunk to a thread's working space, what the padding holds where it lies outside of the image, in the image's own
layout, so that the same microkernel reads either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.blocking import Blocking
from tweakconv.compiler.schedules.border import BorderTables, tables_of
from tweakconv.compiler.spec import ConvSpec

MOST_BYTES = 1 << 20
"""What a window may take; chunks are made smaller until theirs fits."""

_INTEGERS = ("ih", "iw", "rows", "span", "channels", "height", "width", "x_row", "x_channel")


def window_elements(spec: ConvSpec, chunk: tuple[int, int, int], pixels: int) -> int:
    """Elements of the window of `pixels` pixels under a chunk.

    Pixels keep the distance they have in the image, so with channels_last a pixel takes the room of all channels.
    """
    span = (pixels - 1) * spec.strides[1] + (chunk[1] - 1) * spec.dilation[1] + 1
    return chunk[0] * span * (spec.in_channels if spec.channels_last else chunk[2])


def first_that_fits(
    spec: ConvSpec, candidates: Sequence[tuple[tuple[int, int, int], tuple[int, ...]]]
) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    """The first pair of a chunk and block sizes whose window is not too large, else the last."""
    fitting = (c for c in candidates if window_elements(spec, c[0], c[1][0]) * spec.element_bytes <= MOST_BYTES)
    return next(fitting, candidates[-1])


def emit_fill(b: Builder, spec: ConvSpec, blocking: Blocking | None, fields: int) -> None:
    """Define ``fill(window, x, ih, iw, rows, span, channels, height, width, x_row, x_channel, shape)``.

    It copies `rows` kernel rows, the first at input row `ih`, of `span` pixels from column `iw` on. `shape` are the
    run-time integers of the call, in which the tables of the border stand behind `fields` others. Without blocks, it
    copies whole pixels.
    """
    pixel = spec.pixel_stride
    dense = blocking is None or not spec.channels_last or blocking.channelwise or blocking.chunk[2] == spec.in_channels

    def body(
        window: Value, x: Value, ih: Value, iw: Value, rows: Value, span: Value, channels: Value,
        height: Value, width: Value, x_row: Value, x_channel: Value, shape: Value,
    ) -> None:  # fmt: skip
        tables = tables_of(b, spec, shape, fields)
        nothing = b.scalar_zero() if tables is None else tables.constant()

        def pixels(start: Value, stop: Value, each: Callable[[Value, Value | int], None]) -> None:
            """Run `each` for the elements of some pixels: all at once where none of them lie between."""
            if dense:
                each(start * pixel, (stop - start) * pixel)
            else:
                b.loop(start, stop, lambda i: each(i * pixel, channels))

        def row(plane: Value, r: Value) -> None:
            position = ih + r * spec.dilation[0]
            target = b.at(window, (plane * rows + r) * span * pixel)
            left = b.minimum(b.maximum(b.integer(0) - iw, 0), span)
            right = b.maximum(b.minimum(width - iw, span), left)

            def without_pixels(start: Value, stop: Value) -> None:
                pixels(start, stop, lambda at, count: b.fill(b.at(target, at), nothing, count))

            def with_pixels(source_row: Value) -> None:
                source = b.at(x, plane * x_channel + source_row * x_row)
                inside = b.at(source, iw * pixel)

                def outside(start: Value, stop: Value) -> None:
                    if tables is None:
                        without_pixels(start, stop)
                    else:
                        b.loop(start, stop, lambda i: mapped(tables, i))

                def mapped(tables: BorderTables, i: Value) -> None:
                    column, at = tables.pixel("column", iw + i, width), b.at(target, i * pixel)
                    count = b.integer(pixel) if dense else channels
                    b.when(
                        column < 0,
                        lambda: b.fill(at, nothing, count),
                        lambda: b.copy(at, b.at(source, column * pixel), count),
                    )

                outside(b.integer(0), left)
                pixels(left, right, lambda at, count: b.copy(b.at(target, at), b.at(inside, at), count))
                outside(right, span)

            # Zeros are the same beyond every side; other padding continues rows and columns one after the other.
            source_row = position if tables is None else tables.pixel("row", position, height)
            b.when(
                source_row.below(height),
                lambda: with_pixels(source_row),
                lambda: without_pixels(b.integer(0), span),
            )

        planes = b.integer(1) if spec.channels_last else channels
        b.loop(0, planes, lambda plane: b.loop(0, rows, lambda r: row(plane, r)))

    pointers = {"window": "ptr", "x": "ptr"}
    b.function("fill", {**pointers, **dict.fromkeys(_INTEGERS, "i64"), "shape": "ptr"}, body)
