"""Facts as two columns, a name and what it is, the way all commands print them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from tweakconv.geometry import ConvGeometry
from tweakconv.geometry.arguments import axis_name


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print (name, text) pairs; further lines of a text, and repeated names, stand under its first."""
    previous = None
    for name, text in facts:
        for line in text.splitlines():
            click.echo(f"{'' if name == previous else name:<9} {line}".rstrip())
            previous = name


def by(sizes: Sequence[int]) -> str:
    """Sizes per axis as a person writes them.

    Examples
    --------
    >>> by((224, 320)), by((28,))
    ('224 x 320', '28')
    """
    return " x ".join(map(str, sizes))


def window_of(geometry: ConvGeometry) -> str:
    """The window in words, with what dilation makes of it.

    Examples
    --------
    >>> window_of(ConvGeometry.of((28, 28), 3, dilation_rate=2))
    '3 x 3 at dilation 2: 9 weights over 5 x 5 pixels'
    """
    size = by(geometry.kernel_size)
    if geometry.effective_kernel_size == geometry.kernel_size:
        return size
    rates = geometry.dilation_rate
    rate = str(rates[0]) if len(set(rates)) == 1 else by(rates)
    span = by(geometry.effective_kernel_size)
    return f"{size} at dilation {rate}: {geometry.parameters} weights over {span} pixels"


def padding_of(geometry: ConvGeometry) -> str:
    """The padding of every axis in words.

    Examples
    --------
    >>> padding_of(ConvGeometry.of((28, 28), 3, strides=2, padding="same"))
    '0 before and 1 after, on every axis'
    """
    words = ["none" if pads == (0, 0) else f"{pads[0]} before and {pads[1]} after" for pads in geometry.pads]
    if len(set(words)) == 1:
        return words[0] if len(words) == 1 or words[0] == "none" else f"{words[0]}, on every axis"
    return "\n".join(f"{axis_name(axis, geometry.rank)}: {text}" for axis, text in enumerate(words))


def unread_of(geometry: ConvGeometry) -> str:
    """Which pixels no output reads and why, in words; empty where every pixel is read.

    Examples
    --------
    >>> unread_of(ConvGeometry.of(28, 3, strides=2))[:66]
    '1 of 28 pixels is never read. Tail: pixel 27 lies behind the last '
    >>> unread_of(ConvGeometry.of(28, 3))
    ''
    """
    fraction = geometry.unread_fraction()
    if not fraction:
        return ""
    words = str(geometry.unread())
    return words if geometry.rank == 1 else f"{fraction:.1%} of the image is never read\n{words}"
