"""Convolutions in training: each step changes the weights, so they are packed in each call, and none are kept."""

from __future__ import annotations

import threading
from typing import NamedTuple

from torch import Tensor

from tweakconv.planned import PlannedConv, packing_counts
from tweakconv.torch.layout import prefers_channels_last
from tweakconv.torch.tweaks import Tweaks
from tweakconv.torch.weights import After, Way, arrays, prepare

_MOST = 256
"""Convolutions that are kept planned."""


def run_anew(x: Tensor, weight: Tensor, bias: Tensor | None, tweaks: Tweaks) -> Tensor:
    """Convolve with weights that are packed for this call; what does not depend on their numbers is kept."""
    key = (x.shape, x.stride(), x.dtype, weight.shape, weight.stride(), tweaks)
    plan = _plans.get(key)
    if plan is None:
        plan = _planned(x, weight, bias, tweaks)
        with _lock:
            if len(_plans) >= _MOST:
                _plans.clear()
            _plans[key] = plan
    way, (kernel, addends) = plan.way, arrays(weight, bias)
    return plan.conv.packed(kernel, addends, lambda conv, *packed: way.run(conv, x, None, *packed))


class _Plan(NamedTuple):
    conv: PlannedConv
    way: Way


def _planned(x: Tensor, weight: Tensor, bias: Tensor | None, tweaks: Tweaks) -> _Plan:
    channels_last = prefers_channels_last(x, weight)
    made = prepare(weight, bias, x.shape, tweaks, After(), channels_last=channels_last)
    dtype, target = made.dtype, made.built.choice.plan.target
    conv = PlannedConv(
        made.layer, dtype, made.input_shape, target,
        algorithm="auto", packs=packing_counts(x.shape[0]), dtype=dtype,
    )  # fmt: skip
    return _Plan(conv, Way.of(x, made, channels_last=channels_last))


_plans: dict[object, _Plan] = {}
_lock = threading.Lock()
