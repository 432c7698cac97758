"""The window of a block of pixels: how large it is, and the code that copies it out of a padded image.

A block whose taps reach into the padding cannot be read in place. ``fill`` copies the input under one block and
one chunk to a thread's working space, zeros where it lies outside of the image, in the image's own layout, so that
the same microkernel reads either.
"""

from __future__ import annotations

from collections.abc import Sequence

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.blocking import Blocking
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


def emit_fill(b: Builder, spec: ConvSpec, blocking: Blocking) -> None:
    """Define ``fill(window, x, ih, iw, rows, span, channels, height, width, x_row, x_channel)``.

    It copies `rows` kernel rows, the first at input row `ih`, of `span` pixels from column `iw` on.
    """
    pixel = spec.pixel_stride
    dense = not spec.channels_last or blocking.channelwise or blocking.chunk[2] == spec.in_channels

    def body(
        window: Value, x: Value, ih: Value, iw: Value, rows: Value, span: Value, channels: Value,
        height: Value, width: Value, x_row: Value, x_channel: Value,
    ) -> None:  # fmt: skip
        def row(plane: Value, r: Value) -> None:
            position = ih + r * spec.dilation[0]
            target = b.at(window, (plane * rows + r) * span * pixel)
            source = b.at(x, plane * x_channel + position * x_row + iw * pixel)
            left = b.minimum(b.maximum(b.integer(0) - iw, 0), span)
            left = b.select(position.below(height), left, span)
            right = b.maximum(b.minimum(width - iw, span), left)
            if dense:
                b.fill_zero(target, left * pixel)
                b.copy(b.at(target, left * pixel), b.at(source, left * pixel), (right - left) * pixel)
                b.fill_zero(b.at(target, right * pixel), (span - right) * pixel)
            else:
                b.loop(0, left, lambda i: b.fill_zero(b.at(target, i * pixel), channels))
                b.loop(left, right, lambda i: b.copy(b.at(target, i * pixel), b.at(source, i * pixel), channels))
                b.loop(right, span, lambda i: b.fill_zero(b.at(target, i * pixel), channels))

        planes = b.integer(1) if spec.channels_last else channels
        b.loop(0, planes, lambda plane: b.loop(0, rows, lambda r: row(plane, r)))

    b.function("fill", {"window": "ptr", "x": "ptr", **dict.fromkeys(_INTEGERS, "i64")}, body)
