"""The command line: ``tweakconv size``, ``run``, ``kernels``, ``animate``, ``plot``, ``explore``, ``bench``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Final

from tweakconv.cli.ending import run_to_status

_EXTRAS: Final = {
    "cli": ("click", "PIL", "imagecodecs", "tifffile"),
    "view": ("matplotlib", "resvg_py", "starlette", "uvicorn", "anyio"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments
        The words after ``tweakconv``; None takes those of this process.

    Returns
    -------
    int
        0, or 2 after one line on stderr about what was wrong with the request; 130 after Ctrl-C, 1 where
        nobody reads the output any more.
    """

    def work() -> int:
        status: int = import_module("tweakconv.cli.commands").run(arguments)
        return status

    return run_to_status(work, program="tweakconv", extras=_EXTRAS)
