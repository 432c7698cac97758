"""What the gradients of a layer have in common: the layers that compute them, their shapes, and padding with pixels.

Where the padding holds pixels of the image (edge, reflect, symmetric, wrap) or a constant, the gradients are those of a
convolution of the padded image: it is made for the kernel gradient, and what the input gradient has in the padding is
added to the pixels that stand there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tweakconv.arrays import FloatArray
from tweakconv.geometry import ConvGeometry, gradient_padding
from tweakconv.geometry.gradients import sources
from tweakconv.layer import LayerConfig


def gradient_layer(layer: LayerConfig, geometry: ConvGeometry) -> LayerConfig:
    """The layer that computes the input gradient of another for one size: of the other kind, with the same kernel."""
    return replace(
        layer,
        padding=gradient_padding(geometry),
        padding_mode="zeros",
        constant_value=0.0,
        in_channels=layer.out_channels,
        out_channels=layer.in_channels,
        activation=None,
        residual=False,
        transposed=not layer.transposed,
        output_padding=None,
    )


def check_grad(layer: LayerConfig, geometry: ConvGeometry, shape: tuple[int, ...], batch: int | None = None) -> None:
    """Refuse, with words, a gradient that has not the shape of the result."""
    wanted = layer.shape(shape[0] if shape and batch is None else batch or 0, geometry.output_size, layer.out_channels)
    if shape != wanted:
        each = "batch" if batch is None else str(batch)
        expected = f"({', '.join((each, *map(str, wanted[1:])))})"
        raise ValueError(
            f"grad: received shape {shape}; the result of this convolution has shape {expected}, for an input of size "
            f"{geometry.input_size} and a kernel of shape {layer.kernel_shape}"
        )


def pad(x: FloatArray, layer: LayerConfig, geometry: ConvGeometry) -> FloatArray:
    """`x` with its padding."""
    for axis, of_axis in enumerate(geometry.axes, 1 if layer.channels_last else 2):
        pixels = sources(of_axis, layer.padding_mode)
        x = np.take(x, [0 if pixel is None else pixel for pixel in pixels], axis)
        nowhere = [position for position, pixel in enumerate(pixels) if pixel is None]
        if nowhere:
            with np.errstate(over="ignore"):
                np.moveaxis(x, axis, 0)[nowhere] = layer.constant_value
    return x


def fold(grad: FloatArray, layer: LayerConfig, geometry: ConvGeometry) -> FloatArray:
    """The gradient with respect to an image, from that with respect to the image with its padding."""
    for axis, of_axis in enumerate(geometry.axes, 1 if layer.channels_last else 2):
        before = max(of_axis.pad_lo, 0)
        whole = np.moveaxis(grad, axis, 0)
        inside = whole[before : before + of_axis.input].copy()
        for position, pixel in enumerate(sources(of_axis, layer.padding_mode)):
            if pixel is not None and not before <= position < before + of_axis.input:
                inside[pixel] += whole[position]
        grad = np.moveaxis(inside, 0, axis)
    return grad
