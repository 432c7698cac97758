"""Convolutions that PyTorch has as well: a table, and random ones; tests compare both, value by value."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

import tweakconv.torch as tt


class Layer(NamedTuple):
    """A module that both have, and the size of an input; arguments as in ``torch.nn``."""

    kind: str
    channels: tuple[int, int]
    kernel: Any
    size: tuple[int, ...]
    arguments: Mapping[str, Any] = MappingProxyType({})
    batch: int = 2

    def pair(self, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, nn.Module]:
        """PyTorch's and ours, with the same weights."""
        torch.manual_seed(zlib.crc32(repr(self).encode()))
        theirs = getattr(nn, self.kind)(*self.channels, self.kernel, **self.arguments, dtype=dtype)
        ours = getattr(tt, self.kind)(*self.channels, self.kernel, **self.arguments, dtype=dtype)
        ours.load_state_dict(theirs.state_dict())
        return theirs, ours

    def input(self, dtype: torch.dtype = torch.float32) -> Tensor:
        generator = torch.Generator().manual_seed(zlib.crc32(repr(self).encode()))
        return torch.randn((self.batch, self.channels[0], *self.size), generator=generator, dtype=dtype)


LAYERS = {
    "plain": Layer("Conv2d", (6, 8), 3, (9, 11)),
    "padded": Layer("Conv2d", (6, 8), 3, (9, 11), {"padding": 1}),
    "wide enough for winograd": Layer("Conv2d", (32, 32), 3, (20, 21), {"padding": 1}, batch=1),
    "strided, on an even size": Layer("Conv2d", (3, 7), 3, (8, 10), {"stride": 2, "padding": 1}),
    "what the stride leaves over": Layer("Conv2d", (3, 4), 2, (8, 9), {"stride": 3}),
    "dilated": Layer("Conv2d", (4, 6), (3, 2), (11, 12), {"dilation": (2, 3), "padding": (2, 1)}),
    "strided and dilated in groups": Layer(
        "Conv2d", (6, 10), (3, 4), (13, 12), {"stride": (2, 3), "padding": (1, 2), "dilation": (2, 1), "groups": 2}
    ),
    "depthwise": Layer("Conv2d", (5, 5), 3, (9, 20), {"padding": 1, "groups": 5}),
    "depthwise with two of each": Layer("Conv2d", (4, 8), 3, (7, 9), {"groups": 4, "bias": False}),
    "one tap": Layer("Conv2d", (9, 20), 1, (5, 7), {"bias": False}),
    "one tap at stride 2": Layer("Conv2d", (9, 20), 1, (5, 8), {"stride": 2}),
    "one channel": Layer("Conv2d", (1, 1), 5, (12, 17), {"padding": 2}),
    "one pixel": Layer("Conv2d", (7, 5), 1, (1, 1)),
    "same, an even kernel": Layer("Conv2d", (3, 4), (4, 2), (6, 7), {"padding": "same"}),
    "valid": Layer("Conv2d", (3, 4), 3, (6, 7), {"padding": "valid"}),
    "reflect": Layer("Conv2d", (3, 4), 3, (7, 6), {"padding": (2, 1), "padding_mode": "reflect"}),
    "replicate, same": Layer("Conv2d", (3, 4), 3, (7, 6), {"padding": "same", "padding_mode": "replicate"}),
    "circular": Layer("Conv2d", (3, 4), 3, (7, 6), {"padding": (1, 3), "padding_mode": "circular", "stride": 2}),
    "one axis": Layer("Conv1d", (4, 6), 5, (23,), {"padding": 2, "stride": 2, "groups": 2}),
    "one axis, circular": Layer("Conv1d", (4, 6), 3, (12,), {"padding": 2, "padding_mode": "circular"}),
    "three axes": Layer("Conv3d", (3, 4), (3, 2, 3), (5, 6, 7), {"padding": (1, 0, 2), "stride": (1, 2, 1)}),
    "three axes in groups": Layer("Conv3d", (4, 6), 2, (4, 5, 6), {"dilation": (1, 2, 1), "groups": 2}),
    "transposed": Layer("ConvTranspose2d", (6, 8), 3, (5, 6)),
    "transposed, strided": Layer(
        "ConvTranspose2d", (6, 8), 3, (5, 6), {"stride": 2, "padding": 1, "output_padding": 1}
    ),
    "transposed in groups": Layer(
        "ConvTranspose2d", (6, 4), (2, 3), (4, 5), {"stride": (2, 3), "groups": 2, "bias": False}
    ),
    "transposed, output padding above the stride": Layer(
        "ConvTranspose2d", (3, 4), 3, (4, 5), {"stride": 2, "dilation": 3, "output_padding": 2, "padding": (2, 1)}
    ),
    "transposed, one axis": Layer("ConvTranspose1d", (4, 3), 4, (9,), {"stride": 3, "padding": 1}),
    "transposed, three axes": Layer(
        "ConvTranspose3d", (3, 2), (2, 3, 2), (3, 4, 3), {"stride": 2, "padding": (0, 1, 0)}
    ),
}


def in_format(x: Tensor, memory_format: str) -> Tensor:
    """The same numbers, lying in memory in one of the ways that there are."""
    if memory_format == "contiguous":
        return x
    if memory_format == "channels_last":
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        return x.contiguous(memory_format=formats[x.dim()]) if x.dim() in formats else x
    wide = torch.zeros((*x.shape[:-1], 2 * x.shape[-1] + 1), dtype=x.dtype)
    wide[..., 1::2] = x
    return wide[..., 1::2]


FORMATS = ("contiguous", "channels_last", "scattered")


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    """Any layer that PyTorch computes."""
    rank = draw(st.integers(1, 3))
    transposed = draw(st.booleans())

    def numbers(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(least, most)) for _ in range(rank))

    kernel, strides, dilation = numbers(1, 4), numbers(1, 3), numbers(1, 3)
    groups = draw(st.integers(1, 3))
    channels = groups * draw(st.integers(1, 4)), groups * draw(st.integers(1, 5))
    spans = [(taps - 1) * apart + 1 for taps, apart in zip(kernel, dilation, strict=True)]
    pads = tuple(draw(st.integers(0, max(span // 2, 1))) for span in spans)
    arguments: dict[str, Any] = {"stride": strides, "padding": pads, "dilation": dilation, "groups": groups}
    arguments["bias"] = draw(st.booleans())
    if transposed:
        most = [max(stride, apart) - 1 for stride, apart in zip(strides, dilation, strict=True)]
        arguments["output_padding"] = tuple(draw(st.integers(0, extra)) for extra in most)
    # Large enough that something comes out: at least the window in what is padded, or what is cut from the result.
    least = [max(1, span - 2 * pad, 2 * pad - span + 2) for span, pad in zip(spans, pads, strict=True)]
    size = tuple(draw(st.integers(pixels, pixels + 6)) for pixels in least)
    kind = f"Conv{'Transpose' if transposed else ''}{rank}d"
    return Layer(kind, channels, kernel, size, arguments, draw(st.integers(1, 2)))
