"""The primitive that JAX differentiates, batches and compiles, for every `Task`.

A convolution and its two gradients are linear in each of their two arguments, and the gradients of each are the other
two, so that any order of differentiation, forward and reverse, stays among them. A layer, with bias and activation, is
computed in one go where nobody asks for a gradient, and taken apart where somebody does.

On CPUs it runs in tweakconv's compiled code, called back from XLA's programs (`tweakconv.jax.ffi`); on other devices
it becomes XLA's own convolutions.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from tweakconv.arrays import FloatArray
from tweakconv.jax import ffi
from tweakconv.jax.activations import finished
from tweakconv.jax.by_lax import by_lax
from tweakconv.task import GRADIENTS, Task, parsed

Array: TypeAlias = jax.Array

_primitive = Primitive("tweakconv")
_TARGET = "tweakconv"


def compute(task: Task, *arrays: Array) -> Array:
    """The result of a task, of arrays that fit it and are all float32 or all float64."""
    result: Array = _primitive.bind(*arrays, task=task)
    return result


def _abstract(first: Any, *_: Any, task: Task) -> Any:
    return first.update(shape=task.shape(first.shape[0]))


# Running


def _eager(*arrays: Array, task: Task) -> Array:
    """Outside of compiled programs."""
    placed = [jnp.asarray(array) for array in arrays]
    if any(device.platform != "cpu" for array in placed for device in array.devices()):
        return by_lax(task, *placed)
    return jnp.asarray(task.run(None, *map(np.asarray, placed)))


def _in_program(*arrays: Array, task: Task) -> Array:
    """In a program that XLA compiles for CPUs."""
    result = jax.ShapeDtypeStruct(task.shape(arrays[0].shape[0]), arrays[0].dtype)
    called: Array = jax.ffi.ffi_call(_TARGET, result)(*arrays, text=task.text())
    return called


def _called_back(text: str, out: FloatArray, *arrays: FloatArray) -> None:
    parsed(text).run(out, *arrays)


# Differentiating


def _jvp(primals: Any, tangents: Any, *, task: Task) -> tuple[Any, Any]:
    moving = [i for i, tangent in enumerate(tangents) if type(tangent) is not ad.Zero]
    if task.is_layer:
        arrays = list(primals)

        def of_moving(*moved: Array) -> Array:
            for i, array in zip(moving, moved, strict=True):
                arrays[i] = array
            return _taken_apart(task, *arrays)

        derivative: tuple[Any, Any] = jax.jvp(
            of_moving, tuple(primals[i] for i in moving), tuple(tangents[i] for i in moving)
        )
        return derivative
    terms = [compute(task, *(tangents[i] if i == j else primals[j] for j in range(2))) for i in moving]
    return compute(task, *primals), sum(terms[1:], terms[0])


def _taken_apart(task: Task, x: Array, kernel: Array, *bias: Array) -> Array:
    """A layer, step by step."""
    conv = task.conv
    y = compute(Task("conv" if task.kind == "layer" else "input_grad", conv), x, kernel)
    return finished(task.after, conv.channels_last, y, bias)


def _transpose(gradient: Any, *arguments: Any, task: Task) -> list[Any]:
    wanted = next(i for i, argument in enumerate(arguments) if ad.is_undefined_primal(argument))
    if type(gradient) is ad.Zero:
        return [ad.Zero(arguments[wanted].aval) if i == wanted else None for i in range(2)]
    kind, *arrays = GRADIENTS[task.kind][wanted](gradient, *arguments)
    return [compute(Task(kind, task.conv), *arrays) if i == wanted else None for i in range(2)]


# Batching


def _batched(arrays: Any, axes: Any, *, task: Task) -> tuple[Array, int]:
    """`jax.vmap`: into the batch where only images have the new axis, otherwise one after the other."""
    images, *others = axes
    if task.kind != "kernel_grad" and images is not None and all(axis is None for axis in others):
        front = jnp.moveaxis(arrays[0], images, 0)
        many, batch = front.shape[:2]
        result = compute(task, front.reshape(many * batch, *front.shape[2:]), *arrays[1:])
        return result.reshape(many, batch, *result.shape[1:]), 0
    mapped = [i for i, axis in enumerate(axes) if axis is not None]

    def one(own: list[Array]) -> Array:
        given = list(arrays)
        for i, array in zip(mapped, own, strict=True):
            given[i] = array
        return compute(task, *given)

    return jax.lax.map(one, [jnp.moveaxis(arrays[i], axes[i], 0) for i in mapped]), 0


_primitive.def_abstract_eval(_abstract)
_primitive.def_impl(_eager)
ad.primitive_jvps[_primitive] = _jvp
ad.primitive_transposes[_primitive] = _transpose
batching.primitive_batchers[_primitive] = _batched
ffi.register(_TARGET, _called_back)
mlir.register_lowering(_primitive, mlir.lower_fun(lambda *arrays, task: by_lax(task, *arrays), multiple_results=False))
mlir.register_lowering(_primitive, mlir.lower_fun(_in_program, multiple_results=False), platform="cpu")
