"""Elements in memory: loaded and stored as vectors, in part, with gaps, and from one stored type to another."""

from __future__ import annotations

from collections.abc import Callable

from tweakconv.compiler.elements import narrowed, raw_type, shaped, widened
from tweakconv.compiler.emit.module import Value
from tweakconv.compiler.emit.vectors import Vectors, suffix_of


class Builder(Vectors):
    """The text of one LLVM module, for one target and one element type; `Module` says what it is made with."""

    def load(self, pointer: Value, lanes: int = 1) -> Value:
        """Load a scalar (one lane) or a vector from an address aligned to an element."""
        return self._widened(self._load(pointer, lanes), pointer)

    def load_anew(self) -> None:
        """Whatever is loaded from here on is not kept in a register from before: no instruction, a word to LLVM."""
        self._lines.append('  fence syncscope("singlethread") seq_cst')

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
        mask = self.match("slt", self._numbers(value.lanes), self._in_lanes(count, value.lanes))
        name = f"llvm.masked.store.{suffix_of(value.type)}.p0"
        self._declared.add(f"declare void @{name}({value.type}, ptr, i32, {mask.type})")
        arguments = f"{self._typed(value)}, ptr {pointer.ref}, i32 {self.element_bytes}, {self._typed(mask)}"
        self._lines.append(f"  call void @{name}({arguments})")

    def load_first(self, pointer: Value, count: Value) -> Value:
        """Load as many of the first lanes of a vector as a count at run time says; the others are zero."""
        return self._load_masked(
            pointer, self.match("slt", self._numbers(self.lanes), self._in_lanes(count, self.lanes))
        )

    def load_within(self, pointer: Value, stride: int, position: Value, limit: Value) -> Value:
        """A vector as of `load_strided`, from `position` on, with zeros where no position from 0 to `limit` is met.

        Nothing is read there. Strides are at most half the lanes.
        """
        bound = self._in_lanes(limit, self.lanes)

        def load(start: int) -> Value:
            first = self._in_lanes(position + start, self.lanes)
            places = self.combine("add", first, self._numbers(self.lanes))
            return self._load_masked(self.at(pointer, start), self.match("ult", places, bound))

        return self._picked(stride, load)

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

    def load_strided(self, pointer: Value, stride: int) -> Value:
        """Load a vector whose lanes lie `stride` elements apart, reading nothing outside first and last lane."""
        return self._widened(self._load_strided(pointer, stride), pointer)

    def _load_strided(self, pointer: Value, stride: int) -> Value:
        if stride > max(1, self.lanes // 2):
            return self._gather(pointer, stride)
        return self._picked(stride, lambda start: self._load(self.at(pointer, start), self.lanes))

    def _picked(self, stride: int, load: Callable[[int], Value]) -> Value:
        """A vector of every so many elements, from vectors that `load` gives by the place of their first."""
        if stride == 1:
            return load(0)
        # `stride` overlapping loads cover the span; each lane is picked from the last that starts before it.
        last = (self.lanes - 1) * (stride - 1)
        starts = [*range(0, last, self.lanes), last]
        holder = [max(i for i, s in enumerate(starts) if s <= lane * stride) for lane in range(self.lanes)]
        whole = load(0)
        for i, start in enumerate(starts[1:], 1):
            piece = load(start)
            lanes = [lane * stride - start + self.lanes if holder[lane] == i else lane for lane in range(self.lanes)]
            if i == 1:
                lanes = [lane * stride if holder[lane] == 0 else index for lane, index in enumerate(lanes)]
            lanes = [index if holder[lane] <= i else 0 for lane, index in enumerate(lanes)]
            whole = self._shuffle(whole, piece, lanes)
        return whole

    def _load(self, pointer: Value, lanes: int) -> Value:
        """Numbers as they are stored."""
        kind = shaped(raw_type(self, pointer.of), lanes)
        return self._new(kind, f"load {kind}, ptr {pointer.ref}, align {self._bytes(pointer)}")

    def _load_masked(self, pointer: Value, mask: Value) -> Value:
        kind = shaped(self.element, self.lanes)
        name = f"llvm.masked.load.{suffix_of(kind)}.p0"
        self._declared.add(f"declare {kind} @{name}(ptr, i32, {mask.type}, {kind})")
        arguments = f"ptr {pointer.ref}, i32 {self.element_bytes}, {self._typed(mask)}, {kind} zeroinitializer"
        return self._new(kind, f"call {kind} @{name}({arguments})")

    def _numbers(self, lanes: int) -> Value:
        """The number of each lane, as whole numbers of 32 bits."""
        return Value(f"<{lanes} x i32>", f"<{', '.join(f'i32 {i}' for i in range(lanes))}>", self)

    def _in_lanes(self, number: Value, lanes: int) -> Value:
        """An integer in every lane, as whole numbers of 32 bits."""
        kind = f"<{lanes} x i32>"
        short = self._new("i32", f"trunc i64 {number.ref} to i32")
        first = self._new(kind, f"insertelement {kind} poison, i32 {short.ref}, i64 0")
        return self._new(kind, f"shufflevector {kind} {first.ref}, {kind} poison, {kind} zeroinitializer")

    def _store(self, raw: Value, pointer: Value) -> None:
        align = 8 if raw.type == "i64" else self._bytes(pointer)
        self._lines.append(f"  store {raw.type} {raw.ref}, ptr {pointer.ref}, align {align}")

    def _widened(self, raw: Value, pointer: Value) -> Value:
        return widened(self, raw, pointer.of) if pointer.of else raw

    def _narrowed(self, value: Value, pointer: Value) -> Value:
        return narrowed(self, value, pointer.of) if pointer.of else value

    def _sweep(self, count: Value | int, body: Callable[[Value, int], None]) -> None:
        whole = self.binary("and", self._value(count), -self.lanes)
        self.loop(0, whole, lambda i: body(i, self.lanes), step=self.lanes)
        self.loop(whole, count, lambda i: body(i, 1))

    def _gather(self, pointer: Value, stride: int) -> Value:
        vector = Value(shaped(raw_type(self, pointer.of), self.lanes), "poison", self)
        for lane in range(self.lanes):
            scalar = self._load(self.at(pointer, lane * stride), 1)
            vector = self._new(
                vector.type,
                f"insertelement {vector.type} {vector.ref}, {scalar.type} {scalar.ref}, i64 {lane}",
            )
        return vector


def _powers_of_two(count: int) -> list[tuple[int, int]]:
    """Split `count` lanes into runs of a power of two, longest first: 7 is 4, 2, 1."""
    runs, start = [], 0
    for bit in reversed(range(count.bit_length())):
        if count >> bit & 1:
            runs.append((start, 1 << bit))
            start += 1 << bit
    return runs
