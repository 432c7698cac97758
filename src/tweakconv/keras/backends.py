"""The backend that Keras runs on, and what computes a layer's operation there."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import keras

BACKENDS = ("jax", "numpy", "tensorflow", "torch")

_name = keras.backend.backend()
if _name not in BACKENDS:
    raise ImportError(
        f"KERAS_BACKEND: Keras runs on {_name!r}; tweakconv.keras computes on {', '.join(map(repr, BACKENDS))}"
    )

_backend: Any = import_module(f"tweakconv.keras.on_{_name}")

Memory = _backend.Memory
"""What is remembered between the calls of one layer."""

convolve = _backend.convolve
"""``convolve(memory, operation, inputs, kernel, bias)``: the outputs, in the type of the inputs."""

FUSES: bool = _backend.FUSES
"""Whether it computes activations together with convolutions."""

SUPPORTS_JIT: bool = _backend.SUPPORTS_JIT
"""Whether what it does can be part of a program that XLA compiles, in the sense of Keras' layers."""
