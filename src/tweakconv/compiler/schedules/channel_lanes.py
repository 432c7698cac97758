"""The direct microkernel for channels_last: lanes are output channels, input values are broadcast.

A call computes `pixels` neighbouring outputs of a row times a block of output channels. For each tap and input
channel it loads the block's weights as vectors, and each pixel's input value broadcast to all lanes.
"""

from __future__ import annotations

from math import gcd

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.blocking import Blocking, even_step
from tweakconv.compiler.schedules.epilogue import Epilogue, spare_room
from tweakconv.compiler.schedules.micro import Planes, define
from tweakconv.compiler.schedules.stretches import has_stretches
from tweakconv.compiler.schedules.window import first_that_fits
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target

_CHUNK_STEPS = 512
"""Products per chunk. 128 to 4096 measured within 4 % of each other; 512 was best over eight layers (AVX-512)."""

_STREAMED_STEPS, _LINES_AHEAD = 192, 2
"""The same where weights stream, and how many cache lines of the next ones each four products ask for.

The weights of a block then stay in the first cache while all pixels of a band use them. Measured, of the time with 512
and none: 7x7 with 512 channels and 1x1 with 512 to 2048 0.76, 3x3 at stride 2 on 14x14 with 512 0.78, on 28x28 with 256
and 35x35 with 288 to 384 0.94.
"""

_MOST_PIXELS = 12

_LEAST_LANES = 4


def blocking(spec: ConvSpec, target: Target, *, streams: bool = False) -> Blocking:
    """Blocks that keep all sums in registers, and chunks whose weights and windows fit the caches.

    Wide blocks of channels beat long rows of pixels: 6 pixels x 4 vectors need 10 loads for 24 products, where
    14 x 2 need 16 for 28, and ran 10 % faster (3x3, 64 channels, AVX-512).

    Parameters
    ----------
    streams
        Whether weights come from beyond the second-level cache, or fill much of it.
    """
    lanes = target.lanes(spec.element_bytes)
    needed = -(-spec.group_out // lanes)
    vectors = -(-needed // -(-needed // (4 if target.registers >= 32 else 2)))
    # Besides the sums: the weights, one broadcast value, and a product where multiply and add are apart.
    spare = vectors + 1 + (0 if target.fma else 1)
    most = min(_MOST_PIXELS, (target.registers - spare) // vectors)
    pixels = _sizes(most)
    kh, kw = spec.kernel
    steps = _STREAMED_STEPS if streams else _CHUNK_STEPS
    channels = even_step(spec.group_in, steps, 4)
    columns = even_step(kw, max(1, steps // channels))
    rows = even_step(kh, max(1, steps // (columns * channels)))
    chunk, pixels = first_that_fits(
        spec,
        [
            ((rows, columns, channels), pixels),
            ((1, columns, channels), pixels),
            ((1, 1, channels), pixels),
            ((1, 1, channels), (1,)),
        ],
    )
    block = vectors * lanes
    block_bytes = chunk[0] * chunk[1] * chunk[2] * block * spec.element_bytes
    return Blocking(
        groups=spec.groups,
        out_channels=spec.group_out,
        out_block=block,
        multiple=lanes,
        pixels=pixels,
        chunk=chunk,
        blocks_per_pass=1 if streams else max(1, target.l2_bytes // 2 // block_bytes),
        in_stretches=has_stretches(spec, pixels),
        ahead=_LINES_AHEAD if streams else 0,
    )


def _lanes_for(channels: int, lanes: int) -> int:
    """How many lanes of a vector compute a block's last output channels: half, or a quarter, where that is enough.

    Where a vector of 512 bits takes two turns of a multiplier, one of 256 takes one: 1x1 to groups of 20 channels took
    0.86 of the time on Zen 4.
    """
    while lanes > _LEAST_LANES and 2 * channels <= lanes:
        lanes //= 2
    return lanes


def _sizes(most: int) -> tuple[int, ...]:
    """Pixels of the blocks that rows are cut into: among them 5 or 7, since many rows have 7, 14 or 28."""
    few = -(-2 * most // 3)
    fitting = few - 1 if most == _MOST_PIXELS else most - 1
    return tuple(sorted({most, fitting, few, -(-most // 3)}, reverse=True))


def packed_steps(rows: int, columns: int, channels: int, padded: int) -> tuple[int, int, int]:
    """Elements from a row, column and channel of a chunk's weights to the next: [group][row][column][channel][lane]."""
    return columns * channels * padded, channels * padded, padded


def emit_micro(
    b: Builder, spec: ConvSpec, blocking: Blocking, name: str, pixels: int, width: int, *, ahead: int = 0
) -> None:
    """Define a microkernel of `pixels` pixels times `width` output channels.

    After each few products it asks for `ahead` cache lines of what lies ``x_channel`` elements behind the weights,
    which later calls will want.
    """
    lanes, padded = b.lanes, blocking.padded_width(width)
    vectors = padded // lanes
    used = [lanes] * (vectors - 1) + [_lanes_for(width - (vectors - 1) * lanes, lanes)]
    _, kw, ci = blocking.chunk
    step = spec.strides[1] * spec.pixel_stride
    # Taps of a kernel row and their channels may lie one behind another: one loop instead of two.
    merged = ci == spec.in_channels and (spec.dilation[1] == 1 or kw == 1) and spec.kernel[1] % kw == 0
    lengths = (ci if spec.ragged else kw * ci,) if merged else (ci, spec.group_in % ci or ci)
    whole = width == blocking.out_block
    unroll = max(u for u in (1, 2, 3, 4) if gcd(*lengths) % u == 0) if whole else 1
    ahead = ahead or (blocking.ahead if unroll > 1 else 0)

    def body(
        x: Value, x_row: Value, x_channel: Value, w: Value, y: Value, y_channel: Value, bias: Value,
        rows: Value, columns: Value, channels: Value, mode: Value, count: Value, residual: Value | None = None,
        planes: Value | None = None, x_plane: Value | None = None, w_plane: Value | None = None,
        w_row: Value | None = None,
    ) -> None:  # fmt: skip
        unwanted = spare_room(b, spec, pixels, padded)
        later = b.at(w, x_channel)

        def products(at: Value, w: Value, sums: tuple[Value, ...]) -> list[Value]:
            for u in range(unroll):
                weights = [b.load(b.at(w, (u * vectors + v) * lanes), used[v]) for v in range(vectors)]
                new = []
                for p in range(pixels):
                    value = b.load(b.at(at, p * step + u))
                    values = {count: b.broadcast(value, count) for count in used}
                    new += [b.multiply_add(values[used[v]], weights[v], sums[p * vectors + v]) for v in range(vectors)]
                sums = tuple(new)
            return [b.at(w, unroll * padded), *sums]

        def some(i: Value, at: Value, w: Value, sums: tuple[Value, ...]) -> list[Value]:
            for line in range(ahead):
                b.prefetch(b.at(later, i * (ahead * b.line_elements // unroll) + line * b.line_elements))
            return products(b.at(at, i), w, sums)

        def run(at: Value, length: Value | int, carry: tuple[Value, ...]) -> tuple[Value, ...]:
            return b.loop(0, length, lambda i, w, *sums: some(i, at, w, sums), carry, step=unroll, once=True)

        def row(at: Value, *carry: Value) -> tuple[Value, ...]:
            some = spec.ragged or spec.kernel[1] % kw or blocking.in_stretches
            taps = columns if some else b.integer(kw)
            if merged:
                return run(at, taps * ci, carry)
            inner = channels if spec.group_in % ci else ci
            tap = spec.dilation[1] * spec.pixel_stride
            return b.loop(0, taps, lambda c, *carry: run(b.at(at, c * tap), inner, carry), carry, once=True)

        zeros = [b.number(0, count) for count in used] * pixels
        sums = Planes(planes, x_plane, w_plane, w_row).sums(b, x, w, rows, x_row, zeros, row)

        whole_vectors = [b.insert(None, each, 0) for each in sums]
        end = Epilogue.of(b, spec, mode, residual, whole=blocking.is_whole(spec))
        end.store_pixels(whole_vectors, y, bias, count, unwanted, pixel=spec.out_pixel_stride, width=width)

    define(b, spec, blocking, name, body)
