"""The ways to compute a convolution, by name.

A schedule is a module with ``plan(spec, target)``, ``emit(plan)`` for its LLVM assembly, ``integers(plan, call)`` for
the run-time arguments of one call, and for its weights ``parts(plan, taps)``, which says what goes where,
``packed_elements(plan, taps)`` and ``pack_bias(plan, bias)``. It says what it computes with ``applies(spec, target)``,
in words with ``WHAT``, and how long that takes with ``estimate(plan, out_size)``. `bands` runs those that compute
channels_last for channels_first too, from what they define in its module with ``define(builder, plan, name, public=)``.

Some read something else than weights in another order: `fft` and `separable` have ``pack(plan, kernel)`` and ``unpack``
instead of ``parts``; `tiles` has ``places``, by which native code packs bfloat16, and ``unpack``.
"""

from types import ModuleType

from tweakconv.compiler.schedules import depthwise, direct, fourier, grouped, rows, separable, tiles, winograd

SCHEDULES: dict[str, ModuleType] = {
    "depthwise": depthwise,
    "direct": direct,
    "fft": fourier,
    "grouped": grouped,
    "rows": rows,
    "separable": separable,
    "tiles": tiles,
    "winograd": winograd,
}
