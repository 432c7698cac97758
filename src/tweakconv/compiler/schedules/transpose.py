"""Matrices turned over in registers: rows of the source become columns of the target.

A block of as many rows as a vector has lanes is read in pieces of 16 bytes, each put where its row belongs among the
lanes; what is left is to turn over the small squares within each 16 bytes, which no instruction has to carry from one
half of a vector to the other.
"""

from __future__ import annotations

from tweakconv.compiler.emit import Builder, Value

PARAMETERS = {
    "source": "ptr", "source_step": "i64", "rows": "i64", "target": "ptr", "target_step": "i64", "columns": "i64",
}  # fmt: skip

INTERLEAVED = range(2, 5)
"""Rows that `emit_interleave` takes, and columns that `emit_separate` does."""

_PIECE_BYTES = 16


def slack(lanes: int) -> int:
    """Elements behind the last row of a target that may be written to where rows are fewer than a vector's lanes."""
    return lanes


def emit_transpose(b: Builder, name: str, *, spills: bool) -> None:
    """Define ``name(source, source_step, rows, target, target_step, columns)``: ``target[j][i] = source[i][j]``.

    Rows of the source lie `source_step` elements apart and those of the target `target_step`.

    Parameters
    ----------
    spills
        What happens with fewer rows than a vector has lanes. True: whole vectors are written, in the order of the
        target's rows, so that what a row's vector spills over the next ones is overwritten by these, and behind the
        last one there is `slack`. False: only as many elements of each vector as there are rows.
    """
    lanes, piece = b.lanes, _PIECE_BYTES // b.element_bytes

    def body(source: Value, source_step: Value, rows: Value, target: Value, target_step: Value, columns: Value) -> None:
        def block(first: Value, last: Value | None) -> None:
            """The rows from `first` on, as many as there are lanes, those behind `last` in name only."""
            apart = last is not None and not spills
            members = [b.minimum(last, i) if last is not None and i else b.integer(i) for i in range(lanes)]
            starts = [b.at(source, (first + member) * source_step) for member in members]
            at = b.at(target, first)

            def some(count: int, j: Value) -> None:
                for c, column in enumerate(_turned(b, [b.at(start, j) for start in starts], count)):
                    place = b.at(at, (j + c) * target_step)
                    if apart:
                        b.store_first(column, place, rows)
                    else:
                        b.store(column, place)

            # The last few columns come together with some before, and so do the last rows: those are written once more.
            many = b.integer(0) if apart else columns - columns % lanes
            if not apart:
                b.loop(0, many, lambda j: some(lanes, j), step=lanes)
            b.loop(many, columns, lambda j: some(piece, b.minimum(j, columns - piece)), step=piece)

        def blocks() -> None:
            b.loop(0, rows, lambda i: block(b.minimum(i, rows - lanes), None), step=lanes)

        def one_by_one() -> None:
            def row(i: Value) -> None:
                start = b.at(source, i * source_step)
                b.loop(0, columns, lambda j: b.store(b.load(b.at(start, j)), b.at(target, j * target_step + i)))

            b.loop(0, rows, row)

        def few_rows() -> None:
            block(b.integer(0), rows - 1)

        b.when(columns >= piece, lambda: b.when(rows >= lanes, blocks, few_rows), one_by_one)

    b.function(name, PARAMETERS, body)


def emit_interleave(b: Builder, name: str, rows: int) -> None:
    """Define ``name`` as `emit_transpose` does, for two to four rows whose columns come to lie one behind another.

    A vector's worth of columns becomes as many vectors as there are rows, each gathered from all rows in turn.
    """
    lanes = b.lanes

    def body(source: Value, source_step: Value, _: Value, target: Value, target_step: Value, columns: Value) -> None:
        starts = [b.at(source, source_step * i) for i in range(rows)]

        def some(j: Value) -> None:
            read = [b.load(b.at(start, j), lanes) for start in starts]
            at = b.at(target, j * rows)
            for v in range(rows):
                places = [divmod(v * lanes + lane, rows) for lane in range(lanes)]  # column and row of each lane
                one = b.shuffle(read[0], read[1], [column + lanes * min(row, 1) for column, row in places])
                for i in range(2, rows):
                    mine = [lanes + column if row == i else lane for lane, (column, row) in enumerate(places)]
                    one = b.shuffle(one, read[i], mine)
                b.store(one, b.at(at, v * lanes))

        def one_by_one() -> None:
            def column(j: Value) -> None:
                for i, start in enumerate(starts):
                    b.store(b.load(b.at(start, j)), b.at(target, j * target_step + i))

            b.loop(0, columns, column)

        def many() -> None:
            # The last few columns come with some before.
            b.loop(0, columns, lambda j: some(b.minimum(j, columns - lanes)), step=lanes)

        b.when(columns >= lanes, many, one_by_one)

    b.function(name, PARAMETERS, body)


def emit_separate(b: Builder, name: str, columns: int) -> None:
    """Define ``name`` as `emit_transpose` does, for two to four columns of a source whose rows lie one behind another.

    As many vectors as there are columns become a vector of each column.
    """
    lanes = b.lanes

    def body(source: Value, _: Value, rows: Value, target: Value, target_step: Value, __: Value) -> None:
        targets = [b.at(target, target_step * c) for c in range(columns)]

        def some(i: Value) -> None:
            start = b.at(source, i * columns)
            read = [b.load(b.at(start, v * lanes), lanes) for v in range(columns)]
            for c, at in enumerate(targets):
                places = [divmod(lane * columns + c, lanes) for lane in range(lanes)]  # vector and lane of each
                one = b.shuffle(read[0], read[1], [place + lanes * min(v, 1) for v, place in places])
                for v in range(2, columns):
                    mine = [lanes + place if vector == v else lane for lane, (vector, place) in enumerate(places)]
                    one = b.shuffle(one, read[v], mine)
                b.store(one, b.at(at, i))

        def one_by_one() -> None:
            def row(i: Value) -> None:
                for c, at in enumerate(targets):
                    b.store(b.load(b.at(source, i * columns + c)), b.at(at, i))

            b.loop(0, rows, row)

        def many() -> None:
            # The last few rows come with some before.
            b.loop(0, rows, lambda i: some(b.minimum(i, rows - lanes)), step=lanes)

        b.when(rows >= lanes, many, one_by_one)

    b.function(name, PARAMETERS, body)


def _turned(b: Builder, rows: list[Value], columns: int) -> list[Value]:
    """The first columns of as many rows as there are lanes, each a vector; a multiple of 16 bytes of them."""
    piece = _PIECE_BYTES // b.element_bytes
    pieces = columns // piece
    # gathered[p][k]: piece p of the rows k, k + piece, k + 2 * piece, ...
    gathered: list[list[Value | None]] = [[None] * piece for _ in range(pieces)]
    for r, row in enumerate(rows):
        for p in range(pieces):
            part = b.load(b.at(row, p * piece), piece)
            gathered[p][r % piece] = b.insert(gathered[p][r % piece], part, r // piece * piece)
    turned = []
    for squares in gathered:
        turned += _squares(b, [square for square in squares if square is not None])
    return turned


def _squares(b: Builder, rows: list[Value]) -> list[Value]:
    """The rows of squares, side by side in as many vectors as a square has rows, as their columns."""
    size = len(rows)
    for _ in range(size.bit_length() - 1):
        pairs = zip(rows[: size // 2], rows[size // 2 :], strict=True)
        rows = [b.unpack(upper, lower, size, high=high) for upper, lower in pairs for high in (False, True)]
    return rows
