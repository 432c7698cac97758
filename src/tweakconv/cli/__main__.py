"""``python -m tweakconv.cli``: the command line where the script is not on the path."""

import sys

from tweakconv.cli import main

sys.exit(main())
