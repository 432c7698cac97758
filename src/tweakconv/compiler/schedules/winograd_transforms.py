"""The transforms of Winograd's minimal filtering, as mathematics and as code.

Kernel and inputs are evaluated at the points of a form (`winograd_forms`), multiplied point by point, and the products
interpolated. What is the same for a pair of points ±p but for signs is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from tweakconv.arrays import FloatArray
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.border import tables_of
from tweakconv.compiler.schedules.epilogue import Epilogue, activates_in_memory, rounds_late
from tweakconv.compiler.schedules.winograd_forms import Form, has_zero, point_pairs
from tweakconv.compiler.spec import ConvSpec

_POINTS_AT_ONCE = 36
"""Points whose values are computed in one go."""

Transform = Callable[[list[Value]], list[Value]]
"""What brings a row or column to the points."""


def kernel_transform(taps: int, inputs: int) -> FloatArray:
    """The matrix that evaluates a kernel of some taps at the points, divided by what interpolation needs."""
    if inputs == 1:
        return np.ones((1, 1))
    zero = [0] if has_zero(inputs) else []
    points = np.array([*zero, *(sign * point for point in point_pairs(inputs) for sign in (1, -1))])
    matrix = np.zeros((inputs, taps))
    for row, point in enumerate(points):
        matrix[row] = point ** np.arange(taps) / np.prod(point - np.delete(points, row))
    matrix[-1, -1] = 1
    return matrix


def kernel_at_points(b: Builder, matrix: Sequence[Sequence[float]], taps: list[Value]) -> list[Value]:
    """The values of a row or column of taps at the points, by a `kernel_transform`; one tap as it is.

    The even and the odd powers of a pair of points p and -p are the same but for their signs; what they are divided by
    has another sign too where 0 is not among the points.
    """
    if len(matrix) == 1:
        return taps
    zero = has_zero(len(matrix))
    values = [_weighted(b, matrix[0][:1], taps[:1])] if zero else []
    for of_point in matrix[zero:-1:2]:
        even, odd = (_weighted(b, of_point[first::2], taps[first::2]) for first in (0, 1))
        values += [b.add(even, odd), b.subtract(even, odd) if zero else b.subtract(odd, even)]
    return [*values, taps[-1]]


def _weighted(b: Builder, weights: Sequence[float], values: Sequence[Value]) -> Value:
    first, *rest = zip(values, weights, strict=True)
    total = b.combine("fmul", first[0], b.number(first[1], first[0].lanes))
    for value, weight in rest:
        total = b.multiply_add(value, b.number(weight, value.lanes), total)
    return total


def vector_at_points(b: Builder, form: Form, taps: list[list[Value]]) -> list[Value]:
    """The values of vectors of taps, row by row, at all points of a tile, row by row."""
    down, across = (kernels_along(b, form, axis) for axis in (0, 1))
    columns = [down([row[j] for row in taps]) for j in range(form.taps[1])]
    return [value for i in range(form.values[0]) for value in across([column[i] for column in columns])]


def kernel_matrix(form: Form, axis: int) -> FloatArray:
    """The matrix that brings the taps along an axis to a kernel's values at the points.

    At stride 2 an even input meets the first and the last of three taps, and an odd one the middle one alone.
    """
    taps = form.taps[axis]
    if form.strides[axis] == 1:
        return kernel_transform(taps, form.patch[axis])
    matrix = np.zeros((form.values[axis], taps))
    matrix[:-1, ::2] = kernel_transform(taps - 1, form.tile[axis] + 1)
    matrix[-1, 1] = 1
    return matrix


def kernels_along(b: Builder, form: Form, axis: int) -> Transform:
    """What brings a row or column of taps to the points."""
    matrix = kernel_matrix(form, axis)
    if form.strides[axis] == 1:
        return partial(kernel_at_points, b, matrix.tolist())
    even = matrix[:-1, ::2].tolist()
    return lambda taps: [*kernel_at_points(b, even, taps[::2]), taps[1]]


def inputs_along(b: Builder, form: Form, axis: int) -> Transform:
    """What brings a row or column of inputs to the points: at stride 2 the even ones, and the odd ones are there."""
    if form.strides[axis] == 1:
        return partial(input_transform, b)
    return lambda inputs: [*input_transform(b, inputs[::2]), *inputs[1::2]]


def products_along(b: Builder, form: Form, axis: int) -> Transform:
    """What brings the products of a row or column of points back to outputs."""
    outputs = form.tile[axis]
    if form.strides[axis] == 1:
        return partial(output_transform, b, outputs=outputs)

    def together(products: list[Value]) -> list[Value]:
        of_even, of_odd = output_transform(b, products[: outputs + 1], outputs), products[outputs + 1 :]
        return [b.add(*pair) for pair in zip(of_even, of_odd, strict=True)]

    return together


def input_transform(b: Builder, d: list[Value]) -> list[Value]:
    """The inputs of a row or column at as many points; one input as it is.

    What stands at a point is the product of all other points' factors, as a polynomial over the inputs: for a pair of
    points ±p an even part plus or minus an odd one.
    """
    if len(d) == 1:
        return d
    pairs, zero = point_pairs(len(d)), has_zero(len(d))
    results = [_polynomial(b, pairs, d)] if zero else []
    rest = d[zero:]  # the factor of 0 is x
    for point in pairs:
        others = [other for other in pairs if other != point]
        even, odd = _polynomial(b, others, rest[1:]), b.times(_polynomial(b, others, rest), point)
        results += [b.add(even, odd), b.subtract(even, odd)]
    return [*results, _polynomial(b, pairs, rest)]


def output_transform(b: Builder, m: list[Value], outputs: int) -> list[Value]:
    """Some outputs of a row or column from the products at the points; one product as it is."""
    if len(m) == 1:
        return m
    pairs, zero = point_pairs(len(m)), has_zero(len(m))
    of_pairs = list(zip(m[zero:-1:2], m[zero + 1 : -1 : 2], strict=True))
    sums, differences = [b.add(*pair) for pair in of_pairs], [b.subtract(*pair) for pair in of_pairs]
    first, *rest = [*m[:zero], *sums]
    for value in rest:
        first = b.add(first, value)
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
    coefficients = np.atleast_1d(np.poly([point**2 for point in pairs]))  # of the highest power first
    total = d[2 * len(pairs)]
    for i, coefficient in enumerate(coefficients[1:], 1):
        position = 2 * (len(pairs) - i)
        one = coefficient == 1
        total = b.add(total, d[position]) if one else b.scaled(d[position], float(coefficient), total)
    return total


class _BothAxes:
    """Emits a transform of an array of vectors to the points of a form, along its columns and then along its rows.

    An array that registers cannot hold is transformed a column at a time, and then a row, by way of the stack: that
    takes as long as what would be spilled, and is a fraction of the code.

    Parameters
    ----------
    size : tuple of int
        Rows and columns of the array.
    """

    def __init__(
        self, b: Builder, size: tuple[int, int], points: tuple[int, int], down: Transform, across: Transform
    ) -> None:  # fmt: skip
        self.b, self.size, self.points, self.down, self.across = b, size, points, down, across
        many = points[0] * points[1] > _POINTS_AT_ONCE
        self.room = b.stack_room(points[0] * size[1] * b.lanes) if many else None

    def run(
        self, load: Callable[[Value | int, Value | int], Value], store: Callable[[Value | int, Value], None]
    ) -> None:
        """Transform what ``load(row, column)`` gives; ``store(k, value)`` takes what stands at the point k."""
        b, lanes, (rows, columns), (high, wide) = self.b, self.b.lanes, self.size, self.points
        if self.room is None:
            vectors = [[load(i, j) for j in range(columns)] for i in range(rows)]
            down = [self.down([row[j] for row in vectors]) for j in range(columns)]
            for i in range(high):
                for j, value in enumerate(self.across([column[i] for column in down])):
                    store(i * wide + j, value)
            return
        room = self.room

        def column(j: Value) -> None:
            for i, value in enumerate(self.down([load(i, j) for i in range(rows)])):
                b.store(value, b.at(b.at(room, j * lanes), i * columns * lanes))

        def row(i: Value) -> None:
            vectors = [b.load(b.at(b.at(room, i * (columns * lanes)), j * lanes), lanes) for j in range(columns)]
            for j, value in enumerate(self.across(vectors)):
                store(i * wide + j, value)

        b.loop(0, columns, column, once=True)
        b.loop(0, high, row, once=True)


def emit_input_transform(b: Builder, form: Form, point: int, channels: int, stored: str = "") -> None:
    """Define ``transform_input(x, x_row, x_column, v)``: a tile's inputs at the points, for whole vectors.

    Values at one point lie `point` elements from those at the next. Where the inputs are stored in another type, the
    name is ``transform_input_TYPE``.
    """
    lanes = b.lanes

    def body(x: Value, x_row: Value, x_column: Value, v: Value) -> None:
        transform = _BothAxes(b, form.patch, form.patch, *(inputs_along(b, form, axis) for axis in (0, 1)))

        def some(channel: Value) -> None:
            source, target = b.at(x, channel), b.at(v, channel)

            def load(i: Value | int, j: Value | int) -> Value:
                return b.load(b.at(b.at(source, x_row * i), x_column * j), lanes)

            transform.run(load, lambda k, value: b.store(value, b.at(target, k * point)))

        b.loop(0, channels, some, step=lanes, once=True)

    name, x = (f"transform_input_{stored}", f"ptr {stored}") if stored else ("transform_input", "ptr")
    b.function(name, {"x": x, "x_row": "i64", "x_column": "i64", "v": "ptr"}, body)


def emit_kernel_transform(b: Builder, form: Form, point: int, padded: int) -> None:
    """Define ``transform_kernel_PADDED(w, u, channels)``: weights of a block of output channels at the points.

    The taps of a channel lie side by side in `w`, a block each; values at one point, `point` elements from those at the
    next, have its channels side by side.
    """
    lanes, columns = b.lanes, form.taps[1]

    def body(w: Value, u: Value, channels: Value) -> None:
        transform = _BothAxes(b, form.taps, form.values, *(kernels_along(b, form, axis) for axis in (0, 1)))

        def channel(c: Value, lane: Value) -> None:
            source, target = b.at(b.at(w, c * (form.tap_count * padded)), lane), b.at(b.at(u, c * padded), lane)

            def load(i: Value | int, j: Value | int) -> Value:
                return b.load(b.at(b.at(source, i * (columns * padded)), j * padded), lanes)

            transform.run(load, lambda k, value: b.store(value, b.at(target, k * point)))

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
            products, wide_points = b.at(m, start), form.patch[1]

            def column_of(j: int) -> list[Value]:
                return [b.load(b.at(products, k * point), lanes) for k in range(j, form.points, wide_points)]

            of_columns, of_rows = (products_along(b, form, axis) for axis in (0, 1))
            down = [of_columns(column_of(j)) for j in range(wide_points)]
            addend = b.load(b.at(bias, start), lanes)
            for i in range(high):
                for j, value in enumerate(of_rows([column[i] for column in down])):
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
