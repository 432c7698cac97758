"""The board against other libraries: the same as ``tweakconv bench``, from a checkout.

Run it as ``python benchmarks/board.py --help``.
"""

from tweakconv.bench.__main__ import main

if __name__ == "__main__":
    main()
