"""A board as JSON, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tweakconv.bench.intervals import Estimate
from tweakconv.bench.machine import Machine
from tweakconv.bench.results import Board, Entry, LeftOut, LineResult, PeerStatus, Section, Setting

__all__ = ["read_boards", "to_json"]

#: Digits of a time that are kept: one in ten thousand is far below the noise.
DIGITS = 5


def to_json(board: Board) -> str:
    """The board as text; ratios and limits, which follow from the rest, included. A line of text for each of the board.

    Examples
    --------
    >>> print(to_json(Board(())))
    {"sections": [
    ]}
    """
    sections = [
        f'{{"setting": {json.dumps(_rounded(asdict(section.setting)))},\n"lines": [\n'
        + ",\n".join(json.dumps(_rounded(asdict(line) | {"derived": _derived(line)})) for line in section.lines)
        + "\n]}"
        for section in board.sections
    ]
    return '{"sections": [\n' + ",\n".join(sections) + ("\n" if sections else "") + "]}"


def read_boards(paths: Iterable[str | Path]) -> Board:
    """The findings in these files, as one board.

    Raises
    ------
    ValueError
        For a file that holds something else.
    OSError
        For one that cannot be read.
    """
    sections: list[Section] = []
    for path in paths:
        try:
            sections += map(_section, json.loads(Path(path).read_text(encoding="utf-8"))["sections"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}: does not hold the findings of a board ({type(error).__name__}: {error})"
            ) from error
    return Board(tuple(sections))


def _derived(line: LineResult) -> dict[str, Any]:
    best = line.best()
    return {
        "limit_seconds": line.limit_seconds,
        "best_peer": None if best is None else best.contender,
        "ratio_to_best_peer": _plain(line.ratio()),
        "ratio_to_PyTorch": _plain(line.ratio("PyTorch")),
        "second_layout_over_first": _plain(line.layouts_ratio),
        "functional_ratio_to_PyTorch": _plain(line.functional_ratio),
    }


def _plain(estimate: Estimate | None) -> list[float | None] | None:
    """The value and the ends of its interval."""
    return None if estimate is None else [estimate.value, estimate.low, estimate.high]


def _rounded(value: Any) -> Any:
    """The same with fewer digits, all through lists and mappings."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: _rounded(part) for key, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list | tuple) else value


def _section(values: Mapping[str, Any]) -> Section:
    setting = values["setting"]
    machine = Machine(**setting["machine"] | {"pinned": tuple(setting["machine"]["pinned"])})
    peers = tuple(PeerStatus(**peer) for peer in setting["peers"])
    return Section(Setting(**setting | {"machine": machine, "peers": peers}), tuple(map(_line, values["lines"])))


def _line(values: Mapping[str, Any]) -> LineResult:
    found = {name: value for name, value in values.items() if name != "derived"}
    entries = {name: tuple(map(_entry, values[name])) for name in ("ours", "peers", "functional")}
    return LineResult(**found | entries | {"restless": tuple(values["restless"])})


def _entry(values: Mapping[str, Any]) -> Entry:
    left_out = tuple(LeftOut(**way) for way in values["left_out"])
    return Entry(**dict(values) | {"rounds": tuple(values["rounds"]), "left_out": left_out})
