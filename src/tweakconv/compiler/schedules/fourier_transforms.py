"""Fourier transforms of whole vectors: as many transforms as a vector has lanes, side by side.

Transforms of a power of two are done in place, by fours and where need be a last step by twos. Forward ones divide the
outputs (decimation in frequency), so that these come in an order of their own, which inverse ones take (decimation in
time): nothing is put in order in between (W. M. Gentleman and G. Sande, Fast Fourier transforms, AFIPS 1966).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tweakconv.compiler.emit import Builder, Value

_Complex = tuple[Value, Value]


def steps(size: int) -> list[tuple[int, int]]:
    """For each step of a forward transform, how long the parts are that it cuts, and into how many.

    Examples
    --------
    >>> steps(64), steps(32)
    ([(64, 4), (16, 4), (4, 4)], [(32, 4), (8, 4), (2, 2)])
    """
    found = []
    while size > 1:
        found.append((size, min(size, 4)))
        size //= found[-1][1]
    return found


def order(size: int) -> NDArray[np.intp]:
    """Which frequency stands at each place after a forward transform.

    Examples
    --------
    >>> order(8)
    array([0, 4, 1, 5, 2, 6, 3, 7])
    """
    found = np.zeros(1, np.intp)
    for length, parts in reversed(steps(size)):
        assert found.size == length // parts
        found = np.concatenate([part + parts * found for part in range(parts)])
    return found


def turns(size: int) -> NDArray[np.float64]:
    """What the steps of a transform multiply by, in the order in which they do: cosine, sine and the sine's negative.

    Examples
    --------
    >>> turns(4).size, turns(64).size
    (0, 180)
    """
    angles = [
        -2 * np.pi / length * number * part
        for length, parts in steps(size)
        if length > parts
        for number in range(length // parts)
        for part in range(1, parts)
    ]
    return np.array([[math.cos(angle), math.sin(angle), -math.sin(angle)] for angle in angles]).reshape(-1)


def emit_transform(b: Builder, size: int, *, inverse: bool) -> None:
    """Define ``forward_N(re, im, step, turns)`` or ``inverse_N``, of vectors `step` elements apart; neither scales."""

    def body(re: Value, im: Value, step: Value, table: Value) -> None:
        starts, start = [], 0
        for length, parts in steps(size):
            starts.append((length, parts, start))
            start += 3 * (parts - 1) * (length // parts) if length > parts else 0
        for length, parts, first in reversed(starts) if inverse else starts:
            _emit_step(b, (re, im, step), b.at(table, first), (size, length, parts), inverse=inverse)

    name = f"{'inverse' if inverse else 'forward'}_{size}"
    b.function(name, {"re": "ptr", "im": "ptr", "step": "i64", "turns": "ptr"}, body)


def _emit_step(
    b: Builder, data: tuple[Value, Value, Value], table: Value, cut: tuple[int, int, int], *, inverse: bool
) -> None:
    (re, im, step), (size, length, parts) = data, cut
    apart = length // parts
    turned = length > parts

    def number(j: Value) -> None:
        at = b.at(table, j * (3 * (parts - 1)))
        factors = [
            [b.broadcast(b.load(b.at(at, 3 * (part - 1) + i))) for i in range(3)] if turned and part else []
            for part in range(parts)
        ]

        def butterfly(start: Value) -> None:
            places = [(start + j + apart * part) * step for part in range(parts)]
            values = [(b.load(b.at(re, place), b.lanes), b.load(b.at(im, place), b.lanes)) for place in places]
            if inverse:
                values = [_times(b, value, f, back=True) for value, f in zip(values, factors, strict=True)]
            values = _fours(b, values, back=inverse) if parts == 4 else _twos(b, values)
            if not inverse:
                values = [_times(b, value, f, back=False) for value, f in zip(values, factors, strict=True)]
            for place, (real, imaginary) in zip(places, values, strict=True):
                b.store(real, b.at(re, place))
                b.store(imaginary, b.at(im, place))

        b.loop(0, size, butterfly, step=length, once=True)

    b.loop(0, apart, number, once=True)


def _times(b: Builder, value: _Complex, factor: list[Value], *, back: bool) -> _Complex:
    """A value turned by an angle, or back by it."""
    if not factor:
        return value
    (real, imaginary), (cosine, sine, negative) = value, factor
    if back:
        sine, negative = negative, sine
    return (
        b.multiply_add(real, cosine, b.combine("fmul", imaginary, negative)),
        b.multiply_add(real, sine, b.combine("fmul", imaginary, cosine)),
    )


def _twos(b: Builder, values: list[_Complex]) -> list[_Complex]:
    (a, c), (d, e) = values
    return [(b.add(a, d), b.add(c, e)), (b.subtract(a, d), b.subtract(c, e))]


def _fours(b: Builder, values: list[_Complex], *, back: bool) -> list[_Complex]:
    """The transform of four values, or the inverse one."""
    first, second, third, fourth = values
    (s, d), (t, e) = _twos(b, [first, third]), _twos(b, [second, fourth])
    even, half = _twos(b, [s, t])
    less = (b.add(d[0], e[1]), b.subtract(d[1], e[0]))  # d - ie
    more = (b.subtract(d[0], e[1]), b.add(d[1], e[0]))  # d + ie
    return [even, more, half, less] if back else [even, less, half, more]
