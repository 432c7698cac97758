"""The gradient of a convolution with respect to its input, prepared; the weights are handed over at each call."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tweakconv.arrays import FloatArray, as_input, as_weights, check_out, empty_aligned
from tweakconv.compiler.target import Target
from tweakconv.geometry.gradients import extended
from tweakconv.gradients.layers import check_grad, fold, gradient_layer
from tweakconv.layer import LayerConfig
from tweakconv.planned import PlannedConv, packing_counts


class PreparedInputGrad:
    """The gradient of a convolution with respect to its input, made by `tweakconv.compile_conv2d_input_grad`.

    It is for one spatial size and any batch. The weights are handed over at each call, as training changes them at
    each step. Several threads may call one at once.

    Examples
    --------
    >>> import tweakconv as tc
    >>> input_grad = tc.compile_conv2d_input_grad((2, 2, 1, 1), input_shape=(1, 3, 3, 1))
    >>> input_grad(np.ones((1, 2, 2, 1), np.float32), np.ones((2, 2, 1, 1)))[0, :, :, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]], dtype=float32)
    """

    def __init__(
        self, layer: LayerConfig, input_shape: tuple[int, ...], dtype: np.dtype[Any], target: Target,
        *, algorithm: str = "auto",
    ) -> None:  # fmt: skip
        self.layer, self.dtype, self.input_shape = layer, dtype, input_shape
        size = layer.size_of(input_shape)
        self.geometry = layer.geometry(size)
        self._folds = not layer.transposed and layer.padding_mode not in ("zeros", "constant")
        forward = extended(self.geometry) if self._folds else self.geometry
        self._backward = gradient_layer(layer, forward)
        self._target, self._algorithm = target, algorithm
        self._conv: PlannedConv | None = None

    def __call__(self, grad: ArrayLike, kernel: ArrayLike, out: FloatArray | None = None) -> FloatArray:
        """The gradient with respect to the input.

        Parameters
        ----------
        grad : array_like
            The gradient with respect to the sums: of the result's shape, with any batch, and of the type this was
            made for.
        kernel : array_like
            Of the shape this was made for.
        out : ndarray, optional
            Where to write the result: of the input's shape, in C order, apart from `grad`.

        Returns
        -------
        ndarray
            `out`, or a new array.

        Raises
        ------
        ValueError, TypeError
            As `tweakconv.conv2d_input_grad`.
        """
        layer = self.layer
        grads = as_input("grad", grad, self.dtype)
        check_grad(layer, self.geometry, grads.shape)
        weights = as_weights("kernel", kernel, self.dtype)
        if weights.shape != layer.kernel_shape:
            raise ValueError(f"kernel: received shape {weights.shape}; this gradient was made for {layer.kernel_shape}")
        conv = self._conv or self._planned(grads.shape)
        if not self._folds:
            return conv(grads, weights, None, out)
        shape = layer.shape(len(grads), layer.size_of(self.input_shape), layer.in_channels)
        result = empty_aligned(shape, self.dtype) if out is None else check_out(out, shape, self.dtype, grads)
        result[...] = fold(conv(grads, weights, None), layer, self.geometry)
        return result

    def explain(self) -> str:
        """What computes it and how, where it has been called; lines of text."""
        return "not called yet" if self._conv is None else self._conv.explain()

    def _planned(self, shape: tuple[int, ...]) -> PlannedConv:
        """The convolution that computes it, for gradients of a shape and weights that come at each call."""
        self._conv = conv = PlannedConv(
            self._backward,
            self.dtype,
            shape,
            self._target,
            algorithm=self._algorithm,
            packs=packing_counts(shape[0]),
            dtype=self.dtype,
        )
        return conv
