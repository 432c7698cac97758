"""Slopes of activations as code: each element of a gradient times the slope at what the forward pass kept."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tweakconv.activations import Activation
from tweakconv.compiler import activations, build
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.lanes import Lanes
from tweakconv.compiler.schedules.tasks import define_run, emit_tasks
from tweakconv.compiler.target import Target

if TYPE_CHECKING:
    from tweakconv.compiler import jit

_TASK = 1 << 14
"""Elements of a task."""


@dataclass(frozen=True, slots=True)
class ActivationGradPlan:
    """An activation, an element type and a target."""

    activation: Activation
    double: bool
    target: Target


@functools.lru_cache(maxsize=64)
def code(plan: ActivationGradPlan) -> jit.Loaded:
    """The compiled code of a plan: from memory, else from disk, else by compiling."""
    return build.load(emit(plan), ("run",), plan.target)


def emit(plan: ActivationGradPlan) -> str:
    """The LLVM module of a plan: ``run`` with the arguments of `tweakconv.compiler.call`.

    The gradient stands in the place of the input and what was kept in that of the weights; the run-time integer is the
    number of elements.
    """
    b = Builder(plan.target, "double" if plan.double else "float")
    slope = _SLOPES[plan.activation.name]

    def run(
        grad: Value, kept: Value, unused: Value, y: Value, none: Value, shape: Value, shared: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        rest = b.stack_room(2 * b.lanes)
        size = b.load_integer(shape, 0)

        def vector(grad: Value, kept: Value, to: Value) -> None:
            values = Lanes(b, b.load(grad, b.lanes)), Lanes(b, b.load(kept, b.lanes))
            b.store(slope(*values, plan.activation.negative_slope).value, to)

        def task(ticket: Value) -> None:
            start = ticket * _TASK
            stop = b.minimum(start + _TASK, size)
            whole = stop - (stop - start) % b.lanes
            b.loop(start, whole, lambda i: vector(b.at(grad, i), b.at(kept, i), b.at(y, i)), step=b.lanes)

            def last() -> None:
                count, other = stop - whole, b.at(rest, b.lanes)
                b.fill_zero(rest, 2 * b.lanes)
                b.copy(rest, b.at(grad, whole), count)
                b.copy(other, b.at(kept, whole), count)
                vector(rest, other, rest)
                b.copy(b.at(y, whole), rest, count)

            b.when(whole < stop, last)

        emit_tasks(b, shared, flags, (size + (_TASK - 1)) // _TASK, task)

    define_run(b, run)
    return b.module()


def _inside(grad: Lanes, y: Lanes, upper: float) -> Lanes:
    """The gradient where ``0 < y < upper``, or `y` is NaN; elsewhere 0."""
    kind = np.float64 if y.b.element == "double" else np.float32
    least, most = float(np.nextafter(kind(0), kind(1))), float(np.nextafter(kind(upper), kind(0)))
    above = y.where_below(least, 0.0, grad)
    return above if math.isinf(upper) else Lanes(y.b, y.b.constant(most)).where_below(y, 0.0, above)


def _leaky_relu(grad: Lanes, y: Lanes, slope: float) -> Lanes:
    return Lanes(y.b, y.b.constant(0.0)).where_below(y, grad, grad * slope)


def _silu(grad: Lanes, z: Lanes, _: float) -> Lanes:
    s = activations.apply(Activation("sigmoid"), z)
    return grad * s * (z * (-s + 1.0) + 1.0)


def _gelu(grad: Lanes, z: Lanes, _: float) -> Lanes:
    return grad * (activations.normal_distribution(z) + z * activations.normal_density(z))


def _hard_swish(grad: Lanes, z: Lanes, _: float) -> Lanes:
    slope = z.where_below(-3.0, 0.0, z.times_plus(1 / 3, 0.5))
    return grad * Lanes(z.b, z.b.constant(3.0)).where_below(z, 1.0, slope)


_SLOPES: dict[str, Callable[[Lanes, Lanes, float], Lanes]] = {
    "relu": lambda grad, y, _: _inside(grad, y, math.inf),
    "relu6": lambda grad, y, _: _inside(grad, y, 6.0),
    "leaky_relu": _leaky_relu,
    "sigmoid": lambda grad, y, _: grad * y * (-y + 1.0),
    "tanh": lambda grad, y, _: grad * (-(y * y) + 1.0),
    "silu": _silu,
    "gelu": _gelu,
    "hard_sigmoid": lambda grad, y, _: _inside(grad, y, 1.0) * (1 / 6),
    "hard_swish": _hard_swish,
    "elu": lambda grad, y, _: grad * y.where_below(0.0, y + 1.0, 1.0),
}
"""The gradient of each, from that of its result and what is kept: the result, or for those of `activation_keeps` that
need them the sums."""
