"""Arithmetic with scalars and vectors, and vectors made from others' lanes."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tweakconv.compiler.elements import shaped
from tweakconv.compiler.emit.flow import Flow
from tweakconv.compiler.emit.module import Value


class Vectors(Flow):
    """A module whose functions compute with vectors of its element type."""

    def zero(self) -> Value:
        """A vector of zeros."""
        return Value(self._type(self.lanes), "zeroinitializer", self)

    def scalar_zero(self) -> Value:
        """The scalar 0."""
        return Value(self.element, "0.0", self)

    def broadcast(self, scalar: Value, lanes: int = 0) -> Value:
        """A vector with the scalar in every lane: a whole one, or of fewer lanes."""
        lanes = lanes or self.lanes
        vector = self._type(lanes)
        first = self._new(vector, f"insertelement {vector} poison, {scalar.type} {scalar.ref}, i64 0")
        return self._new(
            vector, f"shufflevector {vector} {first.ref}, {vector} poison, <{lanes} x i32> zeroinitializer"
        )

    def exchange(self, vector: Value, number: int) -> Value:
        """In every lane `l` what lane `l ^ number` has."""
        if number == 0:
            return vector
        return self._shuffle(vector, vector, [lane ^ number for lane in range(self.lanes)])

    def insert(self, vector: Value | None, piece: Value, start: int) -> Value:
        """A vector with a shorter one in its lanes from `start` on; None for one whose lanes say nothing yet."""
        whole = Value(self._type(self.lanes), "poison", self) if vector is None else vector
        return self._insert(whole, piece, start, self._width(piece))

    def unpack(self, a: Value, b: Value, run: int, *, high: bool) -> Value:
        """From each run of lanes the first half, or the second where `high`, of two vectors, a lane of each in turn."""
        half = run // 2
        starts = range(half if high else 0, self.lanes, run)
        return self._shuffle(a, b, [lane for s in starts for i in range(s, s + half) for lane in (i, self.lanes + i)])

    def shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """A vector of lanes of two others, numbered through both."""
        return self._shuffle(a, b, lanes)

    def multiply_add(self, a: Value, b: Value, c: Value) -> Value:
        """``a * b + c``: one rounding where the target fuses, two where LLVM would call a library for it."""
        if not self.target.fma:
            return self.add(self._new(a.type, f"fmul {a.type} {a.ref}, {b.ref}"), c)
        suffix = suffix_of(a.type)
        self._declared.add(f"declare {a.type} @llvm.fma.{suffix}({a.type}, {a.type}, {a.type})")
        return self._new(
            a.type, f"call {a.type} @llvm.fma.{suffix}({self._typed(a)}, {self._typed(b)}, {self._typed(c)})"
        )

    def add(self, a: Value, b: Value) -> Value:
        """``a + b`` of scalars or vectors."""
        return self._new(a.type, f"fadd {a.type} {a.ref}, {b.ref}")

    def subtract(self, a: Value, b: Value) -> Value:
        """``a - b`` of scalars or vectors."""
        return self._new(a.type, f"fsub {a.type} {a.ref}, {b.ref}")

    def times(self, a: Value, number: float) -> Value:
        """A vector times a constant."""
        return self._new(a.type, f"fmul {a.type} {a.ref}, {self.constant(number).ref}")

    def scaled(self, a: Value, number: float, addend: Value) -> Value:
        """``a * number + addend`` of vectors."""
        return self.multiply_add(a, self.constant(number), addend)

    def constant(self, number: float) -> Value:
        """A vector with a number, rounded to the element type, in every lane."""
        return self.number(number, self.lanes)

    def bits(self, number: int) -> Value:
        """A vector with a whole number, taken by its lowest bits, of an element's width in every lane."""
        width = 8 * self.element_bytes
        signed = (number + (1 << width - 1)) % (1 << width) - (1 << width - 1)
        lane = f"i{width}"
        return Value(f"<{self.lanes} x {lane}>", f"<{', '.join([f'{lane} {signed}'] * self.lanes)}>", self)

    def sign_bit(self) -> int:
        """The bit of an element that says whether it is negative."""
        return 1 << 8 * self.element_bytes - 1

    def combine(self, operation: str, a: Value, b: Value) -> Value:
        """One instruction, such as ``fmul`` or ``and``, on two vectors of one type."""
        return self._new(a.type, f"{operation} {a.type} {a.ref}, {b.ref}")

    def cast(self, operation: str, value: Value, kind: str) -> Value:
        """A conversion, such as ``zext``, to a type."""
        return self._new(kind, f"{operation} {value.type} {value.ref} to {kind}")

    def splat(self, number: int, lanes: int) -> Value:
        """A 32-bit whole number, taken by its lowest bits, in so many lanes."""
        signed = (number + (1 << 31)) % (1 << 32) - (1 << 31)
        return Value(shaped("i32", lanes), _repeated(f"i32 {signed}", str(signed), lanes), self)

    def number(self, number: float, lanes: int) -> Value:
        """A number of the element type in so many lanes."""
        digits = self._digits(number)
        return Value(shaped(self.element, lanes), _repeated(f"{self.element} {digits}", digits, lanes), self)

    def order(self, predicate: str, a: Value, b: Value) -> Value:
        """Lane by lane, a comparison of floating numbers such as ``olt`` or ``uno``."""
        return self._new(shaped("i1", a.lanes), f"fcmp {predicate} {a.type} {a.ref}, {b.ref}")

    def match(self, predicate: str, a: Value, b: Value) -> Value:
        """Lane by lane, a comparison of whole numbers such as ``eq`` or ``ult``."""
        return self._new(shaped("i1", a.lanes), f"icmp {predicate} {a.type} {a.ref}, {b.ref}")

    def choose(self, mask: Value, yes: Value, no: Value) -> Value:
        """Lane by lane, `yes` where a comparison holds, else `no`."""
        return self._new(yes.type, f"select {mask.type} {mask.ref}, {yes.type} {yes.ref}, {no.type} {no.ref}")

    def reinterpret(self, value: Value, kind: str) -> Value:
        """The bits of a vector as one of another type."""
        return self._new(kind, f"bitcast {value.type} {value.ref} to {kind}")

    def where_less(self, a: Value, b: Value, yes: Value, no: Value) -> Value:
        """`yes` in the lanes where ``a < b``, `no` in the others and where either is NaN."""
        return self.choose(self.order("olt", a, b), yes, no)

    def any_nan(self, value: Value) -> Value:
        """The integer 1 where some lane of a vector is NaN, else 0."""
        bits = self._new(f"<{self.lanes} x i1>", f"fcmp uno {value.type} {value.ref}, {value.ref}")
        mask = self._new(f"i{self.lanes}", f"bitcast {bits.type} {bits.ref} to i{self.lanes}")
        found = self._new("i1", f"icmp ne {mask.type} {mask.ref}, 0")
        return self._new("i64", f"zext i1 {found.ref} to i64")

    def magnitudes(self, vector: Value) -> Value:
        """The bits of a vector's lanes without their signs, as whole numbers: in the order of what they stand for."""
        mask, lane = self.sign_bit() - 1, f"i{8 * self.element_bytes}"
        alike = Value(shaped(lane, vector.lanes), _repeated(f"{lane} {mask}", str(mask), vector.lanes), self)
        return self.combine("and", self.reinterpret(vector, alike.type), alike)

    def larger(self, a: Value, b: Value) -> Value:
        """Lane by lane, the larger of two whole numbers without sign."""
        return self.choose(self.match("ugt", a, b), a, b)

    def highest(self, vector: Value) -> Value:
        """The largest of the whole numbers without sign in the lanes of a vector, as an integer."""
        lane = f"i{8 * self.element_bytes}"
        name = f"@llvm.vector.reduce.umax.v{vector.lanes}{lane}"
        self._declared.add(f"declare {lane} {name}({vector.type})")
        found = self._new(lane, f"call {lane} {name}({self._typed(vector)})")
        return found if lane == "i64" else self.cast("zext", found, "i64")

    def _digits(self, number: float) -> str:
        """LLVM's text of a constant: the bits of a double, for a float of one that it holds."""
        if self.element == "float":
            (number,) = struct.unpack("f", struct.pack("f", number))
        (digits,) = struct.unpack("<Q", struct.pack("<d", number))
        return f"0x{digits:016X}"

    def _type(self, lanes: int) -> str:
        return shaped(self.element, lanes)

    def _width(self, value: Value) -> int:
        return int(value.type[1:].split(" x ")[0]) if value.type.startswith("<") else 1

    def _shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        mask = ", ".join(f"i32 {lane}" for lane in lanes)
        kind = shaped(a.type.strip("<>").split(" x ")[1], len(lanes))
        return self._new(kind, f"shufflevector {a.type} {a.ref}, {b.type} {b.ref}, <{len(lanes)} x i32> <{mask}>")

    def _extract(self, vector: Value, start: int, lanes: int) -> Value:
        if lanes == self.lanes:
            return vector
        if lanes == 1:
            kind = vector.type.strip("<>").split(" x ")[1]
            return self._new(kind, f"extractelement {vector.type} {vector.ref}, i64 {start}")
        return self._shuffle(vector, vector, range(start, start + lanes))

    def _insert(self, vector: Value, piece: Value, start: int, lanes: int) -> Value:
        if lanes == self.lanes:
            return piece
        if lanes == 1:
            return self._new(
                vector.type,
                f"insertelement {vector.type} {vector.ref}, {piece.type} {piece.ref}, i64 {start}",
            )
        wide = self._shuffle(piece, piece, [*range(lanes), *[0] * (self.lanes - lanes)])
        picks = [self.lanes + lane - start if start <= lane < start + lanes else lane for lane in range(self.lanes)]
        return self._shuffle(vector, wide, picks)


def suffix_of(kind: str) -> str:
    """What an intrinsic's name says of a type."""
    name = kind.strip("<>").replace(" x ", "").replace("float", "f32").replace("double", "f64")
    return f"v{name}" if kind.startswith("<") else name


def _repeated(typed: str, alone: str, lanes: int) -> str:
    """A constant in so many lanes; as it is for a scalar."""
    return alone if lanes == 1 else f"<{', '.join([typed] * lanes)}>"
