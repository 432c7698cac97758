"""`jax.lax.conv_general_dilated`, computed by tweakconv: the same arguments, the same result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike

from tweakconv.geometry import ConvGeometry
from tweakconv.geometry.arguments import per_axis
from tweakconv.jax.checks import as_floating
from tweakconv.jax.convolution import conv, conv_transpose
from tweakconv.jax.kernels import turned

_PADDINGS = {"VALID": "valid", "SAME": "same", "SAME_LOWER": "same_lower"}


def conv_general_dilated(
    lhs: ArrayLike,
    rhs: ArrayLike,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: DTypeLike | None = None,
) -> jax.Array:
    """Convolution with the arguments of `jax.lax.conv_general_dilated`, along one, two or three axes.

    Parameters
    ----------
    lhs, rhs : array
        Input and kernel, in the orders that `dimension_numbers` says; both of one type, float32, float64, float16 or
        bfloat16. "NHWC" and "NCHW" inputs and "HWIO" kernels are used as they lie; others are transposed first.
    window_strides, lhs_dilation, rhs_dilation : sequence of int
        Strides, input dilation and kernel dilation along each axis, at least 1. An input dilation is computed without
        zeros between the pixels where the strides are 1 (a transposed convolution); else the zeros are written out.
    padding : {"VALID", "SAME", "SAME_LOWER"} or sequence of (lo, hi)
    dimension_numbers : optional
        As lax takes them; ("NCHW", "OIHW", "NCHW") where None, with as many axes as there are.
    feature_group_count : int
    batch_group_count : int
        Only 1.
    precision : optional
        Taken for lax's sake; all is computed in full precision.
    preferred_element_type : dtype, optional
        Type of the result.

    Returns
    -------
    Array
        What lax gives, up to rounding.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right; also where there is no output, where lax gives
        an array of size 0.

    Examples
    --------
    >>> x = jnp.arange(9.0).reshape(1, 1, 3, 3)
    >>> conv_general_dilated(x, jnp.ones((1, 1, 2, 2)), (1, 1), "VALID")[0, 0].tolist()
    [[8.0, 12.0], [20.0, 24.0]]
    """
    del precision
    inputs, weights = as_floating(lhs=lhs, rhs=rhs)
    rank = inputs.ndim - 2
    if rank not in (1, 2, 3) or weights.ndim != inputs.ndim:
        raise ValueError(
            f"lhs, rhs: received shapes {inputs.shape} and {weights.shape}; both must have 3, 4 or 5 axes, as many each"
        )
    if batch_group_count != 1:
        raise ValueError(
            f"batch_group_count: received {batch_group_count}; only 1 is computed, use jax.lax.conv_general_dilated"
        )
    if isinstance(padding, str) and padding.upper() not in _PADDINGS:
        choices = ", ".join(map(repr, _PADDINGS))
        raise ValueError(f"padding: received {padding!r}; choose one of {choices}, or a (lo, hi) pair for each axis")
    numbers = lax.conv_dimension_numbers(inputs.shape, weights.shape, dimension_numbers)
    ones = (1,) * rank
    strides = per_axis("window_strides", window_strides, rank, at_least=1)
    spread = ones if lhs_dilation is None else per_axis("lhs_dilation", lhs_dilation, rank, at_least=1)
    rates = ones if rhs_dilation is None else per_axis("rhs_dilation", rhs_dilation, rank, at_least=1)

    if isinstance(padding, str) and max(spread) > 1:
        raise ValueError(
            f"padding: received {padding!r} with lhs_dilation {spread}; write a (lo, hi) pair for each axis, for the "
            "name would not say whether it goes by the pixels or by the positions that they span"
        )

    first = numbers.lhs_spec[1] == 1 and numbers.lhs_spec == tuple(range(rank + 2))
    x = inputs if first else inputs.transpose(_channels_last(numbers.lhs_spec))
    kernel = weights.transpose((*numbers.rhs_spec[2:], numbers.rhs_spec[1], numbers.rhs_spec[0]))
    size = x.shape[2:] if first else x.shape[1:-1]
    data_format = "channels_first" if first else "channels_last"
    named = _PADDINGS[padding.upper()] if isinstance(padding, str) else padding
    if spread == ones:
        y = conv(x, kernel, None, strides, named, rates, feature_group_count, data_format)
    else:
        y = _spread_out(x, kernel, size, strides, named, spread, rates, feature_group_count, data_format)
    own = tuple(range(rank + 2)) if first else _first_from_last(rank)
    # Axes of (batch, channels, *spatial) to where the result is to have them.
    back = [0] * (rank + 2)
    for axis, place in zip(own, numbers.out_spec, strict=True):
        back[place] = axis
    result = y.transpose(back)
    return result if preferred_element_type is None else result.astype(preferred_element_type)


def _spread_out(
    x: jax.Array,
    kernel: jax.Array,
    size: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Any,
    spread: tuple[int, ...],
    rates: tuple[int, ...],
    groups: int,
    data_format: str,
) -> jax.Array:
    """A convolution of pixels that stand apart."""
    spans = tuple(apart * (pixels - 1) + 1 for pixels, apart in zip(size, spread, strict=True))
    geometry = ConvGeometry.of(spans, kernel.shape[:-2], strides=strides, padding=padding, dilation_rate=rates)
    if max(strides) > 1:
        none, gaps = (0, 0, 0), tuple((0, 0, apart - 1) for apart in spread)
        widths = (none, *gaps, none) if data_format == "channels_last" else (none, none, *gaps)
        spaced = lax.pad(x, jnp.zeros((), x.dtype), widths)
        return conv(spaced, kernel, None, strides, geometry.pads, rates, groups, data_format)
    cuts = [axis.cuts for axis in geometry.axes]
    return conv_transpose(x, turned(kernel, groups), None, spread, cuts, 0, rates, groups, data_format)


def _channels_last(spec: Sequence[int]) -> tuple[int, ...]:
    return (spec[0], *spec[2:], spec[1])


def _first_from_last(rank: int) -> tuple[int, ...]:
    """Where batch, channels and spatial axes are in an array with the channels last."""
    return (0, rank + 1, *range(1, rank + 1))
