"""What a person types after an option, as the arguments that the geometry takes."""

from __future__ import annotations

import re
from typing import Final

from tweakconv.geometry import IntPerAxis, PaddingLike

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


def padding_from(text: str) -> PaddingLike:
    """A name, a number for every side, numbers per axis, or low:high pairs per axis.

    Raises
    ------
    ValueError
        Where it is something else; names and lengths are for the geometry to judge.

    Examples
    --------
    >>> padding_from("same-lower"), padding_from("1"), padding_from("1,2"), padding_from("1:2,0:3")
    ('same_lower', 1, (1, 2), ((1, 2), (0, 3)))
    """
    text = text.strip().lower()
    if re.fullmatch(r"[a-z][a-z_-]*", text):
        return text.replace("-", "_")
    parts = text.split(",")
    numbers = tuple(number for part in parts if (number := _whole(part)) is not None)
    if len(numbers) == len(parts):
        return numbers[0] if len(numbers) == 1 else numbers
    pairs = tuple(pair for part in parts if (pair := _pair(part)) is not None)
    if len(pairs) == len(parts):
        return pairs
    raise ValueError(
        f"--padding must be valid, same, same_lower, full, a whole number, one per axis (1,2) "
        f"or low:high pairs (1:2,0:3), received {text!r}"
    )


def _pair(text: str) -> tuple[int, int] | None:
    low, _, high = text.partition(":")
    lo, hi = _whole(low), _whole(high)
    return None if lo is None or hi is None else (lo, hi)


def _whole(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text.strip()) else None
