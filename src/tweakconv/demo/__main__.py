"""``python -m tweakconv.demo``: runs the demonstration, or says what to install for it."""

from __future__ import annotations

import sys
from importlib import import_module

from tweakconv.cli.ending import run_to_status


def main() -> int:
    """Run the demonstration and return its exit status."""

    def work() -> int:
        status: int = import_module("tweakconv.demo.show").show()
        return status

    brought = {"matplotlib", "scipy", "PIL", "imagecodecs", "tifffile"}
    return run_to_status(work, program="tweakconv.demo", extras={"demo": brought})


if __name__ == "__main__":
    sys.exit(main())
