"""``tweakconv size``: the size of a convolution's output, and which convolutions give a size."""

from __future__ import annotations

import json
from typing import Any

import click

from tweakconv.cli.report import by, padding_of, print_facts, unread_of, window_of
from tweakconv.cli.values import padding_from, per_axis
from tweakconv.geometry import AxisGeometry, ConvGeometry
from tweakconv.geometry.arguments import rank_of
from tweakconv.inverse import DILATION_RATES, KERNEL_SIZES, PADDINGS, STRIDES, find_geometries

_EXAMPLES = """
\b
Examples:
  tweakconv size 28 --kernel 3 --padding 1 --strides 3
  tweakconv size 224x320 --kernel 3x3 --padding same --strides 2
  tweakconv size 28 --kernel 5 --padding 0:3 --dilation-rate 2
  tweakconv size 28 --to 10                which convolutions turn 28 into 10?
  tweakconv size 28 --to 14 --kernel 3     which have 3 taps?
\b
PADDING is valid, same (the odd one at the end), same_lower (at the start),
full or causal; or a number for every side (1), one per axis (1,2), or
low:high pairs, one per axis (1:2,0:3).
"""


@click.command(name="size", epilog=_EXAMPLES, short_help="The size of an output, and its formula.")
@click.argument("sizes", metavar="INPUT", nargs=-1, required=True)
@click.option("--kernel", "-k", metavar="SIZE", help="Size of the kernel in taps.")
@click.option("--strides", "--stride", metavar="N", help="Steps of the window.  [default: 1]")
@click.option("--padding", metavar="PADDING", help="See below.  [default: valid]")
@click.option("--dilation-rate", "--dilation", metavar="N", help="Steps between taps.  [default: 1]")
@click.option("--to", "output_size", metavar="OUTPUT", help="Find the convolutions that give this size.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def command(*, sizes: tuple[str, ...], output_size: str | None, as_json: bool, **tweaks: str | None) -> None:
    """Print the output size for an INPUT size (28, or 224x320 as height x width), with its formula."""
    if len(sizes) > 1:
        raise click.UsageError(f"INPUT must be one word: write {'x'.join(sizes)}")
    given = {name: text for name, text in tweaks.items() if text is not None}
    if output_size is not None:
        bounds = _bounds(**given)
        found = find_geometries(_one_number("INPUT", sizes[0]), _one_number("--to", output_size), **bounds)
        if as_json:
            click.echo(json.dumps([_as_json(ConvGeometry((axis,))) for axis in found]))
        else:
            click.echo(f"{_listed(found)}\n{_in_words(bounds)}")
        return
    if "kernel" not in given:
        raise click.UsageError("Missing option '--kernel' (or '--to', to ask which kernels give a size).")
    geometry = _geometry(sizes[0], **given)
    if as_json:
        click.echo(json.dumps(_as_json(geometry)))
    else:
        print_facts(_facts(geometry))


def _geometry(
    input_size: str, kernel: str, strides: str = "1", padding: str = "valid", dilation_rate: str = "1"
) -> ConvGeometry:
    size, taps = per_axis("INPUT", input_size), per_axis("--kernel", kernel)
    steps, rate = per_axis("--strides", strides), per_axis("--dilation-rate", dilation_rate)
    pads = padding_from(padding, rank_of(size, taps, steps, rate))
    return ConvGeometry.of(size, taps, strides=steps, padding=pads, dilation_rate=rate)


def _bounds(
    kernel: str | None = None,
    strides: str | None = None,
    padding: str | None = None,
    dilation_rate: str | None = None,
) -> dict[str, Any]:
    """What the inverse question tries: what was given is settled, the rest keeps its bounds."""
    return {
        "kernel_size": KERNEL_SIZES if kernel is None else _one_number("--kernel", kernel),
        "strides": STRIDES if strides is None else _one_number("--strides", strides),
        "padding": PADDINGS if padding is None else _one_padding(padding),
        "dilation_rate": DILATION_RATES if dilation_rate is None else _one_number("--dilation-rate", dilation_rate),
    }


def _one_padding(text: str) -> str | int:
    padding = padding_from(text)
    if not isinstance(padding, str | int):
        raise ValueError(f"--padding must be a name or one whole number with --to, received {text!r}")
    return padding


def _one_number(name: str, text: str) -> int:
    try:
        number = per_axis(name, text)
    except ValueError:
        number = ()
    if not isinstance(number, int):
        raise ValueError(f"{name} must be one whole number with --to, for one axis at a time, received {text!r}")
    return number


def _in_words(bounds: dict[str, Any]) -> str:
    """What was tried, so that no answer seems to be all there is.

    Examples
    --------
    >>> print(_in_words({"kernel_size": 3, "strides": range(1, 5), "padding": "same", "dilation_rate": 1}))
    Tried: kernel 3, strides 1 to 4, padding same, dilation 1.
    An option settles one of these, also beyond its bounds: --kernel 9, --padding same.
    """
    names = {"kernel_size": "kernel", "dilation_rate": "dilation"}
    tried = ", ".join(
        f"{names.get(name, name)} {f'{bound[0]} to {bound[-1]}' if isinstance(bound, range) else bound}"
        for name, bound in bounds.items()
    )
    hint = "An option settles one of these, also beyond its bounds: --kernel 9, --padding same."
    return f"Tried: {tried}.\n{hint}"


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
        return "None found."
    rows = [
        f"{axis.kernel:>6} {axis.stride:>7} {_pads(axis):>8} {axis.dilation:>9}   {axis.formula()}" for axis in found
    ]
    return "\n".join(["kernel strides  padding  dilation   formula", *rows])


def _pads(axis: AxisGeometry) -> str:
    return f"{axis.pad_lo}" if axis.pad_lo == axis.pad_hi else f"{axis.pad_lo}:{axis.pad_hi}"


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
