"""The text of a module: functions, and in them integers and addresses, of which the values know how to reckon."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tweakconv.compiler.elements import ELEMENTS, raw_type
from tweakconv.compiler.target import Target


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
    builder: Module
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


class Module:
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
        return self._new(a.type, f"select i1 {condition.ref}, {a.type} {a.ref}, {b.type} {b.ref}", of_both(a, b))

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

    def load_integer(self, pointer: Value, index: int) -> Value:
        """The 64-bit integer at `index` of an array of integers."""
        address = self._new("ptr", f"getelementptr i64, ptr {pointer.ref}, i64 {index}")
        return self._new("i64", f"load i64, ptr {address.ref}, align 8")

    def load_integers(self, pointer: Value, names: Iterable[str], first: int = 0) -> dict[str, Value]:
        """The 64-bit integers of an array from the `first` on, by their names in order."""
        return {name: self.load_integer(pointer, index) for index, name in enumerate(names, first)}

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

    def raise_to(self, pointer: Value, number: Value) -> None:
        """Make an integer in memory, which several threads may share, the larger of itself and another."""
        self._new("i64", f"atomicrmw umax ptr {pointer.ref}, i64 {number.ref} monotonic, align 8")

    def _new(self, kind: str, text: str, of: str = "") -> Value:
        value = self._name(kind, of)
        self._lines.append(f"  {value.ref} = {text}")
        return value

    def _name(self, kind: str, of: str = "") -> Value:
        self._count += 1
        return Value(kind, f"%v{self._count}", self, of)

    def _bytes(self, pointer: Value) -> int:
        return ELEMENTS[pointer.of].bits // 8 if pointer.of else self.element_bytes

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

    def _extreme(self, name: str, a: Value | int, b: Value | int) -> Value:
        self._declared.add(f"declare i64 @llvm.{name}.i64(i64, i64)")
        return self._new("i64", f"call i64 @llvm.{name}.i64({self._typed(a)}, {self._typed(b)})")


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


def of_both(a: Value, b: Value) -> str:
    """What either of two pointers points to."""
    if a.of != b.of:
        raise TypeError(f"one of {a.of or 'elements'!r} and {b.of or 'elements'!r} is no pointer to either")
    return a.of
