"""Weights brought from where they lie to where they are wanted: the code, and the table that it follows.

The table holds *moves*: runs of weights that lie side by side, there as here, in up to six nested loops; or, where what
is wanted side by side lies apart, matrices that are turned over in registers. The code is one for all kernels and plans
of an element type. While it is at it, it finds the largest magnitude among the weights.

Table and code know no kernels: what is where along which axis, `parts` and the strides of an array say.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tweakconv.compiler.build import load
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.packing.parts import Part
from tweakconv.compiler.schedules.tasks import define_run, emit_tasks
from tweakconv.compiler.schedules.transpose import emit_transpose
from tweakconv.compiler.target import Target

if TYPE_CHECKING:
    from tweakconv.compiler.jit import Loaded

_DEPTH = 6
"""Nested loops of a line of the table; a move may have more before it is cut into pieces."""

_HEAD = ("source", "target", "run", "room", "source_step", "columns", "target_step")
"""The first integers of a move; counts, source strides and target strides of its loops follow.

Where there is nothing to turn over, `run` weights are followed by zeros until there are `room`. Else `run` rows lie
`source_step` apart, each of `columns` that go `target_step` apart.
"""

_FIELDS = len(_HEAD) + 3 * _DEPTH

_PIECE_ELEMENTS = 1 << 15
"""Elements of a move, roughly: what threads share."""

_TURNED_COLUMNS = 64
"""Columns of a matrix that are turned over together, so that the rows of the target stay in cache meanwhile."""

_LEAST_COLUMNS, _FEW = 8, 4096
"""Columns below which matrices are too narrow to be turned over at a good speed, unless there are few weights."""


class Nest(NamedTuple):
    """One loop of a move: its turns, and the elements from one to the next in the source and in the target."""

    turns: int
    source: int
    target: int


class Move(NamedTuple):
    """Weights that are brought somewhere, or zeros where `run` is 0; `columns` is 0 where nothing is turned over."""

    source: int
    target: int
    run: int
    room: int
    nests: tuple[Nest, ...]
    source_step: int = 0
    columns: int = 0
    target_step: int = 0

    def integers(self) -> list[int]:
        """Its line of the table."""
        if len(self.nests) > _DEPTH:
            raise ValueError(f"a line of the table has {_DEPTH} loops, not {len(self.nests)}")
        nests = [Nest(1, 0, 0)] * (_DEPTH - len(self.nests)) + list(self.nests)
        head = (self.source, self.target, self.run, self.room, self.source_step, self.columns, self.target_step)
        return [*head, *(n.turns for n in nests), *(n.source for n in nests), *(n.target for n in nests)]


def moves(parts: Sequence[Part], strides: Sequence[int], source: int = 0, target: int = 0) -> list[Move]:
    """The moves that bring the parts of a kernel where they belong.

    Parameters
    ----------
    strides
        Elements from one weight to the next along each axis of the kernel.
    source, target
        Elements from the start of memory to the first weight, and to where the first goes.

    Examples
    --------
    A kernel (channels, out channels) of 3x32, whose outputs are wanted in blocks of 16:

    >>> from tweakconv.compiler.packing.parts import CHANNEL, OUT, Along
    >>> part = Part((0,) * 6, 0, (Along(OUT, 2, 48, step=16), Along(CHANNEL, 3, 16), Along(OUT, 16, 1)))
    >>> moves([part], (0, 0, 0, 32, 0, 1))[0].nests
    (Nest(turns=3, source=32, target=16), Nest(turns=2, source=16, target=48))
    """
    found: list[Move] = []
    for part in parts:
        start = source + sum(index * stride for index, stride in zip(part.start, strides, strict=True))
        back, at, nests = _nests(part, strides)
        start, at = start - back, target + part.at + at
        if part.zeros:
            room, rest = _apart(nests, lambda nest: nest.target == 1)
            found.append(Move(start, at, 0, room.turns, tuple(rest)))
            continue
        copied = _copied(start, at, nests)
        found += _turned(start, at, nests) if copied is None else [copied]
    return [piece for move in found for piece in _pieces(move)]


def are_slow(parts: Sequence[Part], strides: Sequence[int]) -> bool:
    """Whether it is better to make a copy in another order first.

    It is where what lies side by side in the kernel makes narrow matrices only, as the taps of PyTorch's kernels do.

    Examples
    --------
    >>> from tweakconv.compiler.packing.parts import CHANNEL, COLUMN, OUT, Along
    >>> part = Part((0,) * 6, 0, (Along(COLUMN, 3, 64 * 64), Along(CHANNEL, 64, 64), Along(OUT, 64, 1)))
    >>> are_slow([part], (0, 0, 64 * 64, 64, 0, 1)), are_slow([part], (0, 0, 1, 3, 0, 3 * 64))
    (False, True)
    """
    for part in parts:
        *_, nests = _nests(part, strides)
        columns, _ = _apart(nests, lambda nest: nest.source == 1)
        if not part.zeros and part.size > _FEW and columns.turns < _LEAST_COLUMNS and _copied(0, 0, nests) is None:
            return True
    return False


def table(found: Sequence[Move]) -> list[int]:
    """The integers that the code takes: how many moves there are, and each of them."""
    return [len(found), *(integer for move in found for integer in move.integers())]


@functools.cache
def mover(target: Target, element: str, *, turns: bool) -> Loaded:
    """The code that follows a table; where nothing in it is to be turned over, less code will do."""
    return load(emit(target, element, turns=turns), ("run",), target)


def emit(target: Target, element: str, *, turns: bool) -> str:
    """The LLVM module of the code; its one public function is ``run``, called as `compiler.call` says.

    ``x`` is the source, ``y`` the target; ``residual`` is an integer that becomes the largest of it and the bits of
    the magnitudes of all weights.
    """
    b = Builder(target, element)
    if turns:
        emit_transpose(b, "turn", spills=False)

    def run(
        x: Value, w: Value, bias: Value, y: Value, residual: Value, shape: Value, shared: Value, window: Value,
        flags: Value,
    ) -> None:  # fmt: skip
        def one(ticket: Value) -> None:
            line = b.integer_at(shape, ticket * _FIELDS + 1)
            head = b.load_integers(line, _HEAD)
            counts, sources, targets = (
                [b.load_integer(line, len(_HEAD) + kind * _DEPTH + i) for i in range(_DEPTH)] for kind in range(3)
            )

            def nest(level: int, source: Value, target: Value, largest: Value) -> Value:
                if level == _DEPTH:
                    return _one_move(b, head, source, target, largest, turns=turns)

                def turn(i: Value, largest: Value) -> list[Value]:
                    at = b.at(source, i * sources[level]), b.at(target, i * targets[level])
                    return [nest(level + 1, *at, largest)]

                return b.loop(0, counts[level], turn, [largest], once=True)[0]

            largest = nest(0, b.at(x, head["source"]), b.at(y, head["target"]), b.magnitudes(b.zero()))
            b.raise_to(residual, b.highest(largest))

        emit_tasks(b, shared, flags, b.load_integer(shape, 0), one)

    define_run(b, run)
    return b.module()


def _one_move(
    b: Builder, head: dict[str, Value], source: Value, target: Value, largest: Value, *, turns: bool
) -> Value:
    """Copy a run, or turn over a matrix; returns the largest magnitudes so far."""
    run = head["run"]

    def copied() -> list[Value]:
        found = _swept(b, source, run, largest, target)
        b.fill_zero(b.at(target, run), head["room"] - run)
        return [found]

    def turned() -> list[Value]:
        step, columns = head["source_step"], head["columns"]
        (found,) = b.loop(
            0, run, lambda i, most: [_swept(b, b.at(source, i * step), columns, most)], [largest], once=True
        )
        b.call("turn", source, step, run, target, head["target_step"], columns)
        return [found]

    return b.when(head["columns"].equals(0), copied, turned)[0] if turns else copied()[0]


def _swept(b: Builder, source: Value, count: Value, largest: Value, target: Value | None = None) -> Value:
    """The largest magnitudes, also of some weights side by side, which are copied if they have a target."""

    def some(i: Value, largest: Value, lanes: int) -> list[Value]:
        weights = b.load(b.at(source, i), lanes)
        if target is not None:
            b.store(weights, b.at(target, i))
        return [b.larger(largest, b.magnitudes(weights if lanes > 1 else b.broadcast(weights)))]

    whole = b.binary("and", count, -b.lanes)
    (largest,) = b.loop(0, whole, lambda i, most: some(i, most, b.lanes), [largest], step=b.lanes)
    (largest,) = b.loop(whole, count, lambda i, most: some(i, most, 1), [largest])
    return largest


def _nests(part: Part, strides: Sequence[int]) -> tuple[int, int, list[Nest]]:
    """How far before its first weight a part begins in memory, where in the target that weight goes, and its loops.

    Loops go on in the source: those along an axis that is read backwards, as taps of input gradients are, begin at the
    end and go back in the target.
    """
    back, at, nests = 0, 0, []
    for along in part.along:
        step = along.step * strides[along.axis]
        if step < 0:
            back, at = back - step * (along.length - 1), at + along.to * (along.length - 1)
        nests.append(Nest(along.length, abs(step), -along.to if step < 0 else along.to))
    return back, at, _merged(nests)


def _merged(nests: list[Nest]) -> list[Nest]:
    """Loops with the largest steps of the source outermost; those that go on where the next one ends, as one."""
    merged: list[Nest] = []
    for nest in sorted((n for n in nests if n.turns > 1), key=lambda n: (-abs(n.source), -abs(n.target))):
        last = merged[-1] if merged else None
        if last is not None and (last.source, last.target) == (nest.source * nest.turns, nest.target * nest.turns):
            merged[-1] = Nest(last.turns * nest.turns, nest.source, nest.target)
        else:
            merged.append(nest)
    return merged


def _copied(source: int, target: int, nests: list[Nest]) -> Move | None:
    """A move of runs that lie side by side, there as here, or of single weights where none go side by side."""
    run, rest = _apart(nests, lambda nest: nest.source == nest.target == 1)
    single = all(nest.target != 1 for nest in nests)
    return Move(source, target, run.turns, run.turns, tuple(rest)) if run.turns > 1 or single else None


def _turned(source: int, target: int, nests: list[Nest]) -> list[Move]:
    """Moves of matrices: of rows that become columns."""
    rows, rest = _apart(nests, lambda nest: nest.target == 1)
    columns, rest = _apart(rest, lambda nest: nest.source == 1)
    found = []
    many = columns.turns // _TURNED_COLUMNS
    for first, count, width in (
        (0, many, _TURNED_COLUMNS),
        (many * _TURNED_COLUMNS, 1, columns.turns % _TURNED_COLUMNS),
    ):
        if count and width:
            outer = Nest(count, _TURNED_COLUMNS, _TURNED_COLUMNS * columns.target)
            nests = [*rest, outer] if count > 1 else rest
            at = source + first, target + first * columns.target
            found.append(Move(*at, rows.turns, rows.turns, tuple(nests), rows.source, width, columns.target))
    return found


def _apart(nests: list[Nest], which: Callable[[Nest], bool]) -> tuple[Nest, list[Nest]]:
    """The one loop that is meant, and the others; one of a single turn where there is none."""
    for i, nest in enumerate(nests):
        if which(nest):
            return nest, nests[:i] + nests[i + 1 :]
    return Nest(1, 0, 1), nests


def _pieces(move: Move) -> Iterator[Move]:
    """A move cut along its outermost loop into some of a size that threads can share, of no more loops than a line."""
    if not move.nests:
        yield move
        return
    outer, *inner = move.nests
    if len(inner) >= _DEPTH:
        for turn in range(outer.turns):
            at = move.source + turn * outer.source, move.target + turn * outer.target
            yield from _pieces(move._replace(source=at[0], target=at[1], nests=tuple(inner)))
        return
    each = move.room * max(1, move.columns)
    for nest in inner:
        each *= nest.turns
    step = max(1, _PIECE_ELEMENTS // each)
    for first in range(0, outer.turns, step):
        nest = outer._replace(turns=min(step, outer.turns - first))
        at = move.source + first * outer.source, move.target + first * outer.target
        yield move._replace(source=at[0], target=at[1], nests=(nest, *inner))
