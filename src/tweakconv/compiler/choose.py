"""Which schedule computes a convolution, and why."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tweakconv.arrays import FloatArray
from tweakconv.compiler.llvm_lock import llvm_lock
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target

if TYPE_CHECKING:
    from types import ModuleType

    from tweakconv.compiler.schedules.direct import DirectPlan
    from tweakconv.compiler.schedules.rows import RowsPlan
    from tweakconv.compiler.schedules.winograd import WinogradPlan

ALGORITHMS = ("auto", "direct", "grouped", "rows", "winograd")

_WORTH_IT = 0.9
"""Winograd's rounding errors are about three times those of direct sums: it must gain something for them."""

_PACKING_CYCLES = 70
"""Cycles for each weight that is transformed and packed, where a call does that as well."""


class Choice(NamedTuple):
    """A schedule's name, its module, the plan it made, and the reason in words."""

    algorithm: str
    schedule: ModuleType
    plan: DirectPlan | RowsPlan | WinogradPlan
    reason: str


def choose(
    spec: ConvSpec,
    target: Target,
    out_size: tuple[int, int] | None = None,
    *,
    algorithm: str = "auto",
    tame: bool = True,
    packs: bool = False,
    whole: bool = False,
) -> Choice:
    """Decide how to compute a convolution on a target.

    Parameters
    ----------
    out_size
        Height and width of the output it is meant for, where they are known.
    algorithm
        One of `ALGORITHMS`; any but "auto" is the answer.
    tame
        Whether all weights and the bias are finite, and far from overflowing.
    packs
        Whether weights are packed for a single call, so that the time this takes counts.
    whole
        Whether all weights are whole numbers: then "auto" takes sums whose results are, for whole inputs.

    Raises
    ------
    ValueError
        Where `algorithm` is unknown, or does not compute this convolution.
    """
    with llvm_lock:
        from tweakconv.compiler.schedules import SCHEDULES  # noqa: PLC0415 - loaded when code is first needed

    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm: received {algorithm!r}; choose one of {', '.join(map(repr, ALGORITHMS))}")
    if algorithm == "auto":
        name, reason = _best(spec, target, out_size if tame else None, packs=packs, whole=whole)
    else:
        name, reason = algorithm, "asked for"
        if name != "direct" and not SCHEDULES[name].applies(spec, target):
            raise ValueError(f"algorithm: received {name!r}, which computes {SCHEDULES[name].WHAT}; choose 'auto'")
        if name == "winograd" and not tame:
            raise ValueError(
                "algorithm: received 'winograd', whose transforms spread NaN, infinity and overflow, which kernel or "
                "bias hold or come near; choose 'direct'"
            )
    return Choice(name, SCHEDULES[name], SCHEDULES[name].plan(spec, target), reason)


_SAMPLE = 64


def is_whole(kernel: FloatArray) -> bool:
    """Whether all weights are whole numbers; a few of them decide for nearly every kernel that has others.

    Examples
    --------
    >>> import numpy as np
    >>> is_whole(np.array([1.0, -8.0])), is_whole(np.array([0.25, 2.0]))
    (True, False)
    """
    weights = kernel.reshape(-1)
    return all(bool((part == np.rint(part)).all()) for part in (weights[:_SAMPLE], weights[_SAMPLE:]))


def _best(
    spec: ConvSpec, target: Target, out_size: tuple[int, int] | None, *, packs: bool, whole: bool
) -> tuple[str, str]:
    from tweakconv.compiler.schedules import direct, grouped, rows, winograd  # noqa: PLC0415

    if grouped.applies(spec, target):
        return "grouped", "groups are smaller than a vector; its lanes hold the channels of several"
    if rows.applies(spec, target):
        return "rows", "there is one output channel a group; neighbouring output rows share the input rows they read"
    lanes = f"vector lanes hold {'output channels' if spec.channels_last else 'output columns'}"
    if out_size is None or not winograd.applies(spec, target):
        return "direct", f"it computes every geometry; {lanes}"
    if whole:
        return "direct", "all weights are whole numbers, whose direct sums over whole numbers are exact"
    plain = direct.estimate(direct.plan(spec, target), out_size)
    fast = winograd.estimate(winograd.plan(spec, target), out_size)
    if packs:
        fast += math.prod(spec.taps) * spec.group_out * _PACKING_CYCLES
    if fast < _WORTH_IT * plain:
        return "winograd", f"estimated to take {fast / plain:.2f} of the time of direct sums"
    return "direct", f"winograd is estimated to take {fast / plain:.2f} of its time; {lanes}"
