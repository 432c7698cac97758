"""What a person types after an option, as the arguments that the geometry takes."""

from __future__ import annotations

import re
from typing import Any, Final

import click

from tweakconv.geometry import IntPerAxis, PaddingLike

_NUMBER: Final = re.compile(r"[+-]?\d{1,18}")


class PerAxisType(click.ParamType):
    """A whole number for every axis, or one per axis: ``3``, ``2,1``, ``224x320``."""

    name = "N|N,N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IntPerAxis:
        """An int where one number was typed, else a tuple of ints."""
        if not isinstance(value, str):
            return value  # a default
        numbers = [_whole(part) for part in re.split(r"[x×,]|\s+", value.strip().lower())]
        if None in numbers:
            self.fail(f"{value!r} is neither a whole number nor one per axis, such as 2,1 or 224x320", param, ctx)
        return numbers[0] if len(numbers) == 1 else tuple(numbers)


class PaddingType(click.ParamType):
    """A name, a number for every side, one per axis, or low:high pairs: ``same``, ``1``, ``1,2``, ``1:2,0:3``."""

    name = "PADDING"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> PaddingLike:
        """A str, an int, or a tuple of ints and (lo, hi) pairs; the geometry judges names and lengths."""
        if not isinstance(value, str):
            return value  # a default
        text = value.strip().lower()
        if re.fullmatch(r"[a-z][a-z_-]*", text):
            return text.replace("-", "_")
        entries = [_pad(part) for part in re.split(r"\s*,\s*", text)]
        if None in entries:
            self.fail(
                f"{value!r} is neither a name (valid, same, same_lower, full) nor a number, one per axis (1,2) "
                f"or low:high pairs (1:2,0:3)",
                param,
                ctx,
            )
        return entries[0] if len(entries) == 1 and isinstance(entries[0], int) else tuple(entries)


def _pad(text: str) -> int | tuple[int, int] | None:
    low, colon, high = text.partition(":")
    lo, hi = _whole(low), _whole(high)
    if not colon:
        return lo
    return None if lo is None or hi is None else (lo, hi)


def _whole(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text.strip()) else None
