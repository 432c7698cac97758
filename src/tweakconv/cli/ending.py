"""How a program of this package ends: with an exit status and at most one line, never with a traceback.

This file needs nothing but Python, so that where an extra is missing there is still somebody to say so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Final

REFUSED: Final = 2
_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
_BROKEN_PIPE: Final = 1  # as click does where it meets one


def run_to_status(work: Callable[[], int], *, program: str, extras: Mapping[str, Collection[str]]) -> int:
    """Call `work` and return the exit status of the program.

    Parameters
    ----------
    work
        Imports what it needs by itself, and returns a status.
    program
        Whose name the line on stderr begins with.
    extras
        The extras of this package that the program needs, and the modules that each brings.

    Returns
    -------
    int
        That of `work`; 2 after one line on stderr where one of those modules is not installed; 130 after Ctrl-C; 1
        where nobody reads the output any more.
    """
    try:
        status = work()
        sys.stdout.flush()
        return status
    except ModuleNotFoundError as missing:
        name = (missing.name or "").partition(".")[0]
        extra = next((extra for extra, modules in extras.items() if name in modules), None)
        if extra is None:
            raise
        sys.stderr.write(
            f'{program}: {name} is not installed; run: pip install "tweakconv[{extra}]", '
            f'or from a clone: pip install ".[{extra}]"\n'
        )
        return REFUSED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more as it ends; there the broken pipe must not be met again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
