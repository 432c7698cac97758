"""A small builder of LLVM IR text: integers, pointers, scalars and vectors of one element type.

Pointers know what they point to. Most point to elements; those to arrays that are stored in another type (`elements`)
are read and written through it, by the same loads, stores and copies.

Text is several times faster to make than an object per instruction, and the text is what the cache of
compiled code is keyed by. Values know their builder, so address arithmetic reads as arithmetic
(``row * stride + column``); Python integers are constants and are folded. Loops and conditions take
Python functions as their bodies and hand values on explicitly, so no optimisation pass is needed to
keep accumulators in registers: the IR says it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tweakconv.compiler.elements import ELEMENTS, narrowed, raw_type, shaped, widened
from tweakconv.compiler.target import Target

Carry = tuple["Value", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One SSA value: its LLVM type, how the text refers to it, and the builder that made it.

    Attributes
    ----------
    of : str
        What a pointer points to: the name of a type that arrays are stored in, empty for what is computed in.
    """

    type: str
    ref: str
    builder: Builder
    of: str = ""

    @property
    def lanes(self) -> int:
        """Lanes of a vector; 1 for a scalar."""
        return int(self.type[1 : self.type.index(" ")]) if self.type.startswith("<") else 1

    def __add__(self, other: Value | int) -> Value:
        return self if _is(other, 0) else self.builder.binary("add", self, other)

    def __sub__(self, other: Value | int) -> Value:
        return self if _is(other, 0) else self.builder.binary("sub", self, other)

    def __mul__(self, other: Value | int) -> Value:
        if _is(other, 0) or _is(self, 0):
            return self.builder.integer(0)
        return self if _is(other, 1) else self.builder.binary("mul", self, other)

    def __floordiv__(self, other: Value | int) -> Value:
        """Division of values known not to be negative."""
        return self if _is(other, 1) else self.builder.binary("udiv", self, other)

    def __mod__(self, other: Value | int) -> Value:
        return self.builder.binary("urem", self, other)

    def __and__(self, other: Value | int) -> Value:
        return self.builder.binary("and", self, other)

    def __lt__(self, other: Value | int) -> Value:
        return self.builder.compare("slt", self, other)

    def __le__(self, other: Value | int) -> Value:
        return self.builder.compare("sle", self, other)

    def __gt__(self, other: Value | int) -> Value:
        return self.builder.compare("sgt", self, other)

    def __ge__(self, other: Value | int) -> Value:
        return self.builder.compare("sge", self, other)

    def equals(self, other: Value | int) -> Value:
        """The one-bit value of ``self == other``."""
        return self.builder.compare("eq", self, other)

    def below(self, other: Value | int) -> Value:
        """The one-bit value of ``0 <= self < other``, for `other` not negative."""
        return self.builder.compare("ult", self, other)


class Builder:
    """The text of one LLVM module, for one target and one element type.

    Parameters
    ----------
    target : Target
        Its vector width and whether it fuses multiply and add.
    element : str
        ``"float"`` or ``"double"``.
    """

    def __init__(self, target: Target, element: str) -> None:
        self.target = target
        self.element = element
        self.element_bytes = {"float": 4, "double": 8}[element]
        self.digits = {"float": 24, "double": 53}[element]
        self.exponent_bias = {"float": 127, "double": 1023}[element]
        self.lanes = target.lanes(self.element_bytes)
        self.line_elements = 64 // self.element_bytes
        self._functions: list[str] = []
        self._lines: list[str] = []
        self._declared: set[str] = set()
        self._parameters: dict[str, list[str]] = {}
        self._count = 0
        self._block = "entry"

    # -- modules and functions ---------------------------------------------------------------------

    def module(self) -> str:
        """The whole module as LLVM assembly."""
        declared = sorted(self._declared)
        return "\n".join([f'target triple = "{self.target.triple}"', *declared, *self._functions, ""])

    def function(
        self, name: str, parameters: dict[str, str], body: Callable[..., None], *, public: bool = False
    ) -> None:
        """Define a function without a result: `parameters` maps names to types, `body` receives the values.

        The type of a pointer is ``ptr``, or ``ptr uint8`` where it points to what is stored so.
        """
        self._lines, self._block = [], "entry"
        kinds = {p: t.partition(" ")[::2] for p, t in parameters.items()}
        arguments = {p: Value(kind, f"%{p}", self, of) for p, (kind, of) in kinds.items()}
        self._parameters[name] = [of for _, of in kinds.values()]
        body(*arguments.values())
        listed = ", ".join(f"{kind}{' noalias' if kind == 'ptr' else ''} %{p}" for p, (kind, _) in kinds.items())
        linkage = "" if public else "internal "
        width = self.target.vector_bits
        attributes = (
            f'nounwind "target-cpu"="{self.target.cpu}" "target-features"="{self.target.features}" '
            f'"prefer-vector-width"="{width}" "min-legal-vector-width"="{width}" "no-builtins"'
        )
        head = f"define {linkage}void @{name}({listed}) {attributes} {{"
        self._functions.append("\n".join([head, "entry:", *self._lines, "  ret void", "}"]))

    def call(self, name: str, *arguments: Value | int) -> None:
        """Call a function of this module; pointers to one that has been defined must point to what it expects."""
        for number, (of, argument) in enumerate(zip(self._parameters.get(name, ()), arguments, strict=False)):
            if isinstance(argument, Value) and argument.of != of:
                raise TypeError(f"{name}: argument {number} points to {argument.of or 'elements'}, not to {of!r}")
        self._lines.append(f"  call void @{name}({', '.join(self._typed(a) for a in arguments)})")

    # -- integers and addresses --------------------------------------------------------------------

    def integer(self, number: int) -> Value:
        """A 64-bit constant."""
        return Value("i64", str(number), self)

    def binary(self, operation: str, a: Value | int, b: Value | int) -> Value:
        """An integer operation, folded when both sides are constants."""
        left, right = self._value(a), self._value(b)
        folded = _fold(operation, left.ref, right.ref)
        if folded is not None:
            return self.integer(folded)
        return self._new("i64", f"{operation} i64 {left.ref}, {right.ref}")

    def compare(self, predicate: str, a: Value | int, b: Value | int) -> Value:
        """A one-bit comparison of integers."""
        return self._new("i1", f"icmp {predicate} i64 {self._value(a).ref}, {self._value(b).ref}")

    def both(self, a: Value, b: Value) -> Value:
        """The conjunction of two one-bit values."""
        return self._new("i1", f"and i1 {a.ref}, {b.ref}")

    def select(self, condition: Value, yes: Value | int, no: Value | int) -> Value:
        """`yes` where the condition holds, else `no`."""
        a, b = self._value(yes), self._value(no)
        return self._new(a.type, f"select i1 {condition.ref}, {a.type} {a.ref}, {b.type} {b.ref}", _of_both(a, b))

    def minimum(self, a: Value | int, b: Value | int) -> Value:
        """The smaller of two signed integers."""
        return self._extreme("smin", a, b)

    def maximum(self, a: Value | int, b: Value | int) -> Value:
        """The larger of two signed integers."""
        return self._extreme("smax", a, b)

    def at(self, pointer: Value, offset: Value | int) -> Value:
        """The address `offset` elements behind a pointer."""
        if _is(offset, 0):
            return pointer
        kind = raw_type(self, pointer.of)
        return self._new("ptr", f"getelementptr {kind}, ptr {pointer.ref}, i64 {self._value(offset).ref}", pointer.of)

    def distance(self, start: Value, end: Value) -> Value:
        """How many elements lie between two addresses, of which either may be the larger."""
        first, last = (self._new("i64", f"ptrtoint ptr {pointer.ref} to i64") for pointer in (start, end))
        return self._new("i64", f"sdiv i64 {(last - first).ref}, {self._bytes(start)}")

    def pointing_to(self, pointer: Value, of: str) -> Value:
        """The same address, of what is stored otherwise."""
        return Value(pointer.type, pointer.ref, self, of)

    # -- memory ------------------------------------------------------------------------------------

    def load_integer(self, pointer: Value, index: int) -> Value:
        """The 64-bit integer at `index` of an array of integers."""
        address = self._new("ptr", f"getelementptr i64, ptr {pointer.ref}, i64 {index}")
        return self._new("i64", f"load i64, ptr {address.ref}, align 8")

    def load_address(self, pointer: Value, index: int) -> Value:
        """The address at `index` of an array of integers."""
        number = self.load_integer(pointer, index)
        return self._new("ptr", f"inttoptr i64 {number.ref} to ptr")

    def integer_at(self, pointer: Value, index: Value | int) -> Value:
        """The address of the integer at `index` of an array of integers."""
        return self._new("ptr", f"getelementptr i64, ptr {pointer.ref}, i64 {self._value(index).ref}")

    def next_ticket(self, counter: Value) -> Value:
        """Take the next number from a counter that several threads share."""
        return self._new("i64", f"atomicrmw add ptr {counter.ref}, i64 1 monotonic, align 8")

    def announce(self, counter: Value) -> None:
        """Add one to a shared counter, after all that this thread has written."""
        self._new("i64", f"atomicrmw add ptr {counter.ref}, i64 1 acq_rel, align 8")

    def call_address(self, function: Value, *arguments: Value) -> None:
        """Call a function without a result by its address."""
        self._lines.append(f"  call void {function.ref}({', '.join(self._typed(a) for a in arguments)})")

    def prefetch(self, pointer: Value, *, to_write: bool = False) -> None:
        """Ask for the cache line at an address, which need not be one of ours."""
        self._declared.add("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        write = int(to_write)
        self._lines.append(f"  call void @llvm.prefetch.p0(ptr {pointer.ref}, i32 {write}, i32 {2 + write}, i32 1)")

    def load(self, pointer: Value, lanes: int = 1) -> Value:
        """Load a scalar (one lane) or a vector from an address aligned to an element."""
        return self._widened(self._load(pointer, lanes), pointer)

    def store(self, value: Value, pointer: Value) -> None:
        """Store a scalar or a vector at an address aligned to an element, or an integer at one aligned to that."""
        self._store(value if value.type == "i64" else self._narrowed(value, pointer), pointer)

    def load_part(self, pointer: Value, count: int) -> Value:
        """Load `count` elements into the first lanes of a whole vector; the others are zero."""
        whole = Value(shaped(raw_type(self, pointer.of), self.lanes), "zeroinitializer", self)
        for start, lanes in _powers_of_two(count):
            piece = self._load(self.at(pointer, start), lanes)
            whole = self._insert(whole, piece, start, lanes)
        return self._widened(whole, pointer)

    def store_part(self, value: Value, pointer: Value, count: int) -> None:
        """Store the first `count` lanes of a vector, touching no memory behind them."""
        raw = self._narrowed(value, pointer)
        for start, lanes in _powers_of_two(count):
            self._store(self._extract(raw, start, lanes), self.at(pointer, start))

    def store_first(self, value: Value, pointer: Value, count: Value) -> None:
        """Store as many of the first lanes of a vector as a count at run time says, touching no memory behind them."""
        lanes, kind = value.lanes, f"<{value.lanes} x i32>"
        wanted = self._new("i32", f"trunc i64 {count.ref} to i32")
        first = self._new(kind, f"insertelement {kind} poison, i32 {wanted.ref}, i64 0")
        bound = self._new(kind, f"shufflevector {kind} {first.ref}, {kind} poison, {kind} zeroinitializer")
        numbers = ", ".join(f"i32 {i}" for i in range(lanes))
        mask = self._new(f"<{lanes} x i1>", f"icmp slt {kind} <{numbers}>, {bound.ref}")
        name = f"llvm.masked.store.{_suffix(value.type)}.p0"
        self._declared.add(f"declare void @{name}({value.type}, ptr, i32, {mask.type})")
        arguments = f"{self._typed(value)}, ptr {pointer.ref}, i32 {self.element_bytes}, {self._typed(mask)}"
        self._lines.append(f"  call void @{name}({arguments})")

    def copy(self, target: Value, source: Value, count: Value | int) -> None:
        """Copy `count` elements, a vector at a time, from and to whatever they are stored in; the ranges are apart."""

        def some(i: Value, lanes: int) -> None:
            if source.of == target.of:
                self._store(self._load(self.at(source, i), lanes), self.at(target, i))
            else:
                self.store(self.load(self.at(source, i), lanes), self.at(target, i))

        if source.of == target.of:
            self._sweep(count, some)
            return
        # The last few, where they do not fill a vector, come with some of those before once more.
        total = self._value(count)
        whole = self.binary("and", total, -self.lanes)
        self.loop(0, whole, lambda i: some(i, self.lanes), step=self.lanes)

        def rest() -> None:
            self.when(
                whole > 0,
                lambda: some(total - self.lanes, self.lanes),
                lambda: self.loop(0, total, lambda i: some(i, 1)) and None,
            )

        self.when(whole < total, rest)

    def fill_zero(self, target: Value, count: Value | int) -> None:
        """Set `count` elements to zero."""
        kind = raw_type(self, target.of)
        zeros = {n: Value(shaped(kind, n), "zeroinitializer", self) for n in (1, self.lanes)}
        self._sweep(count, lambda i, lanes: self._store(zeros[lanes], self.at(target, i)))

    def fill(self, target: Value, number: Value, count: Value | int) -> None:
        """Set `count` elements to a scalar."""
        numbers = {n.lanes: self._narrowed(n, target) for n in (number, self.broadcast(number))}
        self._sweep(count, lambda i, lanes: self._store(numbers[lanes], self.at(target, i)))

    def stack_room(self, elements: int, of: str = "") -> Value:
        """Room for some elements on the stack; only in a function's first block."""
        kind, align = raw_type(self, of), self.target.vector_bits // 8
        return self._new("ptr", f"alloca [{elements} x {kind}], align {align}", of)

    # -- arithmetic --------------------------------------------------------------------------------

    def zero(self) -> Value:
        """A vector of zeros."""
        return Value(self._type(self.lanes), "zeroinitializer", self)

    def scalar_zero(self) -> Value:
        """The scalar 0."""
        return Value(self.element, "0.0", self)

    def broadcast(self, scalar: Value) -> Value:
        """A vector with the scalar in every lane."""
        vector = self._type(self.lanes)
        first = self._new(vector, f"insertelement {vector} poison, {scalar.type} {scalar.ref}, i64 0")
        return self._new(
            vector,
            f"shufflevector {vector} {first.ref}, {vector} poison, <{self.lanes} x i32> zeroinitializer",
        )

    def spread(self, vector: Value, group: int, member: int) -> Value:
        """In every lane, the member of a number that the lane's group of lanes has: all of it where a group is one."""
        if group == 1:
            return vector
        return self._shuffle(vector, vector, [lane - lane % group + member for lane in range(self.lanes)])

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
        suffix = _suffix(a.type)
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

    def raise_to(self, pointer: Value, number: Value) -> None:
        """Make an integer in memory, which several threads may share, the larger of itself and another."""
        self._new("i64", f"atomicrmw umax ptr {pointer.ref}, i64 {number.ref} monotonic, align 8")

    def load_strided(self, pointer: Value, stride: int) -> Value:
        """Load a vector whose lanes lie `stride` elements apart, reading nothing outside first and last lane."""
        return self._widened(self._load_strided(pointer, stride), pointer)

    def _load_strided(self, pointer: Value, stride: int) -> Value:
        if stride == 1:
            return self._load(pointer, self.lanes)
        if stride > self.lanes // 2:
            return self._gather(pointer, stride)
        # `stride` overlapping loads cover the span; each lane is picked from the last that starts before it.
        last = (self.lanes - 1) * (stride - 1)
        starts = [*range(0, last, self.lanes), last]
        holder = [max(i for i, s in enumerate(starts) if s <= lane * stride) for lane in range(self.lanes)]
        whole = self._load(pointer, self.lanes)
        for i, start in enumerate(starts[1:], 1):
            piece = self._load(self.at(pointer, start), self.lanes)
            lanes = [lane * stride - start + self.lanes if holder[lane] == i else lane for lane in range(self.lanes)]
            if i == 1:
                lanes = [lane * stride if holder[lane] == 0 else index for lane, index in enumerate(lanes)]
            lanes = [index if holder[lane] <= i else 0 for lane, index in enumerate(lanes)]
            whole = self._shuffle(whole, piece, lanes)
        return whole

    # -- control flow ------------------------------------------------------------------------------

    def loop(
        self,
        start: Value | int,
        stop: Value | int,
        body: Callable[..., Sequence[Value] | None],
        carry: Sequence[Value] = (),
        *,
        step: Value | int = 1,
        once: bool = False,
    ) -> Carry:
        """Repeat ``carry = body(index, *carry)`` for index from `start` below `stop`; returns the last carry.

        With `once` the caller promises at least one turn, which saves the test before the first.
        """
        first, end, size = self._value(start), self._value(stop), self._value(step)
        label = self._label("loop")
        entry = self._block
        if once:
            self._lines.append(f"  br label %{label}")
        else:
            enter = self.compare("slt", first, end)
            self._lines.append(f"  br i1 {enter.ref}, label %{label}, label %{label}.done")
        self._start(label)
        position = len(self._lines)  # phis are written here once the body's values are known
        index = self._name("i64")
        inside = [self._name(value.type, value.of) for value in carry]
        results = list(body(index, *inside) or ())
        following = index + size
        again = self.compare("slt", following, end)
        latch = self._block
        phis = [self._phi(index, (first, entry), (following, latch))]
        phis += [
            self._phi(name, (before, entry), (after, latch))
            for name, before, after in zip(inside, carry, results, strict=True)
        ]
        self._lines[position:position] = phis
        self._lines.append(f"  br i1 {again.ref}, label %{label}, label %{label}.done")
        self._start(f"{label}.done")
        if once:
            return tuple(results)
        merged = [self._name(value.type, value.of) for value in carry]
        self._lines += [
            self._phi(name, (before, entry), (after, latch))
            for name, before, after in zip(merged, carry, results, strict=True)
        ]
        return tuple(merged)

    def forever(self, body: Callable[[Callable[[Value], None]], None]) -> None:
        """Repeat `body(leave_if)` until the condition it hands to ``leave_if`` holds."""
        label = self._label("forever")
        self._lines.append(f"  br label %{label}")
        self._start(label)

        def leave_if(condition: Value) -> None:
            inner = self._label("stay")
            self._lines.append(f"  br i1 {condition.ref}, label %{label}.done, label %{inner}")
            self._start(inner)

        body(leave_if)
        self._lines.append(f"  br label %{label}")
        self._start(f"{label}.done")

    def when(
        self,
        condition: Value,
        then: Callable[[], Sequence[Value] | None],
        otherwise: Callable[[], Sequence[Value] | None] | None = None,
    ) -> Carry:
        """Run one of two bodies; returns the values that the one that ran handed back."""
        label = self._label("if")
        self._lines.append(f"  br i1 {condition.ref}, label %{label}.then, label %{label}.else")
        self._start(f"{label}.then")
        yes = list(then() or ())
        after_then = self._block
        self._lines.append(f"  br label %{label}.end")
        self._start(f"{label}.else")
        no = list((otherwise() if otherwise else None) or ())
        after_else = self._block
        self._lines.append(f"  br label %{label}.end")
        self._start(f"{label}.end")
        merged = [self._name(a.type, _of_both(a, b)) for a, b in zip(yes, no, strict=True)]
        self._lines += [
            self._phi(name, (a, after_then), (b, after_else)) for name, a, b in zip(merged, yes, no, strict=True)
        ]
        return tuple(merged)

    # -- helpers -----------------------------------------------------------------------------------

    def _new(self, kind: str, text: str, of: str = "") -> Value:
        value = self._name(kind, of)
        self._lines.append(f"  {value.ref} = {text}")
        return value

    def _name(self, kind: str, of: str = "") -> Value:
        self._count += 1
        return Value(kind, f"%v{self._count}", self, of)

    def _load(self, pointer: Value, lanes: int) -> Value:
        """Numbers as they are stored."""
        kind = shaped(raw_type(self, pointer.of), lanes)
        return self._new(kind, f"load {kind}, ptr {pointer.ref}, align {self._bytes(pointer)}")

    def _store(self, raw: Value, pointer: Value) -> None:
        align = 8 if raw.type == "i64" else self._bytes(pointer)
        self._lines.append(f"  store {raw.type} {raw.ref}, ptr {pointer.ref}, align {align}")

    def _bytes(self, pointer: Value) -> int:
        return ELEMENTS[pointer.of].bits // 8 if pointer.of else self.element_bytes

    def _widened(self, raw: Value, pointer: Value) -> Value:
        return widened(self, raw, pointer.of) if pointer.of else raw

    def _narrowed(self, value: Value, pointer: Value) -> Value:
        return narrowed(self, value, pointer.of) if pointer.of else value

    def _digits(self, number: float) -> str:
        """LLVM's text of a constant: the bits of a double, for a float of one that it holds."""
        if self.element == "float":
            (number,) = struct.unpack("f", struct.pack("f", number))
        (digits,) = struct.unpack("<Q", struct.pack("<d", number))
        return f"0x{digits:016X}"

    def _label(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def _start(self, label: str) -> None:
        self._lines.append(f"{label}:")
        self._block = label

    def _phi(self, name: Value, *incoming: tuple[Value, str]) -> str:
        return f"  {name.ref} = phi {name.type} " + ", ".join(f"[{v.ref}, %{block}]" for v, block in incoming)

    def _value(self, value: Value | int) -> Value:
        return value if isinstance(value, Value) else self.integer(value)

    def _typed(self, value: Value | int) -> str:
        known = self._value(value)
        return f"{known.type} {known.ref}"

    def _type(self, lanes: int) -> str:
        return shaped(self.element, lanes)

    def _width(self, value: Value) -> int:
        return int(value.type[1:].split(" x ")[0]) if value.type.startswith("<") else 1

    def _extreme(self, name: str, a: Value | int, b: Value | int) -> Value:
        self._declared.add(f"declare i64 @llvm.{name}.i64(i64, i64)")
        return self._new("i64", f"call i64 @llvm.{name}.i64({self._typed(a)}, {self._typed(b)})")

    def _sweep(self, count: Value | int, body: Callable[[Value, int], None]) -> None:
        whole = self.binary("and", self._value(count), -self.lanes)
        self.loop(0, whole, lambda i: body(i, self.lanes), step=self.lanes)
        self.loop(whole, count, lambda i: body(i, 1))

    def _shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        mask = ", ".join(f"i32 {lane}" for lane in lanes)
        kind = shaped(a.type.strip("<>").split(" x ")[1], len(lanes))
        return self._new(kind, f"shufflevector {a.type} {a.ref}, {b.type} {b.ref}, <{len(lanes)} x i32> <{mask}>")

    def _gather(self, pointer: Value, stride: int) -> Value:
        vector = Value(shaped(raw_type(self, pointer.of), self.lanes), "poison", self)
        for lane in range(self.lanes):
            scalar = self._load(self.at(pointer, lane * stride), 1)
            vector = self._new(
                vector.type,
                f"insertelement {vector.type} {vector.ref}, {scalar.type} {scalar.ref}, i64 {lane}",
            )
        return vector

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


def _is(value: Value | int, number: int) -> bool:
    return (value.ref == str(number) and value.type == "i64") if isinstance(value, Value) else value == number


def _fold(operation: str, a: str, b: str) -> int | None:
    if "%" in a or "%" in b:
        return None
    x, y = int(a), int(b)
    return {
        "add": x + y,
        "sub": x - y,
        "mul": x * y,
        "udiv": x // y if y else None,
        "urem": x % y if y else None,
        "and": x & y,
        "or": x | y,
    }[operation]


def _powers_of_two(count: int) -> list[tuple[int, int]]:
    """Split `count` lanes into runs of a power of two, longest first: 7 is 4, 2, 1."""
    runs, start = [], 0
    for bit in reversed(range(count.bit_length())):
        if count >> bit & 1:
            runs.append((start, 1 << bit))
            start += 1 << bit
    return runs


def _of_both(a: Value, b: Value) -> str:
    """What either of two pointers points to."""
    if a.of != b.of:
        raise TypeError(f"one of {a.of or 'elements'!r} and {b.of or 'elements'!r} is no pointer to either")
    return a.of


def _suffix(kind: str) -> str:
    """What an intrinsic's name says of a type."""
    name = kind.strip("<>").replace(" x ", "").replace("float", "f32").replace("double", "f64")
    return f"v{name}" if kind.startswith("<") else name


def _repeated(typed: str, alone: str, lanes: int) -> str:
    """A constant in so many lanes; as it is for a scalar."""
    return alone if lanes == 1 else f"<{', '.join([typed] * lanes)}>"
