"""Maximum pooling with channels_last as code: what networks put between their convolutions.

A window is cut where it reaches into the padding, which holds no pixels. A NaN in a window is its maximum.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tweakconv.compiler import build
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.tasks import define_run, emit_tasks
from tweakconv.compiler.target import Target
from tweakconv.geometry import ConvGeometry

if TYPE_CHECKING:
    from tweakconv.compiler import jit

_MOST_UNROLLED = 32
"""Pixels of a kernel up to which each has code of its own."""

_FIELDS = ("batch", "height", "width", "out_height", "out_width", "pad_top", "pad_left")
"""The run-time integers of a call."""


@dataclass(frozen=True, slots=True)
class MaxPoolPlan:
    """Rows and columns of a kernel, its strides, channels, the element type and a target."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    channels: int
    double: bool
    target: Target


@functools.lru_cache(maxsize=64)
def code(plan: MaxPoolPlan) -> jit.Loaded:
    """The compiled code of a plan: from memory, else from disk, else by compiling."""
    return build.load(emit(plan), ("run",), plan.target)


def integers(batch: int, geometry: ConvGeometry) -> tuple[int, ...]:
    """The run-time integers of a call, whose arrays have no gaps."""
    down, across = geometry.axes
    return (batch, *geometry.input_size, *geometry.output_size, down.pad_lo, across.pad_lo)


def emit(plan: MaxPoolPlan) -> str:
    """The LLVM module of a plan, whose ``run`` has the arguments of `tweakconv.compiler.call`.

    A task is a row of outputs.
    """
    b = Builder(plan.target, "double" if plan.double else "float")
    (kh, kw), (down, across), channels = plan.kernel, plan.strides, plan.channels

    def run(
        x: Value, w: Value, bias: Value, y: Value, residual: Value, shape: Value, shared: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        s = b.load_integers(shape, _FIELDS)
        x_row = s["width"] * channels

        def whole(at: Value, count: int) -> Value:
            """The maximum of a window that lies in the image."""
            places = [b.at(b.at(at, x_row * i), j * channels) for i in range(kh) for j in range(kw)]
            return functools.reduce(lambda a, c: _maximum(b, a, c), [b.load_part(place, count) for place in places])

        def part(at: Value, count: int, rows: Value, columns: Value) -> Value:
            """The maximum of so many rows and columns."""

            def line(i: Value, found: Value) -> tuple[Value, ...]:
                start = b.at(at, x_row * i)
                return b.loop(0, columns, lambda j, found: [one(b.at(start, j * channels), found)], [found], once=True)

            def one(place: Value, found: Value) -> Value:
                return _maximum(b, found, b.load_part(place, count))

            return b.loop(0, rows, line, [b.load_part(at, count)], once=True)[0]

        def row(ticket: Value) -> None:
            image, oh = ticket // s["out_height"], ticket % s["out_height"]
            top, rows = _cut(b, oh * down - s["pad_top"], kh, s["height"])
            start = b.at(x, (image * s["height"] + top) * x_row)

            def pixel(ow: Value) -> None:
                left, columns = _cut(b, ow * across - s["pad_left"], kw, s["width"])
                at = b.at(start, left * channels)
                to = b.at(y, (ticket * s["out_width"] + ow) * channels)

                def all_of_it() -> None:
                    _channels(b, channels, lambda c, count: whole(b.at(at, c), count), to)

                def some_of_it() -> None:
                    _channels(b, channels, lambda c, count: part(b.at(at, c), count, rows, columns), to)

                if kh * kw <= _MOST_UNROLLED:
                    b.when(b.both(rows.equals(kh), columns.equals(kw)), all_of_it, some_of_it)
                else:
                    some_of_it()

            b.loop(0, s["out_width"], pixel, once=True)

        emit_tasks(b, shared, flags, s["batch"] * s["out_height"], row)

    define_run(b, run)
    return b.module()


def _cut(b: Builder, start: Value, size: int, limit: Value) -> tuple[Value, Value]:
    """Where the part of a window along an axis that lies in the image starts, and how long it is."""
    first = b.maximum(start, 0)
    return first, b.minimum(start + size, limit) - first


def _channels(b: Builder, channels: int, found: Callable[[Value, int], Value], to: Value) -> None:
    """Store what ``found(channel, count)`` gives for a pixel's channels, a vector of them at a time."""
    rest = channels % b.lanes
    many = channels - rest
    b.loop(0, many, lambda c: b.store(found(c, b.lanes), b.at(to, c)), step=b.lanes)
    if rest:
        b.store_part(found(b.integer(many), rest), b.at(to, many), rest)


def _maximum(b: Builder, a: Value, c: Value) -> Value:
    """Lane by lane the larger of two numbers; NaN where either is."""
    return b.choose(b.order("uno", c, c), c, b.where_less(a, c, c, a))
