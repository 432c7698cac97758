"""A layer as code for tweakconv itself."""

from __future__ import annotations

from tweakconv.view.frameworks.written_layer import (
    Snippet,
    WrittenLayer,
    added,
    cropped,
    keyword,
    padded,
    per_axis_text,
    symmetric,
)


def write(layer: WrittenLayer) -> Snippet:
    """The layer in tweakconv.

    Examples
    --------
    >>> from tweakconv.view.frameworks import code_for
    >>> print(code_for((28, 30), 3, strides=(3, 1), padding=1, dilation_rate=(1, 2))["tweakconv"].code)
    import numpy as np
    import tweakconv as tc
    <BLANKLINE>
    x = np.random.rand(1, 28, 30, 1).astype(np.float32)
    kernel = np.random.rand(3, 3, 1, 1).astype(np.float32)
    y = tc.conv2d(x, kernel, strides=(3, 1), padding=1, dilation_rate=(1, 2))  # (1, 10, 28, 1)
    """
    compiled = layer.rank == 2 and not layer.transposed
    function = "tc.conv2d" if compiled else "reference.conv_transpose" if layer.transposed else "reference.conv"
    # The compiled operation pads by zeros or with pixels of the image; a number is put around it before.
    apart = compiled and layer.padding_mode == "constant"
    pads = tuple((-lo, -hi) for lo, hi in cropped(layer.pads)) if apart else layer.pads
    arguments = [
        "np.pad(" + f"x, {((0, 0), *added(layer.pads), (0, 0))}, constant_values={layer.pad_value!r})"
        if apart
        else "x",
        "kernel",
        *keyword("strides", layer.strides),
        *_padding(layer, pads, named=not apart),
        *keyword("dilation_rate", layer.geometry.dilation_rate),
        *keyword("groups", (layer.geometry.groups,)),
    ]
    if layer.padding_mode != "zeros" and not apart:
        arguments.append(f'padding_mode="{layer.padding_mode}"')
        if layer.padding_mode == "constant":
            arguments.append(f"constant_value={layer.pad_value!r}")
    code = [
        "import numpy as np",
        "import tweakconv as tc" if compiled else "from tweakconv import reference",
        "",
        f"x = np.random.rand{layer.input_shape(channels_last=True)}.astype(np.float32)",
        f"kernel = np.random.rand{layer.kernel_shape()}.astype(np.float32)",
        f"y = {function}({', '.join(arguments)})  # {layer.output_shape(channels_last=True)}",
    ]
    inner = "out / groups, in" if layer.transposed else "in / groups, out"
    spatial = "height, width" if layer.rank == 2 else "length"
    notes = () if compiled else ("This layer has no compiled operation yet: the slow reference computes it.",)
    return Snippet(
        "tweakconv", "tweakconv", "\n".join(code), f"channels last; weights ({spatial}, {inner})", False, notes
    )


def _padding(layer: WrittenLayer, pads: tuple[tuple[int, int], ...], *, named: bool) -> list[str]:
    """The padding as it was written, as far as it was."""
    extra = [] if layer.output_padding is None else [f"output_padding={per_axis_text(layer.output_padding)}"]
    if named and layer.padding_name is not None:
        return [*([] if layer.padding_name == "valid" else [f'padding="{layer.padding_name}"']), *extra]
    # The extra at the end is written as such, where it was.
    more = layer.output_padding or (0,) * layer.rank
    sides = tuple((lo, hi + end) for (lo, hi), end in zip(layer.cuts, more, strict=True)) if layer.transposed else pads
    if not padded(sides) and not layer.transposed:  # where "valid" is no padding at all
        return extra
    if symmetric(sides):
        return [f"padding={per_axis_text(tuple(lo for lo, _ in sides))}", *extra]
    return [f"padding={sides}", *extra]
