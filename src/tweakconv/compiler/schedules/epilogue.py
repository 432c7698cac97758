"""What happens to a sum on its way from registers to memory: earlier chunks, bias and activation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.blocking import Blocking
from tweakconv.compiler.spec import ConvSpec


@dataclass(frozen=True, slots=True)
class Finish:
    """Emits the end of a microkernel once for each case of the chunk it ends.

    Attributes
    ----------
    mode : Value
        Bit 0: the sum's first chunk; bit 1: its last.
    """

    builder: Builder
    spec: ConvSpec
    blocking: Blocking
    mode: Value

    def each_case(self, store: Callable[[bool, bool], None]) -> None:
        """Emit ``store(first, last)`` for each case that can occur, under the test for it."""
        b = self.builder
        if self.blocking.chunk == (*self.spec.kernel, self.spec.group_in):
            store(True, True)
            return
        not_last = (lambda: b.when((self.mode & 2).equals(2), lambda: store(False, True), lambda: store(False, False)))
        later = not_last if self.spec.relu else (lambda: store(False, False))
        b.when((self.mode & 1).equals(1), lambda: store(True, False), later)

    def activate(self, value: Value, last: bool) -> Value:
        """The activation, where there is one and the sum is complete."""
        return self.builder.relu(value) if last and self.spec.relu else value
