"""``python -m tweakconv``: the command line."""

import sys

from tweakconv.cli import main

if __name__ == "__main__":
    sys.exit(main())
