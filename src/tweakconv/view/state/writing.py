"""What all states share: the shortest query string, and bounds that are errors in words."""

from __future__ import annotations

from tweakconv.view.parameters import Padding, ParameterError, padding_text, query_of, size_text


def shortest(pairs: list[tuple[str, str, str]]) -> str:
    """A query string of (name, text, default), without what holds its default."""
    return query_of([(name, text) for name, text, default in pairs if text != default])


def check_at_most(name: str, numbers: tuple[int, ...], most: int, what: str | None = None) -> None:
    """Refuse numbers beyond a limit; `what` is what they are where that is not their parameter's name."""
    if max(numbers) > most:
        raise ParameterError(name, f"{what or name} must be at most {most} here, received {size_text(numbers)}")


def check_pads(padding: Padding, most: int) -> None:
    """Refuse a padding that is written in numbers beyond a limit."""
    if not isinstance(padding, str) and any(abs(pad) > most for sides in padding for pad in sides):
        raise ParameterError(
            "padding", f"padding must be from {-most} to {most} on every side here, received {padding_text(padding)}"
        )
