"""The transforms of Winograd's minimal filtering, as mathematics and as code.

Along one axis, m outputs of a kernel of r taps depend on n = m + r - 1 inputs. Both are values of polynomials at n
points, one of them ∞: kernel and inputs are evaluated there, multiplied point by point, and the products interpolated
(Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2016). Six points are 0, ±1/√2, ±√2 and ∞, which
round half as much as the usual 0, ±1, ±2, ∞: 8.3e-7 against 1.6e-6, relative, for 3x3 taps at 64 channels. Eight are
0, ±1/2, ±1, ±2 and ∞, of 286 choices of three pairs the one that rounds least for 7 taps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tweakconv.arrays import FloatArray
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.border import tables_of
from tweakconv.compiler.schedules.epilogue import Epilogue, activates_in_memory, rounds_late
from tweakconv.compiler.spec import ConvSpec

_PAIRS: dict[int, tuple[float, ...]] = {1: (), 6: (0.5**0.5, 2**0.5), 8: (0.5, 1.0, 2.0)}
"""Points p of which p and -p are used besides 0 and ∞, by the number of inputs along an axis."""


class Form(NamedTuple):
    """How large things are, down and across: a kernel's taps, a tile's outputs, and the inputs that they depend on."""

    taps: tuple[int, int]
    tile: tuple[int, int]
    patch: tuple[int, int]

    @classmethod
    def of(cls, kernel: tuple[int, int]) -> Form:
        """The form for a kernel of up to 7 taps along each axis; along an axis of one tap there is nothing to do.

        Examples
        --------
        >>> Form.of((3, 3))
        Form(taps=(3, 3), tile=(4, 4), patch=(6, 6))
        >>> Form.of((1, 5))
        Form(taps=(1, 5), tile=(1, 2), patch=(1, 6))
        """
        patch = tuple(1 if taps == 1 else 6 if taps <= 5 else 8 for taps in kernel)
        tile = tuple(inputs - taps + 1 for inputs, taps in zip(patch, kernel, strict=True))
        return cls(kernel, (tile[0], tile[1]), (patch[0], patch[1]))

    @property
    def points(self) -> int:
        """Products of a tile, an input and an output channel."""
        return self.patch[0] * self.patch[1]

    @property
    def tap_count(self) -> int:
        """Taps of the kernel."""
        return self.taps[0] * self.taps[1]


def point_pairs(inputs: int) -> tuple[float, ...]:
    """The points p of which p and -p are used besides 0 and ∞, for so many inputs along an axis."""
    return _PAIRS[inputs]


def kernel_transform(taps: int, inputs: int) -> FloatArray:
    """The matrix that evaluates a kernel of some taps at the points, divided by what interpolation needs."""
    if inputs == 1:
        return np.ones((1, 1))
    points = np.array([0, *(sign * point for point in _PAIRS[inputs] for sign in (1, -1))])
    matrix = np.zeros((inputs, taps))
    for row, point in enumerate(points):
        matrix[row] = point ** np.arange(taps) / np.prod(point - np.delete(points, row))
    matrix[-1, -1] = 1
    return matrix


def kernel_at_points(b: Builder, matrix: Sequence[Sequence[float]], taps: list[Value]) -> list[Value]:
    """The values of a row or column of taps at the points, by a `kernel_transform`; one tap as it is.

    The even and the odd powers of a pair of points p and -p are the same but for their signs.
    """
    if len(matrix) == 1:
        return taps
    values = [_weighted(b, matrix[0][:1], taps[:1])]
    for of_point in matrix[1:-1:2]:
        even, odd = (_weighted(b, of_point[first::2], taps[first::2]) for first in (0, 1))
        values += [b.add(even, odd), b.subtract(even, odd)]
    return [*values, taps[-1]]


def _weighted(b: Builder, weights: Sequence[float], values: Sequence[Value]) -> Value:
    first, *rest = zip(values, weights, strict=True)
    total = b.combine("fmul", first[0], b.number(first[1], first[0].lanes))
    for value, weight in rest:
        total = b.multiply_add(value, b.number(weight, value.lanes), total)
    return total


def vector_at_points(b: Builder, form: Form, taps: list[list[Value]]) -> list[Value]:
    """The values of vectors of taps, row by row, at all points of a tile, row by row."""
    down, across = (kernel_transform(*sizes).tolist() for sizes in zip(form.taps, form.patch, strict=True))
    columns = [kernel_at_points(b, down, [row[j] for row in taps]) for j in range(form.taps[1])]
    rows = [kernel_at_points(b, across, [column[i] for column in columns]) for i in range(form.patch[0])]
    return [value for row in rows for value in row]


def input_transform(b: Builder, d: list[Value]) -> list[Value]:
    """The inputs of a row or column at as many points; one input as it is.

    What stands at a point is the product of all other points' factors, as a polynomial over the inputs: for a pair of
    points ±p an even part plus or minus an odd one.
    """
    if len(d) == 1:
        return d
    pairs = _PAIRS[len(d)]
    results = [_polynomial(b, pairs, d)]
    for point in pairs:
        others = [other for other in pairs if other != point]
        even, odd = _polynomial(b, others, d[2:]), b.times(_polynomial(b, others, d[1:]), point)
        results += [b.add(even, odd), b.subtract(even, odd)]
    return [*results, _polynomial(b, pairs, d[1:])]


def output_transform(b: Builder, m: list[Value], outputs: int) -> list[Value]:
    """Some outputs of a row or column from the products at the points; one product as it is."""
    if len(m) == 1:
        return m
    pairs = _PAIRS[len(m)]
    sums = [b.add(m[1 + 2 * i], m[2 + 2 * i]) for i in range(len(pairs))]
    differences = [b.subtract(m[1 + 2 * i], m[2 + 2 * i]) for i in range(len(pairs))]
    first = m[0]
    for pair in sums:
        first = b.add(first, pair)
    results = [first]
    for power in range(1, outputs):
        values = list(zip(pairs, differences if power % 2 else sums, strict=True))
        if power == outputs - 1:
            total = m[-1]
        else:
            point, value = values.pop()
            total = b.times(value, point**power)
        for point, value in reversed(values):
            total = b.scaled(value, point**power, total)
        results.append(total)
    return results


def _polynomial(b: Builder, pairs: Sequence[float], d: list[Value]) -> Value:
    """The product of x² - p² for all pairs ±p, with the inputs in the places of the even powers of x."""
    coefficients = np.poly([point**2 for point in pairs])  # of the highest power first
    total = d[2 * len(pairs)]
    for i, coefficient in enumerate(coefficients[1:], 1):
        position = 2 * (len(pairs) - i)
        one = coefficient == 1
        total = b.add(total, d[position]) if one else b.scaled(d[position], float(coefficient), total)
    return total


def emit_input_transform(b: Builder, form: Form, point: int, channels: int, stored: str = "") -> None:
    """Define ``transform_input(x, x_row, x_column, v)``: a tile's inputs at the points, for whole vectors.

    Values at one point lie `point` elements from those at the next. Where the inputs are stored in another type, the
    name is ``transform_input_TYPE``.
    """
    lanes, (high, wide) = b.lanes, form.patch

    def body(x: Value, x_row: Value, x_column: Value, v: Value) -> None:
        columns = [x_column * j for j in range(wide)]

        def some(channel: Value) -> None:
            patch = []
            for i in range(high):
                row = b.at(b.at(x, x_row * i), channel)
                patch.append([b.load(b.at(row, column), lanes) for column in columns])
            down = [input_transform(b, [patch[i][j] for i in range(high)]) for j in range(wide)]
            target = b.at(v, channel)
            for i in range(high):
                for j, value in enumerate(input_transform(b, [down[j][i] for j in range(wide)])):
                    b.store(value, b.at(target, (i * wide + j) * point))

        b.loop(0, channels, some, step=lanes, once=True)

    name, x = (f"transform_input_{stored}", f"ptr {stored}") if stored else ("transform_input", "ptr")
    b.function(name, {"x": x, "x_row": "i64", "x_column": "i64", "v": "ptr"}, body)


def emit_kernel_transform(b: Builder, form: Form, point: int, padded: int) -> None:
    """Define ``transform_kernel_PADDED(w, u, channels)``: weights of a block of output channels at the points.

    The taps of a channel lie side by side in `w`, a block each; values at one point, `point` elements from those at the
    next, have its channels side by side.
    """
    lanes, (rows, columns) = b.lanes, form.taps

    def body(w: Value, u: Value, channels: Value) -> None:
        def channel(c: Value, lane: Value) -> None:
            source, target = b.at(b.at(w, c * (form.tap_count * padded)), lane), b.at(b.at(u, c * padded), lane)
            taps = [
                [b.load(b.at(source, (i * columns + j) * padded), lanes) for j in range(columns)] for i in range(rows)
            ]
            for k, value in enumerate(vector_at_points(b, form, taps)):
                b.store(value, b.at(target, k * point))

        b.loop(0, channels, lambda c: b.loop(0, padded, lambda lane: channel(c, lane), step=lanes, once=True))

    b.function(f"transform_kernel_{padded}", {"w": "ptr", "u": "ptr", "channels": "i64"}, body)


def emit_output_transform(b: Builder, form: Form, spec: ConvSpec, point: int, width: int) -> None:
    """Define ``transform_output_WIDTH(m, y, y_row, residual, bias, rows, columns, flag)`` for a block of channels.

    Products at one point lie `point` elements from those at the next. It stores the tile's first `rows` x `columns`
    outputs, and 1 at `flag` where some sum is not finite, else 0.
    """
    lanes, (high, wide) = b.lanes, form.tile
    y_column = spec.dilation[1] * spec.out_pixel_stride

    def body(
        m: Value, y: Value, y_row: Value, residual: Value, bias: Value, rows: Value, columns: Value, flag: Value
    ) -> None:
        unwanted = b.stack_room(width, spec.y_stored)
        end = Epilogue.of(b, spec, b.integer(3), residual, whole=True)
        inside = [b.compare("sgt", columns, j) for j in range(wide)]

        def places(start: Value) -> list[list[Value]]:
            """Where the tile's pixels lie in an array that begins at `start`; those beyond its end, elsewhere."""
            rows_at = [(rows > i, b.at(start, y_row * i)) for i in range(high)]
            return [
                [b.select(b.both(below, inside[j]), b.at(row, j * y_column), unwanted) for j in range(wide)]
                for below, row in rows_at
            ]

        # Where storing rounds, an activation that goes over what is stored wants it unrounded, in a tile of its own.
        tile = b.stack_room(high * wide * width) if rounds_late(spec) else None
        if tile is None:
            targets = places(y)
        else:
            targets = [[b.at(tile, (i * wide + j) * width) for j in range(wide)] for i in range(high)]
        besides = places(residual) if spec.residual else targets

        def some(start: Value, bad: Value, filled: int) -> list[Value]:
            products = [b.load(b.at(b.at(m, start), k * point), lanes) for k in range(form.points)]
            across = form.patch[1]
            down = [output_transform(b, products[j::across], high) for j in range(across)]
            addend = b.load(b.at(bias, start), lanes)
            for i in range(high):
                for j, value in enumerate(output_transform(b, [column[i] for column in down], wide)):
                    total = b.add(value, addend)
                    bad = b.scaled(total, 0, bad)  # a NaN or an infinity times 0 is NaN
                    if spec.residual:
                        total = b.add(total, b.load_part(b.at(besides[i][j], start), filled))
                    b.store_part(end.finish(total), b.at(targets[i][j], start), filled)
            return [bad]

        whole = width // lanes * lanes
        (bad,) = b.loop(0, whole, lambda start, bad: some(start, bad, lanes), [b.zero()], step=lanes)
        if width % lanes:
            (bad,) = some(b.integer(whole), bad, width % lanes)
        b.store(b.any_nan(bad), flag)
        if tile is not None:
            unrounded = tile
            b.call("activate", tile, 0, 1, high * wide * width)

            def pixel(i: Value, j: Value) -> None:
                b.copy(b.at(y, i * y_row + j * y_column), b.at(unrounded, (i * wide + j) * width), width)

            b.loop(0, rows, lambda i: b.loop(0, columns, lambda j: pixel(i, j)))
        elif activates_in_memory(spec):
            b.loop(0, rows, lambda i: end.activate(b.at(y, i * y_row), y_column, columns, width))

    pointers = {**dict.fromkeys(("m", "bias", "flag"), "ptr"), **spec.pointers}
    names = ("m", "y", "y_row", "residual", "bias", "rows", "columns", "flag")
    b.function(f"transform_output_{width}", {name: pointers.get(name, "i64") for name in names}, body)


def emit_fill(b: Builder, form: Form, spec: ConvSpec, channels: int, fields: Sequence[str]) -> None:
    """Define ``fill(patch, x, ih, iw, height, width, x_row, shape)``: a tile's inputs, in the padding what that holds.

    A pixel takes room for `channels`, which may be more than there are. `shape` are the run-time integers of the call:
    `fields`, and behind them the tables of the border.
    """
    high, wide = form.patch

    def gather(target: Value, source: Value, step: Value) -> None:
        """Bring the channels of a pixel together, which with channels_first lie far apart."""
        if spec.channels_last:
            b.copy(target, source, spec.group_in)
        else:
            b.loop(0, spec.group_in, lambda c: b.store(b.load(b.at(source, c * step)), b.at(target, c)))

    def body(
        patch: Value, x: Value, ih: Value, iw: Value, height: Value, width: Value, x_row: Value, shape: Value
    ) -> None:
        tables = tables_of(b, spec, shape, len(fields))
        x_channel = b.load_integer(shape, fields.index("x_channel"))

        def pixel(i: Value, j: Value) -> None:
            row, column = ih + i * spec.dilation[0], iw + j * spec.dilation[1]
            if tables is not None:
                row, column = tables.pixel("row", row, height), tables.pixel("column", column, width)
            target = b.at(patch, (i * wide + j) * channels)
            b.fill_zero(target, channels)
            source = b.at(x, row * x_row + column * spec.pixel_stride)
            inside = b.both(row.below(height), column.below(width))
            b.when(
                inside,
                lambda: gather(target, source, x_channel),
                lambda: None if tables is None else b.fill(target, tables.constant(), spec.group_in),
            )

        b.loop(0, high, lambda i: b.loop(0, wide, lambda j: pixel(i, j), once=True), once=True)

    integers = dict.fromkeys(("ih", "iw", "height", "width", "x_row"), "i64")
    b.function("fill", {"patch": "ptr", "x": spec.pointers["x"], **integers, "shape": "ptr"}, body)
