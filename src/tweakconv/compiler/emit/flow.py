"""Loops and conditions, whose bodies are Python functions that hand their values on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tweakconv.compiler.emit.module import Module, Value, of_both

Carry = tuple[Value, ...]


class Flow(Module):
    """A module whose functions have loops and conditions."""

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
        merged = [self._name(a.type, of_both(a, b)) for a, b in zip(yes, no, strict=True)]
        self._lines += [
            self._phi(name, (a, after_then), (b, after_else)) for name, a, b in zip(merged, yes, no, strict=True)
        ]
        return tuple(merged)
