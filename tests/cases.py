"""One table of convolutions, run through every target and schedule: a new one is tested by naming it.

What a case's result should be is asked of two oracles that know nothing of the compiler: the definition in NumPy
(`by_definition`) and PyTorch in float64 (`by_torch`), which pads through ``torch.nn.functional.pad`` with the pads
worked out here, by hand, from the names.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import DTypeLike, NDArray

from tweakconv import reference
from tweakconv.activations import Activation
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import TARGETS

Array = NDArray[np.floating[Any]]
Pair = tuple[int, int]
FORMATS = ("channels_last", "channels_first")
DTYPES = ("float32", "float64")


@dataclass(frozen=True, slots=True)
class Case:
    """A convolution and the size of its input; arguments as in `tweakconv.conv2d`."""

    name: str
    size: Pair
    channels: Pair  # in, out
    kernel: Pair = (3, 3)
    strides: Pair = (1, 1)
    padding: str | tuple[Pair, Pair] = "valid"
    dilation_rate: Pair = (1, 1)
    groups: int = 1
    batch: int = 1
    bias: bool = True
    activation: str | None = None
    negative_slope: float | None = None
    residual: bool = False
    padding_mode: str = "zeros"
    constant_value: float = 0

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        return (*self.kernel, self.channels[0] // self.groups, self.channels[1])

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments that it takes to say this case, besides the arrays and the data format."""
        names = ("strides", "padding", "dilation_rate", "groups", "activation", "negative_slope", "padding_mode",
                 "constant_value")  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def spec(self, data_format: str, dtype: str) -> ConvSpec:
        """The same for the compiler."""
        return ConvSpec(
            kernel=self.kernel,
            strides=self.strides,
            dilation=self.dilation_rate,
            in_channels=self.channels[0],
            out_channels=self.channels[1],
            groups=self.groups,
            channels_last=data_format == "channels_last",
            double=dtype == "float64",
            activation=Activation.of(self.activation, self.negative_slope),
            residual=self.residual,
            mapped_padding=self.padding_mode != "zeros",
            **({} if dtype in DTYPES else {"x_stored": dtype, "y_stored": dtype}),
        )

    def x_shape(self, data_format: str) -> tuple[int, int, int, int]:
        channels = self.channels[0]
        last = data_format == "channels_last"
        return (self.batch, *self.size, channels) if last else (self.batch, channels, *self.size)

    def arrays(self, data_format: str, dtype: DTypeLike, *, whole: bool = False) -> tuple[Array, Array, Array | None]:
        """x, kernel and bias without any symmetry, different for each case.

        With `whole`, small whole numbers, whose sums are exact in float32: then the result is known to the bit,
        in whatever order it is summed.
        """
        rng = np.random.default_rng(zlib.crc32(repr(self).encode()))

        def draw(*shape: int) -> Array:
            values = rng.integers(-8, 9, shape) if whole else rng.standard_normal(shape)
            return values.astype(dtype)

        x, kernel, bias = draw(*self.x_shape(data_format)), draw(*self.kernel_shape), draw(self.channels[1])
        return x, kernel, bias if self.bias else None

    def added(self, data_format: str, dtype: DTypeLike) -> Array | None:
        """The residual, in small whole numbers, where there is one."""
        if not self.residual:
            return None
        pads = hand_worked_pads(self)
        spans = ((taps - 1) * rate + 1 for taps, rate in zip(self.kernel, self.dilation_rate, strict=True))
        size = [
            (extent + lo + hi - span) // stride + 1
            for extent, (lo, hi), span, stride in zip(self.size, pads, spans, self.strides, strict=True)
        ]
        channels = self.channels[1]
        shape = (*size, channels) if data_format == "channels_last" else (channels, *size)
        rng = np.random.default_rng(zlib.crc32(repr(self).encode()) + 1)
        return rng.integers(-20, 21, (self.batch, *shape)).astype(dtype)


CASES = (
    # The kernel and how it steps
    Case("plain", (9, 11), (3, 5)),
    Case("kernel of one tap", (5, 7), (6, 10), kernel=(1, 1)),
    Case("kernel of one row", (4, 23), (3, 6), kernel=(1, 7), padding="same"),
    Case("kernel of one column", (13, 4), (3, 6), kernel=(7, 1), padding="same"),
    Case("kernel of even height", (8, 9), (2, 5), kernel=(4, 3), padding="same"),
    Case("kernel as large as the image", (6, 5), (4, 3), kernel=(6, 5)),
    Case("strides that differ", (13, 15), (4, 7), kernel=(5, 3), strides=(2, 3)),
    Case("stride larger than the kernel", (17, 19), (3, 4), kernel=(2, 3), strides=(5, 4), padding="same"),
    Case("one tap under a stride", (11, 38), (7, 18), kernel=(1, 1), strides=(3, 2)),
    Case("stride beyond the vector", (3, 120), (2, 3), kernel=(2, 5), strides=(1, 17), padding="full"),
    Case("only one output", (4, 4), (5, 6), strides=(9, 9), padding=((1, 0), (0, 1))),
    Case("dilation", (11, 40), (4, 6), dilation_rate=(2, 2), padding="same"),
    Case("dilations that differ", (9, 24), (3, 7), kernel=(3, 4), dilation_rate=(1, 3)),
    Case("dilation under a stride", (14, 21), (5, 4), strides=(2, 3), dilation_rate=(3, 2), padding="same"),
    Case("dilation of one tap", (6, 6), (3, 2), kernel=(1, 1), dilation_rate=(5, 7)),
    # The padding
    Case("same at stride 2, even", (8, 10), (4, 6), strides=(2, 2), padding="same"),
    Case("same at stride 2, odd", (9, 7), (4, 6), strides=(2, 2), padding="same"),
    Case("same_lower", (8, 10), (3, 5), kernel=(2, 4), strides=(2, 1), padding="same_lower"),
    Case("full", (5, 6), (3, 4), kernel=(3, 4), padding="full"),
    Case("pads all different", (6, 7), (3, 5), padding=((0, 3), (2, 1))),
    Case("pads larger than the kernel", (4, 5), (2, 3), padding=((5, 4), (7, 6))),
    Case("pads larger than a block of pixels", (2, 3), (1, 20), padding=((3, 9), (70, 90)), bias=False),
    Case("pads that crop", (12, 30), (3, 5), padding=((-2, -1), (-3, -4))),
    Case("pad here, crop there", (7, 20), (3, 5), strides=(1, 2), padding=((-2, 4), (5, -6))),
    Case("one pixel", (1, 1), (3, 18), kernel=(5, 5), padding="same"),
    Case("one row", (1, 50), (5, 6), padding="same"),
    Case("one column", (50, 1), (5, 6), padding="same"),
    Case("dilation into padding only", (3, 3), (4, 5), dilation_rate=(4, 5), padding="same", activation="relu"),
    # Taps so far apart that whole blocks of pixels have some of them in the padding
    Case("stretches", (9, 33), (5, 20), dilation_rate=(4, 9), padding="same"),
    Case(
        "stretches, taps beyond the image", (7, 11), (6, 18), dilation_rate=(9, 13), padding="same", activation="relu"
    ),
    Case("stretches, pads on one side", (8, 30), (4, 17), dilation_rate=(3, 7), padding=((0, 6), (14, 0))),
    Case("stretches under a stride", (15, 41), (5, 9), strides=(2, 3), dilation_rate=(4, 5), padding="full", batch=2),
    Case("stretches without a tap", (5, 9), (3, 17), dilation_rate=(3, 4), padding=((9, 8), (30, 25)), residual=True),
    Case("stretches of even kernels", (9, 27), (7, 34), kernel=(2, 4), dilation_rate=(3, 5), padding="same_lower"),
    Case("stretches of a sum in parts", (7, 23), (600, 5), dilation_rate=(3, 6), padding="same", activation="relu"),
    Case(
        "stretches of parts of several columns", (5, 40), (90, 7), kernel=(2, 7), dilation_rate=(2, 6), padding="same"
    ),
    Case("stretches of groups", (8, 26), (10, 36), groups=2, dilation_rate=(1, 8), padding="same", activation="tanh"),
    Case("stretches, pads that crop and add", (12, 30), (3, 5), dilation_rate=(4, 5), padding=((-1, 9), (12, -3))),
    Case("stretches of one row", (1, 61), (9, 66), kernel=(1, 5), dilation_rate=(1, 12), padding="same", bias=False),
    Case("reflect", (9, 33), (4, 20), padding="same", padding_mode="reflect"),
    Case("reflect of one channel", (9, 75), (1, 1), kernel=(5, 7), padding="same", padding_mode="reflect"),
    Case("reflect, pads larger than the image", (3, 4), (3, 5), padding=((7, 5), (9, 11)), padding_mode="reflect"),
    Case("symmetric", (8, 10), (3, 5), kernel=(4, 4), strides=(2, 1), padding="same_lower", padding_mode="symmetric"),
    Case("symmetric of groups", (7, 21), (8, 8), groups=4, padding=((2, 5), (4, 1)), padding_mode="symmetric"),
    Case("edge", (6, 31), (3, 18), strides=(2, 2), padding=((2, 2), (3, 3)), padding_mode="edge", activation="relu"),
    Case("edge, dilation", (7, 19), (5, 6), dilation_rate=(3, 2), padding="same", padding_mode="edge", batch=2),
    Case("edge, pads that crop and add", (7, 20), (3, 5), padding=((-2, 4), (5, -6)), padding_mode="edge"),
    Case("wrap", (6, 17), (4, 9), kernel=(3, 5), padding=((1, 2), (4, 0)), padding_mode="wrap", groups=1),
    Case("wrap of a depthwise sum", (9, 30), (19, 19), groups=19, padding="full", padding_mode="wrap"),
    Case("wrap of one pixel", (1, 1), (3, 18), kernel=(5, 5), padding="same", padding_mode="wrap"),
    Case("wrap, a sum in parts", (5, 9), (530, 7), kernel=(3, 2), padding="same", padding_mode="wrap"),
    Case("constant", (7, 23), (4, 6), padding="same", padding_mode="constant", constant_value=3),
    Case(
        "constant in groups of one",
        (9, 21),
        (5, 5),
        groups=5,
        padding="full",
        padding_mode="constant",
        constant_value=-2,
    ),
    Case(
        "constant rows only",
        (3, 3),
        (4, 5),
        dilation_rate=(4, 5),
        padding="same",
        padding_mode="constant",
        constant_value=0.5,
    ),
    # Channels and groups
    Case("one channel to one", (10, 75), (1, 1), padding="same"),
    Case("one channel to one at stride 2", (10, 75), (1, 1), kernel=(5, 5), strides=(2, 2), padding="same"),
    Case("planes of many columns", (19, 107), (2, 2), kernel=(5, 3), groups=2, padding="same", residual=True),
    Case("planes of few columns", (16, 14), (3, 3), kernel=(7, 7), groups=3, padding="same", activation="gelu"),
    Case("planes at stride 2", (17, 45), (4, 2), groups=2, strides=(2, 2), padding=((2, 0), (3, 5)), residual=True),
    Case("one channel to many", (6, 9), (1, 37), padding="same"),
    Case("many channels to one", (6, 9), (37, 1), padding="same"),
    Case("channels one beyond a vector", (5, 15), (17, 65), kernel=(2, 2)),
    Case("channels one short of a vector", (5, 14), (15, 63), kernel=(2, 2), padding="same"),
    Case("an even number of blocks", (7, 29), (64, 64), padding="same", activation="relu"),
    Case("groups", (8, 19), (6, 10), groups=2, padding="same", activation="relu"),
    Case("groups wider than a vector", (6, 7), (10, 36), groups=2, strides=(2, 1), padding="full"),
    Case("grouped", (9, 21), (19, 19), groups=19, padding="same"),
    Case("depthwise of a few channels", (9, 30), (3, 3), groups=3, strides=(2, 2), padding="same", batch=2),
    Case(
        "depthwise dilated",
        (17, 19),
        (33, 33),
        groups=33,
        dilation_rate=(2, 3),
        padding=((2, 5), (6, 0)),
        activation="relu",
    ),
    Case("depthwise with a wide kernel", (6, 31), (20, 20), kernel=(2, 11), groups=20, strides=(1, 2), padding="full"),
    Case(
        "depthwise sum in parts",
        (28, 30),
        (18, 18),
        kernel=(25, 25),
        groups=18,
        padding="same_lower",
        activation="relu",
    ),
    Case("groups of two", (9, 21), (26, 26), kernel=(3, 5), groups=13, padding="same", activation="relu", batch=2),
    Case("groups of four", (11, 18), (36, 36), groups=9, strides=(2, 1), dilation_rate=(1, 3), padding="full"),
    Case("groups of eight", (7, 30), (40, 40), kernel=(2, 2), groups=5, strides=(1, 2), padding=((1, 0), (0, 4))),
    Case("groups of eight, a window for each vector", (4, 11), (408, 408), groups=51, strides=(2, 2), padding="same"),
    Case("depthwise, a window for each vector", (3, 17), (405, 405), groups=405, kernel=(3, 5), padding="same"),
    Case(
        "wrap of groups, a window for each vector",
        (4, 9),
        (404, 404),
        groups=101,
        padding=((1, 2), (3, 1)),
        padding_mode="wrap",
    ),
    Case("groups of four, sum in parts", (20, 22), (20, 20), kernel=(13, 14), groups=5, padding="same"),
    Case("groups of three", (9, 13), (21, 21), groups=7, strides=(1, 2), padding="same"),
    Case("depthwise with three of each", (8, 8), (5, 15), groups=5, strides=(2, 2), dilation_rate=(1, 2)),
    Case("depthwise with two of each", (9, 17), (21, 42), groups=21, padding="same", residual=True, activation="relu6"),
    Case("depthwise with four of each", (6, 31), (9, 36), kernel=(3, 11), groups=9, strides=(2, 1), padding="same"),
    # Sums, blocks and windows so large that they are cut
    Case("sum cut along the channels", (3, 15), (700, 9), kernel=(1, 1), activation="relu"),
    Case("sum cut along the rows", (7, 16), (75, 6), padding=((3, 2), (1, 1)), activation="relu"),
    Case("sum cut along the columns", (4, 40), (70, 5), kernel=(2, 17), padding="same"),
    Case("sum cut every way", (5, 9), (530, 7), kernel=(3, 2), padding="same", activation="relu"),
    Case("sum cut in groups", (5, 9), (1100, 6), kernel=(2, 2), groups=2, padding="same", activation="relu"),
    Case("kernel of 961 taps", (40, 45), (1, 1), kernel=(31, 31), padding="same"),
    Case("output channels in several passes", (5, 6), (96, 330), padding="same", bias=False),
    Case("window too large for its pixels", (3, 900), (300, 5), kernel=(1, 2), strides=(1, 200), padding="same"),
    Case("window too large for its taps", (2, 6), (600, 5), kernel=(1, 3), dilation_rate=(1, 300), padding="same"),
    # Batches
    Case("batch", (6, 10), (4, 9), batch=3, padding="same", bias=False, activation="relu"),
    # What follows the sum
    Case("residual", (6, 31), (4, 37), padding="same", residual=True, activation="relu"),
    Case("residual of a strided sum in parts", (9, 14), (75, 21), strides=(2, 2), residual=True, batch=2),
    Case("residual of groups", (7, 22), (24, 24), groups=6, padding="same", residual=True, activation="relu6"),
    Case("residual of depthwise in parts", (28, 30), (5, 5), kernel=(25, 25), groups=5, residual=True, bias=False),
    Case("relu6 of a sum in parts", (5, 9), (530, 7), kernel=(3, 2), padding="same", activation="relu6"),
    Case("leaky_relu", (6, 20), (3, 18), activation="leaky_relu", negative_slope=0.25, batch=2),
    Case("leaky_relu of parts", (5, 9), (600, 4), kernel=(1, 2), activation="leaky_relu", negative_slope=-0.5),
    Case("sigmoid", (6, 17), (3, 35), padding="same", activation="sigmoid"),
    Case("tanh of a sum in parts and a residual", (5, 9), (600, 19), kernel=(1, 2), residual=True, activation="tanh"),
    Case("silu of groups", (5, 18), (6, 40), groups=2, padding="same", activation="silu", batch=2),
    Case("gelu of a depthwise sum", (7, 19), (21, 21), kernel=(7, 7), groups=21, padding="same", activation="gelu"),
    Case("gelu of one channel", (7, 90), (1, 1), padding="same", residual=True, activation="gelu"),
    Case("hard_swish", (9, 10), (5, 3), kernel=(5, 5), strides=(2, 1), padding="same", activation="hard_swish"),
    Case("hard_sigmoid", (4, 9), (3, 17), kernel=(1, 1), activation="hard_sigmoid"),
    Case("elu", (6, 33), (4, 16), kernel=(2, 3), activation="elu", bias=False),
    Case("batch of groups", (5, 6), (4, 6), batch=4, groups=2, strides=(2, 2), padding="same"),
)


def dtype_of(case: Case, data_format: str, target: str) -> str:
    """The dtype in which a case of the table is tested: they take turns, so that each meets every format and target.

    All tests over the table ask here, and so share the code that one of them has compiled.
    """
    turn = CASES.index(case) + FORMATS.index(data_format) + sorted(TARGETS).index(target)
    return DTYPES[turn % 2]


def summed(case: Case) -> str:
    """The algorithm that adds products as they are, so that whole numbers stay exact; Winograd's has its own tests."""
    depthwise = case.groups == case.channels[0] == case.channels[1]
    return "direct" if case.kernel == (3, 3) and case.strides == (1, 1) and not depthwise else "auto"


def by_definition(case: Case, x: Array, kernel: Array, bias: Array | None, data_format: str) -> Array:
    """What the definition says, in float64."""
    residual = case.added(data_format, np.float64)
    return reference.conv(x, kernel, bias, data_format=data_format, residual=residual, **case.arguments)


TORCH_ACTIVATIONS: dict[str | None, Callable[[torch.Tensor, float], torch.Tensor]] = {
    None: lambda y, _: y,
    "relu": lambda y, _: F.relu(y),
    "relu6": lambda y, _: F.relu6(y),
    "leaky_relu": F.leaky_relu,
    "sigmoid": lambda y, _: F.sigmoid(y),
    "tanh": lambda y, _: F.tanh(y),
    "silu": lambda y, _: F.silu(y),
    "gelu": lambda y, _: F.gelu(y),
    "hard_sigmoid": lambda y, _: F.hardsigmoid(y),
    "hard_swish": lambda y, _: F.hardswish(y),
    "elu": lambda y, _: F.elu(y),
}


def by_torch(case: Case, x: Array, kernel: Array, bias: Array | None, data_format: str) -> Array:
    """What PyTorch says, in float64; where the padding is not zeros, of what NumPy pads."""
    pads = hand_worked_pads(case)
    (top, bottom), (left, right) = pads
    # PyTorch crops first, and refuses where what is left is less than nothing: add, then crop.
    widths = [(0, 0), (0, 0), *[(max(0, lo), max(0, hi)) for lo, hi in pads]]
    mode: Any = "constant" if case.padding_mode == "zeros" else case.padding_mode
    more = {"constant_values": case.constant_value} if mode == "constant" else {}
    images = np.moveaxis(x, -1, 1) if data_format == "channels_last" else x
    added = torch.from_numpy(np.pad(images.astype(np.float64), widths, mode, **more))
    y = F.conv2d(
        F.pad(added, [min(0, pad) for pad in (left, right, top, bottom)]),
        torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()).double(),
        None if bias is None else torch.from_numpy(bias).double(),
        stride=case.strides,
        dilation=case.dilation_rate,
        groups=case.groups,
    )
    residual = case.added(data_format, np.float64)
    if residual is not None:
        y = y + torch.from_numpy(np.moveaxis(residual, -1, 1) if data_format == "channels_last" else residual)
    result = TORCH_ACTIVATIONS[case.activation](y, case.negative_slope or 0).numpy()
    return np.moveaxis(result, 1, -1) if data_format == "channels_last" else result


def hand_worked_pads(case: Case) -> tuple[Pair, Pair]:
    """The pads that the names stand for, worked out apart from `tweakconv.geometry`."""
    if not isinstance(case.padding, str):
        return case.padding
    pads = []
    for size, taps, stride, rate in zip(case.size, case.kernel, case.strides, case.dilation_rate, strict=True):
        span = (taps - 1) * rate
        total = max(0, (-(-size // stride) - 1) * stride + span + 1 - size)
        half, more = total // 2, total - total // 2
        pads.append(
            {"valid": (0, 0), "full": (span, span), "same": (half, more), "same_lower": (more, half)}[case.padding]
        )
    return pads[0], pads[1]


def assert_as_exact_as_its_type(
    y: Array, case: Case, x: Array, kernel: Array, bias: Array | None, data_format: str, expected: Array
) -> None:
    """Each number within 16 roundings of the sum of its products' magnitudes; far stricter than one tolerance.

    An activation, none of which is steeper than 3/2, may add 8 roundings of the result.
    """
    plain = {**case.arguments, "activation": None, "negative_slope": None, "constant_value": abs(case.constant_value)}
    magnitudes = reference.conv(
        np.abs(x), np.abs(kernel), None if bias is None else np.abs(bias), data_format=data_format, **plain
    )
    assert y.shape == expected.shape
    residual = case.added(data_format, np.float64)
    if residual is not None:
        magnitudes = magnitudes + abs(residual)
    allowed = 16 * magnitudes if case.activation in (None, "relu") else 24 * magnitudes + 8 * abs(expected)
    excess = np.abs(y - expected) - np.finfo(x.dtype).eps * allowed
    worst = np.unravel_index(np.argmax(excess), y.shape)
    assert excess[worst] <= 0, (
        f"{case.name}: at {tuple(map(int, worst))} {y[worst]!r} instead of {expected[worst]!r}; "
        f"{int((excess > 0).sum())} of {y.size} numbers are wrong"
    )
