"""``python -m tweakconv.bench``: the board without the command line's dependencies."""

from __future__ import annotations

import argparse
import sys

from tweakconv.bench import run_board
from tweakconv.bench.peers import PEERS


def main() -> None:
    """Parse the arguments and run the board; a bad argument, or a board that broke off, ends in one line."""
    parser = argparse.ArgumentParser(prog="tweakconv bench", description="tweakconv against other libraries")
    parser.add_argument("--line", action="append", help="a kind of lines, or a part of their names (repeatable)")
    parser.add_argument("--peer", action="append", choices=[peer.key for peer in PEERS], help="whom to compare with")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data-format", choices=["channels_last", "channels_first"])
    parser.add_argument("--json", help="a file for the findings in JSON")
    options = parser.parse_args()
    try:
        run_board(
            options.line,
            peers=options.peer,
            rounds=options.rounds,
            threads=options.threads,
            data_format=options.data_format,
            json_path=options.json,
            echo=lambda text: print(text, flush=True),
        )
    except ValueError as error:
        parser.error(str(error))
    except RuntimeError as error:  # the measuring process died; it says where
        sys.exit(f"tweakconv bench: {error}")


if __name__ == "__main__":
    main()
