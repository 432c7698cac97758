"""Packed kernels by definition: how each schedule's code reads weights, in NumPy, written out apart from `parts`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tweakconv.compiler.choose import Choice
from tweakconv.compiler.schedules.winograd_transforms import kernel_matrix

Array = NDArray[Any]


def packed(choice: Choice, kernel: Array) -> Array:
    """A kernel (*taps, channels / groups, out channels) in the order in which a choice's code reads it."""
    plan: Any = choice.plan
    if choice.algorithm in ("fft", "separable"):  # whose own modules say by what numbers they compute
        return np.asarray(choice.schedule.pack(plan, kernel))
    plan = getattr(plan, "inner", plan)
    by_definition = {
        "depthwise": _depthwise, "direct": _direct, "grouped": _direct, "rows": _rows, "tiles": _tiles,
        "winograd": _winograd,
    }  # fmt: skip
    return by_definition[choice.algorithm](plan, kernel)


def _depthwise(plan: Any, kernel: Array) -> Array:
    """[vector][row][column][lane]; the last vector has the last channels, some of the one before among them."""
    channels, lanes = kernel.shape[-1], plan.target.lanes(kernel.itemsize)
    starts = [min(start, channels - lanes) for start in range(0, channels, lanes)]
    return np.concatenate([kernel[:, :, 0, start : start + lanes].reshape(-1) for start in starts])


def _direct(plan: Any, kernel: Array) -> Array:
    """Group by group, chunk by chunk, block by block, with zeros where the last block is not full."""
    blocking, form = plan.blocking, plan.form.__name__.rpartition(".")[2]
    *planes, kh, kw, ci, _ = kernel.shape
    kd = math.prod(planes)
    grouped = kernel.reshape(kd, kh, kw, ci, blocking.groups, blocking.out_channels)
    room = np.empty((blocking.groups, kd * kh * kw * ci * blocking.padded_out), kernel.dtype)
    position = 0
    for plane in range(0, kd, blocking.planes):
        for chunk in blocking.chunks((kh, kw, ci)):
            part = grouped[plane : plane + blocking.planes, chunk.rows, chunk.columns, chunk.channels]
            rows = part.reshape(-1, *part.shape[2:])  # those of several planes, where there are several, lie together
            steps = math.prod(rows.shape[:3])
            for start, width, padded_width in blocking.out_blocks():
                block = _BLOCKS[form](rows[..., start : start + width], padded_width)
                room[:, position : position + steps * padded_width] = block.reshape(blocking.groups, -1)
                position += steps * padded_width
    return room.reshape(-1)


def _channel_lanes(part: Array, padded_width: int) -> Array:
    """[group][row][column][channel][lane]."""
    return np.pad(part.transpose(3, 0, 1, 2, 4), [(0, 0)] * 4 + [(0, padded_width - part.shape[-1])])


def _grouped(part: Array, padded_width: int) -> Array:
    """The same, but place ``number`` of lane ``l`` has the input channel ``number ^ l`` of its group."""
    each, width = part.shape[2], part.shape[-1]
    places = np.arange(each)[:, None] ^ (np.arange(width) % each)
    return _channel_lanes(part[:, :, places, :, np.arange(width)].transpose(2, 3, 0, 4, 1), padded_width)


def _pixel_lanes(part: Array, _: int) -> Array:
    """[group][row][channel][column][block]."""
    return part.transpose(3, 0, 2, 1, 4)


_BLOCKS = {"channel_lanes": _channel_lanes, "grouped": _grouped, "pixel_lanes": _pixel_lanes}


def _rows(_: Any, kernel: Array) -> Array:
    """[group][input channel][row][column]."""
    return kernel.transpose(3, 2, 0, 1).reshape(-1)


def _tiles(plan: Any, kernel: Array) -> Array:
    """[two tiles of outputs][tile of inputs][tile of outputs][pair of inputs][output][input], two to a float32."""
    *taps, channels, outputs = kernel.shape
    whole = np.zeros((*taps, plan.channels, -(-outputs // 16) * 16), np.uint16)
    whole[:, :, :channels, :outputs] = kernel.view(np.uint32) >> 16
    rows = whole.reshape(-1, plan.depth // 2, 2, whole.shape[-1])
    found = []
    for start in range(0, whole.shape[-1], 32):
        for step in rows[..., start : start + 32]:
            found += [step[..., o : o + 16].transpose(0, 2, 1).ravel() for o in range(0, step.shape[-1], 16)]
    return np.concatenate(found).view(np.float32)


def _winograd(plan: Any, kernel: Array) -> Array:
    """The values at the points, unless these come late, group by group and block by block; then the kernel itself."""
    spec, channels, products, form = plan.spec, plan.channels, plan.products, plan.form
    by_group = kernel.reshape(*form.taps, spec.group_in, spec.groups, spec.group_out)
    down, across = (kernel_matrix(form, axis) for axis in (0, 1))
    parts = []
    for group in range(spec.groups):
        at_points, as_it_is = [], []
        for start, width, padded_width in products.out_blocks():
            block = np.zeros((*form.taps, channels, padded_width))
            block[:, :, : spec.group_in, :width] = by_group[:, :, :, group, start : start + width]
            values = np.einsum("ia,jb,abco->ijco", down, across, block)
            at_points.append(values.astype(kernel.dtype).reshape(-1))
            as_it_is.append(block.transpose(2, 0, 1, 3).astype(kernel.dtype).reshape(-1))
        parts += [*([] if plan.late else at_points), *as_it_is]
    return np.concatenate(parts)
