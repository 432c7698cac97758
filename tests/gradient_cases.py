"""Gradients of the convolutions in the tables of `tests.cases` and `tests.family`, by operations of one signature."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from tests.cases import CASES, Case, by_torch
from tests.family import FAMILY, Kin
from tests.family import by_torch as family_by_torch

import tweakconv as tc
from tweakconv import reference_gradients
from tweakconv.geometry import ConvGeometry

Array = Any


@dataclass(frozen=True, slots=True)
class Grad:
    """A convolution without bias, residual and activation, whose gradients are looked for.

    A depthwise one is written as the grouped one that it is.
    """

    name: str
    source: Case | Kin

    @property
    def transposed(self) -> bool:
        return isinstance(self.source, Kin) and self.source.kind == "transposed"

    @property
    def depthwise(self) -> bool:
        return isinstance(self.source, Kin) and self.source.kind == "depthwise"

    @property
    def rank(self) -> int:
        return len(self.source.kernel)

    @property
    def groups(self) -> int:
        return self.source.channels[0] if self.depthwise else self.source.groups

    @property
    def channels(self) -> tuple[int, int]:
        first, second = self.source.channels
        return (first, first * second) if self.depthwise else (first, second)

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        first, second = self.channels
        last = (second // self.groups, first) if self.transposed else (first // self.groups, second)
        return (*self.source.kernel, *last)

    @property
    def geometry(self) -> ConvGeometry:
        make = ConvGeometry.transposed if self.transposed else ConvGeometry.of
        more = (
            {"output_padding": self.source.output_padding} if isinstance(self.source, Kin) and self.transposed else {}
        )
        return make(
            self.source.size,
            self.source.kernel,
            strides=self.source.strides,
            padding=self.source.padding,
            dilation_rate=self.source.dilation_rate,
            groups=self.groups,
            in_channels=self.channels[0],
            out_channels=self.channels[1],
            **more,
        )

    @property
    def tweaks(self) -> dict[str, Any]:
        """The keyword arguments of the gradient with respect to the input, besides the data format."""
        names = ["strides", "padding", "dilation_rate", "output_padding" if self.transposed else "padding_mode"]
        return {**{name: getattr(self.source, name) for name in names}, "groups": self.groups}

    @property
    def kernel_tweaks(self) -> dict[str, Any]:
        """Those of the gradient with respect to the kernel."""
        return self.tweaks if self.transposed else {**self.tweaks, "constant_value": self.source.constant_value}

    def operation(self, of: str, *, prepared: bool = False) -> Any:
        """The operation for the gradient with respect to "input" or "kernel"."""
        kind = "_transpose" if self.transposed else ""
        return getattr(tc, f"{'compile_' if prepared else ''}conv{self.rank}d{kind}_{of}_grad")

    def arrays(self, data_format: str, dtype: str, *, whole: bool = False) -> tuple[Array, Array, Array]:
        """x, kernel and the gradient of the sums, without any symmetry."""
        rng = np.random.default_rng(zlib.crc32(repr(self).encode()))

        def draw(*shape: int) -> Array:
            values = rng.integers(-4, 5, shape) if whole else rng.standard_normal(shape)
            return values.astype(dtype)

        x = draw(self.source.batch, *self.source.size, self.channels[0])
        kernel = draw(*self.kernel_shape)
        grad = draw(self.source.batch, *self.geometry.output_size, self.channels[1])
        return self.laid_out(x, data_format), kernel, self.laid_out(grad, data_format)

    @staticmethod
    def laid_out(array: Array, data_format: str) -> Array:
        return array if data_format == "channels_last" else np.ascontiguousarray(np.moveaxis(array, -1, 1))

    def by_definition(self, x: Array, kernel: Array, grad: Array, data_format: str) -> tuple[Array, Array]:
        """The gradients with respect to input and kernel, in float64."""
        last = data_format == "channels_last"
        x, grad = (array if last else np.moveaxis(array, 1, -1) for array in (x, grad))
        mode, geometry = "zeros" if self.transposed else self.source.padding_mode, self.geometry
        constant = 0 if self.transposed else self.source.constant_value
        dx = reference_gradients.input_grad(grad, kernel, geometry, mode)
        dw = reference_gradients.kernel_grad(x, grad, geometry, mode, constant)
        return dx if last else np.moveaxis(dx, -1, 1), dw


def plain(source: Case | Kin) -> Case | Kin:
    """The convolution alone."""
    fields = {name: getattr(source, name) for name in source.__slots__}
    fields |= {"bias": False, "residual": False, "activation": None}
    return type(source)(**fields | ({"negative_slope": None} if isinstance(source, Case) else {}))


GRADS = tuple(
    Grad(source.name, plain(source))
    for source in (*CASES, *FAMILY)
    if not (isinstance(source, Kin) and source.kind == "separable")
)


def in_torch(grad: Grad, x: Array, kernel: Array) -> Array:
    """The forward pass by PyTorch in float64, channels_last."""
    if isinstance(grad.source, Case):
        return by_torch(grad.source, x, kernel, None, "channels_last")
    written = kernel.reshape(*kernel.shape[:-2], *grad.source.channels) if grad.depthwise else kernel
    return family_by_torch(grad.source, x, [written], None, "channels_last")
