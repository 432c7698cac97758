"""What a person types after an option, as the arguments that the geometry takes."""

from __future__ import annotations

import re
from typing import Final

from tweakconv.geometry import IntPerAxis, PaddingLike
from tweakconv.geometry.padding import padding_names

_NUMBER: Final = re.compile(r"[+-]?\d{1,18}")


def per_axis(name: str, text: str) -> IntPerAxis:
    """A whole number for every axis, or one per axis.

    Parameters
    ----------
    name
        What the number is for, named in the error.
    text
        Such as ``3``, ``2,1`` or ``224x320``.

    Returns
    -------
    int or tuple of int
        An int where one number was typed.

    Raises
    ------
    ValueError
        Where it is something else; whether the numbers make sense is for the geometry to say.

    Examples
    --------
    >>> per_axis("INPUT", "28"), per_axis("INPUT", "224x320"), per_axis("--strides", "2, 1")
    (28, (224, 320), (2, 1))
    """
    numbers = [_whole(part) for part in re.split(r"\s*[x×,]\s*|\s+", text.strip().lower())]
    whole = tuple(number for number in numbers if number is not None)
    if len(whole) < len(numbers):
        raise ValueError(f"{name} must be a whole number, or one per axis such as 2,1 or 224x320, received {text!r}")
    return whole[0] if len(whole) == 1 else whole


def padding_from(text: str, rank: int = 1) -> PaddingLike:
    """A name, a number for every side, numbers per axis, or low:high pairs per axis.

    Parameters
    ----------
    text
        What was typed.
    rank
        The number of axes that everything else has; where that is 1, a padding may still bring more.

    Raises
    ------
    ValueError
        Where it is something else, has too few or too many entries, or is "causal" on several axes.

    Examples
    --------
    >>> padding_from("same-lower"), padding_from("1"), padding_from("1,2"), padding_from("1:2,0:3", rank=2)
    ('same_lower', 1, (1, 2), ((1, 2), (0, 3)))
    """
    typed = text.strip().lower()
    if typed.replace("-", "_") in padding_names(rank):
        return typed.replace("-", "_")
    if typed == "causal":
        raise ValueError(f"--padding causal needs a single axis, and there are {rank}; write pairs, such as 2:0,0:0")
    parts = typed.split(",")
    numbers = [number for part in parts if (number := _whole(part)) is not None]
    pairs = [pair for part in parts if (pair := _pair(part)) is not None]
    if len(parts) not in (len(numbers), len(pairs)):
        raise ValueError(
            f"--padding must be {', '.join(padding_names(rank))}, a whole number, one per axis (1,2) "
            f"or low:high pairs (1:2,0:3), received {text!r}"
        )
    if len(numbers) == 1:
        return numbers[0]
    if 1 < rank != len(parts):
        raise ValueError(f"--padding must have {rank} entries, one per axis, received {text!r}")
    return tuple(numbers) or tuple(pairs)


def _pair(text: str) -> tuple[int, int] | None:
    low, _, high = text.partition(":")
    lo, hi = _whole(low), _whole(high)
    return None if lo is None or hi is None else (lo, hi)


def _whole(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text.strip()) else None
