"""The lines of the board, a fixed list from well-known networks and from image processing, and how to choose some."""

from __future__ import annotations

from collections.abc import Sequence

from tweakconv.bench.classes import CLASSES, line_class
from tweakconv.bench.geometries import Line

__all__ = ["FOUNDATION", "LINES", "select_lines"]

_FULL_HD = (1080, 1920)

#: The eight lines the project began with.
FOUNDATION: tuple[Line, ...] = (
    Line("dense", (56, 56), 64, 64, (3, 3), pad=(1, 1), source="ResNet conv2"),
    Line("dense", (28, 28), 128, 128, (3, 3), pad=(1, 1), source="ResNet conv3"),
    Line("strided", (56, 56), 128, 128, (3, 3), strides=(2, 2), pad=(1, 1), source="ResNet-50 conv3"),
    Line("dense", (28, 28), 256, 256, (3, 3), dilation_rate=(2, 2), pad=(2, 2), source="dilated ResNet conv4"),
    Line("strided", (224, 224), 3, 64, (7, 7), strides=(2, 2), pad=(3, 3), source="ResNet stem"),
    Line("pointwise", (56, 56), 64, 256, (1, 1), source="ResNet-50 conv2"),
    Line("pointwise", (14, 14), 256, 1024, (1, 1), source="ResNet-50 conv4"),
    Line("wide", (28, 28), 64, 64, (5, 5), pad=(2, 2), source="GoogLeNet, like its 5x5"),
)

_DENSE = (
    Line("dense", (224, 224), 64, 64, (3, 3), pad=(1, 1), source="VGG-16 conv1"),
    Line("dense", (112, 112), 128, 128, (3, 3), pad=(1, 1), source="VGG-16 conv2"),
    Line("dense", (56, 56), 256, 256, (3, 3), pad=(1, 1), source="VGG-16 conv3"),
    Line("dense", (28, 28), 512, 512, (3, 3), pad=(1, 1), source="VGG-16 conv4"),
    Line("dense", (256, 256), 32, 32, (3, 3), pad=(1, 1), source="U-Net, 256x256 input"),
    Line("dense", (32, 32), 512, 1024, (3, 3), source="U-Net, unpadded"),
    Line("dense", (35, 35), 64, 96, (3, 3), pad=(1, 1), source="Inception-v3"),
    Line("dense", (33, 33), 512, 512, (3, 3), dilation_rate=(2, 2), pad=(2, 2), source="DeepLabv3 block 4"),
    Line("dense", (65, 65), 320, 256, (3, 3), dilation_rate=(6, 6), pad=(6, 6), source="DeepLabv3 ASPP, stride 8"),
)

_DILATED = tuple(
    Line("dilated", (size, size), 320, 256, (3, 3), dilation_rate=(rate, rate), pad=(rate, rate), source=source)
    for size, rate, source in (
        (33, 6, "DeepLabv3 ASPP"),
        (33, 12, "DeepLabv3 ASPP"),
        (33, 18, "DeepLabv3 ASPP"),
        (65, 12, "DeepLabv3 ASPP, stride 8"),
    )
)

_WIDE = (
    Line("wide", (27, 27), 64, 192, (5, 5), pad=(2, 2), source="AlexNet conv2"),
    Line("wide", (35, 35), 48, 64, (5, 5), pad=(2, 2), source="Inception-v3"),
    Line("wide", (46, 46), 128, 128, (7, 7), pad=(3, 3), source="OpenPose stage 2"),
    Line("wide", (17, 17), 128, 128, (1, 7), pad=(0, 3), source="Inception-v3"),
    Line("wide", (17, 17), 192, 192, (7, 1), pad=(3, 0), source="Inception-v3"),
)

_STRIDED = (
    Line("strided", (28, 28), 256, 256, (3, 3), strides=(2, 2), pad=(1, 1), source="ResNet-50 conv4"),
    Line("strided", (35, 35), 288, 384, (3, 3), strides=(2, 2), source="Inception-v3 reduction"),
    Line("strided", (224, 224), 3, 32, (3, 3), strides=(2, 2), pad=(1, 1), source="MobileNet and EfficientNet stem"),
    Line("strided", (299, 299), 3, 32, (3, 3), strides=(2, 2), source="Inception-v3 stem"),
    Line("strided", (224, 224), 3, 64, (3, 3), pad=(1, 1), source="VGG-16 first layer"),
    Line("strided", (224, 224), 3, 96, (4, 4), strides=(4, 4), source="ConvNeXt stem"),
    Line("strided", (224, 224), 3, 64, (11, 11), strides=(4, 4), pad=(2, 2), source="AlexNet first layer"),
    Line("strided", (256, 256), 1, 32, (3, 3), pad=(1, 1), source="U-Net first layer"),
)

_POINTWISE = (
    Line("pointwise", (56, 56), 256, 64, (1, 1), source="ResNet-50 conv2"),
    Line("pointwise", (56, 56), 256, 512, (1, 1), strides=(2, 2), source="ResNet-50 shortcut"),
    Line("pointwise", (112, 112), 32, 64, (1, 1), source="MobileNet"),
    Line("pointwise", (112, 112), 16, 96, (1, 1), source="MobileNetV2"),
    Line("pointwise", (14, 14), 512, 512, (1, 1), source="MobileNet"),
)


def _depthwise(size: int, channels: int, kernel: int, source: str, *, stride: int = 1, rate: int = 1) -> Line:
    pad = rate * (kernel // 2)
    return Line(
        "depthwise",
        (size, size),
        channels,
        channels,
        (kernel, kernel),
        strides=(stride, stride),
        dilation_rate=(rate, rate),
        pad=(pad, pad),
        groups=channels,
        source=source,
    )


_DEPTHWISE = (
    _depthwise(112, 96, 3, "MobileNetV2, like its 112x112x32"),
    _depthwise(112, 96, 3, "MobileNetV2", stride=2),
    _depthwise(56, 144, 3, "MobileNetV2 and EfficientNet-B0"),
    _depthwise(14, 512, 3, "MobileNet"),
    _depthwise(28, 240, 5, "EfficientNet-B0"),
    _depthwise(14, 672, 5, "EfficientNet-B0", stride=2),
    _depthwise(56, 96, 7, "ConvNeXt-T"),
    _depthwise(14, 384, 7, "ConvNeXt-T"),
    _depthwise(56, 128, 31, "RepLKNet-31B stage 1"),
    _depthwise(14, 512, 27, "RepLKNet-31B stage 3"),
    _depthwise(33, 960, 3, "DeepLabv3 with MobileNetV2", rate=2),
    _depthwise(33, 320, 3, "separable ASPP", rate=12),
    _depthwise(65, 256, 3, "separable ASPP, stride 8", rate=18),
)

_GROUPED = (
    Line("grouped", (56, 56), 128, 128, (3, 3), pad=(1, 1), groups=32, source="ResNeXt-50 conv2"),
    Line("grouped", (56, 56), 256, 256, (3, 3), strides=(2, 2), pad=(1, 1), groups=32, source="ResNeXt-50 conv3"),
    Line("grouped", (14, 14), 512, 512, (3, 3), pad=(1, 1), groups=32, source="ResNeXt-50 conv4"),
    Line("grouped", (27, 27), 96, 256, (5, 5), pad=(2, 2), groups=2, source="AlexNet on two GPUs, conv2"),
    Line("grouped", (28, 28), 240, 60, (1, 1), groups=3, source="ShuffleNet"),
)


def _filter(kernel: int, use: str, *, rate: int = 1, single: bool = False) -> Line:
    pad = rate * (kernel // 2)
    return Line(
        "images",
        _FULL_HD,
        1,
        1,
        (kernel, kernel),
        dilation_rate=(rate, rate),
        pad=(pad, pad),
        bias=False,
        source=use,
        single=single,
    )


_IMAGES = (
    _filter(3, "edges"),
    _filter(5, "sharpening"),
    _filter(15, "blur"),
    _filter(31, "large blur", single=True),
    _filter(63, "deblurring", single=True),
    _filter(3, "à trous wavelet", rate=4),
    Line("images", _FULL_HD, 3, 3, (5, 5), pad=(2, 2), groups=3, bias=False, shared=True, source="colour picture"),
    Line("images", _FULL_HD, 3, 3, (3, 3), pad=(1, 1), source="mixing colours"),
)

_SMALL = (
    Line("small", (14, 14), 256, 256, (3, 3), pad=(1, 1), source="ResNet conv4"),
    Line("small", (7, 7), 512, 512, (3, 3), pad=(1, 1), source="ResNet conv5"),
    Line("small", (7, 7), 512, 2048, (1, 1), source="ResNet-50 conv5"),
    Line("small", (8, 8), 384, 384, (1, 3), pad=(0, 1), source="Inception-v3"),
    Line("small", (5, 5), 1, 1, (3, 3), pad=(1, 1), bias=False, source="a first example"),
    Line("small", (5, 5), 16, 16, (3, 3), pad=(1, 1), source="a first example"),
)

#: In the order of the classes.
LINES: tuple[Line, ...] = tuple(
    sorted(
        FOUNDATION + _DENSE + _DILATED + _WIDE + _STRIDED + _POINTWISE + _DEPTHWISE + _GROUPED + _IMAGES + _SMALL,
        key=lambda line: [known.key for known in CLASSES].index(line.kind),
    )
)


def select_lines(only: Sequence[str] | None = None, classes: Sequence[str] | None = None) -> tuple[Line, ...]:
    """The lines of these classes that one of the words fits.

    Parameters
    ----------
    only : sequence of str, optional
        Parts of names (``"stride 2"``, ``"1x1"``) or of sources (``"MobileNet"``), keys of classes, or
        ``"foundation"`` for the eight lines the project began with; None means all.
    classes : sequence of str, optional
        Keys of classes; None means all.

    Raises
    ------
    ValueError
        For a class that does not exist, and where a word matches no line; the message lists what there is.

    Examples
    --------
    >>> [line.name for line in select_lines(["dilation 2 28x28", "15x15"])]
    ['3x3 dilation 2 28x28x256->256', '15x15 1080x1920x1->1']
    >>> [line.name for line in select_lines(["stride 2"], ["grouped"])]
    ['3x3 stride 2 groups 32 56x56x256->256']
    """
    keys = None if classes is None else [line_class(key).key for key in classes]
    within = [line for line in LINES if keys is None or line.kind in keys]
    if only is None:
        return tuple(within)
    chosen: set[Line] = set()
    for word in only:
        matching = {line for line in within if _fits(line, word)}
        if not matching:
            where = "on the board" if keys is None else f"in {' and '.join(keys)}"
            names = "; ".join(line.name for line in within)
            raise ValueError(
                f"lines: nothing {where} matches {word!r}; give a class, 'foundation', or a part of the name "
                f"of a network or of one of these: {names}"
            )
        chosen |= matching
    return tuple(line for line in within if line in chosen)


def _fits(line: Line, word: str) -> bool:
    if word == "foundation":
        return line in FOUNDATION
    return word == line.kind or word in line.name or word in line.source
