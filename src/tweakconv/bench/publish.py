"""A board for readers: its findings as JSON, as a table in Markdown, and as a chart for light and for dark pages."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from tweakconv.bench.results import Board
from tweakconv.bench.stored import to_json

__all__ = ["FILES", "check_can_publish", "publish", "write_json"]

#: What `publish` writes.
FILES = ("board.json", "board.md", "board.svg", "board-dark.svg")


def publish(board: Board, folder: str | os.PathLike[str]) -> None:
    """Write `FILES` into a folder.

    Raises
    ------
    ValueError
        For a board without lines.
    """
    from tweakconv.bench.chart import chart  # noqa: PLC0415 - needs matplotlib
    from tweakconv.bench.markdown import page  # noqa: PLC0415

    texts = {"board.md": page(board), "board.svg": chart(board), "board-dark.svg": chart(board, dark=True)}
    write_json(board, Path(folder, "board.json"))
    for name, text in texts.items():
        Path(folder, name).write_text(text, encoding="utf-8")


def check_can_publish(folder: str | os.PathLike[str]) -> None:
    """Refuse before the minutes that a board takes, not after.

    Raises
    ------
    ValueError
        Where there is no such folder.
    ModuleNotFoundError
        Where matplotlib is missing.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"folder: there is no folder {os.fspath(folder)!r}")
    if importlib.util.find_spec("matplotlib") is None:
        raise ModuleNotFoundError("No module named 'matplotlib', which draws the charts", name="matplotlib")


def write_json(board: Board, path: str | os.PathLike[str]) -> None:
    """Write the findings, at once: a run that is broken off leaves a whole file behind."""
    unfinished = Path(f"{os.fspath(path)}.part")
    unfinished.write_text(to_json(board) + "\n", encoding="utf-8")
    unfinished.replace(path)
