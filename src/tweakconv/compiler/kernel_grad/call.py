"""The run-time integers of a kernel gradient: how its outputs are cut into blocks, and how many tasks there are.

A *block* is some images, or some rows of one, or a part of a row: its input is copied to a window once. Its partial
sums go over *parts* of it, of a few hundred pixels. A *range* is the blocks of a task; the sums of ranges are added in
the end. None of this depends on the number of threads, so neither does any bit of the result.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

from tweakconv.compiler.call import Space
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.kernel_grad.plan import KernelGradPlan, window_elements, window_pixels, window_steps
from tweakconv.geometry import ConvGeometry

FIELDS = (
    "batch", "depth", "height", "width", "out_depth", "out_height", "out_width", "front", "top", "left",
    "x_image", "x_plane", "x_row", "x_channel", "y_image", "y_plane", "y_row", "y_channel",
    "images", "rows", "columns", "image_blocks", "row_blocks", "column_blocks", "part_images", "part_rows",
    "image_step", "plane_step", "row_step", "row_tap", "column_tap", "window_row", "part_step",
    "outputs", "ranges", "tasks", "sums",
)  # fmt: skip
"""Sizes; the pixel under the first tap of the first output; elements between images and so on; outputs of a block and
how many blocks there are; those of a part; elements of the window between images, planes, output rows, the kernel's
rows and columns, rows and parts; where the packed outputs begin in the working space; ranges, tasks, and tasks that add
up ranges. Behind them stands for each pixel of a part where its window begins."""

SUM_ELEMENTS = 1 << 14
"""Elements that a task adds up over the ranges."""

_MOST_TASKS = 32
_MOST_SUMS_BYTES = 4 << 20
"""What the sums of all ranges may take."""

_LEAST_RANGE = 512
"""Pixels of a range, at the least: adding up ranges should cost little."""


class KernelGradCall(NamedTuple):
    """One use of the code.

    Attributes
    ----------
    geometry : ConvGeometry
        That of the forward pass, of two or three axes.
    x_strides, y_strides : tuple of int
        Elements from one image, one plane where there are three axes, one row and one channel to the next.
    """

    batch: int
    geometry: ConvGeometry
    x_strides: tuple[int, ...]
    y_strides: tuple[int, ...]


class Blocks(NamedTuple):
    """How the outputs are cut up: images, rows and columns of a block, and images and rows of its parts."""

    images: int
    rows: int
    columns: int
    part_images: int
    part_rows: int


def blocks_of(plan: KernelGradPlan, call: KernelGradCall) -> Blocks:
    """Blocks whose window and packed outputs fit the cache, as even as they come."""
    depth, height, width = (1, *call.geometry.output_size)[-3:]

    def fits(images: int, rows: int, columns: int) -> bool:
        packed = 0 if plan.in_place else images * rows * columns * plan.padded_panel
        most = max(window_elements(plan, images, rows, columns), packed)
        return most * plan.spec.element_bytes <= plan.window_bytes

    columns = _even(width, plan.pixels)
    while columns > 1 and not fits(1, 1, columns):
        columns = _even(width, columns // 2)
    rows = _even(height, _most(height, lambda rows: fits(1, rows, columns)))
    if columns < width:
        return Blocks(1, rows, columns, 1, 1)
    whole = rows == height and depth == 1 and rows * columns <= plan.pixels
    if not whole:
        return Blocks(1, rows, columns, 1, _even(rows, max(1, plan.pixels // columns)))
    images = _even(call.batch, _most(call.batch, lambda images: fits(images, rows, columns)))
    return Blocks(images, rows, columns, _even(images, max(1, plan.pixels // (rows * columns))), rows)


def _even(size: int, most: int) -> int:
    """The step not above `most` that cuts a size most evenly."""
    return -(-size // -(-size // max(1, min(size, most))))


def _most(size: int, fits: object) -> int:
    """The largest number up to `size` that fits, found by halving, at least 1."""
    assert callable(fits)
    low, high = 1, size
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def integers(plan: KernelGradPlan, call: KernelGradCall) -> tuple[int, ...]:
    """The run-time integers of a call."""
    spec, blocks, axes = plan.spec, blocks_of(plan, call), call.geometry.axes
    depth, height, width = (1, *call.geometry.input_size)[-3:]
    out_depth, out_height, out_width = (1, *call.geometry.output_size)[-3:]
    front, top, left = (0, *(axis.first(0) for axis in axes))[-3:]
    (x_image, *x_steps, x_channel), (y_image, *y_steps, y_channel) = call.x_strides, call.y_strides
    counts = tuple(-(-size // step) for size, step in zip((call.batch, out_height, out_width), blocks[:3], strict=True))
    window_row = window_pixels(plan, 2, blocks.columns) * plan.unit
    plane_step = window_pixels(plan, 1, blocks.rows) * window_row
    image_step = spec.axes[0].kernel * plane_step
    (row, row_tap), (column, column_tap) = window_steps(plan, 1, blocks.rows), window_steps(plan, 2, blocks.columns)
    whole = blocks.images > 1 or blocks.part_images > 1
    ranges, tasks = ranges_of(plan, call), 0
    tasks = plan.groups * -(-plan.panel_channels // plan.panel) * -(-spec.group_in // plan.chunk) * ranges
    head = (
        call.batch, depth, height, width, out_depth, out_height, out_width, front, top, left,
        x_image, *(0, *x_steps)[-2:], x_channel, y_image, *(0, *y_steps)[-2:], y_channel,
        *blocks[:3], *counts, blocks.part_images, blocks.part_rows,
        image_step, plane_step, row * window_row, row_tap * window_row, column_tap * plan.unit, window_row,
        blocks.part_images * image_step if whole else blocks.part_rows * row * window_row,
        _room(plan, blocks), ranges, tasks, -(-spec.elements // SUM_ELEMENTS) if ranges > 1 else 0,
    )  # fmt: skip
    pixels = itertools.product(range(blocks.part_images), range(blocks.part_rows), range(blocks.columns))
    steps = (image_step, row * window_row, column * plan.unit)
    return (*head, *(sum(i * step for i, step in zip(pixel, steps, strict=True)) for pixel in pixels))


def ranges_of(plan: KernelGradPlan, call: KernelGradCall) -> int:
    """Into how many ranges the blocks are cut: so many that threads share the work well, and no sum grows long."""
    spec, blocks, out = plan.spec, blocks_of(plan, call), call.geometry.output_size
    units = -(-call.batch // blocks.images) * (1, *out)[-3] * -(-out[-2] // blocks.rows) * -(-out[-1] // blocks.columns)
    alone = plan.groups * -(-plan.panel_channels // plan.panel) * -(-spec.group_in // plan.chunk)
    most = min(
        -(-_MOST_TASKS // alone),
        _MOST_SUMS_BYTES // (spec.elements * spec.element_bytes),
        call.batch * math.prod(out) // _LEAST_RANGE,
        units,
    )
    return max(1, most)


def space(plan: KernelGradPlan, call: KernelGradCall) -> Space:
    """Working space: a thread's window and packed outputs; shared, the sums of the ranges."""
    spec, blocks, ranges = plan.spec, blocks_of(plan, call), ranges_of(plan, call)
    packed = 0 if plan.in_place else blocks.images * blocks.rows * blocks.columns * plan.padded_panel
    shared = ranges * spec.elements if ranges > 1 else 0
    return Space((_room(plan, blocks) + packed) * spec.element_bytes, -(-shared * spec.element_bytes // 64) * 64)


def _room(plan: KernelGradPlan, blocks: Blocks) -> int:
    """Elements of a block's window, filled up to whole cache lines."""
    line = 64 // plan.spec.element_bytes
    return -(-window_elements(plan, blocks.images, blocks.rows, blocks.columns) // line) * line


def load(b: Builder, shape: Value) -> dict[str, Value]:
    """The integers as the code sees them."""
    return b.load_integers(shape, FIELDS)
