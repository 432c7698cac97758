"""The command line: ``tweakconv size``, ``run``, ``kernels`` and ``bench``.

This file needs nothing but Python, so that without the extra ``[cli]`` the command can say what to install.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

_EXTRA = {"click", "PIL", "imagecodecs", "tifffile"}
_INTERRUPTED = 130  # 128 + SIGINT, as shells count
_BROKEN_PIPE = 1  # as click does where it meets one


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
    try:
        status: int = import_module("tweakconv.cli.commands").run(arguments)
        sys.stdout.flush()
        return status
    except ModuleNotFoundError as missing:
        if missing.name not in _EXTRA:
            raise
        sys.stderr.write(f'tweakconv: {missing.name} is not installed; run: pip install "tweakconv[cli]"\n')
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more as it ends; there the broken pipe must not be met again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
