"""Convolutions of images whose size is a symbol, as in shape inference and in programs exported for any size.

Compiled code is made for sizes in numbers, so these are XLA's own; Keras infers shapes of custom layers with them.
"""

from __future__ import annotations

import jax
from jax import lax

from tweakconv.geometry import effective_kernel
from tweakconv.geometry.padding import cuts, padding_per_axis, pads
from tweakconv.jax.kernels import turned
from tweakconv.layer import LayerConfig

_BY_SIZE = {"same": "SAME", "same_lower": "SAME_LOWER"}
"""Names whose pads depend on the size, as lax has them."""

_SOME_SIZE = 1


def is_known(layer: LayerConfig, x: jax.Array) -> bool:
    """Whether the spatial size is one of numbers."""
    return all(isinstance(extent, int) for extent in layer.size_of(x.shape))


def in_numbers(x: jax.Array) -> tuple[int, ...]:
    """The shape with some number for every symbol, for checks that do not depend on it."""
    return tuple(extent if isinstance(extent, int) else _SOME_SIZE for extent in x.shape)


def of_any_size(layer: LayerConfig, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The sums of a convolution, ordinary or transposed.

    Raises
    ------
    ValueError
        For padding that repeats pixels, which ones is only known with the size.
    """
    if not layer.pads_zeros:
        raise ValueError(
            f"padding_mode: received {layer.padding_mode!r} with an input of shape {x.shape}; with it the spatial size "
            "must be known"
        )
    rank = layer.rank
    spans = tuple(effective_kernel(*axis) for axis in zip(layer.kernel_size, layer.dilation_rate, strict=True))
    each = padding_per_axis(layer.padding, rank, transposed=layer.transposed)
    spread = (1,) * rank
    strides = layer.strides
    padding: str | list[tuple[int, int]]
    if layer.transposed:
        extras = layer.output_padding or (None,) * rank
        lost = [cuts(*axis) for axis in zip(each, spans, strides, extras, strict=True)]
        padding = [(span - 1 - lo, span - 1 - hi) for span, (lo, hi) in zip(spans, lost, strict=True)]
        strides, spread = spread, strides
        kernel = turned(kernel, layer.groups)
    elif isinstance(each[0], str) and each[0] in _BY_SIZE:
        padding = _BY_SIZE[each[0]]
    else:
        padding = [
            pads(name, _SOME_SIZE, span, stride) for name, span, stride in zip(each, spans, strides, strict=True)
        ]
    axes = "DHW"[-rank:]
    images = f"N{axes}C" if layer.channels_last else f"NC{axes}"
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        padding,
        lhs_dilation=spread,
        rhs_dilation=layer.dilation_rate,
        dimension_numbers=(images, f"{axes}IO", images),
        feature_group_count=layer.groups,
    )
