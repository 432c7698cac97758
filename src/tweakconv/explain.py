"""What a prepared convolution computes and how, in words and numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tweakconv.compiler.choose import all_ways
from tweakconv.compiler.threads import get_num_threads
from tweakconv.geometry import ConvGeometry
from tweakconv.layer import AXIS_NAMES, LayerConfig

if TYPE_CHECKING:
    from tweakconv.prepared import PreparedConv


def title(conv: PreparedConv) -> str:
    """The convolution in a line."""
    layer, geometry = conv.layer, conv.geometry
    size, out = ("x".join(map(str, s)) for s in (geometry.input_size, geometry.output_size))
    kernel = "x".join(map(str, layer.kernel_size))
    extras = [
        "transposed" if layer.transposed else "",
        f"groups {layer.groups}" if layer.groups > 1 else "",
        "plus a residual" if layer.residual else "",
        "" if layer.activation is None else layer.activation.name,
        "channels_last" if layer.channels_last else "channels_first",
        str(conv.dtype) if conv.dtype == conv.out_dtype else f"{conv.dtype} to {conv.out_dtype}",
    ]
    return f"{kernel} kernel, {size}x{layer.in_channels} -> {out}x{layer.out_channels}, " + ", ".join(
        filter(None, extras)
    )


def explain(conv: PreparedConv) -> str:
    """Sizes, pads, schedule and why, operations and bytes; lines of text."""
    lines = [title(conv)]
    for name, texts in facts(conv):
        lines += [f"  {label:<10} {text}" for label, text in zip([name, *[""] * len(texts)], texts, strict=False)]
    return "\n".join(lines)


def facts(conv: PreparedConv) -> list[tuple[str, list[str]]]:
    """What `explain` says, as names with the lines that belong to each."""
    layer, geometry, built = conv.layer, conv.geometry, conv.built
    choice = built.choice
    batch = conv.input_shape[0]
    out_shape = layer.shape(batch, geometry.output_size, layer.out_channels)
    names = AXIS_NAMES[layer.rank]
    sizes = [f"{name} {axis.formula()}" for name, axis in zip(names, geometry.axes, strict=True)]
    unread = [
        f"{name}: {report.explain()}" for name, report in zip(names, geometry.unread(), strict=True) if len(report)
    ]
    size_in_bytes = (
        f"input {math.prod(conv.input_shape) * conv.dtype.itemsize:,}, "
        f"output {math.prod(out_shape) * conv.out_dtype.itemsize:,}, "
        f"packed weights {conv.weights_bytes:,}, working space {conv.space_bytes:,} a thread"
    )
    every = [
        ("size", sizes),
        ("padding", [_padding(layer, geometry)]),
        ("unread", unread),
        ("algorithm", [f"{choice.algorithm}: {choice.reason}", *choice.plan.describe()]),
        ("estimates", _estimates(conv)),
        ("target", [f"{choice.plan.target.name}, {choice.plan.target.vector_bits}-bit vectors"]),
        ("operations", [f"{batch * geometry.multiply_adds:,} multiply-adds"]),
        ("bytes", [size_in_bytes]),
        ("code", [f"{built.origin} in {built.seconds * 1e3:.1f} ms"]),
        ("threads", [f"at most {get_num_threads()}"]),
    ]
    return [(name, lines) for name, lines in every if lines]


def _estimates(conv: PreparedConv) -> list[str]:
    """What each way that could compute it is estimated to take, the cheapest first."""
    chosen, kind = conv.built.choice, conv.made_for
    found = all_ways(chosen.plan.spec, chosen.plan.target, tame=kind.tame, whole=kind.whole, brief=kind.brief)
    costs = sorted({(way.cycles(conv.out_size, conv.met), way.label) for way in (chosen, *found)})
    names = [f"{label} {cycles / 1e6:,.3f}{' (taken)' if label == chosen.label else ''}" for cycles, label in costs]
    return [f"million cycles an image: {', '.join(names)}"] if len(names) > 1 else []


def _padding(layer: LayerConfig, geometry: ConvGeometry) -> str:
    """What is added to each side, or cut from it, and what it holds."""
    ends = {"height": ("top", "bottom"), "width": ("left", "right"), "depth": ("front", "back"), "steps": ("lo", "hi")}
    names = [end for name in AXIS_NAMES[layer.rank] for end in ends[name]]
    if layer.transposed:
        cuts = [cut for axis in geometry.axes for cut in axis.cuts]
        return "cuts " + ", ".join(f"{name} {cut}" for name, cut in zip(names, cuts, strict=True))
    pads = [pad for pads in geometry.pads for pad in pads]
    listed = ", ".join(f"{name} {pad}" for name, pad in zip(names, pads, strict=True))
    value = f" {layer.constant_value:g}" if layer.padding_mode == "constant" else ""
    return f"{listed}, of {layer.padding_mode}{value}"
