"""Networks that people know, in plain PyTorch with random weights, to time whole models with."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Network(NamedTuple):
    """A network, the shape of its input, and how many times as fast as PyTorch it should run.

    Attributes
    ----------
    make : callable
        Returns a new one.
    goal : float
        The least ratio of eager PyTorch's time to ours.
    training : bool
        Whether a training step is timed, rather than inference.
    """

    name: str
    make: Callable[[], nn.Module]
    input_shape: tuple[int, int, int, int]
    goal: float
    training: bool = False


def vgg(plan: tuple[int | str, ...], classes: int, *, side: int, hidden: int) -> nn.Module:
    """Convolutions of 3x3 and pooling, as `plan` says, then three linear layers (Simonyan & Zisserman, 2014).

    Parameters
    ----------
    plan : tuple of int or str
        Output channels of each convolution; "M" for pooling.
    side : int
        Pixels along the last feature map.

    Examples
    --------
    >>> vgg((4, "M"), 10, side=2, hidden=8)(torch.zeros(1, 3, 4, 4)).shape
    torch.Size([1, 10])
    """
    layers: list[nn.Module] = []
    channels = 3
    for step in plan:
        if isinstance(step, str):
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, step, 3, padding=1), nn.ReLU(inplace=True)]
            channels = step
    layers += [nn.Flatten(), nn.Linear(channels * side * side, hidden), nn.ReLU(inplace=True), nn.Dropout()]
    layers += [nn.Linear(hidden, hidden), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(hidden, classes)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Down four times and up again, with what each level saw handed across (Ronneberger et al., 2015); padded.

    Parameters
    ----------
    width : int
        Channels of the first level; each level down has twice as many.

    Examples
    --------
    >>> UNet(1, 2, width=2)(torch.zeros(1, 1, 32, 32)).shape
    torch.Size([1, 2, 32, 32])
    """

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        widths = [width << level for level in range(5)]
        pairs = list(pairwise(widths))
        self.first = _twice(channels, width)
        self.down = nn.ModuleList(nn.Sequential(nn.MaxPool2d(2), _twice(few, many)) for few, many in pairs)
        self.up = nn.ModuleList(nn.ConvTranspose2d(many, few, 2, stride=2) for few, many in reversed(pairs))
        self.merge = nn.ModuleList(_twice(many, few) for few, many in reversed(pairs))
        self.last = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Label each pixel."""
        seen = [self.first(x)]
        for down in self.down:
            seen.append(down(seen[-1]))
        y = seen.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            y = merge(torch.cat([seen.pop(), up(y)], 1))
        logits: Tensor = self.last(y)
        return logits


class Residual(nn.Module):
    """Some convolutions with BatchNorm, and a way around them (He et al., 2015).

    Parameters
    ----------
    layers : list of Module
        The last without an activation.
    around : Module
        What the input goes through on the other way.
    """

    def __init__(self, layers: list[nn.Module], around: nn.Module) -> None:
        super().__init__()
        self.layers, self.around = nn.Sequential(*layers), around

    def forward(self, x: Tensor) -> Tensor:
        """Add both ways up."""
        y = self.layers(x)
        y += self.around(x)
        return F.relu(y, inplace=True)


def resnet(blocks: tuple[int, int, int, int], *, bottleneck: bool) -> nn.Module:
    """ResNet of so many blocks at each of four sizes (He et al., 2015; the stride on the 3x3, as in torchvision).

    Examples
    --------
    >>> resnet((1, 1, 1, 1), bottleneck=True).eval()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 1000])
    """
    layers = [*_normed(3, 64, 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1)]
    channels, grows = 64, 4 if bottleneck else 1
    for level, count in enumerate(blocks):
        width = 64 << level
        for block in range(count):
            stride = 2 if level and not block else 1
            wide = width * grows
            if bottleneck:
                inner = [*_normed(channels, width, 1), *_normed(width, width, 3, stride=stride)]
                inner += _normed(width, wide, 1, activation=None)
            else:
                inner = [*_normed(channels, width, 3, stride=stride), *_normed(width, wide, 3, activation=None)]
            same = stride == 1 and channels == wide
            around: list[nn.Module] = [] if same else _normed(channels, wide, 1, stride=stride, activation=None)
            layers.append(Residual(inner, nn.Sequential(*around)))
            channels = wide
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


class Inverted(nn.Module):
    """Widen, filter each channel, narrow; around it where the shape stays (Sandler et al., 2018)."""

    def __init__(self, channels: int, out: int, stride: int, widen: int) -> None:
        super().__init__()
        wide = channels * widen
        layers = [] if widen == 1 else _normed(channels, wide, 1, activation=nn.ReLU6)
        layers += _normed(wide, wide, 3, stride=stride, groups=wide, activation=nn.ReLU6)
        self.layers = nn.Sequential(*layers, *_normed(wide, out, 1, activation=None))
        self.is_residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """Add the input, where that goes."""
        y: Tensor = self.layers(x)
        return x + y if self.is_residual else y


def mobilenet_v2() -> nn.Module:
    """MobileNetV2 (Sandler et al., 2018).

    Examples
    --------
    >>> mobilenet_v2().eval()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 1000])
    """
    layers, channels = _normed(3, 32, 3, stride=2, activation=nn.ReLU6), 32
    for widen, out, count, first in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for block in range(count):
            layers.append(Inverted(channels, out, 1 if block else first, widen))
            channels = out
    layers += _normed(channels, 1280, 1, activation=nn.ReLU6)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(1280, 1000))


def _twice(channels: int, out: int) -> nn.Sequential:
    """Two convolutions of 3x3, each with BatchNorm and ReLU."""
    return nn.Sequential(*_normed(channels, out, 3), *_normed(out, out, 3))


def _normed(
    channels: int,
    out: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] | None = nn.ReLU,
) -> list[nn.Module]:
    """A convolution, BatchNorm and an activation; the size changes with the stride alone."""
    conv = nn.Conv2d(channels, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out), *([] if activation is None else [activation(inplace=True)])]


_VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
_SMALL_VGG = (64, 64, "M", 128, 128, "M", 256, 256, "M")

NETWORKS = (
    Network("VGG16", lambda: vgg(_VGG16, 1000, side=7, hidden=4096), (1, 3, 224, 224), 2.0),
    Network("U-Net", lambda: UNet(3, 2, width=32), (1, 3, 256, 256), 2.0),
    Network("ResNet-18", lambda: resnet((2, 2, 2, 2), bottleneck=False), (1, 3, 224, 224), 1.5),
    Network("ResNet-50", lambda: resnet((3, 4, 6, 3), bottleneck=True), (1, 3, 224, 224), 1.1),
    Network("MobileNetV2", mobilenet_v2, (1, 3, 224, 224), 1.1),
    Network("VGG-like, training", lambda: vgg(_SMALL_VGG, 10, side=4, hidden=256), (32, 3, 32, 32), 1.5, training=True),
    Network("U-Net, training", lambda: UNet(3, 2, width=32), (1, 3, 256, 256), 1.5, training=True),
    Network("small U-Net, training", lambda: UNet(3, 2, width=16), (2, 3, 128, 128), 1.5, training=True),
)
