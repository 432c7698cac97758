"""How the threads of a call share its work: each takes the next task until none is left.

Where a task needs what others have written, it waits for as many as those are to be announced. Tasks are handed out
in order, so what a task waits for is always in the hands of a running thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tweakconv.compiler.call import ALONE, Shared
from tweakconv.compiler.emit import Builder, Value

_POINTERS = ("x", "w", "bias", "y", "residual", "shape", "shared", "window")


def define_run(
    b: Builder, body: Callable[..., None], stored: Mapping[str, str] = MappingProxyType({}), *,
    name: str = "run", public: bool = True,
) -> None:  # fmt: skip
    """Define what a call runs in each thread, by the addresses and the flags that `compiler.call` tells of.

    Parameters
    ----------
    body
        Takes them in order.
    stored
        Types of the pointers that point to something else than what is computed in.
    """
    b.function(name, {**dict.fromkeys(_POINTERS, "ptr"), **stored, "flags": "i64"}, body, public=public)


def emit_tasks(b: Builder, shared: Value, flags: Value, tasks: Value, task: Callable[[Value], None]) -> None:
    """Run `task(number)` for numbers below `tasks`, each in one of the threads that get here."""
    b.when((flags & ALONE).equals(ALONE), lambda: b.store(b.integer(0), shared))

    def one(leave_if: Callable[[Value], None]) -> None:
        ticket = b.next_ticket(shared)
        leave_if(ticket >= tasks)
        task(ticket)

    b.forever(one)


def wait_for(b: Builder, shared: Value, counter: Value, wanted: Value) -> None:
    """Wait until `wanted` announcements have been made at a counter, and see all that was written before them."""
    b.call_address(b.load_address(shared, Shared.AWAIT), counter, wanted)
