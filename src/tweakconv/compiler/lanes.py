"""A vector of numbers whose arithmetic reads as arithmetic: one number in each lane.

Everything becomes additions, multiplications, divisions, comparisons and patterns of bits, on every target: nothing
here can turn into a call to a library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tweakconv.compiler.emit import Builder, Value


@dataclass(frozen=True, slots=True, eq=False)
class Lanes:
    """A vector of floating numbers and the builder whose instructions compute with it."""

    b: Builder
    value: Value

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._combined("fadd", other)

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._combined("fsub", other)

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._combined("fmul", other)

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._combined("fdiv", other)

    def __neg__(self) -> Lanes:
        return Lanes(self.b, self.b.reinterpret(self._bits("xor", self.b.sign_bit()), self.value.type))

    def __abs__(self) -> Lanes:
        return Lanes(self.b, self.b.reinterpret(self._bits("and", self.b.sign_bit() - 1), self.value.type))

    def times_plus(self, factor: Lanes | float, addend: Lanes | float) -> Lanes:
        """``self * factor + addend``, rounded once where the target fuses."""
        return Lanes(self.b, self.b.multiply_add(self.value, self._value(factor), self._value(addend)))

    def polynomial(self, coefficients: Sequence[float]) -> Lanes:
        """``coefficients[0] + coefficients[1] * self + ...``, by Horner's rule."""
        result = Lanes(self.b, self._value(coefficients[-1]))
        for coefficient in reversed(coefficients[:-1]):
            result = result.times_plus(self, coefficient)
        return result

    def where_below(self, bound: Lanes | float, then: Lanes | float, otherwise: Lanes | float) -> Lanes:
        """`then` in lanes below the bound, `otherwise` in others, those with NaN among them."""
        chosen = self.b.where_less(self.value, self._value(bound), self._value(then), self._value(otherwise))
        return Lanes(self.b, chosen)

    def at_least(self, bound: Lanes | float) -> Lanes:
        """The larger of each number and a bound; NaN stays."""
        return self.where_below(bound, bound, self)

    def at_most(self, bound: Lanes | float) -> Lanes:
        """The smaller of each number and a bound; NaN stays."""
        limit = Lanes(self.b, self._value(bound))
        return limit.where_below(self, limit, self)

    def with_sign_of(self, other: Lanes) -> Lanes:
        """These numbers, none of them negative, with the signs of others."""
        signs = other._bits("and", self.b.sign_bit())
        joined = self.b.combine("or", self.b.reinterpret(self.value, signs.type), signs)
        return Lanes(self.b, self.b.reinterpret(joined, self.value.type))

    def with_upper_digits(self) -> Lanes:
        """These numbers with the lower half of their binary digits, or one more, cleared: their squares are exact."""
        lower = (1 << (self.b.digits + 1) // 2) - 1
        return Lanes(self.b, self.b.reinterpret(self._bits("and", ~lower), self.value.type))

    def power_of_two(self, shift: int) -> tuple[Lanes, Lanes]:
        """The whole numbers nearest to these, and 2 to the power of each of them plus `shift`.

        Adding 1.5 times the largest power of two with digits behind the point leaves the whole number in the lowest
        bits; moved up to where the exponent stands, it becomes one. Whole numbers beyond the range of exponents give
        powers that mean nothing.
        """
        magic = 1.5 * 2.0 ** (self.b.digits - 1)
        shifted = self + magic
        mantissa = self.b.digits - 1
        exponents = shifted._bits("shl", mantissa)
        bias = (self.b.exponent_bias + shift) << mantissa
        bits = self.b.combine("add", exponents, self.b.bits(bias))
        return shifted - magic, Lanes(self.b, self.b.reinterpret(bits, self.value.type))

    def _combined(self, operation: str, other: Lanes | float) -> Lanes:
        return Lanes(self.b, self.b.combine(operation, self.value, self._value(other)))

    def _bits(self, operation: str, number: int) -> Value:
        pattern = self.b.bits(number)
        return self.b.combine(operation, self.b.reinterpret(self.value, pattern.type), pattern)

    def _value(self, other: Lanes | float) -> Value:
        return other.value if isinstance(other, Lanes) else self.b.constant(other)
