"""How a convolution's work is cut up: blocks of output channels and pixels, and chunks of the sum."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tweakconv.compiler.spec import ConvSpec


@dataclass(frozen=True, slots=True)
class Blocking:
    """The sizes a schedule works in.

    Attributes
    ----------
    groups : int
        Groups that are computed one after another.
    out_channels : int
        Output channels of one of them.
    out_block : int
        Output channels of one microkernel call.
    multiple : int
        The last, smaller block is padded to a multiple of this.
    pixels : tuple of int
        Pixels of one microkernel call, widest first.
    chunk : tuple of int
        Kernel rows, kernel columns and input channels summed in registers at a time.
    blocks_per_pass : int
        Blocks of output channels computed for a block of pixels before the next block of pixels.
    planes : int
        Kernel planes of a chunk, one unless it holds them whole.
    channelwise : bool
        Whether each output channel reads the one input channel of its number, so that a block of output channels
        starts at the same channel of the input.
    in_stretches : bool
        Whether an output row is cut where other kernel columns lie in the image, see `stretches`.
    ahead : int
        Cache lines of the next pass' weights that a microkernel asks for with each few of its products.
    """

    groups: int
    out_channels: int
    out_block: int
    multiple: int
    pixels: tuple[int, ...]
    chunk: tuple[int, int, int]
    blocks_per_pass: int
    channelwise: bool = False
    planes: int = 1
    in_stretches: bool = False
    ahead: int = 0

    @property
    def full_blocks(self) -> int:
        """Number of whole blocks of output channels."""
        return self.out_channels // self.out_block

    @property
    def tail(self) -> int:
        """Output channels of the last block where it is not whole, else 0."""
        return self.out_channels % self.out_block

    @property
    def out_block_count(self) -> int:
        """Number of blocks of output channels."""
        return self.full_blocks + bool(self.tail)

    @property
    def padded_out(self) -> int:
        """Output channels of a group with the last block padded."""
        return self.full_blocks * self.out_block + self.padded_width(self.tail)

    def is_whole(self, spec: ConvSpec) -> bool:
        """Whether one chunk is the whole sum."""
        return self.chunk == spec.taps and self.planes == spec.kernel_planes

    def padded_width(self, width: int) -> int:
        """A block's width as its weights are packed."""
        return -(-width // self.multiple) * self.multiple

    def out_blocks(self) -> Iterator[tuple[int, int, int]]:
        """First channel, channels and padded channels of each block."""
        for start in range(0, self.out_channels, self.out_block):
            width = min(self.out_block, self.out_channels - start)
            yield start, width, self.padded_width(width)

    def widths(self) -> list[int]:
        """Output channels of a whole block and of the last, where there are such."""
        return ([self.out_block] if self.full_blocks else []) + ([self.tail] if self.tail else [])

    def chunks(self, sizes: tuple[int, ...]) -> Iterator[ChunkRange]:
        """The chunks of a sum over kernel rows, kernel columns and input channels, in order."""
        rows, columns, channels = (
            [slice(start, min(start + step, size)) for start in range(0, size, step)]
            for size, step in zip(sizes, self.chunk, strict=True)
        )
        for row in rows:
            for column in columns:
                for channel in channels:
                    yield ChunkRange(row, column, channel)


class ChunkRange(NamedTuple):
    """The part of a kernel that one chunk sums over."""

    rows: slice
    columns: slice
    channels: slice


@functools.lru_cache(maxsize=1024)
def split_width(width: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """How many blocks of each size (widest first) cover a width with the least work.

    Work is the pixels computed, those beyond the width included, plus a little for each block; a small block costs
    as much as a third of the widest, since its few sums wait for each other.

    Examples
    --------
    >>> split_width(28, (6, 5, 4, 2)), split_width(7, (6, 5, 4, 2)), split_width(1000, (6, 5, 4, 2))
    ((3, 2, 0, 0), (0, 1, 0, 1), (165, 2, 0, 0))
    >>> split_width(100, (64, 32, 16))
    (1, 1, 1)
    """
    unit = math.gcd(*sizes)
    units = -(-width // unit)
    steps = [size // unit for size in sizes]
    certain = max(0, units // steps[0] - 4)  # only the last few blocks are in question
    rest = units - certain * steps[0]
    best: list[tuple[float, tuple[int, ...]]] = [(0.0, (0,) * len(steps))]
    for covered in range(1, rest + 1):
        options = []
        for i, step in enumerate(steps):
            cost, counts = best[max(0, covered - step)]
            more = (*counts[:i], counts[i] + 1, *counts[i + 1 :])
            options.append((cost + max(step, steps[0] / 3) + 0.25, more))
        best.append(min(options))
    counts = best[rest][1]
    return (counts[0] + certain, *counts[1:])


def even_step(size: int, limit: int, multiple: int = 1) -> int:
    """The step not above `limit` that cuts `size` most evenly, a multiple of `multiple` where it cuts at all.

    Examples
    --------
    >>> even_step(256, 60, 4), even_step(9, 5), even_step(7, 10)
    (52, 5, 7)
    """
    if size <= limit:
        return size
    pieces = -(-size // max(1, limit))
    step = -(-size // pieces)
    rounded = -(-step // multiple) * multiple
    return rounded if rounded <= limit else max(1, limit // multiple * multiple or limit)
