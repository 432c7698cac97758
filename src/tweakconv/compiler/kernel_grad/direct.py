"""Kernel gradients as the definition says: every product is formed, for every geometry."""

from __future__ import annotations

from tweakconv.compiler.emit import Builder
from tweakconv.compiler.kernel_grad.call import integers, space
from tweakconv.compiler.kernel_grad.driver import emit_run
from tweakconv.compiler.kernel_grad.fill import emit_fills
from tweakconv.compiler.kernel_grad.micro import emit_micro
from tweakconv.compiler.kernel_grad.plan import KernelGradPlan, plan

__all__ = ["emit", "integers", "plan", "space"]


def emit(plan: KernelGradPlan) -> str:
    """The LLVM module of a plan; its one public function is ``run``."""
    builder = Builder(plan.target, plan.spec.element)
    emit_fills(builder, plan)
    for rows in plan.heights():
        for width in plan.widths():
            emit_micro(builder, plan, rows, width)
    emit_run(builder, plan)
    return builder.module()
