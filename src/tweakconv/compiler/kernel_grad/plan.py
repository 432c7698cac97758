"""How a kernel gradient is cut up: what registers hold, which channels a task takes, how `x` lies in its window.

A gradient is a matrix product for every tap: input channels by pixels, times pixels by output channels. A
*microkernel* keeps the sums of a *tile* in registers, some rows (input channels, of neighbouring taps too where they
lie one behind another) by some vectors of output channels, while it goes over a few hundred pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tweakconv.compiler.kernel_grad_spec import KernelGradSpec
from tweakconv.compiler.schedules.blocking import even_step
from tweakconv.compiler.target import Target

_MOST_PANEL = 256
"""Output channels of a task: enough that copying `x` for each task costs little."""

_LEAST_WINDOW = 64 << 10
"""Measured: depthwise 3x3 at 112x112 takes 2.2 ms with windows of 128 KiB, 2.5 with 64 and 2.7 with 512."""

_LEAST_SUMS = 8
"""Sums that a processor adds to at a time: two multipliers, each with a latency of four cycles."""

_LANEWISE_COST = 1.5
"""How much longer a product takes whose two factors are both loaded."""

_FEW_OUTPUTS = (1, 4, 16)
"""Planes, rows and columns of a small block, by which the form of the window is chosen."""


@dataclass(frozen=True, slots=True)
class Tile:
    """The sums that registers hold: rows of the kernel by vectors of output channels."""

    rows: int
    vectors: int


@dataclass(frozen=True, slots=True)
class KernelGradPlan:
    """A kernel gradient, a target, and how the work is cut up: all that determines the code and its bits.

    Attributes
    ----------
    lanewise : bool
        Whether each lane has an input channel of its own, for groups smaller than a vector; else all lanes share one.
    chunk : int
        Input channels of a task.
    panel : int
        Output channels of a task.
    shared : tuple of bool
        For planes, rows and columns: whether taps share pixels in the window, or each has copies of its own.
    tile : Tile
    pixels : int
        Pixels of a partial sum.
    window_bytes : int
        What the window and the packed outputs of a task may each take.
    """

    spec: KernelGradSpec
    target: Target
    lanewise: bool
    chunk: int
    panel: int
    shared: tuple[bool, bool, bool]
    tile: Tile
    pixels: int
    window_bytes: int

    @property
    def lanes(self) -> int:
        """Elements of a vector."""
        return self.target.lanes(self.spec.element_bytes)

    @property
    def groups(self) -> int:
        """Groups that are computed one after another."""
        return 1 if self.lanewise else self.spec.groups

    @property
    def panel_channels(self) -> int:
        """Output channels of all the panels of a group."""
        return self.spec.out_channels if self.lanewise else self.spec.group_out

    @property
    def padded_panel(self) -> int:
        """A panel's channels, filled up to whole vectors."""
        return -(-self.panel // self.lanes) * self.lanes

    @property
    def unit(self) -> int:
        """Elements of a pixel in the window."""
        return self.chunk * self.padded_panel if self.lanewise else self.chunk

    @property
    def row_step(self) -> int:
        """Elements of the window from one row of a tile to the next."""
        return self.padded_panel if self.lanewise else 1

    @property
    def merged(self) -> bool:
        """Whether the rows of neighbouring taps lie one behind another, in the window as in the kernel."""
        columns = self.spec.axes[2]
        return self.chunk == self.spec.group_in and self.shared[2] and (columns.dilation == 1 or columns.kernel == 1)

    @property
    def in_place(self) -> bool:
        """Whether `dy` lies in memory as the microkernel reads it: one tile as wide as a pixel."""
        return self.spec.channels_last and self.spec.out_channels == self.tile.vectors * self.lanes

    def panels(self) -> list[int]:
        """Output channels of whole panels and of the last, where there are such."""
        return _sizes(self.panel_channels, self.panel)

    def chunks(self) -> list[int]:
        """Input channels of whole chunks and of the last, where there are such."""
        return _sizes(self.spec.group_in, self.chunk)

    def tile_rows(self, channels: int) -> int:
        """Rows that tiles cut, those of one tap or, where they are merged, of a row of taps."""
        return channels * (self.spec.axes[2].kernel if self.merged else 1)

    def widths(self) -> list[int]:
        """Output channels of the tiles that there are."""
        whole = self.tile.vectors * self.lanes
        return sorted({size for panel in self.panels() for size in _sizes(panel, whole)}, reverse=True)

    def heights(self) -> list[int]:
        """Rows of the tiles that there are."""
        rows = (self.tile_rows(channels) for channels in self.chunks())
        return sorted({size for total in rows for size in _sizes(total, self.tile.rows)}, reverse=True)


def plan(spec: KernelGradSpec, target: Target) -> KernelGradPlan:
    """Choose tiles, chunks and the form of the window for a kernel gradient on a target."""
    lanes = target.lanes(spec.element_bytes)
    lanewise = _is_lanewise(spec, lanes)
    channels = spec.out_channels if lanewise else spec.group_out
    panel = even_step(channels, _MOST_PANEL, 4 * lanes)
    shared = _shared(spec)
    # Long runs of each channel where channels are apart.
    window_bytes = max(_LEAST_WINDOW, target.l2_bytes // (8 if spec.channels_last else 2))
    room = max(1, target.l2_bytes // 8 // (spec.element_bytes * spec.taps))
    chunk = spec.group_in if lanewise else even_step(spec.group_in, min(room, _MOST_PANEL), min(8, room))
    if lanewise:
        panel = even_step(panel, max(1, room // spec.group_in), lanes)
    across = shared[2] and chunk == spec.group_in and (spec.axes[2].dilation == 1 or spec.axes[2].kernel == 1)
    rows = chunk * (spec.axes[2].kernel if across else 1)
    return KernelGradPlan(
        spec=spec,
        target=target,
        lanewise=lanewise,
        chunk=chunk,
        panel=panel,
        shared=shared,
        tile=best_tile(target, rows, -(-panel // lanes), lanewise=lanewise),
        pixels=128,
        window_bytes=window_bytes,
    )


def _is_lanewise(spec: KernelGradSpec, lanes: int) -> bool:
    """Whether groups are so small that lanes are better filled with the channels of several."""
    one_by_one = spec.groups * -(-spec.group_out // lanes)
    return spec.groups > 1 and one_by_one > _LANEWISE_COST * -(-spec.out_channels // lanes)


def _shared(spec: KernelGradSpec) -> tuple[bool, bool, bool]:
    """Where taps that share pixels make the smaller window: seldom under large strides or dilations."""
    planes, rows, columns = (
        (few - 1) * axis.stride + (axis.kernel - 1) * axis.dilation < axis.kernel * few
        for axis, few in zip(spec.axes, _FEW_OUTPUTS, strict=True)
    )
    return planes, rows, columns


def best_tile(target: Target, rows: int, vectors: int, *, lanewise: bool) -> Tile:
    """The tile that takes the fewest cycles a pixel, for so many rows and vectors altogether."""
    spare = 1 if target.fma else 2  # besides sums and outputs: one input, and a product where it is apart
    candidates = []
    for wide in range(1, min(vectors, 4) + 1):
        most = min(rows, (target.registers - spare) // wide - 1)
        if most >= 1:
            candidates.append(Tile(-(-rows // -(-rows // most)), wide))
    return min(candidates, key=lambda tile: _cycles(tile, rows, vectors, lanewise=lanewise))


def _cycles(tile: Tile, rows: int, vectors: int, *, lanewise: bool) -> float:
    """Cycles for one pixel, roughly: two products or two loads a cycle, and few sums wait for each other."""
    total = 0.0
    for high in _each(rows, tile.rows):
        for wide in _each(vectors, tile.vectors):
            loads = high * (wide if lanewise else 1) + wide + 1
            total += max(high * wide, loads, _LEAST_SUMS) / 2 + 0.5
    return total


def _each(size: int, step: int) -> list[int]:
    return [min(step, size - start) for start in range(0, size, step)]


def _sizes(size: int, step: int) -> list[int]:
    """The sizes of the parts that a step cuts: the whole ones', and the last one's where it differs."""
    return ([step] if size >= step else []) + ([size % step] if size % step else [])


def window_pixels(plan: KernelGradPlan, axis: int, outputs: int) -> int:
    """Pixels along an axis that the window of so many outputs holds."""
    of_axis = plan.spec.axes[axis]
    if plan.shared[axis]:
        return (outputs - 1) * of_axis.stride + (of_axis.kernel - 1) * of_axis.dilation + 1
    return of_axis.kernel * outputs


def window_steps(plan: KernelGradPlan, axis: int, outputs: int) -> tuple[int, int]:
    """Pixels of the window from one output and from one tap to the next along an axis."""
    of_axis = plan.spec.axes[axis]
    return (of_axis.stride, of_axis.dilation) if plan.shared[axis] else (1, outputs)


def window_elements(plan: KernelGradPlan, images: int, rows: int, columns: int) -> int:
    """Elements of the window of a block of outputs, of one plane."""
    pixels = (window_pixels(plan, axis, outputs) for axis, outputs in enumerate((1, rows, columns)))
    return images * math.prod(pixels) * plan.unit
