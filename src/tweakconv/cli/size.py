"""``tweakconv size``: the size of a convolution's output, and which convolutions give a size."""

from __future__ import annotations

import json
from typing import Any

import click

from tweakconv.cli.report import by, padding_of, print_facts, unread_of, window_of
from tweakconv.cli.values import padding_from, per_axis
from tweakconv.geometry import AxisGeometry, ConvGeometry
from tweakconv.inverse import find_geometries

_EXAMPLES = """
\b
Examples:
  tweakconv size 28 --kernel 3 --padding 1 --strides 3
  tweakconv size 224x320 --kernel 3x3 --padding same --strides 2
  tweakconv size 28 --kernel 5 --padding 0:3 --dilation-rate 2
  tweakconv size 28 --to 10                which convolutions turn 28 into 10?
  tweakconv size 28 --to 14 --kernel 3     which of them have 3 taps?
\b
PADDING is valid, same (the odd one at the end), same_lower (at the start),
full or causal; or a number for every side (1), one per axis (1,2), or
low:high pairs, one per axis (1:2,0:3).
"""


@click.command(name="size", epilog=_EXAMPLES, short_help="The size of an output, and its formula.")
@click.argument("input_size", metavar="INPUT")
@click.option("--kernel", "-k", metavar="SIZE", help="Size of the kernel in taps.")
@click.option("--strides", "--stride", metavar="N", help="Steps of the window.  [default: 1]")
@click.option("--padding", metavar="PADDING", help="See below.  [default: valid]")
@click.option("--dilation-rate", "--dilation", metavar="N", help="Steps between taps.  [default: 1]")
@click.option("--to", "output_size", metavar="OUTPUT", help="Find the convolutions that give this size.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def command(*, input_size: str, output_size: str | None, as_json: bool, **tweaks: str | None) -> None:
    """Print the output size for an INPUT size (28, or 224x320 as height x width), with its formula."""
    given = {name: text for name, text in tweaks.items() if text is not None}
    if output_size is not None:
        found = _geometries_giving(output_size, input_size, **given)
        click.echo(json.dumps([_as_json(ConvGeometry((axis,))) for axis in found]) if as_json else _listed(found))
        return
    if "kernel" not in given:
        raise click.UsageError("Missing option '--kernel' (or '--to', to ask which kernels give a size).")
    geometry = _geometry(input_size, **given)
    if as_json:
        click.echo(json.dumps(_as_json(geometry)))
    else:
        print_facts(_facts(geometry))


def _geometry(
    input_size: str, kernel: str, strides: str = "1", padding: str = "valid", dilation_rate: str = "1"
) -> ConvGeometry:
    return ConvGeometry.of(
        per_axis("INPUT", input_size),
        per_axis("--kernel", kernel),
        strides=per_axis("--strides", strides),
        padding=padding_from(padding),
        dilation_rate=per_axis("--dilation-rate", dilation_rate),
    )


def _geometries_giving(
    output_size: str,
    input_size: str,
    kernel: str | None = None,
    strides: str | None = None,
    padding: str | None = None,
    dilation_rate: str = "1",
) -> tuple[AxisGeometry, ...]:
    """The answers to the inverse question; what was given is settled, the rest is tried."""
    settled = {
        "kernel_size": ("--kernel", kernel),
        "strides": ("--strides", strides),
        "padding": ("--padding", padding),
    }
    numbers: dict[str, Any] = {
        name: _one_number(option, text) for name, (option, text) in settled.items() if text is not None
    }
    return find_geometries(
        _one_number("INPUT", input_size),
        _one_number("--to", output_size),
        dilation_rate=_one_number("--dilation-rate", dilation_rate),
        **numbers,
    )


def _one_number(name: str, text: str) -> int:
    try:
        number = per_axis(name, text)
    except ValueError:
        number = ()
    if not isinstance(number, int):
        raise ValueError(f"{name} must be one whole number with --to, for one axis at a time, received {text!r}")
    return number


def _facts(geometry: ConvGeometry) -> list[tuple[str, str]]:
    return [
        ("output", by(geometry.output_size)),
        ("formula", geometry.formula()),
        ("kernel", window_of(geometry)),
        ("padding", padding_of(geometry)),
        ("unread", unread_of(geometry) or "none: every pixel is read"),
    ]


def _listed(found: tuple[AxisGeometry, ...]) -> str:
    if not found:
        return "none with a kernel of up to 7, strides of up to 4, padding of up to 3 (or as given)"
    rows = [
        f"{axis.kernel:>6} {axis.stride:>7} {axis.pad_lo:>8} {axis.dilation:>9}   {axis.formula()}" for axis in found
    ]
    return "\n".join(["kernel strides  padding  dilation   formula", *rows])


def _as_json(geometry: ConvGeometry) -> dict[str, Any]:
    return {
        "input_size": geometry.input_size,
        "kernel_size": geometry.kernel_size,
        "strides": geometry.strides,
        "dilation_rate": geometry.dilation_rate,
        "pads": geometry.pads,
        "effective_kernel_size": geometry.effective_kernel_size,
        "output_size": geometry.output_size,
        "formula": geometry.formula().splitlines(),
        "unread": [unread.counts() for unread in geometry.unread()],
        "unread_fraction": geometry.unread_fraction(),
    }
