"""Which of Keras' activations tweakconv computes together with the convolution, to the same definitions."""

from __future__ import annotations

from typing import Any

from keras import activations

from tweakconv.keras.backends import FUSES

_FUSED: dict[Any, str] = {
    activations.relu: "relu",
    activations.relu6: "relu6",
    activations.leaky_relu: "leaky_relu",
    activations.sigmoid: "sigmoid",
    activations.tanh: "tanh",
    activations.silu: "silu",
    activations.gelu: "gelu",
    activations.hard_sigmoid: "hard_sigmoid",
    activations.hard_silu: "hard_swish",
    activations.elu: "elu",
}


def fused(activation: Any) -> str | None:
    """Tweakconv's name of one of Keras' functions, with the arguments that a layer calls it with: none.

    None for all of them on a backend that computes them apart.

    Examples
    --------
    >>> fused(activations.get("swish")), fused(activations.get("softmax"))
    ('silu', None)
    """
    try:
        return _FUSED.get(activation) if FUSES else None
    except TypeError:  # an object that cannot be looked up is not one of them
        return None
