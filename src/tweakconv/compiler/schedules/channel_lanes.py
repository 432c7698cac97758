"""The direct microkernel for channels_last: lanes are output channels, input values are broadcast.

A call computes `pixels` neighbouring outputs of a row times a block of output channels. For each tap and
input channel it loads the block's weights as vectors, and each pixel's input value broadcast to all lanes.
"""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.blocking import Blocking, even_step
from tweakconv.compiler.schedules.epilogue import Epilogue
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target

_CHUNK_STEPS = 512
"""Products per chunk: 2 vectors x 512 steps of weights (64 KiB for AVX-512) stream from the second-level cache."""

_WINDOW_BYTES = 1 << 20
_MOST_PIXELS = 12
_U = (1, 2, 3, 4)
"""What a thread's padded window may take."""


def pixel_stride(spec: ConvSpec) -> int:
    """Elements from one input pixel to the next."""
    return spec.in_channels


def out_pixel_stride(spec: ConvSpec) -> int:
    """Elements from one output pixel to the next."""
    return spec.out_channels


def blocking(spec: ConvSpec, target: Target) -> Blocking:
    """Blocks that keep all sums in registers, and chunks whose weights and windows fit the caches."""
    lanes = target.lanes(spec.element_bytes)
    needed = -(-spec.group_out // lanes)
    vectors = -(-needed // -(-needed // (4 if target.registers >= 32 else 2)))
    # Besides the sums: the weights, one broadcast value, and a product where multiply and add are apart.
    spare = vectors + 1 + (0 if target.fma else 1)
    most = min(_MOST_PIXELS, (target.registers - spare) // vectors)
    pixels = tuple(sorted({most, most - 1, -(-2 * most // 3), -(-most // 3)}, reverse=True))
    kh, kw = spec.kernel
    columns = even_step(kw, max(1, _CHUNK_STEPS // spec.group_in)) if spec.group_in <= _CHUNK_STEPS else 1
    channels = even_step(spec.group_in, _CHUNK_STEPS, 4)
    rows = even_step(kh, max(1, _CHUNK_STEPS // (columns * channels)))
    chunk = (rows, columns, channels)
    chunk, pixels = _fit_window(spec, chunk, pixels)
    block = vectors * lanes
    weights = chunk[0] * chunk[1] * chunk[2] * block * spec.element_bytes
    return Blocking(
        out_channels=spec.group_out,
        out_block=block,
        multiple=lanes,
        pixels=pixels,
        chunk=chunk,
        blocks_per_pass=max(1, target.l2_bytes // 2 // weights),
    )


def window_elements(spec: ConvSpec, blocking: Blocking) -> int:
    """Elements of the padded copy of one block's window."""
    return _window(spec, blocking.chunk, blocking.pixels[0])


def pack_block(part: NDArray[np.floating], room: NDArray[np.floating], padded: int) -> None:
    """Write weights (rows, columns, channels, groups, block) as [group][row][column][channel][lane]."""
    rows, columns, channels, groups, width = part.shape
    view = room.reshape(groups, rows, columns, channels, padded)
    view[..., :width] = part.transpose(3, 0, 1, 2, 4)
    view[..., width:] = 0


def emit_fill(b: Builder, spec: ConvSpec, blocking: Blocking) -> None:
    """Define ``fill``: copy a block's window out of the image, zeros where it lies in the padding."""
    contiguous = blocking.chunk[2] == spec.in_channels
    pixel = pixel_stride(spec)

    def body(
        window: Value, x: Value, ih: Value, iw: Value, rows: Value, span: Value, channels: Value,
        height: Value, width: Value, x_row: Value, x_channel: Value,
    ) -> None:  # fmt: skip
        count = spec.in_channels if contiguous else channels

        def row(r: Value) -> None:
            position = ih + r * spec.dilation[0]
            target = b.at(window, r * span * pixel)
            source = b.at(x, position * x_row + iw * pixel)
            inside = position.below(height)
            left = b.select(inside, b.minimum(b.maximum(b.integer(0) - iw, 0), span), span)
            right = b.maximum(b.minimum(width - iw, span), left)
            if contiguous:
                b.fill_zero(target, left * pixel)
                b.copy(b.at(target, left * pixel), b.at(source, left * pixel), (right - left) * pixel)
                b.fill_zero(b.at(target, right * pixel), (span - right) * pixel)
            else:
                b.loop(0, left, lambda i: b.fill_zero(b.at(target, i * pixel), count))
                b.loop(left, right, lambda i: b.copy(b.at(target, i * pixel), b.at(source, i * pixel), count))
                b.loop(right, span, lambda i: b.fill_zero(b.at(target, i * pixel), count))

        b.loop(0, rows, row)

    pointers = {"window": "ptr", "x": "ptr"}
    integers = ("ih", "iw", "rows", "span", "channels", "height", "width", "x_row", "x_channel")
    b.function("fill", {**pointers, **dict.fromkeys(integers, "i64")}, body)


def emit_micro(
    b: Builder, spec: ConvSpec, blocking: Blocking, name: str, pixels: int, width: int, padded: int
) -> None:
    """Define a microkernel of `pixels` pixels times `width` output channels."""
    lanes = b.lanes
    vectors = padded // lanes
    kh, kw, ci = blocking.chunk
    pixel, out_pixel = pixel_stride(spec), out_pixel_stride(spec)
    step = spec.strides[1] * pixel
    # Taps of a kernel row and their channels lie one behind another: one loop instead of two.
    merged = ci == spec.in_channels and (spec.dilation[1] == 1 or kw == 1) and spec.kernel[1] % kw == 0
    sizes = [ci * kw] if merged else [ci, spec.group_in % ci or ci]
    busy = width == blocking.out_block and pixels >= blocking.pixels[1]
    unroll = max(u for u in (_U if busy else (1, 2)) if gcd(*sizes) % u == 0)

    def body(
        x: Value, x_row: Value, x_channel: Value, w: Value, y: Value, y_channel: Value, bias: Value,
        rows: Value, columns: Value, channels: Value, mode: Value, count: Value,
    ) -> None:  # fmt: skip
        unwanted = b.stack_room(padded)

        def products(at: Value, w: Value, sums: tuple[Value, ...]) -> list[Value]:
            for u in range(unroll):
                weights = [b.load(b.at(w, (u * vectors + v) * lanes), lanes) for v in range(vectors)]
                new = []
                for p in range(pixels):
                    value = b.broadcast(b.load(b.at(at, p * step + u)))
                    new += [b.multiply_add(value, weights[v], sums[p * vectors + v]) for v in range(vectors)]
                sums = tuple(new)
            return [b.at(w, unroll * padded), *sums]

        def run(at: Value, length: Value | int, carry: tuple[Value, ...]) -> tuple[Value, ...]:
            return b.loop(
                0, length, lambda i, w, *sums: products(b.at(at, i), w, sums), carry, step=unroll, once=True
            )

        def row(r: Value, *carry: Value) -> tuple[Value, ...]:
            at = b.at(x, r * x_row)
            if merged:
                return run(at, kw * ci, carry)
            inner = channels if spec.group_in % ci else ci
            outer = columns if spec.kernel[1] % kw else kw
            return b.loop(
                0, outer,
                lambda c, *carry: run(b.at(at, c * (spec.dilation[1] * pixel)), inner, carry),
                carry, once=True,
            )  # fmt: skip

        sums = b.loop(0, rows, row, [w, *[b.zero()] * (pixels * vectors)])[1:]
        end = Epilogue.of(b, mode, whole=blocking.chunk == (*spec.kernel, spec.group_in), relu=spec.relu)
        addend, addend_stride = end.before(bias, y, out_pixel)
        for p in range(pixels):
            target = b.at(y, p * out_pixel)
            if p:  # pixels beyond the count go to the stack: no branch, and no memory of others
                target = b.select(count > p, target, unwanted)
            before = b.at(addend, addend_stride * p) if isinstance(addend_stride, Value) else addend
            if isinstance(addend_stride, Value) and p:
                before = b.select(count > p, before, unwanted)
            for v in range(vectors):
                filled = min(lanes, width - v * lanes)
                total = b.add(sums[p * vectors + v], b.load_part(b.at(before, v * lanes), filled))
                b.store_part(end.finish(total), b.at(target, v * lanes), filled)

    pointers = dict.fromkeys(("x", "w", "y", "bias"), "ptr")
    names = ("x", "x_row", "x_channel", "w", "y", "y_channel", "bias", "rows", "columns", "channels", "mode", "count")
    b.function(name, {n: pointers.get(n, "i64") for n in names}, body)


def _window(spec: ConvSpec, chunk: tuple[int, int, int], pixels: int) -> int:
    span = (pixels - 1) * spec.strides[1] + (chunk[1] - 1) * spec.dilation[1] + 1
    return chunk[0] * span * pixel_stride(spec)


def _fit_window(
    spec: ConvSpec, chunk: tuple[int, int, int], pixels: tuple[int, ...]
) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    """Make the chunk smaller, and at last the blocks, until a window fits."""
    kh, kw, ci = chunk
    for candidate in ((kh, kw, ci), (1, kw, ci), (1, 1, ci)):
        if _window(spec, candidate, pixels[0]) * spec.element_bytes <= _WINDOW_BYTES:
            return candidate, pixels
    return (1, 1, ci), (1,)
