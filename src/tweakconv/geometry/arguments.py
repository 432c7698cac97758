"""Arguments that are one integer for every axis or one per axis: checked, and made plain."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias, TypeGuard

IntPerAxis: TypeAlias = int | Sequence[int]


def integer(name: str, value: object, *, at_least: int | None = None, within: object = None) -> int:
    """`value` as a plain int.

    Anything that Python takes as an index is one, NumPy's integers too; a boolean is a slip and is not.

    Parameters
    ----------
    name
        The argument that errors speak of.
    value
        What was received for it.
    at_least
        Its least value.
    within
        The sequence that `value` was an entry of, for the message.

    Raises
    ------
    TypeError
        Where `value` is not an integer.
    ValueError
        Where it is below `at_least`.

    Examples
    --------
    >>> integer("strides", 0, at_least=1, within=(2, 0))
    Traceback (most recent call last):
    ValueError: strides must be at least 1, received 0 in (2, 0)
    """
    received = repr(value) if within is None else f"{value!r} in {within!r}"
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be an integer, received {received}") from None
    if at_least is not None and number < at_least:
        raise ValueError(f"{name} must be at least {at_least}, received {received}")
    return number


def per_axis(name: str, value: IntPerAxis, rank: int, *, at_least: int) -> tuple[int, ...]:
    """One plain int for each of `rank` axes, a single number repeated.

    Raises
    ------
    TypeError, ValueError
        As `integer`; also ValueError where a sequence does not have `rank` entries.

    Examples
    --------
    >>> per_axis("strides", 2, rank=2, at_least=1)
    (2, 2)
    """
    if not is_per_axis(value):
        return (integer(name, value, at_least=at_least),) * rank
    if len(value) != rank:
        raise ValueError(f"{name} must be an integer or have {entries(rank)}, received {value!r}")
    return tuple(integer(name, entry, at_least=at_least, within=value) for entry in value)


def is_per_axis(argument: object) -> TypeGuard[Sequence[Any]]:
    """Whether an argument was written axis by axis, not as one number or name."""
    return isinstance(argument, Sequence) and not isinstance(argument, str | bytes)


def rank_of(*arguments: object) -> int:
    """Number of axes: that of the first argument that was written axis by axis, 1 where none was."""
    return next((len(argument) for argument in arguments if is_per_axis(argument) and argument), 1)


def axis_name(axis: int, rank: int) -> str:
    """What to call one of `rank` axes; the two of an image have names of their own.

    Examples
    --------
    >>> axis_name(0, rank=2), axis_name(2, rank=3)
    ('axis 0 (height)', 'axis 2')
    """
    return f"axis {axis} ({('height', 'width')[axis]})" if rank == 2 else f"axis {axis}"


def entries(rank: int) -> str:
    """How many entries a sequence must have, in words."""
    return "1 entry, for 1 axis" if rank == 1 else f"{rank} entries, one per axis"
