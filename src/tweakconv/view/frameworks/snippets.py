"""Code for every framework: what a piece of it is, and the one call that writes them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from tweakconv.geometry import IntPerAxis, PaddingLike
from tweakconv.view.frameworks import jax_code, keras_code, onnx_code, pytorch_code, tweakconv_code
from tweakconv.view.frameworks.written_layer import Snippet, WrittenLayer

#: Who writes the code of each framework, in the order in which people are shown it.
FRAMEWORKS: Final[Mapping[str, Callable[[WrittenLayer], Snippet]]] = MappingProxyType(
    {
        "keras": keras_code.write,
        "pytorch": pytorch_code.write,
        "jax": jax_code.write,
        "onnx": onnx_code.write,
        "tweakconv": tweakconv_code.write,
    }
)


def code_for(
    input_size: IntPerAxis,
    kernel_size: IntPerAxis,
    *,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    transposed: bool = False,
    output_padding: IntPerAxis | None = None,
    groups: int = 1,
    in_channels: int = 1,
    out_channels: int = 1,
    padding_mode: str = "zeros",
    pad_value: float = 0,
) -> dict[str, Snippet]:
    """A layer as code for each framework.

    Parameters
    ----------
    input_size, kernel_size, strides, padding, dilation_rate, groups, in_channels, out_channels
        As in `ConvGeometry.of`, for one or two axes.
    transposed, output_padding
        Whether it is a transposed convolution, and what that adds at the end; as in `ConvGeometry.transposed`.
    padding_mode, pad_value
        What the padding holds; see `tweakconv.geometry.extend`. It means nothing to a transposed convolution.

    Returns
    -------
    dict of str to Snippet
        By the names in `FRAMEWORKS`, in that order.

    Raises
    ------
    ValueError, TypeError
        For what the geometry refuses, more than two axes, or a `padding_mode` that does not go with the layer.

    Examples
    --------
    >>> code = code_for((28, 28), 3, strides=2, padding="same", in_channels=3, out_channels=8)
    >>> print(code["keras"].code)
    import keras
    <BLANKLINE>
    image = keras.Input((28, 28, 3))
    features = keras.layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(image)
    model = keras.Model(image, features)
    <BLANKLINE>
    x = keras.random.uniform((1, 28, 28, 3))
    y = model(x)  # (1, 14, 14, 8)
    >>> print(code["pytorch"].code)
    import torch
    from torch import nn
    <BLANKLINE>
    layer = nn.Sequential(
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(3, 8, kernel_size=3, stride=2, bias=False),
    )
    <BLANKLINE>
    x = torch.rand(1, 3, 28, 28)
    y = layer(x)  # (1, 8, 14, 14)
    >>> for note in code["pytorch"].notes:
    ...     print(note)
    PyTorch refuses padding='same' with a stride above 1, so the pads are written out.
    PyTorch's padding=1 gives the same size but reads different pixels: it pads 1 before and 1 after, "same" here pads \
0 before and 1 after, so each window would begin 1 pixel too early.
    """
    arguments: dict[str, Any] = {
        "strides": strides,
        "padding": padding,
        "dilation_rate": dilation_rate,
        "groups": groups,
        "in_channels": in_channels,
        "out_channels": out_channels,
    }
    layer = WrittenLayer.of(
        input_size,
        kernel_size,
        transposed=transposed,
        output_padding=output_padding,
        padding_mode=padding_mode,
        pad_value=pad_value,
        **arguments,
    )
    return {framework: write(layer) for framework, write in FRAMEWORKS.items()}
