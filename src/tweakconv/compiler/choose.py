"""Which schedule computes a convolution, and why."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from tweakconv.compiler.schedules import SCHEDULES
from tweakconv.compiler.schedules.direct import DirectPlan
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target


@dataclass(frozen=True, slots=True)
class Choice:
    """A schedule's name, the plan it made, and the reason in words."""

    algorithm: str
    plan: DirectPlan
    reason: str

    @property
    def schedule(self) -> ModuleType:
        """The module that emits and packs for the plan."""
        return SCHEDULES[self.algorithm]


def choose(spec: ConvSpec, target: Target) -> Choice:
    """Decide how to compute a convolution on a target."""
    form = "output channels" if spec.channels_last else "output columns"
    return Choice(
        "direct",
        SCHEDULES["direct"].plan(spec, target),
        f"the one schedule that computes every geometry; vector lanes hold {form}",
    )
