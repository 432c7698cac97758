"""A layer as an ONNX model, in ONNX's own text format, run by ONNX Runtime."""

from __future__ import annotations

import textwrap

from tweakconv.geometry import extend
from tweakconv.view.frameworks.written_layer import Pads, Snippet, WrittenLayer, added, cropped, padded


def write(layer: WrittenLayer) -> Snippet:
    """The layer in ONNX.

    Examples
    --------
    >>> from tweakconv.view.frameworks import code_for
    >>> print(code_for((28, 28), 3, strides=2, padding="same", in_channels=3, out_channels=8)["onnx"].code)
    import numpy as np
    import onnx.parser
    import onnxruntime
    <BLANKLINE>
    model = onnx.parser.parse_model(\"\"\"
        <ir_version: 10, opset_import: ["" : 21]>
        layer (float[1, 3, 28, 28] x, float[8, 3, 3, 3] kernel) => (float[1, 8, 14, 14] y) {
            y = Conv <strides = [2, 2], pads = [0, 0, 1, 1]> (x, kernel)
        }
    \"\"\")
    <BLANKLINE>
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = np.random.rand(1, 3, 28, 28).astype(np.float32)
    kernel = np.random.rand(8, 3, 3, 3).astype(np.float32)
    (y,) = session.run(None, {"x": x, "kernel": kernel})  # (1, 8, 14, 14)
    """
    nodes, notes = _transposed(layer) if layer.transposed else _ordinary(layer)
    x, kernel = layer.input_shape(channels_last=False), layer.kernel_shape_channels_first()
    y = layer.output_shape(channels_last=False)
    code = [
        "import numpy as np",
        "import onnx.parser",
        "import onnxruntime",
        "",
        'model = onnx.parser.parse_model("""',
        '    <ir_version: 10, opset_import: ["" : 21]>',
        f"    layer (float{list(x)} x, float{list(kernel)} kernel) => (float{list(y)} y) {{",
        *(f"        {line}" for line in nodes),
        "    }",
        '""")',
        "",
        "session = onnxruntime.InferenceSession(model.SerializeToString())",
        f"x = np.random.rand{x}.astype(np.float32)",
        f"kernel = np.random.rand{kernel}.astype(np.float32)",
        f'(y,) = session.run(None, {{"x": x, "kernel": kernel}})  # {y}',
    ]
    inner = "in, out / groups" if layer.transposed else "out, in / groups"
    spatial = "height, width" if layer.rank == 2 else "length"
    return Snippet(
        "onnx",
        "ONNX",
        "\n".join(code),
        f"channels first; weights ({inner}, {spatial})",
        len(nodes) > 1,
        tuple(notes),
    )


def _ordinary(layer: WrittenLayer) -> tuple[list[str], list[str]]:
    """The nodes, as lines, and notes."""
    nodes, notes, image = [], [], "x"
    geometry = layer.geometry
    attributes = [*_attribute("strides", layer.strides), *_attribute("dilations", geometry.dilation_rate)]
    if layer.continues_the_image and not _has_mode(layer):
        nodes, image = _taken(layer), "padded"
        notes.append(
            f"ONNX's Pad knows no {layer.padding_mode!r}: the pixels are taken by index."
            if layer.padding_mode == "symmetric"
            else f"ONNX Runtime does not pad by {layer.padding_mode!r} this far, or while it crops: the pixels are "
            f"taken by index."
        )
    elif not layer.pads_zeros or padded(cropped(layer.pads)):
        nodes, image = _padded(layer.pads, image, layer.padding_mode, layer.pad_value), "padded"
        if not layer.pads_zeros:
            notes.append("ONNX's Conv pads with zeros only: Pad does it before.")
        elif padded(cropped(layer.pads)):
            notes.append("ONNX's Conv takes no negative pads: Pad crops before it.")
    elif padded(layer.pads):
        attributes.append(f"pads = {_sides(layer.pads)}")
    if geometry.groups > 1:
        attributes.append(f"group = {geometry.groups}")
    if layer.padding_name in ("same", "same_lower") and layer.pads_zeros and max(geometry.dilation_rate) > 1:
        name = layer.padding_name.replace("same_lower", "SAME_LOWER").replace("same", "SAME_UPPER")
        notes.append(f"auto_pad = {name} says the same, but ONNX Runtime refuses it together with dilations.")
    return [*nodes, f"y = Conv {_in_brackets(attributes)}({image}, kernel)"], notes


def _transposed(layer: WrittenLayer) -> tuple[list[str], list[str]]:
    geometry, cuts = layer.geometry, layer.cuts
    attributes = [*_attribute("strides", layer.strides), *_attribute("dilations", geometry.dilation_rate)]
    if geometry.groups > 1:
        attributes.append(f"group = {geometry.groups}")
    if all(lo >= 0 and -hi < stride for (lo, hi), stride in zip(cuts, layer.strides, strict=True)):
        if padded(added(cuts)):
            attributes.append(f"pads = {_sides(added(cuts))}")
        extras = [more for _, more in cropped(cuts)]
        if any(extras):
            attributes.append(f"output_padding = {extras}")
        return [f"y = ConvTranspose {_in_brackets(attributes)}(x, kernel)"], []
    pads = tuple((-lo, -hi) for lo, hi in cuts)
    nodes = [f"full = ConvTranspose {_in_brackets(attributes)}(x, kernel)", *_padded(pads, "full", result="y")]
    return nodes, ["ONNX's ConvTranspose adds less than a stride, and only at the end: Pad does the rest behind it."]


def _padded(pads: Pads, image: str, mode: str = "zeros", value: float = 0, result: str = "padded") -> list[str]:
    """Nodes that add around an image, then crop it: in one Pad a crop could exceed what there is."""
    nodes = []
    steps = [added(pads), tuple((-lo, -hi) for lo, hi in cropped(pads))]
    steps = [step for step in steps if padded(step)]
    for number, step in enumerate(steps):
        name = result if number == len(steps) - 1 else f"{result}_first"
        nodes.append(f"{name}_sides = Constant <value_ints = {[0, 0, *_lows(step), 0, 0, *_highs(step)]}> ()")
        inputs = f"{image}, {name}_sides"
        if mode == "constant" and number == 0:
            nodes.append(f"{name}_value = Constant <value_float = {float(value)}> ()")
            inputs += f", {name}_value"
        kind = f'<mode = "{mode}"> ' if mode in ("reflect", "edge", "wrap") and number == 0 else ""
        nodes.append(f"{name} = Pad {kind}({inputs})")
        image = name
    return nodes


def _has_mode(layer: WrittenLayer) -> bool:
    """Whether ONNX Runtime pads by this mode, this far."""
    if layer.padding_mode == "symmetric" or padded(cropped(layer.pads)):
        return False
    spare = {"reflect": 1, "wrap": 0}.get(layer.padding_mode)
    return spare is None or all(
        max(pads) <= pixels - spare for pads, pixels in zip(layer.pads, layer.geometry.input_size, strict=True)
    )


def _taken(layer: WrittenLayer) -> list[str]:
    """Nodes that continue the image by taking its pixels again."""
    nodes, image = [], "x"
    axes = [(a, axis) for a, axis in enumerate(layer.geometry.axes) if axis.pad_lo or axis.pad_hi]
    for number, (a, axis) in enumerate(axes):
        stops = range(-axis.pad_lo, axis.input + axis.pad_hi)
        indices = [extend(position, axis.input, layer.padding_mode) for position in stops]
        name = "padded" if number == len(axes) - 1 else "padded_rows"
        listed = f"{name}_pixels = Constant <value_ints = {indices}> ()"
        nodes += textwrap.wrap(listed, 100, subsequent_indent="    ")
        nodes.append(f"{name} = Gather <axis = {a + 2}> ({image}, {name}_pixels)")
        image = name
    return nodes


def _attribute(name: str, numbers: tuple[int, ...]) -> list[str]:
    return [f"{name} = {list(numbers)}"] if max(numbers) > 1 else []


def _in_brackets(attributes: list[str]) -> str:
    return f"<{', '.join(attributes)}> " if attributes else ""


def _sides(pads: Pads) -> list[int]:
    """Pads as ONNX wants them: all that come before, then all that come behind."""
    return [*_lows(pads), *_highs(pads)]


def _lows(pads: Pads) -> list[int]:
    return [lo for lo, _ in pads]


def _highs(pads: Pads) -> list[int]:
    return [hi for _, hi in pads]
