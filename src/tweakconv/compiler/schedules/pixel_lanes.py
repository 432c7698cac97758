"""The direct microkernel for channels_first: lanes are output columns, weights are broadcast.

A call computes one or more vectors of neighbouring outputs of a row for a block of output channels. For each
tap and input channel it loads the input under the lanes as vectors (`strides` apart), and each channel's
weight broadcast to all lanes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.blocking import Blocking, even_step
from tweakconv.compiler.schedules.epilogue import Epilogue
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target

_CHUNK_STEPS = 512
_WINDOW_BYTES = 1 << 20


def pixel_stride(spec: ConvSpec) -> int:
    """Elements from one input pixel to the next."""
    return 1


def out_pixel_stride(spec: ConvSpec) -> int:
    """Elements from one output pixel to the next."""
    return 1


def blocking(spec: ConvSpec, target: Target) -> Blocking:
    """Blocks that keep all sums in registers: as many channels as there are up to six, the rest in columns."""
    lanes = target.lanes(spec.element_bytes)
    wide = target.registers >= 32
    out_block = min(spec.group_out, 6 if target.fma else 4)
    spare = 2 + (0 if target.fma else 1)
    vectors = max(1, min(8 if wide else 4, (target.registers - spare) // (out_block + 1)))
    pixels = tuple(v * lanes for v in sorted({vectors, -(-vectors // 2), 1}, reverse=True))
    kh, kw = spec.kernel
    columns = even_step(kw, _CHUNK_STEPS)
    channels = even_step(spec.group_in, max(1, _CHUNK_STEPS // columns))
    rows = even_step(kh, max(1, _CHUNK_STEPS // (columns * channels)))
    chunk, pixels = _fit_window(spec, (rows, columns, channels), pixels, lanes)
    weights = chunk[0] * chunk[1] * chunk[2] * out_block * spec.element_bytes
    return Blocking(
        out_channels=spec.group_out,
        out_block=out_block,
        multiple=1,
        pixels=pixels,
        chunk=chunk,
        blocks_per_pass=max(1, target.l2_bytes // 2 // weights),
    )


def window_elements(spec: ConvSpec, blocking: Blocking) -> int:
    """Elements of the padded copy of one block's window."""
    return _window(spec, blocking.chunk, blocking.pixels[0])


def pack_block(part: NDArray[np.floating], room: NDArray[np.floating], padded: int) -> None:
    """Write weights (rows, columns, channels, groups, block) as [group][row][channel][column][block]."""
    rows, columns, channels, groups, width = part.shape
    room.reshape(groups, rows, channels, columns, width)[...] = part.transpose(3, 0, 2, 1, 4)


def emit_fill(b: Builder, spec: ConvSpec, blocking: Blocking) -> None:
    """Define ``fill``: copy a block's window out of the image, zeros where it lies in the padding."""

    def body(
        window: Value, x: Value, ih: Value, iw: Value, rows: Value, span: Value, channels: Value,
        height: Value, width: Value, x_row: Value, x_channel: Value,
    ) -> None:  # fmt: skip
        def row(channel: Value, r: Value) -> None:
            position = ih + r * spec.dilation[0]
            target = b.at(window, (channel * rows + r) * span)
            source = b.at(x, channel * x_channel + position * x_row + iw)
            inside = position.below(height)
            left = b.select(inside, b.minimum(b.maximum(b.integer(0) - iw, 0), span), span)
            right = b.maximum(b.minimum(width - iw, span), left)
            b.fill_zero(target, left)
            b.copy(b.at(target, left), b.at(source, left), right - left)
            b.fill_zero(b.at(target, right), span - right)

        def channel_rows(channel: Value) -> None:
            b.loop(0, rows, lambda r: row(channel, r))

        b.loop(0, channels, channel_rows)

    pointers = {"window": "ptr", "x": "ptr"}
    integers = ("ih", "iw", "rows", "span", "channels", "height", "width", "x_row", "x_channel")
    b.function("fill", {**pointers, **dict.fromkeys(integers, "i64")}, body)


def emit_micro(
    b: Builder, spec: ConvSpec, blocking: Blocking, name: str, pixels: int, width: int, padded: int
) -> None:
    """Define a microkernel of `pixels` columns times `width` output channels.

    Where fewer columns are wanted, it works on a copy of the output on the stack.
    """
    whole = blocking.chunk == (*spec.kernel, spec.group_in)
    _emit_sums(b, spec, blocking, f"{name}_sums", pixels, width)

    def body(
        x: Value, x_row: Value, x_channel: Value, w: Value, y: Value, y_channel: Value, bias: Value,
        rows: Value, columns: Value, channels: Value, mode: Value, count: Value,
    ) -> None:  # fmt: skip
        tile = b.stack_room(width * pixels)

        def sums(y: Value, y_channel: Value | int) -> None:
            b.call(f"{name}_sums", x, x_row, x_channel, w, y, y_channel, bias, rows, columns, channels, mode)

        def by_tile() -> None:
            if not whole:
                b.loop(0, width, lambda c: b.copy(b.at(tile, c * pixels), b.at(y, c * y_channel), count))
            sums(tile, pixels)
            b.loop(0, width, lambda c: b.copy(b.at(y, c * y_channel), b.at(tile, c * pixels), count))

        b.when(count.equals(pixels), lambda: sums(y, y_channel), by_tile)

    b.function(name, _types(*_NAMES, "count"), body)


def _emit_sums(b: Builder, spec: ConvSpec, blocking: Blocking, name: str, pixels: int, width: int) -> None:
    """Define the microkernel proper, for whole blocks of columns."""
    lanes = b.lanes
    vectors = pixels // lanes
    _, kw, ci = blocking.chunk
    stride, dilation = spec.strides[1], spec.dilation[1]
    even = spec.kernel[1] % kw == 0
    busy = width == blocking.out_block and pixels == blocking.pixels[0]
    unroll = kw if even and kw * vectors * width <= (128 if busy else 32) else 1

    def body(
        x: Value, x_row: Value, x_channel: Value, w: Value, y: Value, y_channel: Value, bias: Value,
        rows: Value, columns: Value, channels: Value, mode: Value,
    ) -> None:  # fmt: skip
        def products(at: Value, w: Value, sums: tuple[Value, ...]) -> list[Value]:
            for u in range(unroll):
                inputs = [
                    b.load_strided(b.at(at, u * dilation + v * lanes * stride), stride) for v in range(vectors)
                ]
                new = []
                for c in range(width):
                    weight = b.broadcast(b.load(b.at(w, u * width + c)))
                    new += [b.multiply_add(weight, inputs[v], sums[c * vectors + v]) for v in range(vectors)]
                sums = tuple(new)
            return [b.at(w, unroll * width), *sums]

        def channel(at: Value, carry: tuple[Value, ...]) -> tuple[Value, ...]:
            return b.loop(
                0, kw if even else columns,
                lambda i, w, *sums: products(b.at(at, i * dilation), w, sums),
                carry, step=unroll, once=True,
            )  # fmt: skip

        def row(r: Value, *carry: Value) -> tuple[Value, ...]:
            at = b.at(x, r * x_row)
            inner = channels if spec.group_in % ci else ci
            return b.loop(0, inner, lambda i, *carry: channel(b.at(at, i * x_channel), carry), carry, once=True)

        sums = b.loop(0, rows, row, [w, *[b.zero()] * (vectors * width)])[1:]
        end = Epilogue.of(b, mode, whole=blocking.chunk == (*spec.kernel, spec.group_in), relu=spec.relu)
        for c in range(width):
            start = b.broadcast(b.load(b.at(bias, c)))
            for v in range(vectors):
                at = b.at(b.at(y, y_channel * c), v * lanes)
                addend = start if end.whole else b.select(end.first, start, b.load(at, lanes))
                b.store(end.finish(b.add(sums[c * vectors + v], addend)), at)

    b.function(name, _types(*_NAMES), body)


_NAMES = ("x", "x_row", "x_channel", "w", "y", "y_channel", "bias", "rows", "columns", "channels", "mode")


def _types(*names: str) -> dict[str, str]:
    return {name: "ptr" if name in ("x", "w", "y", "bias") else "i64" for name in names}


def _window(spec: ConvSpec, chunk: tuple[int, int, int], pixels: int) -> int:
    span = (pixels - 1) * spec.strides[1] + (chunk[1] - 1) * spec.dilation[1] + 1
    return chunk[0] * span * chunk[2]


def _fit_window(
    spec: ConvSpec, chunk: tuple[int, int, int], pixels: tuple[int, ...], lanes: int
) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    """Make the chunk smaller, and at last the blocks, until a window fits."""
    kh, kw, ci = chunk
    for candidate in ((kh, kw, ci), (1, kw, ci), (1, 1, ci), (1, 1, 1)):
        if _window(spec, candidate, pixels[0]) * spec.element_bytes <= _WINDOW_BYTES:
            return candidate, pixels
    return (1, 1, 1), (lanes,)
