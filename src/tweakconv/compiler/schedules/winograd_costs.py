"""What the Winograd schedule is estimated to take: products, transforms, and weights that stream past."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tweakconv.compiler.schedules import direct
from tweakconv.compiler.schedules.winograd_forms import Form
from tweakconv.compiler.target import Target

if TYPE_CHECKING:
    from tweakconv.compiler.schedules.winograd import WinogradPlan

_IN_CYCLES, _OUT_CYCLES = 1.5, 1.25
"""What transforming one vector of a tile takes, for each point and axis."""

_PART_CYCLES = 4.0
"""For each vector of products to which a further part of the channels is added."""

_TURNED_CYCLES = 0.3
"""For each element that is laid out anew, in the first cache."""

_LATE_CYCLES, _LATE_PRODUCTS = 5.0, 1.25
"""What bringing a vector of weights to a point takes in a round, and how much longer its products take in more parts.

Measured, late over packed at the points: 7x7 with 512 channels 0.85, 14x14 0.95, 28x28 1.04 to 1.29; 14x14 with 256
1.12, 56x56 with 256 1.19. Where other programs use memory meanwhile, late weights gain a tenth or two on the others.
"""

_LATE_IN_PARTS = 15.0
"""The first of them for the forms that cut sums into parts, which have more taps and points than registers hold."""

_FAR_BYTES = 16 << 20
"""Weights from so many bytes on come from memory, and not from a cache that cores share."""

_FAR_IN_PARTS = 0.6
"""What is left of the speed at which they do where sums are cut into parts, and rounds have fewer tiles."""


def estimate(plan: WinogradPlan, out_size: tuple[int, int]) -> float:
    """Cycles that an image takes, roughly: products, transforms, and weights that stream past."""
    spec, lanes = plan.spec, plan.target.lanes(plan.spec.element_bytes)
    rows, columns = tile_counts(plan.form, spec.dilation, out_size)
    tiles = rows * columns * spec.dilation[0] * spec.dilation[1]
    inputs, outputs = plan.channels // lanes, plan.products.padded_out // lanes
    points = plan.form.points
    products = (
        tiles * points * plan.channels * outputs * direct.CYCLES_PER_PRODUCT * (_LATE_PRODUCTS if plan.late else 1)
    )
    if plan.form.part:
        further = -(-plan.channels // plan.channels_at_once) - 1
        products += tiles * points * outputs * further * _PART_CYCLES
    axes = sum(inputs > 1 for inputs in plan.form.patch)
    transforms = tiles * points * axes * (_IN_CYCLES * inputs + _OUT_CYCLES * outputs)
    streamed = -(-tiles // plan.tiles) * _weights_cycles(plan)
    turned = 0.0 if spec.channels_last else _turned_cycles(plan, tiles)
    return spec.groups * (products + transforms + streamed + turned)


def tile_counts(form: Form, dilation: tuple[int, int], out_size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of tiles that cover the outputs of each phase.

    Examples
    --------
    >>> tile_counts(Form.of((3, 3)), (1, 1), (28, 30)), tile_counts(Form.of((3, 5)), (2, 12), (28, 33))
    ((7, 8), (4, 2))
    """
    rows, columns = (-(-size // (tile * step)) for size, tile, step in zip(out_size, form.tile, dilation, strict=True))
    return rows, columns


def stays(weights: int, target: Target) -> bool:
    """Whether so many bytes of weights stay in a core's cache, more or less, from one round to the next."""
    return weights <= 3 * target.l2_bytes // 2


def _weights_cycles(plan: WinogradPlan) -> float:
    """What a round takes besides for the weights of a group: to stream them past, and to bring them to the points."""
    spec, target, elements = plan.spec, plan.target, plan.channels * plan.products.padded_out

    def streamed(taps: int) -> float:
        weights = taps * elements * spec.element_bytes
        if stays(weights, target):
            return 0.0
        far = target.far * (_FAR_IN_PARTS if plan.form.part else 1)
        return weights / (far if weights > _FAR_BYTES else target.near)

    if not plan.late:
        return streamed(plan.form.weights)
    vectors = elements / target.lanes(spec.element_bytes)
    late = _LATE_IN_PARTS if plan.form.part else _LATE_CYCLES
    return streamed(plan.form.tap_count) + late * plan.form.weights * vectors


def _turned_cycles(plan: WinogradPlan, tiles: int) -> float:
    """What it takes to lay the inputs of so many tiles out anew, and their outputs."""
    (high, _), (rows, columns) = plan.form.patch, plan.form.tile
    return _TURNED_CYCLES * tiles * columns * (high * plan.channels + rows * plan.products.padded_out)
