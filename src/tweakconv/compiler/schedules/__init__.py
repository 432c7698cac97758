"""The ways to compute a convolution, by name.

A schedule is a module with ``plan(spec, target)``, ``emit(plan)`` for its LLVM assembly, ``integers(plan, call)`` for
the run-time arguments of one call, and for its weights ``parts(plan, taps)``, which says what goes where,
``packed_elements(plan, taps)`` and ``pack_bias(plan, bias)``. It says what it computes with ``applies(spec, target)``,
in words with ``WHAT``, and how long that takes with ``estimate(plan, out_size)``. `bands` runs those that compute
channels_last for channels_first too, from what they define in its module with ``define(builder, plan, name, public=)``.
"""

from types import ModuleType

from tweakconv.compiler.schedules import depthwise, direct, fourier, grouped, rows, separable, winograd

SCHEDULES: dict[str, ModuleType] = {
    "depthwise": depthwise,
    "direct": direct,
    "fft": fourier,
    "grouped": grouped,
    "rows": rows,
    "separable": separable,
    "winograd": winograd,
}
