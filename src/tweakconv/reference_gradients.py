"""The definition of every gradient in NumPy: slow, and obviously right.

A convolution adds ``x[tap(o, k)] * w[k]`` to output `o` for every weight `k`. Its gradient with respect to a pixel is
therefore the sum of ``dy[o] * w[k]`` over all outputs and weights that read it, and that with respect to weight `k` the
sum of ``x[tap(o, k)] * dy[o]`` over all outputs, those that read the padding included: its number is multiplied, and 0
times infinity is NaN. Nothing here tries to be fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from tweakconv.activations import Activation
from tweakconv.geometry import ConvGeometry
from tweakconv.reference import FloatArray


def input_grad(grad: ArrayLike, kernel: ArrayLike, geometry: ConvGeometry, padding_mode: str = "zeros") -> FloatArray:
    """The gradient with respect to the input, in float64.

    Parameters
    ----------
    grad
        (N, *output_size, F): the gradient with respect to the sums.
    kernel
        (*kernel_size, C // groups, F), or of a transposed convolution (*kernel_size, F // groups, C).
    geometry
        Of the forward pass, ordinary or transposed.
    padding_mode
        As in `tweakconv.reference.conv`.

    Returns
    -------
    ndarray
        (N, *input_size, C).

    Examples
    --------
    >>> differences = ConvGeometry.of(4, 2)
    >>> input_grad(np.ones((1, 3, 1)), np.array([-1.0, 2.0]).reshape(2, 1, 1), differences).ravel()
    array([-1.,  1.,  1.,  2.])
    """
    dy, weights = np.asarray(grad, np.float64), by_group(np.asarray(kernel, np.float64), geometry)
    split = dy.reshape(*dy.shape[:-1], geometry.groups, geometry.out_channels // geometry.groups)
    # One more pixel at the end of each axis stands for the padding.
    dx = np.zeros((len(dy), *(size + 1 for size in geometry.input_size), geometry.in_channels))
    for ks in np.ndindex(*geometry.kernel_size):
        outputs, pixels = _meetings(geometry, ks, padding_mode)
        some = split[np.ix_(range(len(dy)), *outputs)]
        with np.errstate(invalid="ignore", over="ignore"):
            products = np.einsum("...gf,gcf->...gc", some, weights[ks])
            np.add.at(dx, np.ix_(range(len(dy)), *pixels), products.reshape(*some.shape[:-2], geometry.in_channels))
    return dx[(slice(None), *(slice(-1),) * geometry.rank)]


def kernel_grad(
    x: ArrayLike, grad: ArrayLike, geometry: ConvGeometry, padding_mode: str = "zeros", constant_value: float = 0
) -> FloatArray:
    """The gradient with respect to the kernel, in float64.

    Parameters
    ----------
    x
        (N, *input_size, C).
    grad
        (N, *output_size, F): the gradient with respect to the sums.
    geometry, padding_mode
        As in `input_grad`.
    constant_value
        What the padding holds in the mode "constant".

    Returns
    -------
    ndarray
        (*kernel_size, C // groups, F), or of a transposed convolution (*kernel_size, F // groups, C).

    Examples
    --------
    >>> kernel_grad(np.arange(4.0).reshape(1, 4, 1), np.ones((1, 3, 1)), ConvGeometry.of(4, 2)).ravel()
    array([3., 6.])
    """
    images, dy, groups = np.asarray(x, np.float64), np.asarray(grad, np.float64), geometry.groups
    ends = [(0, 0), *[(0, 1)] * geometry.rank, (0, 0)]
    images = np.pad(images, ends, constant_values=constant_value)
    shares = geometry.in_channels // groups, geometry.out_channels // groups
    dw = np.zeros((*geometry.kernel_size, groups, *shares))
    for ks in np.ndindex(*geometry.kernel_size):
        outputs, pixels = _meetings(geometry, ks, padding_mode)
        values = images[np.ix_(range(len(images)), *pixels)].reshape(-1, groups, shares[0])
        factors = dy[np.ix_(range(len(dy)), *outputs)].reshape(-1, groups, shares[1])
        with np.errstate(invalid="ignore", over="ignore"):
            dw[ks] = np.einsum("ngc,ngf->gcf", values, factors)
    return _as_written(dw, geometry)


def activation_grad(
    grad: ArrayLike, sums: ArrayLike, activation: str | None, negative_slope: float | None = None
) -> FloatArray:
    """The gradient with respect to the sums, from these and the gradient with respect to the activation's result.

    Examples
    --------
    >>> activation_grad([1.0, 1.0], [-2.0, 2.0], "leaky_relu", 0.5)
    array([0.5, 1. ])
    """
    chosen, dy, z = Activation.of(activation, negative_slope), np.asarray(grad, np.float64), np.asarray(sums, float)
    if chosen is None:
        return dy
    slopes: FloatArray = np.vectorize(_SLOPES[chosen.name], otypes=[np.float64])(z, chosen.negative_slope)
    return dy * slopes


def by_group(kernel: FloatArray, geometry: ConvGeometry) -> FloatArray:
    """A kernel as users write it, as (*kernel_size, groups, C // groups, F // groups)."""
    groups = geometry.groups
    if geometry.is_transposed:  # (F // groups, C): split C
        split = kernel.reshape(*kernel.shape[:-1], groups, -1)
        return np.moveaxis(split, -3, -1)
    return np.moveaxis(kernel.reshape(*kernel.shape[:-1], groups, -1), -2, -3)


def _as_written(dw: FloatArray, geometry: ConvGeometry) -> FloatArray:
    """The opposite of `by_group`."""
    split = np.moveaxis(dw, -1, -3) if geometry.is_transposed else np.moveaxis(dw, -3, -2)
    return split.reshape(*split.shape[:-2], -1)


def _meetings(
    geometry: ConvGeometry, ks: tuple[int, ...], padding_mode: str
) -> tuple[list[list[int]], list[list[int]]]:
    """For each axis the outputs that weight `ks` goes into and the pixel for each; that of the padding is the last."""
    outputs, pixels = [], []
    for axis, k in zip(geometry.axes, ks, strict=True):
        taps = [(o, axis.tap(o, k, padding_mode)) for o in range(axis.output)]
        if axis.flipped:  # a transposed convolution multiplies nothing where there is no pixel
            taps = [(o, pixel) for o, pixel in taps if pixel is not None]
        outputs.append([o for o, _ in taps])
        pixels.append([axis.input if pixel is None else pixel for _, pixel in taps])
    return outputs, pixels


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z > -700 else 0.0


def _gelu(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2 + z * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


_SLOPES: dict[str, Callable[[float, float], float]] = {
    "relu": lambda z, _: float(z > 0),
    "relu6": lambda z, _: float(0 < z < 6),
    "leaky_relu": lambda z, slope: 1.0 if z > 0 else slope,
    "sigmoid": lambda z, _: _sigmoid(z) * _sigmoid(-z),
    "tanh": lambda z, _: 1 / math.cosh(min(abs(z), 300)) ** 2,
    "silu": lambda z, _: _sigmoid(z) * (1 + z * _sigmoid(-z)),
    "gelu": lambda z, _: _gelu(z),
    "hard_sigmoid": lambda z, _: 1 / 6 if -3 < z < 3 else 0.0,
    "hard_swish": lambda z, _: 0.0 if z < -3 else 1.0 if z > 3 else z / 3 + 0.5,
    "elu": lambda z, _: 1.0 if z > 0 else math.exp(z),
}
"""The slope of each activation at a number."""
