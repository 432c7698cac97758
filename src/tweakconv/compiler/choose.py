"""Which schedule computes a convolution, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target

if TYPE_CHECKING:
    from types import ModuleType

    from tweakconv.compiler.schedules.direct import DirectPlan


class Choice(NamedTuple):
    """A schedule's name, its module, the plan it made, and the reason in words."""

    algorithm: str
    schedule: ModuleType
    plan: DirectPlan
    reason: str


def choose(spec: ConvSpec, target: Target) -> Choice:
    """Decide how to compute a convolution on a target."""
    from tweakconv.compiler.schedules import SCHEDULES, depthwise  # noqa: PLC0415 - loaded when code is first needed

    if depthwise.applies(spec):
        name, reason = "depthwise", "every channel is a group of its own, and vector lanes hold channels"
    else:
        form = "output channels" if spec.channels_last else "output columns"
        name, reason = "direct", f"it computes every geometry; vector lanes hold {form}"
    return Choice(name, SCHEDULES[name], SCHEDULES[name].plan(spec, target), reason)
