"""Keras' convolution layers, computed by tweakconv: same arguments, weights and files, and tweaks that Keras lacks.

Every layer is a subclass of Keras' own and overrides its operation alone. `accelerate` swaps the convolutions of a
model that exists, `restore` swaps them back.
"""

try:
    import keras as _  # noqa: F401 - so that it is this module that says what to install
except ModuleNotFoundError as missing:
    if missing.name != "keras":
        raise
    raise ModuleNotFoundError('keras is not installed; run: pip install "tweakconv[keras]"', name="keras") from None

from tweakconv.keras.layers import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)
from tweakconv.keras.swap import accelerate, restore

__all__ = [
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "SeparableConv1D",
    "SeparableConv2D",
    "accelerate",
    "restore",
]
