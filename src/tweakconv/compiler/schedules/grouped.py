"""Grouped convolution with channels_last and few channels a group: lanes are channels of several groups.

Where groups have as many output as input channels, a vector of input channels holds all that a vector of output
channels needs. In a depthwise convolution, with one channel a group, it is multiplied by a vector of weights as it is;
with more, once for each input channel of the groups, brought to the lanes by a shuffle. An input vector, once
loaded, serves all the pixels of the block that it is under: 6 pixels of a 3x3 kernel need 8 loads of input a row for 18
products. The driver and the window are the direct schedule's.

An output needs all inputs of its group, and a shuffle brings each lane one of them: in turn, for each number below the
channels of a group, lane `l` gets the input of lane `l ^ number`. That is one instruction where one input for all lanes
of a group would be two, and none for the number 0; the weights are packed in the same order.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.packing.parts import CHANNEL, OUT, Along, Part
from tweakconv.compiler.schedules.blocking import Blocking, even_step
from tweakconv.compiler.schedules.direct import (
    DirectPlan,
    define,
    emit,
    integers,
    pack_bias,
    packed_elements,
    space,
)
from tweakconv.compiler.schedules.direct import parts as direct_parts
from tweakconv.compiler.schedules.epilogue import Epilogue, spare_room
from tweakconv.compiler.schedules.micro import Planes
from tweakconv.compiler.schedules.micro import define as define_micro
from tweakconv.compiler.schedules.window import completed, first_that_fits
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target

__all__ = [
    "WHAT", "applies", "define", "emit", "emit_micro", "estimate", "integers", "pack_bias", "packed_elements",
    "packed_steps", "parts", "plan", "space",
]  # fmt: skip

_CHUNK_STEPS = 512
_MOST_PIXELS = 12
_MOST_TAPS, _MOST_UNROLLED = 12, 512
"""Taps of a kernel row that are computed together, and products of vectors in code without a loop, at most."""

_DEPTHWISE_CYCLES, _CYCLES = (1.3, 30), (1.0, 15)
"""What a product of vectors and a vector of outputs take, by a fit to ten layers of groups of one and to six others."""

WHAT = "two groups or more of as many output as input channels, a part of a vector"
"""What this schedule computes, in words."""


def applies(spec: ConvSpec, target: Target) -> bool:
    """Whether whole groups, each with as many outputs as inputs, fill a vector."""
    lanes = target.lanes(spec.element_bytes)
    few = spec.group_in == spec.group_out < lanes and lanes % spec.group_in == 0
    return few and spec.channels_last and spec.groups > 1


def plan(spec: ConvSpec, target: Target) -> DirectPlan:
    """Choose blocks and chunks for a convolution on a target."""
    return DirectPlan(spec, target, completed(spec, blocking(spec, target)), sys.modules[__name__])


def blocking(spec: ConvSpec, target: Target) -> Blocking:
    """As many pixels as leave registers for a row of weights and for what is loaded."""
    lanes = target.lanes(spec.element_bytes)
    kh, kw = spec.kernel
    each = spec.group_in
    taps = kw if _unrolls(spec, kw, _MOST_PIXELS) else 1
    most = max(2, min(_MOST_PIXELS, target.registers - taps * _together(spec, taps, target) - 2))
    pixels = tuple(sorted({most, -(-most // 2), -(-most // 4)}, reverse=True))
    columns = even_step(kw, _CHUNK_STEPS // each)
    rows = even_step(kh, max(1, _CHUNK_STEPS // (columns * each)))
    chunk, pixels = first_that_fits(
        spec,
        [
            ((rows, columns, each), pixels),
            ((1, columns, each), pixels),
            ((1, 1, each), pixels),
            ((1, 1, each), (1,)),
        ],
    )
    return Blocking(
        groups=1,
        out_channels=spec.out_channels,
        out_block=lanes,
        multiple=lanes,
        pixels=pixels,
        chunk=chunk,
        blocks_per_pass=-(-spec.out_channels // lanes),
        channelwise=True,
    )


def _unrolls(spec: ConvSpec, taps: int, pixels: int) -> bool:
    """Whether the taps of a kernel row are computed together, so that an input serves all of them."""
    return taps <= _MOST_TAPS and pixels * taps * spec.group_in <= _MOST_UNROLLED


def _together(spec: ConvSpec, taps: int, target: Target) -> int:
    """Input channels of a group for which inputs are loaded once: as many as leave registers for all pixels, or two."""
    options = [number for number in (8, 4, 2, 1) if number <= spec.group_in]
    return next((n for n in options if n * taps + _MOST_PIXELS + 2 <= target.registers), min(2, spec.group_in))


def parts(plan: DirectPlan, taps: tuple[int, int, int]) -> tuple[Part, ...]:
    """What goes where, as `direct.parts` says, but for the order of a group's input channels, which follows the lane.

    Parameters
    ----------
    plan : DirectPlan
        What the code was made for.
    taps : tuple of int
        Planes, rows and columns; where there are pieces, of one of them.
    """
    each = plan.spec.group_in
    found = direct_parts(plan, taps)
    if each == 1:
        return found
    return tuple(turned for part in found for turned in ([part] if part.zeros else _by_lane(part, each)))


def _by_lane(part: Part, each: int) -> list[Part]:
    """A part for each output channel of a group: input channel `c` of output channel `o` is in place `c ^ o`."""
    places = {along.axis: along for along in part.along}
    step = places[CHANNEL].to
    others = tuple(along for along in part.along if along.axis not in (CHANNEL, OUT))
    found = []
    for out in range(each):
        bits = [1 << i for i in range(each.bit_length() - 1)]
        channels = tuple(Along(CHANNEL, 2, -bit * step if out & bit else bit * step, bit) for bit in bits)
        start = (*part.start[:OUT], part.start[OUT] + out)
        found.append(Part(start, part.at + out * places[OUT].to + (out * step), (*others, *channels)))
    return found


def estimate(plan: DirectPlan, out_size: tuple[int, int]) -> float:
    """Cycles that an image takes, roughly: products, and what goes with each vector of outputs."""
    vectors = math.prod(out_size) * (plan.blocking.padded_out // plan.target.lanes(plan.spec.element_bytes))
    product, vector = _DEPTHWISE_CYCLES if plan.spec.group_in == 1 else _CYCLES
    return vectors * (math.prod(plan.spec.taps) * product + vector)


def packed_steps(rows: int, columns: int, channels: int, padded: int) -> tuple[int, int, int]:
    """Elements from a row, column and channel of a chunk's weights to the next: [row][column][channel][lane]."""
    return columns * channels * padded, channels * padded, padded


def emit_micro(b: Builder, spec: ConvSpec, blocking: Blocking, name: str, pixels: int, width: int) -> None:
    """Define a microkernel of `pixels` pixels times `width` channels, one vector or less."""
    kw = blocking.chunk[1]
    even = spec.kernel[1] % kw == 0 and not spec.ragged
    each = spec.group_in
    unroll = kw if even and _unrolls(spec, kw, blocking.pixels[0]) else 1
    together = _together(spec, unroll, b.target)
    uses = _uses(pixels, unroll, spec.strides[1], spec.dilation[1])

    def body(
        x: Value, x_row: Value, x_channel: Value, w: Value, y: Value, y_channel: Value, bias: Value,
        rows: Value, columns: Value, channels: Value, mode: Value, count: Value, residual: Value | None = None,
        planes: Value | None = None, x_plane: Value | None = None, w_plane: Value | None = None,
    ) -> None:  # fmt: skip
        unwanted = spare_room(b, spec, pixels, b.lanes)

        def products(at: Value, w: Value, *before: Value) -> list[Value]:
            sums = list(before)
            for first in range(0, each, together):
                numbers = range(first, first + together)
                weights = [
                    [b.load(b.at(w, (k * each + number) * b.lanes), b.lanes) for k in range(unroll)]
                    for number in numbers
                ]
                for offset, pairs in uses:
                    pixel = b.exchange(b.load_part(b.at(at, offset * spec.pixel_stride), width), first)
                    for number, weight in enumerate(weights):
                        exchanged = b.exchange(pixel, number)
                        for p, k in pairs:
                            sums[p] = b.multiply_add(exchanged, weight[k], sums[p])
                if numbers.stop < each:
                    b.load_anew()  # inputs are in the first cache, but too many for the registers
            return [b.at(w, unroll * each * b.lanes), *sums]

        def row(at: Value, *carry: Value) -> tuple[Value, ...]:
            tap = spec.dilation[1] * spec.pixel_stride
            taps = kw if even else columns
            return b.loop(0, taps, lambda k, *carry: products(b.at(at, k * tap), *carry), carry, step=unroll, once=True)

        sums = Planes(planes, x_plane, w_plane).sums(b, x, w, rows, x_row, [b.zero()] * pixels, row)

        end = Epilogue.of(b, spec, mode, residual, whole=blocking.is_whole(spec))
        end.store_pixels(sums, y, bias, count, unwanted, pixel=spec.out_pixel_stride, width=width)

    define_micro(b, spec, blocking, name, body)


def _uses(pixels: int, taps: int, stride: int, dilation: int) -> list[tuple[int, list[tuple[int, int]]]]:
    """Which pixels and taps each input column under a block serves, from left to right.

    Examples
    --------
    >>> _uses(2, 2, 1, 1)
    [(0, [(0, 0)]), (1, [(0, 1), (1, 0)]), (2, [(1, 1)])]
    """
    served = defaultdict(list)
    for p in range(pixels):
        for k in range(taps):
            served[p * stride + k * dilation].append((p, k))
    return sorted(served.items())
