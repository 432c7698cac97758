"""One thing that is computed for a framework, complete: what runs it, and what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from tweakconv.arrays import FloatArray
from tweakconv.sized import NOTHING, After, SizedConv


class Task(NamedTuple):
    """One of five operations on arrays, all of one convolution.

    Attributes
    ----------
    kind : str
        "conv", of an input and a kernel; "input_grad", of an output's gradient and a kernel; "kernel_grad", of an input
        and an output's gradient; "layer" and "transposed layer", of an input, a kernel and perhaps a bias: the
        first two with what follows them.
    """

    kind: str
    conv: SizedConv
    after: After = NOTHING

    @property
    def is_layer(self) -> bool:
        """Whether a bias and an activation belong to it."""
        return self.kind in ("layer", "transposed layer")

    def shape(self, batch: int) -> tuple[int, ...]:
        """The shape of the result, from the batch of the first array."""
        match self.kind:
            case "conv" | "layer":
                return self.conv.output_shape(batch)
            case "kernel_grad":
                return self.conv.kernel_shape
        return self.conv.input_shape(batch)

    def run(self, out: FloatArray | None, *arrays: FloatArray) -> FloatArray:
        """Compute it, into `out` where one is given."""
        conv, (first, second, *bias) = self.conv, arrays
        match self.kind:
            case "conv":
                return conv.forward(first, second, out)
            case "input_grad":
                return conv.input_grad(first, second, out)
            case "kernel_grad":
                return conv.kernel_grad(first, second, out)
        layer = conv.finished if self.kind == "layer" else conv.transposed
        return layer(first, second, bias[0] if bias else None, self.after, out)

    def text(self) -> str:
        """All of it, so that a compiled program that is stored and loaded elsewhere still says what it computes."""
        return json.dumps([self.kind, self.conv.text(), self.after])


@lru_cache(maxsize=1024)
def parsed(text: str) -> Task:
    """The task that gave this text."""
    kind, conv, after = json.loads(text)
    return Task(kind, SizedConv.parsed(conv), After(*after))


GRADIENTS: dict[str, tuple[Callable[..., tuple[Any, ...]], Callable[..., tuple[Any, ...]]]] = {
    "conv": (
        lambda g, x, kernel: ("input_grad", g, kernel),
        lambda g, x, kernel: ("kernel_grad", x, g),
    ),
    "input_grad": (
        lambda g, y, kernel: ("conv", g, kernel),
        lambda g, y, kernel: ("kernel_grad", g, y),
    ),
    "kernel_grad": (
        lambda g, x, y: ("input_grad", y, g),
        lambda g, x, y: ("conv", x, g),
    ),
}
"""For each argument, which operation of which arrays its gradient is, from the gradient `g` of the result."""
