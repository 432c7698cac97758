"""The ways to compute a convolution, by name.

A schedule is a module with ``plan(spec, target)``, ``emit(plan)`` for its LLVM assembly, ``pack(plan, kernel)``,
``unpack(plan, packed)`` and ``pack_bias(plan, bias)`` for its weights, and ``integers(plan, call)`` for the run-time
arguments of one call. All but the direct one say what they compute with ``applies(spec, target)`` and in words with
``WHAT``.
"""

from types import ModuleType

from tweakconv.compiler.schedules import direct, grouped, rows, winograd

SCHEDULES: dict[str, ModuleType] = {
    "direct": direct,
    "grouped": grouped,
    "rows": rows,
    "winograd": winograd,
}
