"""``python -m tweakconv.bench``: the board without the command line's dependencies."""

from __future__ import annotations

import argparse

from tweakconv.bench import run_board


def main() -> None:
    """Parse the arguments, run the board, and turn a bad argument into one line and exit status 2."""
    parser = argparse.ArgumentParser(prog="tweakconv bench", description="tweakconv against other libraries")
    parser.add_argument("--lines", action="append", help="a kind of lines, or a part of their names (repeatable)")
    parser.add_argument("--peers", action="append", help="a library to compare with (repeatable)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data-format", choices=["channels_last", "channels_first"])
    parser.add_argument("--json", help="a file for the findings in JSON")
    options = parser.parse_args()
    try:
        run_board(
            options.lines,
            peers=options.peers,
            rounds=options.rounds,
            threads=options.threads,
            data_format=options.data_format,
            json_path=options.json,
            echo=lambda text: print(text, flush=True),
        )
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
