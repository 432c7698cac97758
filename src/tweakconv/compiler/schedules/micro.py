"""What every microkernel of the direct schedule takes, so that one driver can call any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tweakconv.compiler.emit import Builder, Carry, Value
from tweakconv.compiler.schedules.blocking import Blocking
from tweakconv.compiler.schedules.window import widens
from tweakconv.compiler.spec import ConvSpec

_PARAMETERS = {
    "x": "ptr",  # the first pixel's input at the chunk's first tap and channel
    "x_row": "i64",  # elements from one kernel row's input to the next
    "x_channel": "i64",  # elements from one input channel to the next (channels_first)
    "w": "ptr",  # the block's weights, in the order in which they are used
    "y": "ptr",  # the first pixel's output at the block's first channel
    "y_channel": "i64",  # elements from one output channel to the next (channels_first)
    "bias": "ptr",  # the block's bias
    "rows": "i64",  # kernel rows, kernel columns and input channels of the chunk
    "columns": "i64",
    "channels": "i64",
    "mode": "i64",  # bit 0: the sum's first chunk; bit 1: its last
    "count": "i64",  # pixels to store
    "residual": "ptr",  # the first pixel's residual at the block's first channel
    "planes": "i64",  # kernel planes of the chunk
    "x_plane": "i64",  # elements from one kernel plane's input to the next, and its weights
    "w_plane": "i64",
    "w_row": "i64",  # elements from one kernel row's weights to the next, where kernel columns may be left out
}


def _parameters(spec: ConvSpec, blocking: Blocking) -> dict[str, str]:
    """Those that the microkernels of a convolution take: without a residual or several planes where there are none.

    The input is as it is stored where that is read in place; a window holds what is computed in (`window.widens`).
    """
    unneeded = [] if spec.residual else ["residual"]
    if blocking.planes == 1:
        unneeded += ["planes", "x_plane", "w_plane"]
    if not blocking.in_stretches:
        unneeded += ["w_row"]
    kinds = _PARAMETERS | spec.pointers | ({"x": "ptr"} if widens(spec, blocking) else {})
    return {name: kind for name, kind in kinds.items() if name not in unneeded}


def define(b: Builder, spec: ConvSpec, blocking: Blocking, name: str, body: Callable[..., None]) -> None:
    """Define a microkernel; `body` receives the parameters by their names."""
    names = _parameters(spec, blocking)
    b.function(name, names, lambda *values: body(**dict(zip(names, values, strict=True))))


def call(b: Builder, name: str, **arguments: Value | int | None) -> None:
    """Call a microkernel with its parameters by their names; None for those that it does not take."""
    values = [arguments.get(parameter) for parameter in _PARAMETERS]
    b.call(name, *(value for value in values if value is not None))


@dataclass(frozen=True, slots=True)
class Planes:
    """The kernel planes of a chunk: how many, and the elements from the input and weights of one to those of the next.

    None where there is one. `w_row` are those from a kernel row's weights to the next's; None where they follow.
    """

    count: Value | None = None
    x: Value | None = None
    w: Value | None = None
    w_row: Value | None = None

    def sums(
        self, b: Builder, x: Value, w: Value, rows: Value, x_row: Value, zeros: Sequence[Value],
        row: Callable[..., Sequence[Value]],
    ) -> Carry:  # fmt: skip
        """Sums over the kernel rows of all planes; ``row(at, w, *sums)`` adds a row's to those before."""

        def plane(x: Value, w: Value, sums: Sequence[Value]) -> Carry:
            if self.w_row is None:
                return b.loop(0, rows, lambda r, *carry: row(b.at(x, r * x_row), *carry), [w, *sums])[1:]
            apart = self.w_row
            return b.loop(0, rows, lambda r, *sums: row(b.at(x, r * x_row), b.at(w, r * apart), *sums)[1:], sums)

        if self.count is None or self.x is None or self.w is None:
            return plane(x, w, zeros)
        x_step, w_step = self.x, self.w
        return b.loop(0, self.count, lambda p, *sums: plane(b.at(x, p * x_step), b.at(w, p * w_step), sums), zeros)
