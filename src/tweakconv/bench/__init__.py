"""The board: tweakconv against the other libraries for convolutions on a CPU that are installed.

Examples
--------
>>> from tweakconv.bench import run_board
>>> board = run_board(["5x5x"], peers=[], rounds=1, echo=lambda text: None)
>>> [line.name for line in board.lines]
['3x3 5x5x1->1', '3x3 5x5x16->16']
"""

from tweakconv.bench.board import run_board
from tweakconv.bench.results import Board

__all__ = ["Board", "run_board"]
