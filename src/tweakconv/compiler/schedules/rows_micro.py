"""The microkernels of the rows schedule: sums of some output rows by some vectors of output columns.

One computes whole blocks, where they lie. The other, for targets that have masks, computes blocks that reach into the
padding or beyond the output: what lies outside is not read but is zero, and not written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.schedules.epilogue import Epilogue
from tweakconv.compiler.spec import ConvSpec

if TYPE_CHECKING:
    from tweakconv.compiler.schedules.rows import RowsPlan

_UNROLLED_PRODUCTS = 96

_UNROLLED_COLUMNS = 7
"""Kernel columns of an edge that are written out in any case, so that masks are computed once for all rows."""


def uses(rows: int, kernel_rows: int, spec: ConvSpec) -> dict[int, list[tuple[int, int]]]:
    """For each input row of a block, the output rows it is under, each with the kernel row that lies on it there."""
    found: dict[int, list[tuple[int, int]]] = {}
    for r in range(rows):
        for k in range(kernel_rows):
            found.setdefault(r * spec.strides[0] + k * spec.dilation[0], []).append((r, k))
    return dict(sorted(found.items()))


def is_dense(spec: ConvSpec) -> bool:
    """Whether the input rows of a block follow each other, and kernel rows meet them in turn."""
    return spec.strides[0] == spec.dilation[0] == 1


def emit_rows(b: Builder, plan: RowsPlan, kernel_rows: int, vectors: int) -> None:
    """Define ``rows_KxRxV(x, x_row, w, y, y_row, bias, mode)``: K kernel rows of an input channel, for whole blocks.

    A block has R rows of V vectors. With a residual, where its first element is comes last.
    """
    _Micro(b, plan, kernel_rows, plan.rows, vectors).emit("rows", [])


def emit_edge(b: Builder, plan: RowsPlan, kernel_rows: int, rows: int) -> None:
    """Define ``edge_KxRx1``: the same for R rows of a vector that may reach beyond the image or the output.

    Before the residual it takes row and column of the image at which `x` is, the image's size, a row of zeros as long
    as the input of a block, and how many rows and columns of the output are wanted.
    """
    names = ["ih", "iw", "height", "width", "zeros", "wanted_rows", "wanted_columns"]
    _Micro(b, plan, kernel_rows, rows, 1).emit("edge", names)


class _Micro:
    def __init__(self, b: Builder, plan: RowsPlan, kernel_rows: int, rows: int, vectors: int) -> None:
        self.b, self.plan, self.spec = b, plan, plan.sums_spec
        self.kernel_rows, self.rows, self.vectors = kernel_rows, rows, vectors

    def emit(self, stem: str, edge: Sequence[str]) -> None:
        """Define the function, by a name that tells the sizes."""
        name = f"{stem}_{self.kernel_rows}x{self.rows}x{self.vectors}"
        names = ("x", "x_row", "w", "y", "y_row", "bias", "mode", *edge)
        pointers = {**dict.fromkeys(("w", "bias", "zeros"), "ptr"), **self.spec.pointers}
        all_names = (*names, "residual") if self.spec.residual else names

        def body(*arguments: Value) -> None:
            self.at = dict(zip(all_names, arguments, strict=True))
            self.is_edge = bool(edge)
            self.store(self.sums())

        self.b.function(name, {name: pointers.get(name, "i64") for name in all_names}, body)

    def sums(self) -> list[Value]:
        """The sums of a block, input row by input row."""
        b, kernel_rows = self.b, self.kernel_rows
        w, kw = self.at["w"], self.spec.kernel[1]

        def all_rows(i: Value, *sums: Value) -> list[Value]:
            return self.row(self.source(i), b.at(w, i * kw), [(r, -r) for r in range(self.rows)], sums)

        sums = [b.zero()] * (self.rows * self.vectors)
        # Input rows under all output rows.
        full = range(self.rows - 1, kernel_rows) if is_dense(self.spec) else range(0)
        for i, pairs in uses(self.rows, kernel_rows, self.spec).items():
            if i not in full:
                sums = self.row(self.source(b.integer(i)), w, pairs, sums)
            elif i == full.start:
                sums = list(b.loop(full.start, full.stop, all_rows, sums, once=True))
        return sums

    def source(self, i: Value) -> Value:
        """Where an input row lies; a row of zeros for one outside of the image."""
        b, row = self.b, self.b.at(self.at["x"], self.at["x_row"] * i)
        if not self.is_edge:
            return row
        return b.select((self.at["ih"] + i).below(self.at["height"]), row, self.at["zeros"])

    def row(self, row: Value, w: Value, pairs: Sequence[tuple[int, int]], sums: Sequence[Value]) -> list[Value]:
        """Multiply an input row for each output row that it is under, by the kernel row that lies on it."""
        b, vectors, kw, unroll = self.b, self.vectors, self.spec.kernel[1], self.unroll()
        busy = [r for r, _ in pairs]

        def some(j: Value, *carry: Value) -> list[Value]:
            new = list(carry)
            for u in range(unroll):
                inputs = [self.inputs(row, (j + u) * self.spec.dilation[1], v) for v in range(vectors)]
                for i, (_, k) in enumerate(pairs):
                    weight = b.broadcast(b.load(b.at(b.at(w, k * kw + u), j)))
                    for v in range(vectors):
                        new[i * vectors + v] = b.multiply_add(weight, inputs[v], new[i * vectors + v])
            return new

        carried = [sums[r * vectors + v] for r in busy for v in range(vectors)]
        if unroll == kw:
            results = tuple(some(b.integer(0), *carried))
        else:
            results = b.loop(0, kw, some, carried, step=unroll, once=True)
        out = list(sums)
        for i, r in enumerate(busy):
            out[r * vectors : (r + 1) * vectors] = results[i * vectors : (i + 1) * vectors]
        return out

    def unroll(self) -> int:
        """Kernel columns that are written out."""
        kw = self.spec.kernel[1]
        if self.is_edge and kw <= _UNROLLED_COLUMNS:
            return kw
        widest = self.vectors == self.plan.vectors[0]
        most = _UNROLLED_PRODUCTS // (self.vectors * self.rows) if widest else 1
        return max(u for u in range(1, max(1, most) + 1) if kw % u == 0)

    def inputs(self, row: Value, column: Value, v: int) -> Value:
        """The inputs under a vector of outputs, a tap's column on."""
        b, stride = self.b, self.spec.strides[1]
        start = v * b.lanes * stride
        at = b.at(b.at(row, column), start)
        if not self.is_edge:
            return b.load_strided(at, stride)
        return b.load_within(at, stride, self.at["iw"] + column + start, self.at["width"])

    def store(self, sums: Sequence[Value]) -> None:
        """Add what belongs to the sums, and store them."""
        b, at, whole, lanes = self.b, self.at, self.plan.is_whole, self.b.lanes
        residual = at.get("residual")
        end = Epilogue.of(b, self.spec, at["mode"], residual, whole=whole)
        if residual is not None and not whole:  # before the last chunk, what is read costs nothing and is not added
            residual = b.select(end.last, residual, at["y"])
        start = b.broadcast(b.load(at["bias"]))
        for r in range(self.rows):
            columns = b.select(at["wanted_rows"] > r, at["wanted_columns"], 0) if self.is_edge else None
            for v in range(self.vectors):
                count = None if columns is None else columns - v * lanes

                def load(pointer: Value, count: Value | None = count) -> Value:
                    return b.load(pointer, lanes) if count is None else b.load_first(pointer, count)

                target = b.at(b.at(at["y"], at["y_row"] * r), v * lanes)
                total = sums[r * self.vectors + v]
                total = b.add(total, start if whole else b.select(end.first, start, load(target)))
                if residual is not None:
                    total = end.with_residual(total, load(b.at(b.at(residual, at["y_row"] * r), v * lanes)))
                if count is None:
                    b.store(end.finish(total), target)
                else:
                    b.store_first(end.finish(total), target, count)
        if self.is_edge:
            rows, columns = at["wanted_rows"], at["wanted_columns"]
            end.activate(at["y"], at["y_row"], b.minimum(rows, self.rows), b.minimum(columns, self.vectors * lanes))
        else:
            end.activate(at["y"], at["y_row"], self.rows, self.vectors * lanes)
