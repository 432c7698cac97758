"""How a kernel gradient by Winograd's way is cut up: chunks and panels of channels, and tiles of a block."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tweakconv.compiler.kernel_grad.plan import KernelGradPlan, best_tile
from tweakconv.compiler.kernel_grad.plan import plan as plan_directly
from tweakconv.compiler.kernel_grad_spec import KernelGradSpec
from tweakconv.compiler.schedules.blocking import even_step
from tweakconv.compiler.schedules.winograd_forms import Form
from tweakconv.compiler.spec import AxisSpec
from tweakconv.compiler.target import Target

_TILES = 48
_MOST_CHUNK = 64
_MOST_PANEL = 128
_LEAST_CHANNELS = 16
_WORTH_IT = 0.9
_PRODUCT_CYCLES, _TRANSFORM_CYCLES = 0.7, 3.0
"""What a product of vectors takes, and what transforming one vector at one point does, both axes together."""


@dataclass(frozen=True, slots=True)
class WinogradGradPlan:
    """A kernel gradient, a target, and how the work is cut up: all that determines the code and its bits.

    Attributes
    ----------
    products : KernelGradPlan
        Tiles of sums, chunks and panels of the products at one point; pixels are tiles here.
    tiles : int
        Tiles of a block.
    """

    spec: KernelGradSpec
    target: Target
    products: KernelGradPlan
    tiles: int

    @property
    def form(self) -> Form:
        """How large tiles are."""
        return Form.of((self.spec.axes[1].kernel, self.spec.axes[2].kernel))

    @property
    def point_elements(self) -> int:
        """Sums at one point."""
        return self.spec.group_in * self.spec.out_channels

    @property
    def apart(self) -> tuple[int, int]:
        """Elements of the transformed inputs and gradients from one point to the next.

        A cache line more than they take: 36 streams whose distances are whole pages would share a few lines of the
        first-level cache (transforms took twice as long).
        """
        line = 64 // self.spec.element_bytes
        return self.tiles * self.products.chunk + line, self.tiles * self.products.padded_panel + line

    @property
    def of_grads(self) -> KernelGradPlan:
        """How the window of the outputs' gradients is filled: that of an image under a kernel of one tap."""
        spec = replace(self.products.spec, in_channels=self.spec.out_channels, groups=1)
        return replace(self.products, spec=spec, chunk=self.products.padded_panel)

    @property
    def of_inputs(self) -> KernelGradPlan:
        """How the window of the inputs is filled."""
        return replace(self.products, spec=self.spec)


WHAT = "3x3 taps at stride 1, without dilation, in float32, with at least 16 channels on either side of each group"
"""What it computes, in words."""


def applies(spec: KernelGradSpec) -> bool:
    """Whether it computes a kernel gradient: 3x3 taps at stride 1 in float32, with channels for whole vectors."""
    planes, rows, columns = spec.axes
    return (
        not spec.double
        and planes == AxisSpec(1, 1, 1)
        and rows == columns == AxisSpec(3, 1, 1)
        and min(spec.group_in, spec.group_out) >= _LEAST_CHANNELS
    )


def plan(spec: KernelGradSpec, target: Target) -> WinogradGradPlan:
    """Choose chunks and panels whose sums at all points stay in cache."""
    lanes = target.lanes(spec.element_bytes)
    whole = -(-spec.group_in // lanes) * lanes
    chunk = even_step(whole, _MOST_CHUNK, lanes)
    panel = even_step(spec.group_out, _MOST_PANEL, 2 * lanes)
    one = AxisSpec(1, 1, 1)
    products = replace(
        plan_directly(replace(spec, axes=(one, one, one)), target),
        lanewise=False,
        chunk=chunk,
        panel=panel,
        shared=(True, True, True),
        tile=best_tile(target, min(chunk, spec.group_in), -(-panel // lanes), lanewise=False),
    )
    return WinogradGradPlan(spec, target, products, _TILES)


def is_faster(spec: KernelGradSpec, target: Target, out_size: tuple[int, ...], batch: int) -> bool:
    """Whether it is estimated to be faster than direct sums, for a batch of outputs of a size."""
    made = plan(spec, target)
    form, products = made.form, made.products
    lanes = target.lanes(spec.element_bytes)
    tiles = batch * math.prod(out_size[:-2]) * count(out_size[-2], form.tile[0]) * count(out_size[-1], form.tile[1])
    vectors = spec.elements // spec.taps / lanes  # of the sums at a point
    direct = batch * math.prod(out_size) * spec.taps * vectors * _PRODUCT_CYCLES
    inputs = spec.in_channels * count(spec.group_out, products.panel)
    grads = spec.out_channels * count(spec.group_in, products.chunk)
    each = vectors * _PRODUCT_CYCLES + (inputs + grads) / lanes * _TRANSFORM_CYCLES
    fast = form.points * (tiles * each + vectors * _TRANSFORM_CYCLES)
    return fast < _WORTH_IT * direct


def count(size: int, step: int) -> int:
    """Steps that cover a size."""
    return -(-size // step)
