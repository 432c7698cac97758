"""What a picture shows, in words: a line to stand above it, and sentences for those who do not see it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tweakconv.geometry import ConvGeometry
from tweakconv.view.scene import Scene


def title_of(geometry: ConvGeometry) -> str:
    """The convolution in a line.

    Examples
    --------
    >>> title_of(ConvGeometry.of((5, 5), 3, strides=2, padding="same"))
    '5 × 5 → 3 × 3 · kernel 3 × 3 · stride 2 · padding 1'
    >>> title_of(ConvGeometry.of((7, 5), (3, 2), dilation_rate=(2, 3), padding=((1, 2), (0, 3))))
    '7 × 5 → 6 × 5 · kernel 3 × 2 · dilation 2 × 3 · padding 1+2 × 0+3'
    >>> title_of(ConvGeometry.transposed(4, 3, strides=2))
    'transposed · 4 → 9 · kernel 3 · stride 2'
    """
    kind = "transposed · " if geometry.is_transposed else ""
    return f"{kind}{by(geometry.input_size)} → {by(geometry.output_size)} · {tweaks_of(geometry)}"


def tweaks_of(geometry: ConvGeometry) -> str:
    """What a layer does, without the sizes of what it does it to.

    Examples
    --------
    >>> tweaks_of(ConvGeometry.of((6, 6), 3, strides=2, padding="same", in_channels=4, out_channels=4, groups=2))
    'kernel 3 × 3 · stride 2 · padding 0+1 · groups 2'
    """
    strides = geometry.input_dilation if geometry.is_transposed else geometry.strides
    pads = [str(lo) if lo == hi else f"{lo}+{hi}" for lo, hi in geometry.pads]
    parts = [
        f"kernel {by(geometry.kernel_size)}",
        f"stride {one_or_each(strides)}" if max(strides) > 1 else "",
        f"dilation {one_or_each(geometry.dilation_rate)}" if max(geometry.dilation_rate) > 1 else "",
        f"padding {one_or_each(pads)}" if not geometry.is_transposed and set(pads) != {"0"} else "",
        f"groups {geometry.groups}" if geometry.groups > 1 else "",
    ]
    return " · ".join(filter(None, parts))


def formula_lines(geometry: ConvGeometry) -> tuple[str, ...]:
    """The size formulas with their numbers, as they are printed rather than typed.

    Examples
    --------
    >>> formula_lines(ConvGeometry.of((28, 30), 3, strides=3, padding=1))
    ('height: (28 − 3 + 2·1) / 3 + 1 = 10', 'width: ⌊(30 − 3 + 2·1) / 3⌋ + 1 = ⌊29/3⌋ + 1 = 10')
    """
    formulas = [printed(axis.formula()) for axis in geometry.axes]
    if len(set(formulas)) == 1:
        return (f"size: {formulas[0]}",)
    return tuple(f"{name}: {formula}" for name, formula in zip(("height", "width"), formulas, strict=True))


def description_of(scene: Scene, step: int | None) -> str:
    """The picture in sentences, for screen readers."""
    geometry = scene.geometry
    if geometry.is_transposed:
        how = (
            f"The pixels are spread {one_or_each(geometry.input_dilation)} apart, and the turned kernel moves over "
            f"them one position at a time: each pixel is scattered into as many outputs as the kernel has weights."
        )
    else:
        how = f"The kernel moves {one_or_each(geometry.strides)} at a time over the padded input."
    sizes = [f"{name}: {formula}." for name, formula in scene.formulas().items()]
    now = [] if step is None else [_now(scene, step)]
    return " ".join([how, *sizes, *now])


def input_label(scene: Scene) -> str:
    """What the cells of the input are: "input 5 × 5, padded 7 × 7"."""
    label = f"input {by(scene.geometry.input_size)}"
    drawn = (len(scene.rows.kinds), len(scene.cols.kinds))
    if drawn == (scene.input.rows, scene.input.cols):
        return label
    how = "spread and padded" if scene.transposed else "padded"
    return f"{label}, {how} {by(drawn[-scene.geometry.rank :])}"


def kernel_label(scene: Scene) -> str:
    """What the weights are: "kernel 3 × 3"; a transposed convolution turns them."""
    label = f"kernel {by(scene.geometry.kernel_size)}"
    return f"{label}, turned in use" if scene.transposed else label


def output_label(scene: Scene) -> str:
    """What the cells of the output are: "output 3 × 3"."""
    return f"output {by(scene.geometry.output_size)}"


def _now(scene: Scene, step: int) -> str:
    expression = scene.expression(step)
    return f"Step {step + 1} of {scene.steps}, output row {expression.oy}, column {expression.ox}: {expression}."


def printed(formula: str) -> str:
    """A formula in the signs of print.

    Examples
    --------
    >>> printed("E = 2*(3-1)+1 = 5, floor((28 - 5) / 2) + 1 = floor(23/2) + 1 = 12")
    'E = 2·(3−1)+1 = 5, ⌊(28 − 5) / 2⌋ + 1 = ⌊23/2⌋ + 1 = 12'
    """
    formula = re.sub(r"floor\(((?:\([^()]*\)|[^()])*)\)", r"⌊\1⌋", formula)
    return formula.replace("*", "·").replace("-", "−")


def by(sizes: Sequence[object]) -> str:
    """Sizes as they are printed.

    Examples
    --------
    >>> by((28, 30))
    '28 × 30'
    """
    return " × ".join(map(str, sizes))


def one_or_each(numbers: Sequence[object]) -> str:
    """A number that holds for every axis, or one for each.

    Examples
    --------
    >>> one_or_each((2, 2)), one_or_each((2, 1))
    ('2', '2 × 1')
    """
    return str(numbers[0]) if len(set(numbers)) == 1 else by(numbers)
