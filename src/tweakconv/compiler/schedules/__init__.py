"""The ways to compute a convolution, by name.

A schedule is a module with ``plan(spec, target)``, ``emit(plan)`` for its LLVM assembly, ``pack(plan, kernel)`` and
``pack_bias(plan, bias)`` for its weights, and ``integers(plan, call)`` for the run-time arguments of one call.
"""

from types import ModuleType

from tweakconv.compiler.schedules import depthwise, direct

SCHEDULES: dict[str, ModuleType] = {"direct": direct, "depthwise": depthwise}
