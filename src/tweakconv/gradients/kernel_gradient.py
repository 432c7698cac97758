"""The gradient of a convolution with respect to its kernel, prepared: geometry resolved, code compiled."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tweakconv.arrays import FloatArray, address, as_input, check_out, empty_aligned
from tweakconv.compiler import threads
from tweakconv.compiler.call import Space
from tweakconv.compiler.kernel_grad_spec import KernelGradSpec
from tweakconv.compiler.launch import launch
from tweakconv.compiler.spec import AxisSpec
from tweakconv.compiler.target import Target
from tweakconv.geometry import AxisGeometry, ConvGeometry
from tweakconv.geometry.gradients import extended
from tweakconv.gradients.layers import check_grad, gradient_layer, pad
from tweakconv.layer import LayerConfig
from tweakconv.lowering import contiguous_strides, element_strides

_MOST_SHAPES = 64
"""Shapes whose run-time integers a prepared gradient remembers."""


class _Launch(NamedTuple):
    """What calls with arrays of some shapes and strides have in common."""

    integers: NDArray[np.int64]
    address: int
    threads: int
    space: Space


class PreparedKernelGrad:
    """The gradient of a convolution with respect to its kernel, made by `tweakconv.compile_conv2d_kernel_grad`.

    It is for one spatial size and any batch. Several threads may call one at once.

    Examples
    --------
    >>> import tweakconv as tc
    >>> kernel_grad = tc.compile_conv2d_kernel_grad((2, 2, 1, 1), input_shape=(1, 3, 3, 1), dtype="float64")
    >>> kernel_grad(np.arange(9.0).reshape(1, 3, 3, 1), np.ones((1, 2, 2, 1)))[:, :, 0, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """

    def __init__(
        self,
        layer: LayerConfig,
        input_shape: tuple[int, ...],
        dtype: np.dtype[Any],
        target: Target,
        *,
        algorithm: str = "auto",
    ) -> None:
        self.layer, self.dtype, self.input_shape = layer, dtype, input_shape
        self.geometry = layer.geometry(layer.size_of(input_shape))
        self._extends = not layer.transposed and not layer.pads_zeros
        # A transposed convolution is the input gradient of an ordinary one, which has the same kernel.
        ordinary = self.geometry
        if layer.transposed:
            ordinary = gradient_layer(layer, ordinary).geometry(ordinary.output_size)
        elif self._extends:
            ordinary = extended(ordinary)
        self._geometry = _with_volume(ordinary)
        from tweakconv.compiler import kernel_grad  # noqa: PLC0415 - the generator of code is loaded when needed

        planes, rows, columns = map(_axis, self._geometry.axes)
        spec = KernelGradSpec(
            axes=(planes, rows, columns),
            in_channels=ordinary.in_channels,
            out_channels=ordinary.out_channels,
            groups=ordinary.groups,
            channels_last=layer.channels_last,
            double=dtype == np.float64,
        )
        batch = max(1, input_shape[0])
        self._choice = kernel_grad.choose(spec, target, self._geometry.output_size, batch, algorithm)
        self._code = kernel_grad.code(self._choice)
        self._launches: dict[tuple[object, ...], _Launch] = {}

    def __call__(self, x: ArrayLike, grad: ArrayLike, out: FloatArray | None = None) -> FloatArray:
        """The gradient with respect to the kernel.

        Parameters
        ----------
        x : array_like
            The input of the forward pass, with any batch, of the type this was made for.
        grad : array_like
            The gradient with respect to the sums: of the result's shape and the type of `x`.
        out : ndarray, optional
            Where to write the result: of the kernel's shape, in C order, apart from `x` and `grad`.

        Returns
        -------
        ndarray
            `out`, or a new array.

        Raises
        ------
        ValueError, TypeError
            As `tweakconv.conv2d_kernel_grad`.
        """
        layer = self.layer
        inputs, grads = as_input("x", x, self.dtype), as_input("grad", grad, self.dtype)
        self._check(inputs.shape, grads.shape)
        if out is None:
            out = empty_aligned(layer.kernel_shape, self.dtype)
        else:
            check_out(out, layer.kernel_shape, self.dtype, inputs, grads)
        if not len(inputs):
            out[...] = 0
            return out
        if self._extends:
            inputs = pad(inputs, layer, self.geometry)
        if layer.transposed:
            inputs, grads = grads, inputs
        self._run(inputs, grads, out)
        if self.algorithm == "winograd" and not np.isfinite(out).all():  # smeared, or overflown where the sum does not
            self._directly._run(inputs, grads, out)
        return out

    def reads(self, x: FloatArray) -> bool:
        """Whether it reads an input of its type where it lies, instead of a copy."""
        plain = not (self._extends or self.layer.transposed)
        return plain and x.flags.aligned and element_strides(x, self.layer.channels_last) is not None

    def run_at(self, shape: tuple[int, ...], strides: tuple[int, ...], x: int, grad: int, out: FloatArray) -> None:
        """The gradient from what lies at two addresses: nothing is checked, for frameworks that know it all.

        Parameters
        ----------
        shape, strides
            Of an input that it `reads`; strides in bytes.
        x, grad : int
            Addresses; the gradient of the result lies in C order.
        out : ndarray
            Where to write the result.
        """
        if not shape[0]:
            out[...] = 0
            return
        self._run_at(shape, strides, x, grad, out)
        if self.algorithm == "winograd" and not np.isfinite(out).all():
            self._directly._run_at(shape, strides, x, grad, out)

    @property
    def algorithm(self) -> str:
        """Which computes it: "direct" or "winograd"."""
        return self._choice.algorithm

    @functools.cached_property
    def _directly(self) -> PreparedKernelGrad:
        target = self._choice.plan.target
        return PreparedKernelGrad(self.layer, self.input_shape, self.dtype, target, algorithm="direct")

    def _check(self, x_shape: tuple[int, ...], grad_shape: tuple[int, ...]) -> None:
        layer = self.layer
        wanted = (*layer.shape(0, layer.size_of(self.input_shape), layer.in_channels)[1:],)
        if x_shape[1:] != wanted or len(x_shape) != layer.rank + 2:
            raise ValueError(
                f"x: received shape {x_shape}; this gradient was made for inputs of shape "
                f"(batch, {', '.join(map(str, wanted))})"
            )
        check_grad(layer, self.geometry, grad_shape, x_shape[0])

    def _run(self, x: FloatArray, grad: FloatArray, out: FloatArray) -> None:
        if not grad.flags.c_contiguous:
            grad = np.ascontiguousarray(grad)
        if element_strides(x, self.layer.channels_last) is None:
            x = np.ascontiguousarray(x)
        self._run_at(x.shape, x.strides, address(x), address(grad), out)

    def _run_at(self, shape: tuple[int, ...], strides: tuple[int, ...], x: int, grad: int, out: FloatArray) -> None:
        most = threads.get_num_threads()
        found = self._launches.get((shape, strides, most)) or self._new_launch(shape, strides, most)
        launch(self._code, (x, grad, 0, address(out), 0), found.address, found.space, found.threads)

    def _new_launch(self, shape: tuple[int, ...], strides: tuple[int, ...], most: int) -> _Launch:
        """For inputs, as the ordinary convolution reads them, that lie as the code needs it."""
        from tweakconv.compiler import kernel_grad  # noqa: PLC0415

        layer, (_, way, plan), key = self.layer, self._choice, (shape, strides, most)
        x = np.lib.stride_tricks.as_strided(np.empty(1, self.dtype), shape, strides)
        x_strides = element_strides(x, layer.channels_last)
        assert x_strides is not None
        out_size = tuple(axis.output for axis in self._geometry.axes[-layer.rank :])
        grad_shape = layer.shape(shape[0], out_size, self._geometry.out_channels)
        call = kernel_grad.KernelGradCall(
            batch=shape[0],
            geometry=self._geometry,
            x_strides=x_strides,
            y_strides=contiguous_strides(grad_shape, layer.channels_last),
        )
        integers = np.array(way.integers(plan, call), np.int64)
        used = threads.worth(most, shape[0] * self._geometry.multiply_adds)
        if len(self._launches) >= _MOST_SHAPES:
            self._launches.clear()
        made = _Launch(integers, integers.ctypes.data, used, way.space(plan, call))
        self._launches[key] = made
        return made


def _with_volume(geometry: ConvGeometry) -> ConvGeometry:
    """The geometry with axes of one plane and one row before, where there are fewer than three."""
    more = (AxisGeometry(1, 1),) * (3 - geometry.rank)
    return ConvGeometry((*more, *geometry.axes), geometry.in_channels, geometry.out_channels, geometry.groups)


def _axis(axis: AxisGeometry) -> AxisSpec:
    """What the code is told of an axis; a stride says nothing where there is one output, a dilation with one tap."""
    return AxisSpec(axis.kernel, 1 if axis.output == 1 else axis.stride, 1 if axis.kernel == 1 else axis.dilation)
