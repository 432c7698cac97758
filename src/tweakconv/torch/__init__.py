"""PyTorch's convolutions computed by tweakconv on the CPU: the same modules, functions and weights.

``tweakconv.torch.Conv2d`` is a ``torch.nn.Conv2d``, `conv2d` takes what ``torch.nn.functional.conv2d`` takes, and
`accelerate` swaps the convolutions of a model that is there already. Gradients, ``torch.compile``, ``torch.export`` and
``torch.func`` go through registered operators, ``torch.ops.tweakconv``.
"""

try:
    import torch as _torch  # noqa: F401 - asked for here, where there is a good answer if it is missing
except ModuleNotFoundError as missing:
    if missing.name != "torch":
        raise
    raise ModuleNotFoundError(
        'tweakconv.torch needs PyTorch, which is not installed; run: pip install "tweakconv[torch]"', name="torch"
    ) from None

from tweakconv.torch.accelerate import accelerate, restore
from tweakconv.torch.functional import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from tweakconv.torch.modules import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from tweakconv.torch.weights import forget

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "accelerate",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "forget",
    "restore",
]
