"""One table of convolutions, run through every target and schedule: a new one is tested by naming it.

What a case's result should be is asked of two oracles that know nothing of the compiler: the definition in NumPy
(`by_definition`) and PyTorch in float64 (`by_torch`), which pads through ``torch.nn.functional.pad`` with the pads
worked out here, by hand, from the names.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import DTypeLike, NDArray

from tweakconv import reference
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

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        return (*self.kernel, self.channels[0] // self.groups, self.channels[1])

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments that it takes to say this case, besides the arrays and the data format."""
        names = ("strides", "padding", "dilation_rate", "groups", "activation")
        return {name: getattr(self, name) for name in names}

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
    # Channels and groups
    Case("one channel to one", (10, 75), (1, 1), padding="same"),
    Case("one channel to one at stride 2", (10, 75), (1, 1), kernel=(5, 5), strides=(2, 2), padding="same"),
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
    Case("groups of four, sum in parts", (20, 22), (20, 20), kernel=(13, 14), groups=5, padding="same"),
    Case("groups of three", (9, 13), (21, 21), groups=7, strides=(1, 2), padding="same"),
    Case("depthwise with three of each", (8, 8), (5, 15), groups=5, strides=(2, 2), dilation_rate=(1, 2)),
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
    return reference.conv(x, kernel, bias, data_format=data_format, **case.arguments)


def by_torch(case: Case, x: Array, kernel: Array, bias: Array | None, data_format: str) -> Array:
    """What PyTorch says, in float64."""
    images = torch.from_numpy(np.moveaxis(x, -1, 1) if data_format == "channels_last" else x).double()
    (top, bottom), (left, right) = hand_worked_pads(case)
    # PyTorch crops first, and refuses where what is left is less than nothing: add, then crop.
    added = F.pad(images, [max(0, pad) for pad in (left, right, top, bottom)])
    y = F.conv2d(
        F.pad(added, [min(0, pad) for pad in (left, right, top, bottom)]),
        torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()).double(),
        None if bias is None else torch.from_numpy(bias).double(),
        stride=case.strides,
        dilation=case.dilation_rate,
        groups=case.groups,
    )
    result = (y.relu() if case.activation == "relu" else y).numpy()
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
    """Each number within 16 roundings of the sum of its products' magnitudes; far stricter than one tolerance."""
    plain = {**case.arguments, "activation": None}
    magnitudes = reference.conv(
        np.abs(x), np.abs(kernel), None if bias is None else np.abs(bias), data_format=data_format, **plain
    )
    assert y.shape == expected.shape
    excess = np.abs(y - expected) - 16 * np.finfo(x.dtype).eps * magnitudes
    worst = np.unravel_index(np.argmax(excess), y.shape)
    assert excess[worst] <= 0, (
        f"{case.name}: at {tuple(map(int, worst))} {y[worst]!r} instead of {expected[worst]!r}; "
        f"{int((excess > 0).sum())} of {y.size} numbers are wrong"
    )
