"""A layer as PyTorch code: a module, with modules before and behind it where its own padding does not say enough."""

from __future__ import annotations

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
    symmetric,
)

#: PyTorch's words for what lies in the padding, and how its modules of padding begin.
_MODES = {"reflect": ("reflect", "Reflection"), "edge": ("replicate", "Replication"), "wrap": ("circular", "Circular")}


def write(layer: WrittenLayer) -> Snippet:
    """The layer in PyTorch.

    Examples
    --------
    >>> from tweakconv.view.frameworks import code_for
    >>> print(code_for((28, 30), 3, strides=3, padding=1, padding_mode="reflect")["pytorch"].code)
    import torch
    from torch import nn
    <BLANKLINE>
    layer = nn.Conv2d(1, 1, kernel_size=3, stride=3, padding=1, padding_mode="reflect", bias=False)
    <BLANKLINE>
    x = torch.rand(1, 1, 28, 30)
    y = layer(x)  # (1, 1, 10, 10)
    """
    takes_pixels = layer.continues_the_image and not _has_module(layer)
    before, arguments, notes = ([], [], []) if takes_pixels else _padding(layer)
    after: list[str] = []
    if layer.transposed:
        before, (arguments, after, notes) = [], _cutting(layer)
    geometry = layer.geometry
    convolution = ", ".join(
        [
            f"nn.Conv{'Transpose' if layer.transposed else ''}{layer.rank}d({geometry.in_channels}",
            str(geometry.out_channels),
            f"kernel_size={per_axis_text(geometry.kernel_size)}",
            *keyword("stride", layer.strides),
            *arguments,
            *keyword("dilation", geometry.dilation_rate),
            *keyword("groups", (geometry.groups,)),
            "bias=False)",
        ]
    )
    shape = ", ".join(map(str, layer.input_shape(channels_last=False)))
    if takes_pixels:
        notes = [f"PyTorch has no padding of this kind ({_missing(layer)}): the pixels are taken by index."]
        made = [f"conv = {convolution}", "", *_taken(layer)]
    else:
        made = _sequence([*before, convolution, *after])
    code = [
        *(["import numpy as np"] if takes_pixels else []),
        "import torch",
        "from torch import nn",
        "",
        *made,
        "",
        f"x = torch.rand({shape})",
        f"y = layer(x)  # {layer.output_shape(channels_last=False)}",
    ]
    inner = "in, out / groups" if layer.transposed else "out, in / groups"
    spatial = "height, width" if layer.rank == 2 else "length"
    return Snippet(
        "pytorch",
        "PyTorch",
        "\n".join(code),
        f"channels first; weights ({inner}, {spatial})",
        bool(before or after or takes_pixels),
        tuple(notes),
    )


def _sequence(modules: list[str]) -> list[str]:
    if len(modules) == 1:
        return [f"layer = {modules[0]}"]
    return ["layer = nn.Sequential(", *(f"    {module}," for module in modules), ")"]


def _padding(layer: WrittenLayer) -> tuple[list[str], list[str], list[str]]:
    """Modules before an ordinary convolution, its own arguments, and notes."""
    pads, mode = layer.pads, layer.padding_mode
    notes = _different_pixels(layer)
    if not padded(pads):
        return [], [], notes
    if symmetric(pads) and not padded(cropped(pads)) and mode != "constant":
        own = [] if mode == "zeros" else [f'padding_mode="{_MODES[mode][0]}"']
        return [], [f"padding={per_axis_text(tuple(lo for lo, _ in pads))}", *own], notes
    if mode == "constant":
        notes.append(f"PyTorch's Conv{layer.rank}d pads with no number but 0: a module does it before.")
    elif layer.padding_name == "same" and mode == "zeros" and max(layer.strides) == 1:
        notes.append("padding='same' does the same in PyTorch, with a warning that it copies the image.")
    elif not notes:
        notes.append(f"PyTorch's Conv{layer.rank}d pads both sides alike and never crops: a module does it before.")
    grown, cut = added(pads), cropped(pads)
    kind = {"zeros": "Zero", "constant": "Constant"}.get(mode) or _MODES[mode][1]
    value = f", {float(layer.pad_value)}" if mode == "constant" else ""
    modules = [f"nn.{kind}Pad{layer.rank}d({_sides(grown)}{value})"] if padded(grown) else []
    # Negative numbers crop; in a module of their own, for PyTorch would crop first and pad then.
    if padded(cut):
        modules.append(f"nn.ZeroPad{layer.rank}d({_sides(cut, sign=-1)})")
    return modules, [], notes


def _different_pixels(layer: WrittenLayer) -> list[str]:
    if layer.padding_name != "same" or max(layer.strides) == 1:
        return []
    notes = ["PyTorch refuses padding='same' with a stride above 1, so the pads are written out."]
    sides = layer.same_size_elsewhere()
    if sides is None:
        return notes
    early = [side - lo for side, (lo, _) in zip(sides, layer.pads, strict=True)]
    if len(set(early)) == 1 and early[0]:
        shift = f", so each window would begin {_pixels(early[0])} too {'early' if early[0] > 0 else 'late'}"
    else:
        shift = ""
    notes.append(
        f"PyTorch's padding={per_axis_text(sides)} gives the same size but reads different pixels: it pads "
        f'{sides_text(tuple((side, side) for side in sides))}, "same" here pads {sides_text(layer.pads)}{shift}.'
    )
    return notes


def _cutting(layer: WrittenLayer) -> tuple[list[str], list[str], list[str]]:
    """A transposed convolution's own arguments, modules behind it, and notes."""
    extras = tuple(lo - hi for lo, hi in layer.cuts)
    limits = map(max, layer.strides, layer.geometry.dilation_rate)
    if all(lo >= 0 <= extra < limit for (lo, _), extra, limit in zip(layer.cuts, extras, limits, strict=True)):
        sides = tuple(lo for lo, _ in layer.cuts)
        return [*keyword("padding", sides, 0), *keyword("output_padding", extras, 0)], [], []
    notes = [
        f"PyTorch's ConvTranspose{layer.rank}d cuts both ends alike, or less at the end: the code computes the full "
        f"result and cuts it, by a padding that is negative."
    ]
    notes += _shifted(layer)
    pads = tuple((-lo, -hi) for lo, hi in layer.cuts)
    grown, cut = added(pads), cropped(pads)
    modules = [f"nn.ZeroPad{layer.rank}d({_sides(grown)})"] if padded(grown) else []
    modules += [f"nn.ZeroPad{layer.rank}d({_sides(cut, sign=-1)})"] if padded(cut) else []
    return [], modules, notes


def _shifted(layer: WrittenLayer) -> list[str]:
    """What to say where the arguments people usually take give the same size elsewhere."""
    sides, extras = [], []
    for (lo, hi), stride, dilation in zip(layer.cuts, layer.strides, layer.geometry.dilation_rate, strict=True):
        extra = (lo + hi) % 2
        side = (lo + hi + extra) // 2
        if side < 0 or (extra and max(stride, dilation) == 1):
            return []
        sides.append(side)
        extras.append(extra)
    arguments = ", ".join([f"padding={per_axis_text(tuple(sides))}", *keyword("output_padding", tuple(extras), 0)])
    shifts = [side - lo for side, (lo, _) in zip(sides, layer.cuts, strict=True)]
    by = f" by {_pixels(shifts[0])}" if len(set(shifts)) == 1 else ""
    return [f"PyTorch's {arguments} gives the same size, but the result is shifted{by}."]


def _has_module(layer: WrittenLayer) -> bool:
    """Whether PyTorch pads by this mode, this far."""
    if layer.padding_mode not in _MODES or padded(cropped(layer.pads)):
        return False
    # Reflection needs a pixel beyond those it mirrors, and a circle goes round once.
    spare = {"reflect": 1, "wrap": 0}.get(layer.padding_mode)
    return spare is None or all(
        max(pads) <= pixels - spare for pads, pixels in zip(layer.pads, layer.geometry.input_size, strict=True)
    )


def _missing(layer: WrittenLayer) -> str:
    if layer.padding_mode not in _MODES:
        return repr(layer.padding_mode)
    return f"{layer.padding_mode!r}, {sides_text(layer.pads)}"


def _taken(layer: WrittenLayer) -> list[str]:
    """A function that continues the image by taking its pixels again."""
    names = ("rows", "columns") if layer.rank == 2 else ("pixels",)
    made, indices = [], ""
    for a, (name, axis, pads) in enumerate(zip(names, layer.geometry.axes, layer.pads, strict=True)):
        if any(pads):
            made.append(f"{name} = {gathered(axis.input, pads, layer.padding_mode)}")
            indices += f"[{':, ' * (a + 2)}{name}]"
    return [*made, "", "", "def layer(x):", f"    return conv(x{indices})", ""]


def _sides(pads: Pads, sign: int = 1) -> str:
    """Pads as PyTorch wants them: of the last axis first."""
    return str(tuple(sign * pad for lo_hi in reversed(pads) for pad in lo_hi))


def _pixels(count: int) -> str:
    return f"{abs(count)} pixel{'s' * (abs(count) != 1)}"
