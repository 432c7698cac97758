"""``tweakconv kernels``: the named kernels, with their numbers."""

from __future__ import annotations

import click

from tweakconv.kernels import LIBRARY, Kernel, format_matrix, parse_kernel

_EXAMPLES = """
\b
Examples:
  tweakconv kernels                     all of them
  tweakconv kernels gaussian:7,1.5      one of them, with its parameters
  tweakconv kernels "1 2 1; 2 4 2; 1 2 1"
"""


@click.command(name="kernels", epilog=_EXAMPLES, short_help="The named kernels.")
@click.argument("kernel", required=False)
def command(kernel: str | None) -> None:
    """List the named kernels with their numbers, or show one KERNEL."""
    if kernel is not None:
        _show(parse_kernel(kernel))
        return
    for entry in LIBRARY.values():
        click.echo(f"{entry.usage}  {entry.summary}")
        _show(parse_kernel(entry.name))
        click.echo()


def _show(kernel: Kernel) -> None:
    for line in format_matrix(kernel.weights).splitlines():
        click.echo(f"    {line}")
    click.echo(f"    sums to {kernel.sum:.6g}")
