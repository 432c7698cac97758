"""Kernel gradients in native code: which way computes one, and its compiled code.

A way is a module with ``plan(spec, target)``; ``emit(plan)`` for its LLVM module, whose one public function is called
as `tweakconv.compiler.call` says; and ``integers(plan, call)`` and ``space(plan, call)`` for what a call hands over.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from tweakconv.compiler import build
from tweakconv.compiler.kernel_grad import direct, winograd
from tweakconv.compiler.kernel_grad.call import KernelGradCall
from tweakconv.compiler.kernel_grad.plan import KernelGradPlan
from tweakconv.compiler.kernel_grad.winograd_plan import WinogradGradPlan
from tweakconv.compiler.kernel_grad_spec import KernelGradSpec
from tweakconv.compiler.target import Target

if TYPE_CHECKING:
    from tweakconv.compiler import jit

__all__ = ["KernelGradCall", "KernelGradChoice", "choose", "code"]

ALGORITHMS = ("auto", "direct", "winograd")


class KernelGradChoice(NamedTuple):
    """A way's name, its module, and the plan it made."""

    algorithm: str
    way: ModuleType
    plan: KernelGradPlan | WinogradGradPlan


def choose(
    spec: KernelGradSpec, target: Target, out_size: tuple[int, ...], batch: int, algorithm: str = "auto"
) -> KernelGradChoice:
    """Decide how to compute a kernel gradient.

    Parameters
    ----------
    out_size, batch
        What it is meant for.
    algorithm
        One of `ALGORITHMS`; any but "auto" is the answer.

    Raises
    ------
    ValueError
        For an algorithm that is none, or does not compute it.
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm: received {algorithm!r}; choose one of {', '.join(map(repr, ALGORITHMS))}")
    applies = winograd.applies(spec)
    if algorithm == "winograd" and not applies:
        raise ValueError(f"algorithm: received 'winograd', which computes {winograd.WHAT}; choose 'auto'")
    if algorithm == "auto" and applies and winograd.is_faster(spec, target, out_size, batch):
        algorithm = "winograd"
    if algorithm == "winograd":
        return KernelGradChoice("winograd", winograd, winograd.plan(spec, target))
    return KernelGradChoice("direct", direct, direct.plan(spec, target))


def code(choice: KernelGradChoice) -> jit.Loaded:
    """The compiled code of a choice: from memory, else from disk, else by compiling."""
    return _code(choice.way, choice.plan)


@functools.lru_cache(maxsize=build.MOST_IN_MEMORY)
def _code(way: ModuleType, plan: KernelGradPlan | WinogradGradPlan) -> jit.Loaded:
    return build.load(way.emit(plan), ("run",), plan.target)
