"""Compiled convolutions, made once: from memory, else from disk, else by compiling."""

from __future__ import annotations

import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from tweakconv.compiler.choose import Choice
from tweakconv.compiler.llvm_lock import llvm_lock
from tweakconv.compiler.target import Target

if TYPE_CHECKING:
    from tweakconv.compiler import jit

MOST_IN_MEMORY = 256
"""Compiled convolutions kept; a prepared convolution keeps its own for as long as it lives."""


class Built(NamedTuple):
    """Machine code ready to run, the choice it follows, and where it came from.

    Attributes
    ----------
    origin : str
        "compiled" or "loaded from disk".
    seconds : float
        What that took.
    """

    choice: Choice
    code: jit.Loaded
    origin: str
    seconds: float


def build(choice: Choice) -> Built:
    """The compiled code for a choice of schedule and plan."""
    key = (choice.algorithm, choice.plan)
    built = _built.get(key)
    if built is None:
        with llvm_lock:
            built = _built.get(key)
            if built is None:
                built = _built[key] = _build(choice)
                while len(_built) > MOST_IN_MEMORY:
                    _built.popitem(last=False)
    with contextlib.suppress(KeyError):  # another thread may just have dropped it
        _built.move_to_end(key)
    return built._replace(choice=choice)  # the reason is this call's own


def load(text: str, functions: tuple[str, ...], target: Target) -> jit.Loaded:
    """The compiled code of a module of LLVM assembly: from disk, else by compiling."""
    from tweakconv.compiler import jit  # noqa: PLC0415

    with llvm_lock:
        return jit.Loaded(_code((functions, text), lambda: text, target)[0], functions)


def forget() -> None:
    """Drop what is kept in memory, and what others keep that holds it; the next use loads or compiles it."""
    _built.clear()
    for also in _also:
        also()


def when_forgotten(also: Callable[[], None]) -> None:
    """Have something called whenever what is kept in memory is dropped."""
    _also.append(also)


def _build(choice: Choice) -> Built:
    from tweakconv.compiler import jit  # noqa: PLC0415 - LLVM is loaded when code is first needed

    start = time.perf_counter()
    plan = choice.plan
    code, origin = _code((choice.algorithm, plan), lambda: choice.schedule.emit(plan), plan.target)
    return Built(choice, jit.Loaded(code), origin, time.perf_counter() - start)


def _code(parts: tuple[object, ...], text: Callable[[], str], target: Target) -> tuple[bytes, str]:
    """The machine code that `parts` name, and where it came from."""
    from tweakconv.compiler import cache, jit  # noqa: PLC0415

    key = cache.key(*parts)
    code = cache.read(key)
    if code is not None:
        return code, "loaded from disk"
    code = jit.compile_module(text(), target)
    cache.write(key, code)
    return code, "compiled"


_built: OrderedDict[tuple[str, object], Built] = OrderedDict()
_also: list[Callable[[], None]] = []
