"""One table of convolutions of every kind but images', and the oracles that judge them.

`by_definition` is the reference; `by_torch` is PyTorch in float64, its input padded by NumPy, or its full transposed
result cut, with numbers worked out here from the names; both know nothing of the compiler.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import DTypeLike, NDArray
from tests.cases import TORCH_ACTIVATIONS

import tweakconv as tc
from tweakconv import reference

Array = NDArray[np.floating[Any]]
Ints = tuple[int, ...]
TORCH = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TORCH_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@dataclass(frozen=True, slots=True)
class Kin:
    """A convolution and the size of its input; `kind` is "conv", "transposed", "depthwise" or "separable".

    `channels` are those of input and output; of a depthwise convolution, channels and multiplier; of a separable one,
    these and the output channels.
    """

    name: str
    kind: str
    size: Ints
    channels: Ints
    kernel: Ints
    strides: Ints | int = 1
    padding: Any = "valid"
    dilation_rate: Ints | int = 1
    output_padding: Ints | int | None = None
    groups: int = 1
    batch: int = 1
    bias: bool = True
    activation: str | None = None
    residual: bool = False
    padding_mode: str = "zeros"
    constant_value: float = 0

    @property
    def rank(self) -> int:
        return len(self.kernel)

    @property
    def tweaks(self) -> dict[str, Any]:
        """The keyword arguments of the operation besides arrays and data format."""
        names = ["strides", "padding", "dilation_rate", "activation"]
        names += {"transposed": ["output_padding", "groups"], "conv": ["groups"]}.get(self.kind, [])
        names += [] if self.kind == "transposed" else ["padding_mode", "constant_value"]
        return {name: getattr(self, name) for name in names}

    @property
    def operation(self) -> Any:
        return getattr(tc, self._name)

    @property
    def prepare(self) -> Any:
        return getattr(tc, f"compile_{self._name}")

    @property
    def _name(self) -> str:
        kind = {"transposed": "", "conv": ""}.get(self.kind, f"{self.kind}_")
        return f"{kind}conv{self.rank}d{'_transpose' if self.kind == 'transposed' else ''}"

    def arrays(self, data_format: str, dtype: DTypeLike, *, whole: bool = False) -> tuple[Array, list[Array], Any]:
        """x, kernels and bias without any symmetry; with `whole`, small whole numbers, whose sums are exact."""
        rng = np.random.default_rng(zlib.crc32(repr(self).encode()))

        def draw(*shape: int) -> Array:
            values = rng.integers(-8, 9, shape) if whole else rng.standard_normal(shape)
            return values.astype(dtype)

        x = draw(self.batch, *self.size, self.channels[0])
        x = x if data_format == "channels_last" else np.ascontiguousarray(np.moveaxis(x, -1, 1))
        first, second, *others = self.channels
        if self.kind == "conv":
            kernels, out = [draw(*self.kernel, first // self.groups, second)], second
        elif self.kind == "transposed":
            kernels, out = [draw(*self.kernel, second // self.groups, first)], second
        else:
            kernels, out = [draw(*self.kernel, first, second)], first * second
        if others:
            kernels.append(draw(*(1,) * self.rank, out, others[0]))
            out = others[0]
        return x, kernels, draw(out) if self.bias else None

    def added(self, shape: Ints, dtype: DTypeLike) -> Array | None:
        """The residual, in small whole numbers, where there is one."""
        rng = np.random.default_rng(len(self.name))
        return rng.integers(-20, 21, shape).astype(dtype) if self.residual else None


def _each(value: Ints | int, rank: int) -> Ints:
    return (value,) * rank if isinstance(value, int) else value


FAMILY = (
    # Along one axis
    Kin("1-D", "conv", (23,), (3, 5), (4,)),
    Kin("1-D causal, dilated", "conv", (40,), (6, 20), (3,), padding="causal", dilation_rate=4, activation="relu"),
    Kin("1-D causal at a stride", "conv", (41,), (5, 7), (4,), padding="causal", strides=3, batch=3),
    Kin("1-D same at stride 2", "conv", (16,), (4, 6), (3,), padding="same", strides=2, residual=True),
    Kin("1-D groups", "conv", (19,), (12, 12), (5,), groups=3, padding=((3, 0),)),
    Kin("1-D reflect", "conv", (9,), (3, 4), (5,), padding=7, padding_mode="reflect"),
    Kin("1-D of one channel", "conv", (300,), (1, 1), (31,), padding="full"),
    Kin("1-D of many channels", "conv", (12,), (600, 9), (3,), padding="same", activation="gelu"),
    Kin("1-D pads that crop", "conv", (30,), (3, 5), (3,), padding=((-2, -5),)),
    # Along three
    Kin("3-D", "conv", (5, 6, 7), (3, 5), (2, 3, 4)),
    Kin("3-D same, blocks of channels", "conv", (4, 5, 18), (20, 70), (3, 3, 3), padding="same", activation="relu"),
    Kin("3-D same at stride 2", "conv", (6, 7, 8), (4, 6), (3, 3, 3), padding="same", strides=2, batch=2),
    Kin("3-D strides that differ", "conv", (9, 11, 25), (3, 7), (2, 5, 3), strides=(3, 2, 4), padding="full"),
    Kin("3-D dilations that differ", "conv", (9, 8, 20), (4, 6), (3, 2, 3), dilation_rate=(2, 3, 1), padding="same"),
    Kin("3-D dilated far", "conv", (4, 6, 21), (4, 20), (3, 3, 3), dilation_rate=(5, 2, 8), padding="same"),
    Kin("3-D dilated, planes apart", "conv", (5, 6, 19), (200, 7), (3, 2, 4), dilation_rate=(2, 4, 6), padding="same",
        residual=True, activation="relu"),
    Kin("3-D kernel of one plane", "conv", (5, 6, 17), (3, 4), (1, 3, 3), padding="same", residual=True),
    Kin("3-D kernel of one pixel", "conv", (4, 5, 6), (17, 20), (1, 1, 1), strides=(2, 1, 3)),
    Kin("3-D kernel along planes only", "conv", (11, 3, 9), (6, 5), (5, 1, 1), padding="same_lower"),
    Kin("3-D pads all different", "conv", (4, 3, 5), (3, 5), (3, 3, 3), padding=((2, 0), (1, 5), (0, 7))),
    Kin("3-D pads larger than the kernel", "conv", (2, 2, 3), (2, 3), (2, 2, 2), padding=((5, 4), (3, 6), (7, 2))),
    Kin("3-D pads that crop", "conv", (8, 9, 12), (3, 5), (2, 3, 2), padding=((-1, -2), (3, -4), (-5, 1))),
    Kin("3-D groups", "conv", (5, 6, 18), (6, 10), (3, 2, 3), groups=2, padding="same", activation="relu"),
    Kin("3-D groups of four", "conv", (4, 6, 18), (20, 20), (3, 3, 3), groups=5, padding="same", residual=True),
    Kin("3-D depthwise", "conv", (6, 5, 19), (21, 21), (5, 3, 3), groups=21, padding="same", activation="silu"),
    Kin("3-D of one channel", "conv", (6, 9, 40), (1, 1), (3, 5, 3), padding="same", bias=False),
    Kin("3-D, a sum in parts along channels", "conv", (4, 4, 9), (200, 9), (2, 3, 2), padding="same", residual=True),
    Kin("3-D, a sum in parts along the planes", "conv", (9, 4, 9), (40, 6), (7, 2, 2), padding="same", bias=False),
    Kin("3-D, a sum in parts along rows", "conv", (3, 9, 20), (9, 4), (2, 9, 9), padding="same", activation="relu"),
    Kin("3-D reflect", "conv", (4, 5, 9), (3, 5), (3, 3, 3), padding="same", padding_mode="reflect", batch=2),
    Kin("3-D wrap beyond the volume", "conv", (2, 3, 4), (3, 4), (2, 2, 3), padding=((5, 4), (7, 2), (9, 3)),
        padding_mode="wrap"),
    Kin("3-D edge of one channel", "conv", (3, 4, 30), (1, 1), (3, 3, 3), padding="same", padding_mode="edge"),
    Kin("3-D constant", "conv", (4, 5, 9), (8, 8), (3, 3, 3), groups=8, padding=((1, 2), (0, 3), (4, 0)),
        padding_mode="constant", constant_value=2.5),
    Kin("3-D symmetric, strided and dilated", "conv", (7, 9, 14), (5, 6), (2, 3, 3), strides=2, dilation_rate=2,
        padding="same", padding_mode="symmetric"),
    # Transposed: kernels smaller than, as large as and larger than the stride
    Kin("up 2-D", "transposed", (5, 6), (3, 7), (3, 3)),
    Kin("up 2-D 2x2 at stride 2", "transposed", (5, 9), (6, 10), (2, 2), strides=2, activation="relu", batch=2),
    Kin("up 2-D 3x3 at stride 2, same", "transposed", (6, 9), (6, 20), (3, 3), strides=2, padding="same"),
    Kin("up 2-D 4x4 at stride 2, same", "transposed", (6, 19), (20, 40), (4, 4), strides=2, padding="same"),
    Kin("up 2-D 4x4 at stride 2, cut by 1", "transposed", (5, 7), (8, 17), (4, 4), strides=2, padding=1, residual=True),
    Kin("up 2-D, stride larger than the kernel", "transposed", (4, 5), (3, 6), (2, 1), strides=(3, 4)),
    Kin("up 2-D, stride larger, same", "transposed", (4, 5), (3, 6), (2, 2), strides=3, padding="same"),
    Kin("up 2-D, strides and kernels that differ", "transposed", (4, 11), (5, 6), (5, 2), strides=(2, 3),
        padding="same_lower"),
    Kin("up 2-D, stride 1", "transposed", (6, 20), (5, 18), (3, 4), padding="same", activation="relu"),
    Kin("up 2-D, dilated", "transposed", (5, 8), (4, 6), (3, 3), dilation_rate=(2, 3), padding="same"),
    Kin("up 2-D, dilated far", "transposed", (5, 17), (4, 20), (3, 4), dilation_rate=(4, 9), padding="same"),
    Kin("up 2-D, dilated far at a stride", "transposed", (5, 18), (5, 19), (3, 5), strides=(2, 3),
        dilation_rate=(3, 13), padding=((2, 1), (20, 17)), residual=True),
    Kin("up 2-D, dilated at a stride", "transposed", (5, 8), (4, 6), (3, 3), strides=(3, 2), dilation_rate=(2, 3)),
    Kin("up 2-D, dilation and stride with a factor", "transposed", (5, 8), (4, 6), (3, 2), strides=4, dilation_rate=2),
    Kin("up 2-D with output padding", "transposed", (5, 6), (4, 6), (3, 3), strides=2, padding="same",
        output_padding=1),
    Kin("up 2-D with output padding at one axis", "transposed", (5, 6), (4, 6), (3, 4), strides=(3, 2), padding=1,
        output_padding=(2, 0)),
    Kin("up 2-D, pairs that differ", "transposed", (5, 6), (4, 6), (4, 5), strides=2, padding=((0, 2), (3, 1))),
    Kin("up 2-D, pairs that add", "transposed", (3, 4), (4, 6), (2, 3), strides=2, padding=((-2, 1), (0, -5))),
    Kin("up 2-D, cut to less than a stride", "transposed", (1, 2), (4, 6), (5, 5), strides=4, padding=((1, 2), (3, 5))),
    Kin("up 2-D groups", "transposed", (5, 6), (6, 10), (3, 3), strides=2, groups=2, padding="same"),
    Kin("up 2-D depthwise", "transposed", (5, 9), (19, 19), (4, 4), strides=2, groups=19, padding=1, residual=True),
    Kin("up 2-D groups of four", "transposed", (5, 9), (20, 20), (3, 3), strides=(2, 3), groups=5, activation="relu"),
    Kin("up 2-D of one channel", "transposed", (5, 30), (1, 1), (4, 4), strides=2, padding="same"),
    Kin("up 2-D, a sum in parts", "transposed", (4, 7), (600, 9), (3, 3), strides=2, padding="same", residual=True,
        activation="relu"),
    Kin("up 2-D, one pixel", "transposed", (1, 1), (3, 4), (3, 3), strides=5, output_padding=2),
    Kin("up 1-D", "transposed", (19,), (5, 7), (8,), strides=4, padding="same", activation="gelu"),
    Kin("up 1-D at stride 1", "transposed", (19,), (5, 7), (3,), padding=1),
    Kin("up 1-D with output padding", "transposed", (9,), (3, 20), (5,), strides=3, padding=2, output_padding=2),
    Kin("up 3-D 2x2x2 at stride 2", "transposed", (3, 4, 9), (6, 10), (2, 2, 2), strides=2),
    Kin("up 3-D 3x3x3 at stride 2, same", "transposed", (3, 4, 9), (6, 20), (3, 3, 3), strides=2, padding="same"),
    Kin("up 3-D, strides that differ", "transposed", (3, 4, 5), (20, 6), (2, 5, 3), strides=(1, 3, 2), groups=2,
        padding=((0, 1), (2, 0), (1, 1)), residual=True, batch=2),
    Kin("up 3-D, dilated", "transposed", (3, 3, 4), (4, 6), (3, 2, 2), strides=(2, 1, 3), dilation_rate=(1, 3, 2)),
    # Depthwise and separable
    Kin("depthwise", "depthwise", (9, 21), (19, 1), (3, 3), padding="same", activation="relu6"),
    Kin("depthwise, three of each", "depthwise", (8, 9), (5, 3), (3, 4), strides=(2, 1), padding="same"),
    Kin("depthwise, strided and dilated", "depthwise", (14, 17), (6, 2), (3, 3), strides=(2, 3), dilation_rate=(3, 2)),
    Kin("depthwise, pairs", "depthwise", (8, 9), (33, 1), (5, 3), padding=((4, 0), (1, 2)), padding_mode="wrap"),
    Kin("depthwise 1-D, causal", "depthwise", (30,), (7, 2), (4,), padding="causal", dilation_rate=2, residual=True),
    Kin("depthwise 1-D at a stride", "depthwise", (30,), (20, 1), (5,), strides=3, padding="same", bias=False),
    Kin("separable", "separable", (9, 14), (6, 2, 20), (3, 3), padding="same", activation="relu"),
    Kin("separable, strided and dilated", "separable", (14, 17), (5, 1, 7), (3, 3), strides=(2, 3), dilation_rate=2,
        residual=True, activation="silu", batch=2),
    Kin("separable, reflect", "separable", (8, 9), (3, 3, 4), (5, 4), padding="same", padding_mode="reflect"),
    Kin("separable 1-D, causal", "separable", (30,), (7, 2, 9), (4,), padding="causal", batch=2),
)  # fmt: skip


def by_definition(kin: Kin, x: Array, kernels: list[Array], bias: Any, data_format: str, residual: Any = None) -> Array:
    """What the reference says, in float64."""
    more = {**kin.tweaks, "data_format": data_format, "residual": residual}
    if kin.kind == "separable":
        return reference.separable_conv(x, *kernels, bias, **more)
    function = {"conv": reference.conv, "depthwise": reference.depthwise_conv, "transposed": reference.conv_transpose}
    return function[kin.kind](x, *kernels, bias, **more)


def by_torch(kin: Kin, x: Array, kernels: list[Array], bias: Any, data_format: str, residual: Any = None) -> Array:
    """What PyTorch says, in float64."""
    images = x if data_format == "channels_first" else np.moveaxis(x, -1, 1)
    y = _transposed(kin, images, kernels[0]) if kin.kind == "transposed" else _ordinary(kin, images, kernels)
    y = y if bias is None else y + torch.from_numpy(bias).double().reshape(-1, *(1,) * kin.rank)
    if residual is not None:
        y = y + torch.from_numpy(np.moveaxis(residual, -1, 1) if data_format == "channels_last" else residual)
    result = TORCH_ACTIVATIONS[kin.activation](y, 0).numpy()
    return np.moveaxis(result, 1, -1) if data_format == "channels_last" else result


def _ordinary(kin: Kin, images: Array, kernels: list[Array]) -> torch.Tensor:
    pads = _pads(kin)
    mode: Any = "constant" if kin.padding_mode == "zeros" else kin.padding_mode
    more = {"constant_values": kin.constant_value} if mode == "constant" else {}
    added = np.pad(
        images.astype(np.float64), [(0, 0), (0, 0), *((max(0, a), max(0, b)) for a, b in pads)], mode, **more
    )
    cropped = added[(..., *(slice(max(0, -lo), -max(0, -hi) or None) for lo, hi in pads))]
    kernel, groups = kernels[0], kin.groups
    if kin.kind in ("depthwise", "separable"):
        groups = kernel.shape[-2]
        kernel = kernel.reshape(*kernel.shape[:-2], 1, -1)
    y = TORCH[kin.rank](
        torch.from_numpy(np.ascontiguousarray(cropped)),
        _as_torch(kernel),
        stride=_each(kin.strides, kin.rank),
        dilation=_each(kin.dilation_rate, kin.rank),
        groups=groups,
    )
    return y if kin.kind != "separable" else TORCH[kin.rank](y, _as_torch(kernels[1]))


def _transposed(kin: Kin, images: Array, kernel: Array) -> torch.Tensor:
    """The full transposed result, cut or extended at both ends of each axis."""
    strides, rates = _each(kin.strides, kin.rank), _each(kin.dilation_rate, kin.rank)
    full = TORCH_TRANSPOSED[kin.rank](
        torch.from_numpy(images.astype(np.float64)),
        _as_torch(kernel),
        stride=strides,
        dilation=rates,
        groups=kin.groups,
    ).numpy()
    for axis, (lo, length) in enumerate(_cuts(kin), 2):
        before, behind = max(0, -lo), max(0, lo + length - full.shape[axis])
        widths = [(0, 0)] * full.ndim
        widths[axis] = (before, behind)
        full = np.take(np.pad(full, widths), range(lo + before, lo + before + length), axis=axis)
    return torch.from_numpy(np.ascontiguousarray(full))


def _as_torch(kernel: Array) -> torch.Tensor:
    rank = kernel.ndim - 2
    return torch.from_numpy(kernel.transpose(rank + 1, rank, *range(rank)).astype(np.float64))


def _pads(kin: Kin) -> list[tuple[int, int]]:
    """The pads that the names stand for, worked out apart from `tweakconv.geometry`."""
    if not isinstance(kin.padding, str):
        each = (kin.padding,) * kin.rank if isinstance(kin.padding, int) else kin.padding
        return [(pad, pad) if isinstance(pad, int) else pad for pad in each]
    pads = []
    steps, rates = _each(kin.strides, kin.rank), _each(kin.dilation_rate, kin.rank)
    for size, taps, stride, rate in zip(kin.size, kin.kernel, steps, rates, strict=True):
        span = (taps - 1) * rate
        total = max(0, (-(-size // stride) - 1) * stride + span + 1 - size)
        half, more = total // 2, total - total // 2
        named = {"valid": (0, 0), "full": (span, span), "causal": (span, 0), "same": (half, more),
                 "same_lower": (more, half)}  # fmt: skip
        pads.append(named[kin.padding])
    return pads


def _cuts(kin: Kin) -> list[tuple[int, int]]:
    """Where the result begins in the full one, and how long it is: Keras' rules, in the words of its documentation."""
    cuts = []
    steps, rates = _each(kin.strides, kin.rank), _each(kin.dilation_rate, kin.rank)
    extras = (None,) * kin.rank if kin.output_padding is None else _each(kin.output_padding, kin.rank)
    for axis, (size, taps, stride, rate, extra) in enumerate(
        zip(kin.size, kin.kernel, steps, rates, extras, strict=True)
    ):
        span = (taps - 1) * rate + 1
        full = (size - 1) * stride + span
        if kin.padding == "valid":
            cuts.append((0, full + max(stride - span, 0) if extra is None else full + extra))
        elif not isinstance(kin.padding, str):
            lo, hi = _pads(kin)[axis]
            cuts.append((lo, full - lo - hi + (extra or 0)))
        elif extra is None:
            total = max(span - stride, 0)
            cuts.append((total // 2 if kin.padding == "same" else total - total // 2, size * stride))
        else:
            total = max(span - span % 2 - extra, 0)
            length = (size - 1) * stride + span % 2 + extra
            cuts.append((total // 2 if kin.padding == "same" else total - total // 2, length))
    return cuts
