"""``python -m tweakconv.bench``: the board without the command line's dependencies."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tweakconv.bench.board import run_board
from tweakconv.bench.classes import CLASSES
from tweakconv.bench.ours import LAYOUTS
from tweakconv.bench.peers import PEERS
from tweakconv.bench.publish import check_can_publish, publish
from tweakconv.bench.stored import read_boards


def main() -> None:
    """Parse the arguments and run the board; a bad argument, or a board that broke off, ends in one line."""
    parser = _parser()
    options = parser.parse_args()
    try:
        if options.found:
            if not options.write:
                parser.error("--from needs --write FOLDER, where the page and the charts go")
            check_can_publish(options.write)
            publish(read_boards(options.found), options.write)
            return
        run_board(
            options.only,
            classes=options.classes,
            peers=options.peer,
            rounds=options.rounds,
            threads=options.threads or [1],
            batches=options.batch or [1],
            data_formats=options.layout or tuple(LAYOUTS),
            json_path=options.json,
            folder=options.write,
            echo=lambda text: print(text, flush=True),
        )
    except (ValueError, OSError) as error:
        parser.error(str(error))
    except (RuntimeError, ModuleNotFoundError) as error:  # the measuring process died, and it says where
        sys.exit(f"tweakconv bench: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tweakconv bench", description="tweakconv against other libraries")
    parser.add_argument("--only", action="append", help="a part of the names of lines or networks (repeatable)")
    parser.add_argument("--class", dest="classes", action="append", choices=[known.key for known in CLASSES])
    parser.add_argument("--peer", action="append", choices=[peer.key for peer in PEERS], help="whom to compare with")
    parser.add_argument("--batch", type=int, action="append", help="images in a call (repeatable)")
    parser.add_argument("--layout", action="append", choices=[*LAYOUTS], help="of our arrays (repeatable)")
    parser.add_argument("--threads", type=int, action="append", help="threads for each (repeatable)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="a file for the findings in JSON")
    parser.add_argument("--write", type=Path, help="a folder for the findings, as JSON, as a page and as charts")
    parser.add_argument("--from", dest="found", type=Path, action="append", help="write what was found before")
    return parser


if __name__ == "__main__":
    main()
