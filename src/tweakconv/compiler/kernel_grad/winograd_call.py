"""The run-time integers of a kernel gradient by Winograd's way: blocks of tiles, ranges of blocks, and tasks."""

from __future__ import annotations

import math

from tweakconv.compiler.call import Space
from tweakconv.compiler.kernel_grad.call import KernelGradCall
from tweakconv.compiler.kernel_grad.winograd_plan import WinogradGradPlan, count

FIELDS = (
    "batch", "depth", "height", "width", "out_depth", "out_height", "out_width", "front", "top", "left",
    "x_image", "x_plane", "x_row", "x_channel", "y_image", "y_plane", "y_row", "y_channel",
    "images", "rows", "columns", "image_blocks", "row_blocks", "column_blocks",
    "image_step", "window_row", "grad_image", "grad_row", "grads", "inputs_at", "grads_at",
    "ranges", "tasks", "sums",
)  # fmt: skip
"""Sizes, pads and strides as in `kernel_grad.call`; images, rows and columns of tiles of a block, and how many blocks
there are; elements of the two windows between images and rows; where the window of the outputs' gradients and the two
arrays of transformed values begin; ranges, tasks, and tasks that interpolate. Behind them stands where each tile's
transformed inputs begin."""


_MOST_RANGES_BYTES = 5 << 20
"""What the sums of all ranges may take: with 64 channels each has 0.6 MB."""

_MOST_TASKS = 6
"""Tasks that ranges are made for; each costs a pass over its sums."""

_ROW_VECTORS = 256
"""Vectors that a task interpolates, about."""


def _blocks(plan: WinogradGradPlan, call: KernelGradCall) -> tuple[int, int, int]:
    """Images, rows of tiles and columns of tiles of a block."""
    depth, height, width = (1, *call.geometry.output_size)[-3:]
    rows, columns = count(height, plan.form.tile[0]), count(width, plan.form.tile[1])
    wide = _even(columns, plan.tiles)
    high = _even(rows, plan.tiles // wide) if wide == columns else 1
    alone = high < rows or wide < columns or depth > 1
    return (1 if alone else _even(call.batch, plan.tiles // (rows * columns))), high, wide


def _even(size: int, most: int) -> int:
    return count(size, count(size, max(1, min(size, most))))


def _ranges(plan: WinogradGradPlan, call: KernelGradCall) -> int:
    spec, (images, high, wide) = plan.spec, _blocks(plan, call)
    depth, height, width = (1, *call.geometry.output_size)[-3:]
    units = count(call.batch, images) * depth * count(count(height, plan.form.tile[0]), high)
    units *= count(count(width, plan.form.tile[1]), wide)
    alone = spec.groups * len(range(0, spec.group_out, plan.products.panel))
    alone *= len(range(0, spec.group_in, plan.products.chunk))
    held = plan.form.points * plan.point_elements * spec.element_bytes
    return max(1, min(count(_MOST_TASKS, alone), _MOST_RANGES_BYTES // held, units // 4))


def _rooms(plan: WinogradGradPlan, call: KernelGradCall) -> tuple[int, int, int, int]:
    """Elements of the window of the inputs, of that of the outputs' gradients, and of their transformed values."""
    (images, high, wide), form = _blocks(plan, call), plan.form
    inputs = math.prod(
        count * tile + taps - 1 for count, tile, taps in zip((high, wide), form.tile, form.taps, strict=True)
    )
    grads = high * form.tile[0] * wide * form.tile[1]
    return (
        images * inputs * plan.products.chunk,
        images * grads * plan.products.padded_panel,
        form.points * plan.apart[0],
        form.points * plan.apart[1],
    )


def integers(plan: WinogradGradPlan, call: KernelGradCall) -> tuple[int, ...]:
    """The run-time integers of a call."""
    spec, form, axes = plan.spec, plan.form, call.geometry.axes
    depth, height, width = (1, *call.geometry.input_size)[-3:]
    out_depth, out_height, out_width = (1, *call.geometry.output_size)[-3:]
    front, top, left = (0, *(axis.first(0) for axis in axes))[-3:]
    (x_image, *x_steps, x_channel), (y_image, *y_steps, y_channel) = call.x_strides, call.y_strides
    images, high, wide = _blocks(plan, call)
    rows, columns = high * form.tile[0], wide * form.tile[1]
    window_row = (columns + form.taps[1] - 1) * plan.products.chunk
    grad_row = columns * plan.products.padded_panel
    room_x, room_y, at_inputs, _ = _rooms(plan, call)
    ranges = _ranges(plan, call)
    tasks = spec.groups * len(range(0, spec.group_out, plan.products.panel)) * ranges
    tasks *= len(range(0, spec.group_in, plan.products.chunk))
    return (
        call.batch, depth, height, width, out_depth, out_height, out_width, front, top, left,
        x_image, *(0, *x_steps)[-2:], x_channel, y_image, *(0, *y_steps)[-2:], y_channel,
        images, high, wide, count(call.batch, images), count(count(out_height, form.tile[0]), high),
        count(count(out_width, form.tile[1]), wide),
        (rows + form.taps[0] - 1) * window_row, window_row, rows * grad_row, grad_row,
        room_x, room_x + room_y, room_x + room_y + at_inputs,
        ranges, tasks, count(spec.group_in, task_rows(plan)),
        *(tile * plan.products.chunk for tile in range(plan.tiles)),
    )  # fmt: skip


def space(plan: WinogradGradPlan, call: KernelGradCall) -> Space:
    """Working space: a thread's windows and transformed values; shared, the sums of all ranges at the points."""
    size = plan.spec.element_bytes
    held = _ranges(plan, call) * plan.form.points * plan.point_elements * size
    return Space(sum(_rooms(plan, call)) * size, -(-held // 64) * 64)


def task_rows(plan: WinogradGradPlan) -> int:
    """Rows of the kernel, input channels, that a task interpolates."""
    return max(1, _ROW_VECTORS * plan.products.lanes // plan.spec.out_channels)
