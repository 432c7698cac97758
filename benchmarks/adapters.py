"""What a layer of the adapters costs beyond an empty one of the same framework and what tweakconv itself takes.

Run it as ``python benchmarks/adapters.py`` on an otherwise quiet machine. The layer is so small (1x1, 8x8 pixels, 4
channels) that nearly all is the way in and out. From the time of a call are taken that of an empty layer or operator of
the same framework, called alike, and that of the same work through tweakconv's own prepared objects on NumPy arrays:
convolving and, in training, packing the weights. What is left is the adapter's. Keras runs on PyTorch here. Programs
of JAX call back into Python, which is shown and has no limit.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from statistics import median
from typing import Any, NamedTuple

os.environ["KERAS_BACKEND"] = "torch"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np
import torch
from torch import Tensor, nn

import tweakconv
import tweakconv.torch
from overheads import Finding
from tweakconv.bench.machine import cpu_name
from tweakconv.bench.timing import interleave

Run = Callable[[], object]
SIZE, CHANNELS = 8, 4
LIMIT = 15.0
"""Microseconds for each operator that is called."""


class Case(NamedTuple):
    """A call, an empty one, and what tweakconv itself does in it.

    Attributes
    ----------
    itself : tuple of str
        Of `tweakconv_itself`.
    operators : int
        How many are called; none where it is a callback.
    layers : int
        How many share the time.
    """

    ours: Run
    empty: Run
    itself: tuple[str, ...]
    operators: int = 1
    layers: int = 1


def main() -> None:
    """Measure and print everything."""
    print(f"{cpu_name()}, Python {platform.python_version()}, PyTorch {torch.__version__}")
    torch.set_num_threads(1)
    tweakconv.set_num_threads(1)
    cases = {**of_torch(), **(of_keras() if find_spec("keras") else {}), **(of_jax() if find_spec("jax") else {})}
    for finding in findings(cases):
        print(finding)


def findings(cases: Mapping[str, Case], rounds: int = 15) -> Iterator[Finding]:
    """What each case costs, from the medians of the rounds."""
    itself = tweakconv_itself()
    runs = {f"itself {name}": run for name, run in itself.items()}
    for name, case in cases.items():
        runs |= {f"ours {name}": case.ours, f"empty {name}": case.empty}
    seconds = {name: np.array(turns.seconds) for name, turns in interleave(runs, rounds).items()}
    for name, case in cases.items():
        own = seconds[f"ours {name}"] - seconds[f"empty {name}"]
        for part in case.itself:
            own = own - case.layers * seconds[f"itself {part}"]
        yield Finding(name, 1e6 * median(own) / case.layers, "µs", case.operators * LIMIT or None)


def tweakconv_itself() -> dict[str, Run]:
    """The parts of a call, by tweakconv's own objects."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, SIZE, SIZE, CHANNELS)).astype(np.float32)
    kernel = rng.standard_normal((1, 1, CHANNELS, CHANNELS)).astype(np.float32)
    conv = tweakconv.compile_conv2d(kernel, input_shape=x.shape)
    turned = tweakconv.compile_conv2d_transpose(kernel, input_shape=x.shape)
    kernel_grad = tweakconv.compile_conv2d_kernel_grad(kernel.shape, input_shape=x.shape)
    out, of_kernel = np.empty_like(x), np.empty_like(kernel)
    return {
        "convolve": partial(conv, x, out),
        "pack": partial(conv.with_kernel, kernel),
        "input gradient": partial(turned, x, out),
        "pack for the input gradient": partial(turned.with_kernel, kernel),
        "kernel gradient": partial(kernel_grad, x, x, of_kernel),
    }


FORWARD = ("convolve", "pack")
BACKWARD = ("input gradient", "pack for the input gradient", "kernel gradient")


def of_torch() -> dict[str, Case]:
    """Modules and functions of PyTorch's."""
    x = torch.randn(1, CHANNELS, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    kinds: tuple[Any, ...] = tweakconv.torch.Conv2d, Empty, EmptyOperator
    ours, empty, of_operator = (kind(CHANNELS, CHANNELS, 1, bias=False) for kind in kinds)
    function = partial(tweakconv.torch.conv2d, weight=ours.weight)
    ten = [layer for _ in range(10) for layer in (nn.Conv2d(CHANNELS, CHANNELS, 1), nn.ReLU())]
    model, none = tweakconv.torch.accelerate(nn.Sequential(*ten)).eval(), nn.Sequential(*[empty] * 10).eval()
    wanted = x.clone().requires_grad_()
    return {
        "PyTorch, module, inference_mode": Case(_inference(ours, x), _inference(empty, x), ("convolve",)),
        "PyTorch, module, no_grad": Case(_no_grad(ours, x), _no_grad(empty, x), ("convolve",)),
        "PyTorch, function, inference_mode": Case(_inference(function, x), _inference(_same, x), ("convolve",)),
        "PyTorch, accelerated model of ten layers, each": Case(
            _inference(model, x), _inference(none, x), ("convolve",), layers=10
        ),
        "PyTorch, training, forward": Case(partial(ours, x), partial(of_operator, x), FORWARD),
        "PyTorch, training, forward and backward": Case(
            _step(ours, wanted), _step(of_operator, wanted), FORWARD + BACKWARD, operators=3
        ),
    }


def of_keras() -> dict[str, Case]:
    """Layers of Keras', on PyTorch."""
    import keras  # noqa: PLC0415

    import tweakconv.keras  # noqa: PLC0415

    class EmptyLayer(keras.layers.Conv2D):  # type: ignore[misc]
        """Returns its input, or where gradients are recorded what the empty operator gives."""

        def call(self, inputs: Tensor) -> Tensor:
            return _empty_operator()(inputs, self.kernel.value) if torch.is_grad_enabled() else inputs

    kinds: tuple[Any, Any] = tweakconv.keras.Conv2D, EmptyLayer
    ours, empty = (kind(CHANNELS, 1, use_bias=False) for kind in kinds)
    for layer in (ours, empty):
        layer.build((None, SIZE, SIZE, CHANNELS))
    x = torch.randn(1, SIZE, SIZE, CHANNELS)
    wanted = x.clone().requires_grad_()
    return {
        "Keras, inference": Case(_no_grad(ours, x), _no_grad(empty, x), ("convolve",)),
        "Keras, training, forward": Case(partial(ours, x), partial(empty, x), FORWARD),
        "Keras, training, forward and backward": Case(
            _step(ours, wanted), _step(empty, wanted), FORWARD + BACKWARD, operators=3
        ),
    }


def of_jax() -> dict[str, Case]:
    """A function in a program that XLA has compiled, which calls back."""
    import jax  # noqa: PLC0415

    from tweakconv.jax import conv  # noqa: PLC0415

    x, kernel = jax.numpy.ones((1, SIZE, SIZE, CHANNELS)), jax.numpy.ones((1, 1, CHANNELS, CHANNELS)) / 3
    ours, empty = jax.jit(conv), jax.jit(lambda x, kernel: -x)
    return {
        "JAX, in a program (called back)": Case(
            lambda: ours(x, kernel).block_until_ready(),
            lambda: empty(x, kernel).block_until_ready(),
            ("convolve",),
            operators=0,
        )
    }


class Empty(nn.Conv2d):  # type: ignore[misc]
    """A layer that returns its input."""

    def forward(self, input: Tensor) -> Tensor:
        """The input."""
        return input


class EmptyOperator(nn.Conv2d):  # type: ignore[misc]
    """A layer whose operator computes nothing, and whose gradients are two operators that compute nothing."""

    def forward(self, input: Tensor) -> Tensor:
        """What the operator gives."""
        y: Tensor = _empty_operator()(input, self.weight)
        return y


def _empty_operator() -> Any:
    return torch.ops.tweakconv_empty.convolution.default


def _register_empty() -> torch.library.Library:
    library = torch.library.Library("tweakconv_empty", "DEF")
    for name, like in (("convolution", 0), ("input_grad", 0), ("kernel_grad", 1)):
        library.define(f"{name}(Tensor x, Tensor weight) -> Tensor")
        library.impl(name, lambda *tensors, like=like: torch.empty_like(tensors[like]), "CompositeExplicitAutograd")
    operators = torch.ops.tweakconv_empty

    def keep(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    def grads(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        _, weight = ctx.saved_tensors
        return operators.input_grad.default(grad, weight), operators.kernel_grad.default(grad, weight)

    torch.library.register_autograd("tweakconv_empty::convolution", grads, setup_context=keep, lib=library)
    return library


def _same(x: Tensor) -> Tensor:
    return x


def _inference(call: Callable[[Tensor], object], x: Tensor) -> Run:
    def run() -> None:
        with torch.inference_mode():
            call(x)

    return run


def _no_grad(call: Callable[[Tensor], object], x: Tensor) -> Run:
    def run() -> None:
        with torch.no_grad():
            call(x)

    return run


def _step(call: Callable[[Tensor], Any], x: Tensor) -> Run:
    grad = torch.ones_like(x)
    return lambda: call(x).backward(grad)


_library = _register_empty()

if __name__ == "__main__":
    main()
