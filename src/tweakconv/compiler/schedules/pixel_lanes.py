"""The direct microkernel for channels_first: lanes are output columns, weights are broadcast.

A call computes one or more vectors of neighbouring outputs of a row for a block of output channels. For each tap
and input channel it loads the input under the lanes as vectors, and each channel's weight broadcast to all lanes.
"""

from __future__ import annotations

import math
from dataclasses import replace

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.blocking import Blocking, even_step
from tweakconv.compiler.schedules.epilogue import Epilogue, rounds_late
from tweakconv.compiler.schedules.micro import Planes, call, define
from tweakconv.compiler.schedules.window import first_that_fits
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target

_CHUNK_STEPS = 512

_FEW_PRODUCTS, _BLOCKS_PER_PASS = 160, 6
"""Products of a sum up to which writing outputs is what takes the time, and blocks of channels that are then written
together: more planes, which often lie a multiple of 4 KiB apart, would throw each other out of the first cache.

Measured, of the time with all of them: 3x3 on 224x224 from 3 channels to 64 0.52, 1x1 on 112x112 from 16 to 96 0.65,
3x3 on 256x256 from 1 to 32 and 1x1 on 56x56 from 64 to 256 0.96; but 1x1 on 14x14 from 256 to 1024 1.11.
"""

_UNROLLED_PRODUCTS = {True: 128, False: 32}
"""Most products in the loop over kernel columns, in the widest block and in others: bounds code and compile time."""


def blocking(spec: ConvSpec, target: Target) -> Blocking:
    """Blocks that keep all sums in registers: as many channels as there are up to six, the rest in columns."""
    lanes = target.lanes(spec.element_bytes)
    out_block = min(spec.group_out, 6 if target.fma else 4)
    # Besides the sums: the input, one broadcast weight, and a product where multiply and add are apart.
    spare = 1 + (0 if target.fma else 1)
    vectors = max(1, min(target.registers // 4, (target.registers - spare) // (out_block + 1)))
    pixels = tuple(v * lanes for v in sorted({vectors, -(-vectors // 2), 1}, reverse=True))
    kh, kw = spec.kernel
    columns = even_step(kw, _CHUNK_STEPS)
    channels = even_step(spec.group_in, max(1, _CHUNK_STEPS // columns))
    rows = even_step(kh, max(1, _CHUNK_STEPS // (columns * channels)))
    chunk, pixels = first_that_fits(
        spec,
        [
            ((rows, columns, channels), pixels),
            ((1, columns, channels), pixels),
            ((1, 1, channels), pixels),
            ((1, 1, 1), pixels),
            ((1, 1, 1), (lanes,)),
        ],
    )
    block_bytes = chunk[0] * chunk[1] * chunk[2] * out_block * spec.element_bytes
    most = _BLOCKS_PER_PASS if math.prod(spec.taps) <= _FEW_PRODUCTS else spec.group_out
    return Blocking(
        groups=spec.groups,
        out_channels=spec.group_out,
        out_block=out_block,
        multiple=1,
        pixels=pixels,
        chunk=chunk,
        blocks_per_pass=min(most, max(1, target.l2_bytes // 2 // block_bytes)),
    )


def packed_steps(rows: int, columns: int, channels: int, padded: int) -> tuple[int, int, int]:
    """Elements from a row, column and channel of a chunk's weights to the next: [row][channel][column][block]."""
    return channels * columns * padded, padded, columns * padded


def emit_micro(b: Builder, spec: ConvSpec, blocking: Blocking, name: str, pixels: int, width: int) -> None:
    """Define a microkernel of `pixels` columns times `width` output channels.

    Where fewer columns are wanted, or they lie apart, it works on a copy of the output on the stack.
    """

    def spread(target: Value, target_step: int, source: Value, source_step: int, count: Value) -> None:
        if target_step == source_step == 1:
            b.copy(target, source, count)
        else:
            b.loop(0, count, lambda i: b.store(b.load(b.at(source, i * source_step)), b.at(target, i * target_step)))

    sums_name, step = f"{name}_sums", spec.out_step
    late = rounds_late(spec)  # the copy is of results that are not rounded yet
    of_sums = replace(spec, y_stored="") if late else spec
    _emit_sums(b, of_sums, blocking, sums_name, pixels, width)

    def body(
        x: Value, x_row: Value, x_channel: Value, w: Value, y: Value, y_channel: Value, bias: Value,
        rows: Value, columns: Value, channels: Value, mode: Value, count: Value, residual: Value | None = None,
        planes: Value | None = None, x_plane: Value | None = None, w_plane: Value | None = None,
    ) -> None:  # fmt: skip
        tile = b.stack_room(width * pixels, of_sums.y_stored)
        residual_tile = None if residual is None else b.stack_room(width * pixels, of_sums.y_stored)

        def sums(y: Value, residual: Value | None, y_channel: Value | int) -> None:
            call(
                b, sums_name, x=x, x_row=x_row, x_channel=x_channel, w=w, y=y, y_channel=y_channel, bias=bias,
                rows=rows, columns=columns, channels=channels, mode=mode, count=count, residual=residual,
                planes=planes, x_plane=x_plane, w_plane=w_plane,
            )  # fmt: skip

        def by_tile() -> None:
            if not blocking.is_whole(spec):
                b.loop(0, width, lambda c: spread(b.at(tile, c * pixels), 1, b.at(y, c * y_channel), step, count))
            if residual is not None and residual_tile is not None:
                before, room = residual, residual_tile
                b.loop(0, width, lambda c: spread(b.at(room, c * pixels), 1, b.at(before, c * y_channel), step, count))
            sums(tile, residual_tile, pixels)
            b.loop(0, width, lambda c: spread(b.at(y, c * y_channel), step, b.at(tile, c * pixels), 1, count))

        if step == 1 and not late:
            b.when(count.equals(pixels), lambda: sums(y, residual, y_channel), by_tile)
        else:
            by_tile()

    define(b, spec, blocking, name, body)


def _emit_sums(b: Builder, spec: ConvSpec, blocking: Blocking, name: str, pixels: int, width: int) -> None:
    """Define the microkernel proper, which stores whole blocks of columns."""
    lanes = b.lanes
    vectors = pixels // lanes
    _, kw, ci = blocking.chunk
    stride, dilation = spec.strides[1], spec.dilation[1]
    even = spec.kernel[1] % kw == 0 and not spec.ragged
    busy = width == blocking.out_block and pixels == blocking.pixels[0]
    unroll = kw if even and kw * vectors * width <= _UNROLLED_PRODUCTS[busy] else 1

    def body(
        x: Value, x_row: Value, x_channel: Value, w: Value, y: Value, y_channel: Value, bias: Value,
        rows: Value, columns: Value, channels: Value, mode: Value, count: Value, residual: Value | None = None,
        planes: Value | None = None, x_plane: Value | None = None, w_plane: Value | None = None,
    ) -> None:  # fmt: skip
        def products(at: Value, w: Value, sums: tuple[Value, ...]) -> list[Value]:
            for u in range(unroll):
                inputs = [b.load_strided(b.at(at, u * dilation + v * lanes * stride), stride) for v in range(vectors)]
                new = []
                for c in range(width):
                    weight = b.broadcast(b.load(b.at(w, u * width + c)))
                    new += [b.multiply_add(weight, inputs[v], sums[c * vectors + v]) for v in range(vectors)]
                sums = tuple(new)
            return [b.at(w, unroll * width), *sums]

        def channel(at: Value, carry: tuple[Value, ...]) -> tuple[Value, ...]:
            taps = kw if even else columns
            return b.loop(
                0,
                taps,
                lambda i, w, *sums: products(b.at(at, i * dilation), w, sums),
                carry,
                step=unroll,
                once=True,
            )

        def row(at: Value, *carry: Value) -> tuple[Value, ...]:
            inner = channels if spec.group_in % ci else ci
            return b.loop(0, inner, lambda i, *carry: channel(b.at(at, i * x_channel), carry), carry, once=True)

        zeros = [b.zero()] * (vectors * width)
        sums = Planes(planes, x_plane, w_plane).sums(b, x, w, rows, x_row, zeros, row)

        end = Epilogue.of(b, spec, mode, residual, whole=blocking.is_whole(spec))
        if residual is not None and not end.whole:  # before the last chunk, what is read costs nothing and is not added
            residual = b.select(end.last, residual, y)
        for c in range(width):
            start = b.broadcast(b.load(b.at(bias, c)))
            for v in range(vectors):
                at = b.at(b.at(y, y_channel * c), v * lanes)
                addend = start if end.whole else b.select(end.first, start, b.load(at, lanes))
                total = b.add(sums[c * vectors + v], addend)
                if residual is not None:
                    total = end.with_residual(total, b.load(b.at(b.at(residual, y_channel * c), v * lanes), lanes))
                b.store(end.finish(total), at)
        end.activate(y, y_channel, width, pixels)

    define(b, spec, blocking, name, body)
