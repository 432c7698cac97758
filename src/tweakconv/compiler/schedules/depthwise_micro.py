"""The microkernels of the depthwise schedule: sums of some pixels, for one vector of output channels after another.

Each computes pixels of one output row, or of two that share input rows: two whose taps fall on the same ones, some
kernel rows apart. An input vector, once loaded, is multiplied for every pixel and row that has a tap on it. Kernel rows
that lie in the padding are left out, as told at run time; as to columns, there are three forms:

- *inside*: all taps of all its pixels lie in the image, so that a kernel row is one piece of code without a branch;
- *clipped*: the same with a branch for each input column, around those that do not lie in the image;
- *along*: for kernels of many columns, a loop along the input columns that lie in the image. Where some of the pixels
  have no tap on a column, because the kernel begins or ends, the code for it is written out.

Whichever computes a pixel, its products are added in the order of the kernel's rows and columns, in the same parts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from math import gcd
from typing import TYPE_CHECKING

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.epilogue import Epilogue, spare_room
from tweakconv.compiler.spec import ConvSpec

if TYPE_CHECKING:
    from tweakconv.compiler.schedules.depthwise import DepthwisePlan

_ONLY_CHUNK = 3
"""The mode of an `Epilogue` for sums that are whole."""

_PARAMETERS = {
    "x": "ptr",  # the input under the first pixel's first tap, at the first channel
    "x_row": "i64",  # elements from one kernel row's input to the next
    "w": "ptr",  # the weights of the first vector
    "y": "ptr",  # the first pixel's output at the first channel
    "y_next": "i64",  # elements from the first output row to the second
    "residual": "ptr",  # the first pixel's residual at the first channel
    "bias": "ptr",  # of the first channel
    "rows_first": "i64",  # kernel rows that lie in the image, those of both output rows together
    "rows_stop": "i64",
    "columns_first": "i64",  # input columns that do, counted from the first pixel's first tap
    "columns_stop": "i64",
    "count": "i64",  # pixels to store; all of those inside
    "second": "i64",  # 1 where the second row is wanted, else 0
    "vector": "i64",  # vectors of output channels to compute
    "vector_stop": "i64",
}

_Row = Callable[[Value, "_Weighed", list[Value]], list[Value]]
_Weighed = Sequence[tuple[int, Value]]
"""Output rows that an input row is under, each with the weights of the kernel row that lies on it there."""


def parameters(plan: DepthwisePlan) -> dict[str, str]:
    """Those of every microkernel, and their types."""
    return _PARAMETERS | {name: kind for name, kind in plan.spec.pointers.items() if name in _PARAMETERS}


def second_row(stride: int, dilation: int) -> tuple[int, int]:
    """How far below an output row the next is whose taps fall on the same input rows: in rows, and in taps.

    Examples
    --------
    >>> second_row(1, 1), second_row(1, 2), second_row(2, 1)
    ((1, 1), (2, 1), (1, 2))
    """
    common = gcd(stride, dilation)
    return dilation // common, stride // common


def emit_inside(b: Builder, plan: DepthwisePlan, name: str, pixels: int) -> None:
    """Define a microkernel of `pixels` neighbouring pixels whose taps all lie in the image."""
    _define(b, plan, name, pixels, lambda _: _written_out(b, plan, pixels, None), whole=True)


def emit_clipped(b: Builder, plan: DepthwisePlan, name: str, pixels: int) -> None:
    """Define a microkernel of `pixels` neighbouring pixels, with those of their input columns that lie in the image."""

    def row(a: dict[str, Value]) -> _Row:
        there = a["columns_stop"] - a["columns_first"]
        return _written_out(b, plan, pixels, lambda column: (b.integer(column) - a["columns_first"]).below(there))

    _define(b, plan, name, pixels, row, whole=False)


def _written_out(
    b: Builder, plan: DepthwisePlan, pixels: int, lies_inside: Callable[[int], Value] | None
) -> _Row:  # fmt: skip
    """A row whose code is written out column by column, with a test for each where there is one."""
    spec, kw = plan.spec, plan.spec.kernel[1]
    uses = _uses(pixels, kw, spec.strides[1], spec.dilation[1])

    def row(at: Value, weighed: _Weighed, sums: list[Value]) -> list[Value]:
        weights = {(r, k): b.load(b.at(w, k * b.lanes), b.lanes) for r, w in weighed for k in range(kw)}
        for column, pairs in uses.items():
            served = [r * pixels + p for r, _ in weighed for p, _ in pairs]

            def products(column: int = column, pairs: list[tuple[int, int]] = pairs) -> list[Value]:
                value = _input(b, spec, b.at(at, column * spec.pixel_stride))
                places = [(r * pixels + p, weights[r, k]) for r, _ in weighed for p, k in pairs]
                return [b.multiply_add(value, weight, sums[place]) for place, weight in places]

            if lies_inside is None:
                after: Sequence[Value] = products()
            else:
                before = [sums[place] for place in served]
                after = b.when(lies_inside(column), products, _handed(before))
            for place, total in zip(served, after, strict=True):
                sums[place] = total
        return sums

    return row


def emit_along(b: Builder, plan: DepthwisePlan, name: str, pixels: int) -> None:
    """Define a microkernel of `pixels` neighbouring pixels that goes along input columns.

    The stride and dilation of columns are 1, and there are at least as many kernel columns as pixels.
    """
    spec, kw, together = plan.spec, plan.spec.kernel[1], plan.columns_at_once

    def products(
        at: Value, weighed: _Weighed, sums: Sequence[Value], first: Value, columns: int, wanted: range
    ) -> list[Value]:
        """Multiply input columns by the weights of the `wanted` pixels that have a tap on them."""
        new, here = list(sums), b.at(at, first * spec.pixel_stride)
        values = [_input(b, spec, b.at(here, u * spec.pixel_stride)) for u in range(columns)]
        for i, (_, w) in enumerate(weighed):
            taps = b.at(w, first * b.lanes)
            for ahead in range(-wanted[-1], columns - wanted[0]):  # a tap, counted from that of pixel 0 on the first
                weight = b.load(b.at(taps, ahead * b.lanes), b.lanes)
                for p in wanted:
                    if 0 <= ahead + p < columns:
                        new[i * pixels + p] = b.multiply_add(values[ahead + p], weight, new[i * pixels + p])
        return new

    def row_of(a: dict[str, Value]) -> _Row:
        first, stop = a["columns_first"], a["columns_stop"]

        def row(at: Value, weighed: _Weighed, sums: list[Value]) -> list[Value]:
            def single(column: int, sums: Sequence[Value]) -> Sequence[Value]:
                """A column that some pixels have no tap on."""
                wanted = range(max(0, column - kw + 1), min(pixels, column + 1))
                inside, position = (b.integer(column) - first).below(stop - first), b.integer(column)
                return b.when(inside, lambda: products(at, weighed, sums, position, 1, wanted), lambda: sums)

            def several(columns: int) -> Callable[..., list[Value]]:
                return lambda j, *sums: products(at, weighed, sums, j, columns, range(pixels))

            carried: Sequence[Value] = [sums[r * pixels + p] for r, _ in weighed for p in range(pixels)]
            for column in range(pixels - 1):
                carried = single(column, carried)
            begin = b.maximum(first, pixels - 1)
            end = b.maximum(b.minimum(stop, kw), begin)
            middle = begin + (end - begin) // together * together
            carried = b.loop(begin, middle, several(together), carried, step=together)
            carried = b.loop(middle, end, several(1), carried)
            for column in range(kw, kw + pixels - 1):
                carried = single(column, carried)
            for i, (r, _) in enumerate(weighed):
                sums[r * pixels : (r + 1) * pixels] = carried[i * pixels : (i + 1) * pixels]
            return sums

        return row

    _define(b, plan, name, pixels, row_of, whole=False)


def _define(
    b: Builder, plan: DepthwisePlan, name: str, pixels: int, row_of: Callable[[dict[str, Value]], _Row],
    *, whole: bool,
) -> None:  # fmt: skip
    """Define a microkernel; all pixels of a `whole` one are stored.

    ``row_of(arguments)`` makes ``row(at, weighed, sums)``, which adds the products of an input row to the sums.
    """
    spec, (kh, kw) = plan.spec, plan.spec.kernel
    _, shift = second_row(spec.strides[0], spec.dilation[0])

    def body(*values: Value) -> None:
        a = dict(zip(_PARAMETERS, values, strict=True))
        row, unwanted = row_of(a), spare_room(b, spec, pixels, b.lanes)
        parts = _Parts(b, plan, pixels)

        def input_rows(
            start: Value, stop: Value, shifts: dict[int, int], x: Value, w: Value, sums: Sequence[Value]
        ) -> Sequence[Value]:
            """Input rows under some output rows, each of these with its number of taps below the first."""

            def one(i: Value, *carry: Value) -> list[Value]:
                taps = {r: i - below for r, below in shifts.items()}
                sums = parts.begun(taps, list(carry))
                weighed = [(r, b.at(w, tap * (kw * b.lanes))) for r, tap in taps.items()]
                return row(b.at(x, i * a["x_row"]), weighed, sums)

            return b.loop(start, stop, one, sums)

        def vector(v: Value) -> None:
            channel = v * b.lanes
            if spec.out_channels % b.lanes:
                channel = b.minimum(channel, spec.out_channels - b.lanes)
            x, w = b.at(a["x"], channel // spec.group_out), b.at(a["w"], v * (plan.taps * b.lanes))
            first, stop = a["rows_first"], a["rows_stop"]
            parts.clear()
            sums: Sequence[Value] = [b.zero()] * (plan.rows * pixels)
            if plan.rows == 1:
                sums = input_rows(first, stop, {0: 0}, x, w, sums)
            else:
                sums = input_rows(first, b.minimum(stop, shift), {0: 0}, x, w, sums)
                sums = input_rows(b.maximum(first, shift), b.minimum(stop, kh), {0: 0, 1: shift}, x, w, sums)
                sums = input_rows(b.maximum(first, kh), stop, {1: shift}, x, w, sums)
            sums = parts.completed(sums)

            def store(r: int) -> None:
                out = channel + a["y_next"] if r else channel
                residual = b.at(a["residual"], out) if spec.residual else None
                end = Epilogue.of(b, spec, b.integer(_ONLY_CHUNK), residual, whole=True)
                end.store_pixels(
                    sums[r * pixels : (r + 1) * pixels], b.at(a["y"], out), b.at(a["bias"], channel),
                    b.integer(pixels) if whole else a["count"], unwanted, pixel=spec.out_pixel_stride, width=b.lanes,
                )  # fmt: skip

            store(0)
            if plan.rows == 2:
                b.when(a["second"].equals(1), lambda: store(1))

        b.loop(a["vector"], a["vector_stop"], vector)

    b.function(name, parameters(plan), body)


def _input(b: Builder, spec: ConvSpec, pixel: Value) -> Value:
    """A vector of a pixel's channels, each in as many lanes as it has outputs."""
    if spec.group_out == 1:
        return b.load(pixel, b.lanes)
    channels = b.load_part(pixel, b.lanes // spec.group_out)
    return b.shuffle(channels, channels, [lane // spec.group_out for lane in range(b.lanes)])


class _Parts:
    """The parts that long sums are cut into, so that rounding errors grow with a part: those before, on the stack."""

    def __init__(self, b: Builder, plan: DepthwisePlan, pixels: int) -> None:
        self.b, self.chunk, self.pixels = b, plan.chunk, pixels
        self.is_cut = plan.chunk < plan.spec.kernel[0]
        self.number = plan.rows * pixels
        self.room = b.stack_room(self.number * b.lanes) if self.is_cut else None

    def clear(self) -> None:
        """Start new sums."""
        if self.room is not None:
            for i in range(self.number):
                self.b.store(self.b.zero(), self.b.at(self.room, i * self.b.lanes))

    def begun(self, taps: dict[int, Value], sums: list[Value]) -> list[Value]:
        """The sums of some output rows at a kernel row of each: from zero where a part begins there."""
        if self.room is None:
            return sums
        for r, tap in taps.items():
            own = range(r * self.pixels, (r + 1) * self.pixels)
            before = [sums[i] for i in own]
            begins = (tap % self.chunk).equals(0)
            sums[own.start : own.stop] = self.b.when(begins, partial(self._put, own, sums), _handed(before))
        return sums

    def _put(self, own: range, sums: Sequence[Value]) -> list[Value]:
        """Add sums to those of the parts before; returns zeros."""
        for i, total in zip(own, self.completed(sums, own), strict=True):
            if self.room is not None:
                self.b.store(total, self.b.at(self.room, i * self.b.lanes))
        return [self.b.zero()] * len(own)

    def completed(self, sums: Sequence[Value], own: range | None = None) -> list[Value]:
        """Sums, all or some, with the parts before."""
        b, room = self.b, self.room
        chosen = range(self.number) if own is None else own
        if room is None:
            return [sums[i] for i in chosen]
        return [b.add(b.load(b.at(room, i * b.lanes), b.lanes), sums[i]) for i in chosen]


def _handed(sums: list[Value]) -> Callable[[], list[Value]]:
    """The other side of a condition under which sums change."""
    return lambda: sums


def _uses(pixels: int, taps: int, stride: int, dilation: int) -> dict[int, list[tuple[int, int]]]:
    """Which pixels and taps each input column under a block serves, from left to right.

    Examples
    --------
    >>> _uses(2, 2, 1, 1)
    {0: [(0, 0)], 1: [(0, 1), (1, 0)], 2: [(1, 1)]}
    """
    served = defaultdict(list)
    for p in range(pixels):
        for k in range(taps):
            served[p * stride + k * dilation].append((p, k))
    return dict(sorted(served.items()))
