"""The types that arrays are stored in, and the code that brings numbers from them into what is computed in, and back.

Everything is computed in float32 or float64. float16, bfloat16 and the small integers are widened, which is exact, and
a result is rounded once, to the nearest with ties to even: beyond the largest number float16 becomes infinity, and
integers stay at their ends, where NaN becomes the lowest one, as in OpenCV.

Where a processor has instructions for float16 they are taken; else, and for bfloat16 everywhere, it is done with
integers, so that a target's results are the same bits on all processors that run it. (The instruction that rounds to
bfloat16 would make small numbers zero; only what multiplies tiles, which does so anyway, takes it: `emit.tiles`.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tweakconv.compiler.emit import Builder, Value
    from tweakconv.compiler.emit.module import Module


class Element(NamedTuple):
    """A type that arrays are stored in where something else is computed in.

    Attributes
    ----------
    bits : int
        Of one number.
    lowest, highest : int
        The range of an integer; 0 for others.
    """

    bits: int
    lowest: int = 0
    highest: int = 0

    @property
    def is_integer(self) -> bool:
        """Whether it holds whole numbers only."""
        return self.highest > 0


ELEMENTS = {
    "float32": Element(32),
    "float16": Element(16),
    "bfloat16": Element(16),
    "uint8": Element(8, 0, 255),
    "uint16": Element(16, 0, 65535),
    "int16": Element(16, -32768, 32767),
}
"""By NumPy's names; float32 where float64 is computed in."""


def raw_type(b: Module, name: str) -> str:
    """LLVM's type of one stored number, as it is loaded; `name` is empty for what is computed in."""
    if not name:
        return b.element
    if name == "float32":
        return "float"
    return "half" if name == "float16" and b.target.half else f"i{ELEMENTS[name].bits}"


def widened(b: Builder, raw: Value, name: str) -> Value:
    """Stored numbers as those that are computed with, which is exact."""
    lanes, element = raw.lanes, ELEMENTS[name]
    wide, whole = shaped(b.element, lanes), shaped("i32", lanes)
    if element.is_integer:
        extended = b.cast("sext" if element.lowest < 0 else "zext", raw, whole)
        return b.cast("sitofp", extended, wide)
    if name == "bfloat16":
        return b.reinterpret(b.combine("shl", b.cast("zext", raw, whole), b.splat(16, lanes)), wide)
    if name == "float32" or b.target.half:
        return b.cast("fpext", raw, wide)
    return _from_half(b, b.cast("zext", raw, whole))


def narrowed(b: Builder, value: Value, name: str) -> Value:
    """Computed numbers as they are stored, rounded once to the nearest."""
    lanes, element = value.lanes, ELEMENTS[name]
    raw = shaped(raw_type(b, name), lanes)
    if element.is_integer:
        return b.cast("trunc", _nearest_whole(b, value, element), raw)
    if name == "bfloat16":
        return b.cast("trunc", _to_bfloat(b, value), raw)
    if name == "float32" or b.target.half:
        return b.cast("fptrunc", value, raw)
    return b.cast("trunc", _to_half(b, value), raw)


def shaped(scalar: str, lanes: int) -> str:
    """LLVM's type of a vector, or of a scalar for one lane."""
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


def _nearest_whole(b: Builder, value: Value, element: Element) -> Value:
    """Whole numbers, in the lowest bits.

    Adding 1.5 times the largest power of two with digits behind the point rounds to whole numbers.
    """
    lanes = value.lanes
    low, high = (b.number(float(end), lanes) for end in (element.lowest, element.highest))
    above = b.choose(b.order("olt", low, value), value, low)  # NaN is above nothing
    inside = b.choose(b.order("olt", above, high), above, high)
    shifted = b.add(inside, b.number(1.5 * 2.0 ** (b.digits - 1), lanes))
    return b.reinterpret(shifted, shaped(f"i{8 * b.element_bytes}", lanes))


def _to_bfloat(b: Builder, value: Value) -> Value:
    """The upper half of float32's bits, in the lower half: rounding carries into it, and a NaN stays one."""
    lanes = value.lanes
    bits = b.reinterpret(value, shaped("i32", lanes))
    upper = b.combine("lshr", bits, b.splat(16, lanes))
    odd = b.combine("and", upper, b.splat(1, lanes))
    carried = b.combine("add", b.combine("add", bits, b.splat(0x7FFF, lanes)), odd)
    quiet = b.combine("or", upper, b.splat(0x40, lanes))
    return b.choose(b.order("uno", value, value), quiet, b.combine("lshr", carried, b.splat(16, lanes)))


_SMALLEST_NORMAL = 113 << 23
"""Bits of 2**-14, float16's smallest normal number, as float32."""


def _from_half(b: Builder, half: Value) -> Value:
    """float32 from float16's bits: move the digits and shift the exponent; small numbers by a subtraction."""
    lanes = half.lanes
    kind = shaped(b.element, lanes)

    def constant(number: int) -> Value:
        return b.splat(number, lanes)

    digits = b.combine("shl", b.combine("and", half, constant(0x7FFF)), constant(13))
    exponent = b.combine("and", half, constant(0x7C00))
    normal = b.combine("add", digits, constant(112 << 23))
    endless = b.combine("add", digits, constant(224 << 23))
    one = b.reinterpret(b.combine("add", digits, constant(_SMALLEST_NORMAL)), kind)
    small = b.subtract(one, b.reinterpret(constant(_SMALLEST_NORMAL), kind))
    bits = b.choose(b.match("eq", exponent, constant(0x7C00)), endless, normal)
    bits = b.choose(b.match("eq", exponent, constant(0)), b.reinterpret(small, bits.type), bits)
    sign = b.combine("shl", b.combine("and", half, constant(0x8000)), constant(16))
    return b.reinterpret(b.combine("or", bits, sign), kind)


def _to_half(b: Builder, value: Value) -> Value:
    """float16's bits from float32, in the lowest bits: numbers below its normal ones are rounded by an addition."""
    lanes = value.lanes
    whole = shaped("i32", lanes)

    def constant(number: int) -> Value:
        return b.splat(number, lanes)

    signed = b.reinterpret(value, whole)
    bits = b.combine("and", signed, constant(0x7FFFFFFF))
    odd = b.combine("and", b.combine("lshr", bits, constant(13)), constant(1))
    carried = b.combine("add", b.combine("add", bits, constant(0xFFF - (112 << 23))), odd)
    normal = b.combine("lshr", carried, constant(13))
    half = b.reinterpret(constant(126 << 23), value.type)  # 0.5, whose last digit is that of the smallest float16
    small = b.reinterpret(b.add(b.reinterpret(bits, value.type), half), whole)
    small = b.combine("sub", small, constant(126 << 23))
    endless = b.choose(b.match("ugt", bits, constant(0x7F800000)), constant(0x7E00), constant(0x7C00))
    result = b.choose(b.match("ult", bits, constant(_SMALLEST_NORMAL)), small, normal)
    result = b.choose(b.match("uge", bits, constant(143 << 23)), endless, result)  # 65536 and beyond
    sign = b.combine("and", b.combine("lshr", signed, constant(16)), constant(0x8000))
    return b.combine("or", result, sign)
