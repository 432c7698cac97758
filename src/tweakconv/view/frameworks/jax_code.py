"""A layer as JAX code: a function, for `jax.lax` takes every tweak as it is."""

from __future__ import annotations

from tweakconv.view.frameworks.written_layer import Snippet, WrittenLayer, added, cropped

_ORDERS = {1: ("NWC", "WIO"), 2: ("NHWC", "HWIO")}


def write(layer: WrittenLayer) -> Snippet:
    """The layer in JAX.

    Examples
    --------
    >>> from tweakconv.view.frameworks import code_for
    >>> print(code_for((28, 28), 3, strides=2, dilation_rate=2, padding="same")["jax"].code)
    import jax
    from jax import lax
    <BLANKLINE>
    <BLANKLINE>
    def layer(x, kernel):
        return lax.conv_general_dilated(
            x,
            kernel,
            window_strides=(2, 2),
            padding="SAME",
            rhs_dilation=(2, 2),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
    <BLANKLINE>
    <BLANKLINE>
    x = jax.random.uniform(jax.random.key(0), (1, 28, 28, 1))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 1, 1))
    y = layer(x, kernel)  # (1, 14, 14, 1)
    """
    if layer.transposed:
        body, notes = _transposed(layer)
    else:
        body, notes = _ordinary(layer), []
    code = [
        "import jax",
        *(["import jax.numpy as jnp"] if not layer.pads_zeros else []),
        "from jax import lax",
        "",
        "",
        "def layer(x, kernel):",
        *(f"    {line}" for line in body),
        "",
        "",
        f"x = jax.random.uniform(jax.random.key(0), {layer.input_shape(channels_last=True)})",
        f"kernel = jax.random.normal(jax.random.key(1), {layer.kernel_shape()})",
        f"y = layer(x, kernel)  # {layer.output_shape(channels_last=True)}",
    ]
    inner = "out / groups, in" if layer.transposed else "in / groups, out"
    spatial = "height, width" if layer.rank == 2 else "length"
    return Snippet(
        "jax",
        "JAX",
        "\n".join(code),
        f"channels last, as named in dimension_numbers; weights ({spatial}, {inner})",
        bool(notes),
        tuple(notes),
    )


def _ordinary(layer: WrittenLayer) -> list[str]:
    steps, pads = [], str(layer.pads)
    if not layer.pads_zeros:
        value = f", constant_values={layer.pad_value!r}" if layer.padding_mode == "constant" else ""
        sides = ((0, 0), *added(layer.pads), (0, 0))
        steps = [f'x = jnp.pad(x, {sides}, mode="{layer.padding_mode}"{value})']
        pads = str(tuple((-lo, -hi) for lo, hi in cropped(layer.pads)))
    elif layer.padding_name in ("valid", "same", "same_lower"):
        pads = f'"{layer.padding_name.upper()}"'
    arguments = [
        f"window_strides={layer.strides}",
        f"padding={pads}",
        *_all_axes("rhs_dilation", layer.geometry.dilation_rate),
    ]
    return [*steps, *_call("lax.conv_general_dilated", arguments, layer)]


def _transposed(layer: WrittenLayer) -> tuple[list[str], list[str]]:
    dilation = _all_axes("rhs_dilation", layer.geometry.dilation_rate)
    if layer.geometry.groups == 1:
        named = layer.padding_name in ("valid", "same") and layer.output_padding is None
        pads = f'"{layer.padding_name.upper()}"' if named and layer.padding_name else str(layer.pads)
        arguments = [f"strides={layer.strides}", f"padding={pads}", *dilation, "transpose_kernel=True"]
        return _call("lax.conv_transpose", arguments, layer), []
    # The convolution that computes the same: pixels a stride apart, under a kernel that is turned round.
    *taps, share_out, channels = layer.kernel_shape()
    groups, taps_text = layer.geometry.groups, "".join(f"{tap}, " for tap in taps)
    axes = ", ".join(map(str, (*range(layer.rank), layer.rank + 2, layer.rank + 1, layer.rank)))
    steps = [
        f"kernel = kernel[{', '.join(['::-1'] * layer.rank)}]",
        f"kernel = kernel.reshape({taps_text}{share_out}, {groups}, {channels // groups}).transpose({axes})",
        f"kernel = kernel.reshape({taps_text}{channels // groups}, {share_out * groups})",
    ]
    arguments = [
        f"window_strides={(1,) * layer.rank}",
        f"padding={layer.pads}",
        f"lhs_dilation={layer.strides}",
        *dilation,
    ]
    notes = ["JAX's conv_transpose has no groups: the code is the convolution that computes the same."]
    return [*steps, *_call("lax.conv_general_dilated", arguments, layer)], notes


def _call(function: str, arguments: list[str], layer: WrittenLayer) -> list[str]:
    images, weights = _ORDERS[layer.rank]
    arguments = [*arguments, f'dimension_numbers=("{images}", "{weights}", "{images}")']
    if layer.geometry.groups > 1:
        arguments.append(f"feature_group_count={layer.geometry.groups}")
    return [f"return {function}(", *(f"    {argument}," for argument in ("x", "kernel", *arguments)), ")"]


def _all_axes(name: str, numbers: tuple[int, ...]) -> list[str]:
    """An argument that is written for every axis, where it is not 1."""
    return [f"{name}={numbers}"] if max(numbers) > 1 else []
