"""The ways to compute a convolution, by name.

A schedule is a module with ``plan(spec, target)``, ``emit(plan)`` for its LLVM assembly, ``integers(plan, call)`` for
the run-time arguments of one call, and for its weights ``pack(plan, kernel)``, ``unpack(plan, packed, kernel_size)``,
``packed_elements(plan, taps)`` and ``pack_bias(plan, bias)``. All but the direct one say what they compute with
``applies(spec, target)`` and in words with ``WHAT``.
"""

from types import ModuleType

from tweakconv.compiler.schedules import direct, grouped, rows, winograd

SCHEDULES: dict[str, ModuleType] = {
    "direct": direct,
    "grouped": grouped,
    "rows": rows,
    "winograd": winograd,
}
