"""One general convolution, of images, rows and volumes, ordinary or transposed: what the operations by name call."""

from __future__ import annotations

import math
import numbers
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tweakconv.activations import Activation
from tweakconv.arrays import (
    DTYPES,
    FloatArray,
    as_dtype,
    as_input,
    as_numbers,
    as_weights,
    computed,
    is_bfloat16,
    is_float,
)
from tweakconv.compiler.target import get_target, requested_target
from tweakconv.geometry import IntPerAxis, PaddingLike
from tweakconv.geometry.arguments import integer, is_per_axis, per_axis
from tweakconv.geometry.padding import PADDING_MODES, padding_per_axis
from tweakconv.layer import AXIS_NAMES, LayerConfig, check_shape
from tweakconv.planned import PLANS, PlannedConv
from tweakconv.prepared import PreparedConv

_MUCH_WORK = 1 << 24
"""Products from which on looking at a kernel's numbers, and planning for them, costs little besides."""


class Tweaks(NamedTuple):
    """The arguments of a convolution besides its arrays, as they were received; `tweakconv.conv2d` explains them."""

    strides: IntPerAxis
    padding: PaddingLike
    dilation_rate: IntPerAxis
    groups: int
    data_format: str
    padding_mode: str = "zeros"
    constant_value: float = 0
    activation: str | None = None
    negative_slope: float | None = None
    transposed: bool = False
    output_padding: IntPerAxis | None = None


def convolve(
    rank: int,
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None,
    tweaks: Tweaks,
    out: FloatArray | None,
    algorithm: str,
    residual: ArrayLike | None,
) -> FloatArray:
    """Convolve along `rank` axes, with weights packed for this call; all else is remembered from calls like it."""
    key = _key(rank, x, kernel, bias, tweaks, algorithm, residual=residual is not None)
    known = PLANS.get(key)
    if known is not None and isinstance(x, np.ndarray) and x.flags.aligned:
        within = known.within
        weights, addends = np.asarray(kernel), None if bias is None else np.asarray(bias).astype(within, copy=False)
        weights = weights if weights.dtype is within else weights.astype(within, copy=False)
        return known(x, weights, addends, out, residual)
    array = as_input("x", x)
    within = computed(array.dtype)
    weights = as_weights("kernel", kernel, within)
    layer = layer_of(rank, weights.shape, tweaks, residual=residual is not None)
    check_shape(layer, array.shape)
    addends = bias_of(layer, bias, within)
    tiles = is_bfloat16(array.dtype)
    target, brief = get_target(tiles=tiles), tiles and is_bfloat16(as_numbers("kernel", kernel).dtype)
    looks = algorithm == "separable" or (algorithm == "tiles" and not brief)
    if looks or (algorithm == "auto" and _may_factor(layer, array.shape)):
        conv = PreparedConv(
            layer, weights, addends, array.shape, target, algorithm=algorithm, packs=True, dtype=array.dtype
        )
        return conv(array, out, residual)
    plan = PlannedConv(layer, within, array.shape, target, algorithm=algorithm, dtype=array.dtype, brief=brief)
    y = plan(array, weights, addends, out, residual)
    PLANS.keep(key, plan)
    return y


def _may_factor(layer: LayerConfig, shape: tuple[int, ...]) -> bool:
    """Whether it may pay to look at the kernel's numbers, which may be products of a column and a row, at each call.

    Several channels that lie side by side are never taken apart so.
    """
    depthwise = layer.rank == 2 and layer.groups == layer.in_channels == layer.out_channels
    return (
        depthwise
        and (layer.in_channels == 1 or not layer.channels_last)
        and math.prod(layer.kernel_size) * math.prod(shape) >= _MUCH_WORK
    )


def _key(
    rank: int, x: object, kernel: object, bias: object, tweaks: Tweaks, algorithm: object, *, residual: bool
) -> Hashable:
    """All that checking and planning a call look at, besides the numbers in its arrays; None where it cannot be said.

    It tells apart what compares as equal and is not checked alike: 1, True and 1.0.
    """
    if type(x) is not np.ndarray or type(kernel) is not np.ndarray or not x.dtype.isnative:
        return None
    addends: Hashable = None
    if bias is not None:
        if type(bias) is not np.ndarray:
            return None
        addends = bias.shape, bias.dtype
    kinds = tuple(map(type, tweaks))
    told = (tweaks, kinds) if tuple not in kinds and list not in kinds else exact(tuple(tweaks))
    arrays = x.shape, x.dtype, kernel.shape, kernel.dtype, addends
    return rank, arrays, told, exact(algorithm), residual, requested_target()


def exact(value: Any) -> Any:
    """A value with its type, and those of its parts, where that does not go without saying."""
    kind = type(value)
    if kind is tuple or kind is list:
        return kind, *map(exact, value)
    return value if kind is int or kind is str or value is None else (kind, value)


def prepare(
    rank: int,
    kernel: ArrayLike,
    bias: ArrayLike | None,
    input_shape: tuple[int, ...],
    tweaks: Tweaks,
    dtype: DTypeLike | None,
    target: str | None,
    algorithm: str,
    residual: bool,
    tune: bool = False,
) -> PreparedConv:
    """Prepare a convolution along `rank` axes."""
    if not isinstance(tune, bool):
        raise TypeError(f"tune: received {tune!r}; True or False is needed")
    if tune and algorithm != "auto":
        raise ValueError(f"tune: received True with algorithm={algorithm!r}; only algorithm='auto' leaves a choice")
    chosen = as_dtype(dtype) if dtype is not None else own_dtype(kernel)
    within = computed(chosen)
    weights = as_weights("kernel", kernel, within)
    layer = layer_of(rank, weights.shape, tweaks, residual=residual)
    shape = plain_shape(layer, input_shape)
    addends = bias_of(layer, bias, within)
    compiled_for = get_target(target, tiles=is_bfloat16(chosen))
    conv = PreparedConv(layer, weights, addends, shape, compiled_for, algorithm=algorithm, dtype=chosen)
    return conv.tuned() if tune else conv


def layer_of(rank: int, kernel_shape: tuple[int, ...], tweaks: Tweaks, *, residual: bool) -> LayerConfig:
    """The checked arguments that do not depend on the input's size."""
    if len(kernel_shape) != rank + 2 or 0 in kernel_shape:
        last = "out channels / groups, channels" if tweaks.transposed else "channels / groups, out channels"
        raise ValueError(
            f"kernel: received shape {kernel_shape}; ({', '.join((*AXIS_NAMES[rank], last))}), each at least 1, is "
            "needed"
        )
    if tweaks.data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            f"data_format: received {tweaks.data_format!r}; choose 'channels_last' (NHWC) or 'channels_first' (NCHW)"
        )
    in_channels, out_channels, groups = _channels(kernel_shape, tweaks)
    output_padding = tweaks.output_padding
    if output_padding is not None:
        output_padding = per_axis("output_padding", output_padding, rank, at_least=0)
    return LayerConfig(
        kernel_size=kernel_shape[:-2],
        strides=per_axis("strides", tweaks.strides, rank, at_least=1),
        padding=plain_padding(tweaks.padding, rank, transposed=tweaks.transposed),
        padding_mode=checked_mode(tweaks.padding_mode),
        dilation_rate=per_axis("dilation_rate", tweaks.dilation_rate, rank, at_least=1),
        in_channels=in_channels,
        out_channels=out_channels,
        groups=groups,
        channels_last=tweaks.data_format == "channels_last",
        activation=Activation.of(tweaks.activation, tweaks.negative_slope),
        residual=residual,
        constant_value=checked_constant(tweaks.constant_value, tweaks.padding_mode),
        transposed=tweaks.transposed,
        output_padding=output_padding,
    )


def _channels(kernel_shape: tuple[int, ...], tweaks: Tweaks) -> tuple[int, int, int]:
    """Input channels, output channels and groups, from the last two axes of the kernel."""
    share, whole = kernel_shape[-2:]
    groups = integer("groups", tweaks.groups, at_least=1)
    if whole % groups:
        kind = "input" if tweaks.transposed else "output"
        raise ValueError(
            f"groups: received {groups}, which does not divide the {whole} {kind} channels of the kernel "
            f"(shape {kernel_shape})"
        )
    return (whole, share * groups, groups) if tweaks.transposed else (share * groups, whole, groups)


def plain_padding(padding: PaddingLike, rank: int, *, transposed: bool = False) -> str | tuple[tuple[int, int], ...]:
    """Padding as a name or as pairs of plain integers: checked, and fit to remember geometries by."""
    each = padding_per_axis(padding, rank, transposed=transposed)
    pairs = [pair for pair in each if not isinstance(pair, str)]
    return tuple(pairs) if pairs else str(each[0])


def plain_shape(layer: LayerConfig, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """A checked input shape of plain integers."""
    if not is_per_axis(input_shape):
        raise TypeError(f"input_shape: received {input_shape!r}; a tuple of {layer.rank + 2} integers is needed")
    shape = tuple(integer("input_shape", extent, within=input_shape) for extent in input_shape)
    check_shape(layer, shape, "input_shape")
    return shape


def checked_mode(padding_mode: str) -> str:
    """A padding mode that there is."""
    if padding_mode not in PADDING_MODES:
        choices = ", ".join(map(repr, PADDING_MODES))
        raise ValueError(f"padding_mode: received {padding_mode!r}; choose one of {choices}")
    return padding_mode


def checked_constant(value: float, padding_mode: str) -> float:
    """The number in the padding, which only one of the modes has."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"constant_value: received {value!r}; a number is needed")
    if value != 0 and padding_mode != "constant":
        raise ValueError(
            f"constant_value: received {value!r} with padding_mode {padding_mode!r}; only 'constant' has one"
        )
    return float(value)


def bias_of(layer: LayerConfig, bias: ArrayLike | None, dtype: np.dtype[Any]) -> FloatArray | None:
    """A bias that fits the kernel, in the type that is computed in."""
    if bias is None:
        return None
    addends = as_weights("bias", bias, dtype)
    if addends.shape != (layer.out_channels,):
        raise ValueError(
            f"bias: received shape {addends.shape}; one number for each of the {layer.out_channels} output channels "
            f"is needed, shape ({layer.out_channels},)"
        )
    return addends


def own_dtype(kernel: ArrayLike) -> np.dtype[Any]:
    """The type of inputs where none is named: the kernel's own, where that is one of them, else float32."""
    own = as_numbers("kernel", kernel).dtype.newbyteorder("=")
    return own if is_float(own) else DTYPES[0]
