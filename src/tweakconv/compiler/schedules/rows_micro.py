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

_UNROLLED_COLUMNS, UNROLLED_NARROW = 5, 7
"""Kernel columns of an edge that are written out in any case, so that masks are computed once for all rows.

More of them where a row has nothing else; for 7x7 taps to write out those of both kinds takes 60 ms of compiling.
"""

_KEPT_WEIGHTS = 18
"""Weights of an edge up to which registers hold them all."""


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
    _Micro(b, plan, kernel_rows, plan.rows, vectors, 1).emit("rows", [])


def emit_edge(b: Builder, plan: RowsPlan, kernel_rows: int, rows: int) -> None:
    """Define ``edge_KxR``: the same for R rows of a vector that may reach beyond the image or the output.

    Before the residual it takes row and column of the image at which `x` is, the image's size, a row of zeros as long
    as the input of a block, how many rows and columns of the output are wanted, and, where it computes those of two
    planes together, the elements to the next plane in the input, the weights, the output and the bias: all 0 where
    there is none.
    """
    names = ["ih", "iw", "height", "width", "zeros", "wanted_rows", "wanted_columns"]
    following = ["x_next", "w_next", "y_next", "bias_next"] if plan.planes == 2 else []
    _Micro(b, plan, kernel_rows, rows, 1, plan.planes).emit("edge", [*names, *following])


class _Micro:
    """Emits one of them, whose sums are those of some vectors of a plane, or of a vector of some planes."""

    def __init__(self, b: Builder, plan: RowsPlan, kernel_rows: int, rows: int, vectors: int, planes: int) -> None:
        self.b, self.plan, self.spec = b, plan, plan.sums_spec
        self.kernel_rows, self.rows, self.vectors, self.planes = kernel_rows, rows, vectors, planes
        self.count = vectors * planes

    def emit(self, stem: str, edge: Sequence[str]) -> None:
        """Define the function, by a name that tells the sizes."""
        self.is_edge = bool(edge)
        size = f"{self.kernel_rows}x{self.rows}" if edge else f"{self.kernel_rows}x{self.rows}x{self.vectors}"
        names = ["x", "x_row", "w", "y", "y_row", "bias", "mode", *edge, *(["residual"] if self.spec.residual else [])]
        pointers = {**dict.fromkeys(("w", "bias", "zeros"), "ptr"), **self.spec.pointers}

        def body(*arguments: Value) -> None:
            self.at = dict(zip(names, arguments, strict=True))
            self.store(self.sums())

        self.b.function(f"{stem}_{size}", {name: pointers.get(name, "i64") for name in names}, body)

    def of_planes(self, name: str, step: str) -> list[Value]:
        """Where something of each plane begins."""
        first = self.at[name]
        return [first if number == 0 else self.b.at(first, self.at[step] * number) for number in range(self.planes)]

    def sums(self) -> list[Value]:
        """The sums of a block, input row by input row."""
        b, kernel_rows, kw = self.b, self.kernel_rows, self.spec.kernel[1]
        weights = self.of_planes("w", "w_next")

        def all_rows(i: Value, *sums: Value) -> list[Value]:
            pairs = [(r, -r) for r in range(self.rows)]
            return self.row(self.sources(i), [b.at(w, i * kw) for w in weights], pairs, sums)

        sums = [b.zero()] * (self.rows * self.count)
        # Input rows under all output rows.
        full = range(self.rows - 1, kernel_rows) if is_dense(self.spec) else range(0)
        for i, pairs in uses(self.rows, kernel_rows, self.spec).items():
            if i not in full:
                sums = self.row(self.sources(b.integer(i)), weights, pairs, sums)
            elif i == full.start:
                sums = list(b.loop(full.start, full.stop, all_rows, sums, once=True))
        return sums

    def sources(self, i: Value) -> list[Value]:
        """Where an input row of each plane lies; a row of zeros for one outside of the image."""
        b, at = self.b, self.at
        found = [b.at(x, at["x_row"] * i) for x in self.of_planes("x", "x_next")]
        if not self.is_edge:
            return found
        inside = (at["ih"] + i).below(at["height"])
        return [b.select(inside, row, at["zeros"]) for row in found]

    def row(
        self, rows: Sequence[Value], weights: Sequence[Value], pairs: Sequence[tuple[int, int]], sums: Sequence[Value]
    ) -> list[Value]:
        """Multiply an input row for each output row that it is under, by the kernel row that lies on it."""
        b, count, kw, unroll = self.b, self.count, self.spec.kernel[1], self.unroll()
        busy = [r for r, _ in pairs]
        if self.is_edge and self.spec.kernel[0] * kw * self.planes > _KEPT_WEIGHTS:
            b.load_anew()  # else weights are kept from row to row, which registers have no room for

        def some(j: Value, *carry: Value) -> list[Value]:
            new = list(carry)
            for u in range(unroll):
                inputs = self.inputs(rows, (j + u) * self.spec.dilation[1])
                for i, (_, k) in enumerate(pairs):
                    each = [b.broadcast(b.load(b.at(b.at(w, k * kw + u), j))) for w in weights]
                    for n in range(count):
                        weight = each[n if self.planes > 1 else 0]
                        new[i * count + n] = b.multiply_add(weight, inputs[n], new[i * count + n])
            return new

        carried = [sums[r * count + n] for r in busy for n in range(count)]
        if unroll == kw:
            results = tuple(some(b.integer(0), *carried))
        else:
            results = b.loop(0, kw, some, carried, step=unroll, once=True)
        out = list(sums)
        for i, r in enumerate(busy):
            out[r * count : (r + 1) * count] = results[i * count : (i + 1) * count]
        return out

    def unroll(self) -> int:
        """Kernel columns that are written out."""
        kw = self.spec.kernel[1]
        narrow = self.rows == self.plan.narrow_rows
        if self.is_edge and kw <= (UNROLLED_NARROW if narrow else _UNROLLED_COLUMNS):
            return kw
        widest = self.vectors == self.plan.vectors[0]
        most = _UNROLLED_PRODUCTS // (self.vectors * self.rows) if widest else 1
        return max(u for u in range(1, max(1, most) + 1) if kw % u == 0)

    def inputs(self, rows: Sequence[Value], column: Value) -> list[Value]:
        """The inputs under the vectors of outputs, a tap's column on."""
        b, stride = self.b, self.spec.strides[1]
        starts = [b.at(row, column) for row in rows]
        if not self.is_edge:
            (start,) = starts
            return [b.load_strided(b.at(start, v * b.lanes * stride), stride) for v in range(self.vectors)]
        return [b.load_within(start, stride, self.at["iw"] + column, self.at["width"]) for start in starts]

    def store(self, sums: Sequence[Value]) -> None:
        """Add what belongs to the sums, and store them."""
        b, at, whole, lanes = self.b, self.at, self.plan.is_whole, self.b.lanes
        residual = at.get("residual")
        end = Epilogue.of(b, self.spec, at["mode"], residual, whole=whole)
        if residual is not None and not whole:  # before the last chunk, what is read costs nothing and is not added
            residual = b.select(end.last, residual, at["y"])
        bias = [b.broadcast(b.load(place)) for place in self.of_planes("bias", "bias_next")]
        for r in range(self.rows):
            count = b.select(at["wanted_rows"] > r, at["wanted_columns"], 0) if self.is_edge else None
            totals, targets = [], []
            for n in range(self.count):
                place = at["y_row"] * r + (at["y_next"] * n if self.planes > 1 else n * lanes)
                targets.append(b.at(at["y"], place))
                start = bias[n if self.planes > 1 else 0]
                start = start if whole else b.select(end.first, start, self.load(targets[n], count))
                total = b.add(sums[r * self.count + n], start)
                if residual is not None:
                    total = end.with_residual(total, self.load(b.at(residual, place), count))
                totals.append(end.finish(total))
            for total, target in zip(totals, targets, strict=True):  # both planes may be the same one
                if count is None:
                    b.store(total, target)
                else:
                    b.store_first(total, target, count)
        self.activate(end)

    def load(self, pointer: Value, count: Value | None) -> Value:
        """A vector, or as many of its first lanes as are wanted."""
        return self.b.load(pointer, self.b.lanes) if count is None else self.b.load_first(pointer, count)

    def activate(self, end: Epilogue) -> None:
        """Apply an activation of many instructions to what has been stored."""
        b, at, lanes = self.b, self.at, self.b.lanes
        if not self.is_edge:
            end.activate(at["y"], at["y_row"], self.rows, self.vectors * lanes)
            return
        rows, columns = b.minimum(at["wanted_rows"], self.rows), b.minimum(at["wanted_columns"], lanes)
        end.activate(at["y"], at["y_row"], rows, columns)
        if self.planes == 2:
            is_none = at["y_next"].equals(0)
            end.activate(b.at(at["y"], at["y_next"]), at["y_row"], b.select(is_none, 0, rows), columns)
