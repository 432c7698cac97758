"""How a value of this package shows itself: as the shortest call that makes it again."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any


def shortest_call(value: Any) -> str:
    """The call that makes a dataclass, without the fields that hold their defaults.

    Examples
    --------
    >>> from tweakconv.geometry import AxisGeometry
    >>> shortest_call(AxisGeometry(input=28, kernel=3, stride=3, dilation=1, pad_lo=1, pad_hi=1))
    'AxisGeometry(28, 3, stride=3, pad_lo=1, pad_hi=1)'
    """
    words = []
    for field in fields(value):
        held = getattr(value, field.name)
        if field.default is MISSING:
            words.append(repr(held))
        elif held != field.default:
            words.append(f"{field.name}={held!r}")
    return f"{type(value).__name__}({', '.join(words)})"
