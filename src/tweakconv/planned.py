"""A convolution whose weights are handed over at each call: all else is worked out once.

Weights are packed at each call, into memory that is lent for its time, so none are kept and none can be out of date.
What they are like may matter to the plan: one for the usual kind (finite, and not whole numbers throughout) is tried
first, and packing tells whether it was right.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from tweakconv.arrays import FloatArray, address
from tweakconv.compiler.build import when_forgotten
from tweakconv.compiler.target import Target
from tweakconv.layer import LayerConfig
from tweakconv.packing import borrowed
from tweakconv.prepared import PreparedConv
from tweakconv.weights import Weights

Result = TypeVar("Result")

_FEW_IMAGES = 4


def packing_counts(images: int) -> bool:
    """Whether the time that packing the weights takes decides which schedule is fastest, in a batch of some images."""
    return images < _FEW_IMAGES


class PlannedConv:
    """A convolution of inputs of one shape, or sizes near it; several threads may call one at once.

    Parameters
    ----------
    layer : LayerConfig
    within : numpy.dtype
        What is computed in, and what weights come in.
    input_shape : tuple of int
    target : Target
    algorithm : str
        As in `tweakconv.conv2d`.
    packs : bool
        Whether the time that packing takes counts.
    brief : bool
        Whether kernels are known to come from bfloat16.
    dtype, out_dtype : numpy.dtype
        Of input and output; that of the input for both, unless the output's is given.
    """

    def __init__(
        self, layer: LayerConfig, within: np.dtype[Any], input_shape: tuple[int, ...], target: Target,
        *, algorithm: str, dtype: np.dtype[Any], out_dtype: np.dtype[Any] | None = None, packs: bool = True,
        brief: bool = False,
    ) -> None:  # fmt: skip
        self.within, self._usual = within, Weights(brief=brief)
        self._arguments = layer, within, input_shape, target
        self._options: dict[str, Any] = {
            "algorithm": algorithm, "packs": packs, "dtype": dtype, "out_dtype": out_dtype or dtype,
        }  # fmt: skip
        self._plans: dict[Weights, PreparedConv] = {}
        self._first: PreparedConv | None = None

    def __call__(
        self, x: FloatArray, kernel: FloatArray, bias: FloatArray | None, out: FloatArray | None = None,
        residual: ArrayLike | None = None,
    ) -> FloatArray:  # fmt: skip
        """Convolve; `x`, `out` and `residual` are as `PreparedConv` takes them, kernel and bias fit the layer."""
        return self.packed(kernel, bias, lambda plan, weights, addends: plan.run(x, out, residual, weights, addends))

    def packed(
        self, kernel: FloatArray, bias: FloatArray | None, run: Callable[[PreparedConv, int, int], Result]
    ) -> Result:
        """What ``run(plan, weights, addends)`` gives: a plan for the weights, and addresses of the packed ones."""
        plan = self._first or self._plan(self._usual)
        while True:
            with borrowed(plan.weights_bytes) as room:
                kind = plan.pack_into(kernel, bias, room, brief=self._usual.brief)
                if kind == plan.made_for:
                    addends = plan.packed_bias(bias)
                    return run(plan, room, address(addends))
            plan = self._plan(kind)

    @property
    def usual(self) -> PreparedConv:
        """What computes with weights of the usual kind, which it lacks."""
        return self._plan(self._usual)

    @property
    def pieces(self) -> int:
        """Ordinary convolutions that it is made of, by which the memory goes that it takes."""
        return len(self.usual._lowered.pieces)

    def explain(self) -> str:
        """What is computed and how, for weights of the usual kind; lines of text."""
        return self.usual.explain()

    def _plan(self, kind: Weights) -> PreparedConv:
        plan = self._plans.get(kind)
        if plan is None:
            plan = self._plans[kind] = PreparedConv.planned(*self._arguments, kind, **self._options)
            if kind == self._usual:
                self._first = plan
        return plan


class Plans:
    """The planned convolutions that were used last, a number of them; several threads may use it at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._plans: OrderedDict[Hashable, PlannedConv] = OrderedDict()

    def __len__(self) -> int:
        return len(self._plans)

    def get(self, key: Hashable) -> PlannedConv | None:
        """The plan for a key; None where there is none, and where the key is None or cannot be looked up."""
        try:
            plan = self._plans.get(key)
            if plan is not None:
                self._plans.move_to_end(key)
        except (KeyError, TypeError):  # another thread may just have dropped it; or a list, say, is part of the key
            return None
        return plan

    def keep(self, key: Hashable, plan: PlannedConv) -> None:
        """Remember a plan, unless its key is None, or it takes much memory."""
        if key is None or plan.pieces > _MOST_PIECES:
            return
        with contextlib.suppress(TypeError):
            self._plans[key] = plan
        while len(self._plans) > self._most:
            with contextlib.suppress(KeyError):
                self._plans.popitem(last=False)

    def forget(self) -> None:
        """Drop them."""
        self._plans.clear()


_MOST_PIECES = 64
"""Pieces of a plan that is remembered, at the most."""

PLANS = Plans(128)
"""Those of the functional calls; none holds weights."""

when_forgotten(PLANS.forget)
