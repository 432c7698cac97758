"""The code of gradients for every target, also those that this processor cannot run: it calls nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.test_targets import undefined_symbols

from tweakconv.activations import Activation
from tweakconv.compiler import activation_grad, jit
from tweakconv.compiler.kernel_grad import choose
from tweakconv.compiler.kernel_grad_spec import KernelGradSpec
from tweakconv.compiler.spec import AxisSpec
from tweakconv.compiler.target import TARGETS

ONE = AxisSpec(1, 1, 1)
SPECS = {
    "dense": ((ONE, AxisSpec(3, 2, 1), AxisSpec(3, 2, 1)), 20, 70, 1),
    "dilated": ((AxisSpec(2, 1, 1), AxisSpec(3, 1, 2), AxisSpec(2, 1, 30)), 3, 17, 1),
    "depthwise": ((ONE, AxisSpec(3, 1, 1), AxisSpec(3, 1, 1)), 40, 40, 40),
    "small groups": ((ONE, AxisSpec(3, 1, 1), AxisSpec(1, 3, 1)), 24, 32, 8),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("name", [*SPECS, "winograd"])
def test_kernel_gradients_call_nothing_outside_of_themselves(name: str, channels_last: bool, target: str) -> None:
    three = AxisSpec(3, 1, 1)
    axes, *channels = SPECS.get(name, ((ONE, three, three), 20, 40, 1))
    double = name in ("dense", "small groups") and channels_last
    spec = KernelGradSpec(axes, *channels, channels_last=channels_last, double=double)
    algorithm = "winograd" if name == "winograd" else "direct"
    choice = choose(spec, TARGETS[target], (30, 40), 2, algorithm)
    assert undefined_symbols(jit.compile_module(choice.way.emit(choice.plan), TARGETS[target])) == []


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["relu6", "gelu", "silu", "elu"])
def test_slopes_of_activations_call_nothing_outside_of_themselves(name: str, target: str) -> None:
    plan: Any = activation_grad.ActivationGradPlan(Activation(name), name == "gelu", TARGETS[target])
    assert undefined_symbols(jit.compile_module(activation_grad.emit(plan), TARGETS[target])) == []
