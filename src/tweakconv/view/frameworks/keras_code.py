"""A layer as Keras code, by the functional API: it takes what the layers refuse in steps around them."""

from __future__ import annotations

import math
from typing import NamedTuple

from tweakconv.geometry import ConvGeometry
from tweakconv.view.frameworks.written_layer import (
    Pads,
    Snippet,
    WrittenLayer,
    added,
    cropped,
    gathered,
    keyword,
    padded,
    per_axis_text,
    sides_text,
)


def write(layer: WrittenLayer) -> Snippet:
    """The layer in Keras.

    Examples
    --------
    >>> from tweakconv.view.frameworks import code_for
    >>> print(code_for(28, 3, strides=2, dilation_rate=2, padding=2)["keras"].code)
    import keras
    <BLANKLINE>
    image = keras.Input((28, 1))
    padded = keras.layers.ZeroPadding1D((2, 2))(image)
    dense = keras.layers.Conv1D(1, 3, dilation_rate=2, use_bias=False)(padded)
    features = dense[:, ::2]
    model = keras.Model(image, features)
    <BLANKLINE>
    x = keras.random.uniform((1, 28, 1))
    y = model(x)  # (1, 14, 1)
    """
    made = _transposed(layer) if layer.transposed else _ordinary(layer)
    lines = [
        *made.imports,
        "import keras",
        "",
        f"image = keras.Input({layer.input_shape(channels_last=True)[1:]})",
        *made.steps,
        "model = keras.Model(image, features)",
        "",
        f"x = keras.random.uniform({layer.input_shape(channels_last=True)})",
        f"y = model(x)  # {layer.output_shape(channels_last=True)}",
    ]
    inner = "out / groups, in" if layer.transposed else "in / groups, out"
    spatial = "height, width" if layer.rank == 2 else "length"
    return Snippet(
        "keras",
        "Keras",
        "\n".join(lines),
        f"channels last; weights ({spatial}, {inner})",
        made.refuses,
        tuple(made.notes),
    )


class _Made(NamedTuple):
    """Lines from ``image`` to ``features``, what they need and what is to be said."""

    imports: list[str]
    steps: list[str]
    notes: list[str]
    refuses: bool


def _ordinary(layer: WrittenLayer) -> _Made:
    geometry = layer.geometry
    skips = max(layer.strides) > 1 and max(geometry.dilation_rate) > 1
    # "same" depends on the strides, which are taken afterwards where they are skipped here.
    name = None if skips or not layer.pads_zeros else _name(layer)
    imports, steps, notes, image = [], [], [], "image"
    if name is None and padded(layer.pads):
        image = "padded"
        if layer.continues_the_image:
            imports, steps = ["import numpy as np"], _taken(layer)
            notes.append(f"Keras has no layer that pads with {layer.padding_mode!r}: the pixels are taken by index.")
        else:
            steps = _padded(layer)
            notes += _why_padded(layer)
    arguments = [
        str(geometry.out_channels),
        per_axis_text(geometry.kernel_size),
        *([] if skips else keyword("strides", layer.strides)),
        *([f'padding="{name}"'] if name not in (None, "valid") else []),
        *keyword("dilation_rate", geometry.dilation_rate),
        *keyword("groups", (geometry.groups,)),
        "use_bias=False",
    ]
    convolution = f"keras.layers.Conv{layer.rank}D({', '.join(arguments)})({image})"
    if not skips:
        return _Made(imports, [*steps, f"features = {convolution}"], notes, bool(steps))
    kept = ", ".join(f"::{stride}" if stride > 1 else ":" for stride in layer.strides)
    notes.insert(
        0,
        f"Keras refuses strides above 1 together with a dilation_rate above 1. The code computes every output and "
        f"keeps those at the strides: {_times_as_many(geometry)} times the multiply-adds.",
    )
    return _Made(imports, [*steps, f"dense = {convolution}", f"features = dense[:, {kept}]"], notes, refuses=True)


def _name(layer: WrittenLayer) -> str | None:
    """The padding as a name that Keras knows."""
    names = ("valid", "same", "causal") if layer.rank == 1 and not layer.transposed else ("valid", "same")
    return next((name for name in names if layer.is_written_as(name)), None)


def _why_padded(layer: WrittenLayer) -> list[str]:
    if _name(layer) is not None and layer.pads_zeros:
        return [f"{layer.padding_name!r} depends on the strides, so its zeros are a layer of their own."]
    names = "'valid', 'same' and 'causal'" if layer.rank == 1 else "'valid' and 'same'"
    notes = [f"Keras' Conv{layer.rank}D pads by {names} only: this padding is a layer of its own."]
    same = layer.same_reads_elsewhere() if layer.padding_mode == "zeros" else None
    if same is not None:
        notes.append(
            f'padding="same" gives the same size but reads different pixels: it pads {sides_text(same)}, and this '
            f"layer {sides_text(layer.pads)}."
        )
    return notes


def _padded(layer: WrittenLayer) -> list[str]:
    """Steps that add numbers around the image, then crop it."""
    steps, image = [], "image"
    grown, cut = added(layer.pads), cropped(layer.pads)
    if padded(grown):
        if layer.padding_mode == "constant":
            sides = ((0, 0), *grown, (0, 0))
            steps.append(f"padded = keras.ops.pad({image}, {sides}, constant_values={layer.pad_value!r})")
        else:
            steps.append(f"padded = keras.layers.ZeroPadding{layer.rank}D({_sides(grown)})({image})")
        image = "padded"
    if padded(cut):
        steps.append(f"padded = keras.layers.Cropping{layer.rank}D({_sides(cut)})({image})")
    return steps


def _taken(layer: WrittenLayer) -> list[str]:
    """Steps that continue the image by taking its pixels again."""
    steps, image = [], "image"
    for a, (axis, pads) in enumerate(zip(layer.geometry.axes, layer.pads, strict=True)):
        if any(pads):
            indices = gathered(axis.input, pads, layer.padding_mode)
            steps.append(f"padded = keras.ops.take({image}, {indices}, axis={a + 1})")
            image = "padded"
    return steps


def _transposed(layer: WrittenLayer) -> _Made:
    geometry, strides = layer.geometry, layer.strides
    steps, notes = [], []
    # Beside numbers an output padding is a part of the cuts; a name means something else with it than without.
    extra = layer.output_padding if layer.padding_name is not None else None
    name = _name(layer)
    spreads = max(strides) > 1 and max(geometry.dilation_rate) > 1
    if extra is not None and any(more >= stride for more, stride in zip(extra, strides, strict=True)):
        notes.append("Keras refuses an output_padding that is not below the strides: zeros are added behind.")
        name = None
    elif name is None:
        notes.append(
            f"Keras' Conv{layer.rank}DTranspose knows 'valid' and 'same' only: the code computes the full result and "
            f"cuts it."
        )
    image, cuts = "image", layer.cuts
    if spreads:
        steps = _spread(layer)
        image = "spread"
        # The zeros behind the last pixel, which nothing needs, make the full result longer.
        cuts = tuple((lo, hi + stride - 1) for (lo, hi), stride in zip(cuts, strides, strict=True))
        name = None
        notes.insert(
            0,
            "Keras refuses strides above 1 together with a dilation_rate above 1. The code puts the zeros between the "
            f"pixels itself: {math.prod(strides)} times the multiply-adds.",
        )
    arguments = [
        str(geometry.out_channels // geometry.groups),
        per_axis_text(geometry.kernel_size),
        *([] if spreads else keyword("strides", strides)),
        *([f'padding="{name}"'] if name == "same" else []),
        *([f"output_padding={per_axis_text(extra)}"] if name is not None and extra is not None else []),
        *(["output_padding=0"] if name is None else []),
        *keyword("dilation_rate", geometry.dilation_rate),
        "use_bias=False",
    ]
    convolution = f"keras.layers.Conv{layer.rank}DTranspose({', '.join(arguments)})"
    result = "features" if name is not None or not padded(cuts) else "full"
    if geometry.groups == 1:
        steps.append(f"{result} = {convolution}({image})")
    else:
        notes.append(f"Keras' Conv{layer.rank}DTranspose has no groups: each group is a layer of its own.")
        steps += [
            f"groups = keras.ops.split({image}, {geometry.groups}, axis=-1)",
            f"results = [{convolution}(group) for group in groups]",
            f"{result} = keras.ops.concatenate(results, axis=-1)",
        ]
    if result == "full":
        steps += _cut(layer.rank, cuts)
    return _Made([], steps, notes, bool(notes))


def _spread(layer: WrittenLayer) -> list[str]:
    """Steps that put stride - 1 zeros behind each pixel."""
    size, strides, channels = layer.geometry.input_size, layer.strides, layer.geometry.in_channels
    between = ", ".join(":, None" for _ in size)
    zeros = ((0, 0), *(pair for stride in strides for pair in ((0, 0), (0, stride - 1))), (0, 0))
    spread = (-1, *(pixels * stride for pixels, stride in zip(size, strides, strict=True)), channels)
    return [
        f"spread = keras.ops.reshape(keras.ops.pad(image[:, {between}], {zeros}), {spread})",
    ]


def _cut(rank: int, cuts: Pads) -> list[str]:
    """Steps that add zeros behind the full result, then cut it."""
    steps, full = [], "full"
    more, less = cropped(cuts), added(cuts)
    if padded(more):
        steps.append(f"features = keras.layers.ZeroPadding{rank}D({_sides(more)})({full})")
        full = "features"
    if padded(less):
        steps.append(f"features = keras.layers.Cropping{rank}D({_sides(less)})({full})")
    return steps


def _sides(pads: Pads) -> str:
    return str(pads if len(pads) > 1 else pads[0])


def _times_as_many(geometry: ConvGeometry) -> str:
    dense = ConvGeometry.of(
        geometry.input_size, geometry.kernel_size, dilation_rate=geometry.dilation_rate, padding=geometry.pads
    )
    return f"{math.prod(dense.output_size) / math.prod(geometry.output_size):.3g}"
