"""Separable convolutions along one and two axes: a depthwise one, then one that mixes the channels of each pixel."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tweakconv.arrays import FloatArray, as_dtype, as_input, as_weights, computed
from tweakconv.compiler.target import get_target
from tweakconv.geometry import IntPerAxis, PaddingLike
from tweakconv.layer import AXIS_NAMES, check_shape
from tweakconv.ops.depthwise import as_groups
from tweakconv.ops.general import Tweaks, bias_of, convolve, layer_of, own_dtype, plain_shape
from tweakconv.prepared import PreparedConv


def separable_conv1d(
    x: ArrayLike,
    depthwise_kernel: ArrayLike,
    pointwise_kernel: ArrayLike,
    bias: ArrayLike | None = None,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    activation: str | None = None,
    out: FloatArray | None = None,
    *,
    residual: ArrayLike | None = None,
    negative_slope: float | None = None,
    constant_value: float = 0,
) -> FloatArray:
    """One-dimensional separable convolution.

    Parameters
    ----------
    x : array_like, shape (batch, steps, C), or (batch, C, steps)
    depthwise_kernel : array_like, shape (kernel size, C, M)
    pointwise_kernel : array_like, shape (1, C * M, out channels)
    padding : str, int or sequence
        As in `conv1d`.
    bias, strides, dilation_rate, data_format, padding_mode, activation, out, residual, negative_slope, constant_value
        As in `separable_conv2d`, with one axis.

    Returns
    -------
    ndarray, shape (batch, out steps, out channels), or (batch, out channels, out steps)

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> x = np.array([[[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]])
    >>> separable_conv1d(x, np.ones((2, 2, 1)), np.ones((1, 2, 1))).ravel()
    array([33., 55.])
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, 1, data_format, padding_mode, constant_value, activation, negative_slope
    )
    return _convolve(1, x, depthwise_kernel, pointwise_kernel, bias, tweaks, out, residual)


def separable_conv2d(
    x: ArrayLike,
    depthwise_kernel: ArrayLike,
    pointwise_kernel: ArrayLike,
    bias: ArrayLike | None = None,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    activation: str | None = None,
    out: FloatArray | None = None,
    *,
    residual: ArrayLike | None = None,
    negative_slope: float | None = None,
    constant_value: float = 0,
) -> FloatArray:
    """Two-dimensional separable convolution: `depthwise_conv2d`, then a 1x1 `conv2d` of its result.

    Parameters
    ----------
    x : array_like, shape (batch, height, width, C), or (batch, C, height, width)
    depthwise_kernel : array_like, shape (kernel height, kernel width, C, M)
    pointwise_kernel : array_like, shape (1, 1, C * M, out channels)
    bias : array_like, shape (out channels,), optional
    strides, padding, dilation_rate, data_format, padding_mode, constant_value
        As in `conv2d`; of the depthwise convolution.
    activation, negative_slope, residual, out
        As in `conv2d`; what becomes of the result.

    Returns
    -------
    ndarray, shape (batch, out height, out width, out channels), or (batch, out channels, out height, out width)

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> x = np.ones((1, 9, 9, 3), np.float32)
    >>> separable_conv2d(x, np.ones((3, 3, 3, 2)), np.ones((1, 1, 6, 5)), strides=2)[0, 0, 0]
    array([54., 54., 54., 54., 54.], dtype=float32)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, 1, data_format, padding_mode, constant_value, activation, negative_slope
    )
    return _convolve(2, x, depthwise_kernel, pointwise_kernel, bias, tweaks, out, residual)


def compile_separable_conv1d(
    depthwise_kernel: ArrayLike,
    pointwise_kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    constant_value: float = 0,
    activation: str | None = None,
    negative_slope: float | None = None,
    residual: bool = False,
    dtype: DTypeLike | None = None,
    target: str | None = None,
) -> PreparedSeparableConv:
    """Prepare a separable convolution of one axis: the arguments of `separable_conv1d`, the rest as `compile_conv2d`.

    Examples
    --------
    >>> conv = compile_separable_conv1d(np.ones((3, 2, 1)), np.ones((1, 2, 7)), input_shape=(1, 50, 2))
    >>> conv(np.ones((4, 50, 2))).shape
    (4, 48, 7)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, 1, data_format, padding_mode, constant_value, activation, negative_slope
    )
    return _prepare(1, depthwise_kernel, pointwise_kernel, bias, input_shape, tweaks, dtype, target, residual)


def compile_separable_conv2d(
    depthwise_kernel: ArrayLike,
    pointwise_kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    input_shape: tuple[int, ...],
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
    data_format: str = "channels_last",
    padding_mode: str = "zeros",
    constant_value: float = 0,
    activation: str | None = None,
    negative_slope: float | None = None,
    residual: bool = False,
    dtype: DTypeLike | None = None,
    target: str | None = None,
) -> PreparedSeparableConv:
    """Prepare a separable convolution: the arguments of `separable_conv2d`, the rest as `compile_conv2d`.

    Examples
    --------
    >>> conv = compile_separable_conv2d(np.ones((3, 3, 2, 1)), np.ones((1, 1, 2, 7)), input_shape=(1, 9, 9, 2))
    >>> conv(np.ones((4, 9, 9, 2))).shape
    (4, 7, 7, 7)
    """
    tweaks = Tweaks(
        strides, padding, dilation_rate, 1, data_format, padding_mode, constant_value, activation, negative_slope
    )
    return _prepare(2, depthwise_kernel, pointwise_kernel, bias, input_shape, tweaks, dtype, target, residual)


class PreparedSeparableConv(NamedTuple):
    """Two prepared convolutions that run one after the other.

    Attributes
    ----------
    depthwise, pointwise : PreparedConv
        The first, whose result is kept for the duration of a call, and the second.
    """

    depthwise: PreparedConv
    pointwise: PreparedConv

    def __call__(self, x: ArrayLike, out: FloatArray | None = None, residual: ArrayLike | None = None) -> FloatArray:
        """Convolve; the arguments, the result and the errors are those of a `PreparedConv`."""
        return self.pointwise(self.depthwise(x), out, residual)

    def explain(self) -> str:
        """What is computed and how: that of the depthwise convolution, then that of the pointwise one."""
        return f"{self.depthwise.explain()}\n{self.pointwise.explain()}"

    def __repr__(self) -> str:
        return f"<PreparedSeparableConv {self.depthwise!r}, {self.pointwise!r}>"


def _convolve(
    rank: int,
    x: ArrayLike,
    depthwise_kernel: ArrayLike,
    pointwise_kernel: ArrayLike,
    bias: ArrayLike | None,
    tweaks: Tweaks,
    out: FloatArray | None,
    residual: ArrayLike | None,
) -> FloatArray:
    array = as_input("x", x)
    within = computed(array.dtype)
    if within != array.dtype:  # what lies between the two is not rounded to the type of the arrays
        conv = _pair(
            rank, depthwise_kernel, pointwise_kernel, bias, array.shape, "x", tweaks, array.dtype, None,
            residual is not None, packs=True,
        )  # fmt: skip
        return conv(array, out, residual)
    first, second, groups = _kernels(rank, depthwise_kernel, pointwise_kernel, within)
    window, mix = _tweaks(tweaks, groups)
    between = convolve(rank, array, first, None, window, None, "auto", None)
    return convolve(rank, between, second, bias, mix, out, "auto", residual)


def _prepare(
    rank: int,
    depthwise_kernel: ArrayLike,
    pointwise_kernel: ArrayLike,
    bias: ArrayLike | None,
    input_shape: tuple[int, ...],
    tweaks: Tweaks,
    dtype: DTypeLike | None,
    target: str | None,
    residual: bool,
) -> PreparedSeparableConv:
    chosen = as_dtype(dtype) if dtype is not None else own_dtype(depthwise_kernel)
    return _pair(
        rank, depthwise_kernel, pointwise_kernel, bias, input_shape, "input_shape", tweaks, chosen, target, residual,
        packs=False,
    )  # fmt: skip


def _pair(
    rank: int,
    depthwise_kernel: ArrayLike,
    pointwise_kernel: ArrayLike,
    bias: ArrayLike | None,
    input_shape: tuple[int, ...],
    name: str,
    tweaks: Tweaks,
    dtype: np.dtype[np.generic],
    target: str | None,
    residual: bool,
    *,
    packs: bool,
) -> PreparedSeparableConv:
    """Both convolutions; the first has the tweaks of the window, the second what becomes of the result."""
    within = computed(dtype)
    first, second, groups = _kernels(rank, depthwise_kernel, pointwise_kernel, within)
    of_window, of_mix = _tweaks(tweaks, groups)
    window = layer_of(rank, first.shape, of_window, residual=False)
    mix = layer_of(rank, second.shape, of_mix, residual=residual)
    addends = bias_of(mix, bias, within)
    if name == "x":
        check_shape(window, input_shape)
    else:
        input_shape = plain_shape(window, input_shape)
    chosen = get_target(target)
    # What lies between the two is not rounded to the type of the arrays.
    depthwise = PreparedConv(window, first, None, input_shape, chosen, packs=packs, dtype=dtype, out_dtype=within)
    shape = window.shape(input_shape[0], depthwise.geometry.output_size, first.shape[-1])
    pointwise = PreparedConv(mix, second, addends, shape, chosen, packs=packs, dtype=within, out_dtype=dtype)
    return PreparedSeparableConv(depthwise, pointwise)


def _kernels(
    rank: int, depthwise_kernel: ArrayLike, pointwise_kernel: ArrayLike, within: np.dtype[Any]
) -> tuple[FloatArray, FloatArray, int]:
    """Both kernels, which fit each other, as ordinary convolutions have them; and how many groups the first is for."""
    grouped, groups = as_groups(depthwise_kernel, rank, "depthwise_kernel")
    first = as_weights("depthwise_kernel", grouped, within)
    second = as_weights("pointwise_kernel", pointwise_kernel, within)
    between = first.shape[-1]
    if second.ndim != rank + 2 or second.shape[:-1] != (*(1,) * rank, between) or second.shape[-1] == 0:
        axes = ", ".join((*AXIS_NAMES[rank], "channels * multiplier", "out channels"))
        raise ValueError(
            f"pointwise_kernel: received shape {second.shape}; ({axes}) is needed, after this depthwise_kernel "
            f"{(*(1,) * rank, between)} and the number of output channels"
        )
    return first, second, groups


def _tweaks(tweaks: Tweaks, groups: int) -> tuple[Tweaks, Tweaks]:
    """Those of the window, and of the pointwise convolution that ends with the activation."""
    mix = Tweaks(
        1, "valid", 1, 1, tweaks.data_format, activation=tweaks.activation, negative_slope=tweaks.negative_slope
    )
    return tweaks._replace(groups=groups, activation=None, negative_slope=None), mix
