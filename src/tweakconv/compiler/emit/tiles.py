"""Tiles: eight registers of up to 16 rows of 64 bytes, and the instruction that multiplies two of them (x86's AMX)."""

from __future__ import annotations

from tweakconv.compiler.elements import shaped
from tweakconv.compiler.emit.builder import Builder
from tweakconv.compiler.emit.module import Value

ROWS = 16
"""Rows that a tile has at the most."""

ROW_BYTES = 64
"""Bytes that a row of a tile has at the most."""

CONFIG_INTEGERS = 8
"""64-bit integers that tell how many rows of how many bytes each tile has."""


def configuration(sizes: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    """The integers that give the tiles their sizes, rows and bytes of a row.

    Examples
    --------
    >>> [hex(number) for number in configuration(((16, 64), (3, 8)))]
    ['0x1', '0x0', '0x80040', '0x0', '0x0', '0x0', '0x310', '0x0']
    """
    told = bytearray(8 * CONFIG_INTEGERS)
    told[0] = 1  # the one palette there is
    for number, (rows, row_bytes) in enumerate(sizes):
        told[16 + 2 * number] = row_bytes
        told[48 + number] = rows
    return tuple(int.from_bytes(told[at : at + 8], "little") for at in range(0, len(told), 8))


class TileBuilder(Builder):
    """A builder whose functions use tiles, which it knows by their numbers."""

    def configure_tiles(self, config: Value) -> None:
        """Give tiles the sizes that `configuration` tells of, and zeros."""
        self._tile("ldtilecfg", "ptr", f"ptr {config.ref}")

    def release_tiles(self) -> None:
        """Have the thread leave its tiles as it found them, so that the system need not save them."""
        self._tile("tilerelease", "", "")

    def zero_tile(self, tile: int) -> None:
        """Set a tile to zeros."""
        self._tile("tilezero", "i8", f"i8 {tile}")

    def load_tile(self, tile: int, pointer: Value, row_bytes: int) -> None:
        """Load a tile's rows, which lie so many bytes apart."""
        self._tile("tileloadd64", "i8, ptr, i64", f"i8 {tile}, ptr {pointer.ref}, i64 {row_bytes}")

    def store_tile(self, tile: int, pointer: Value, row_bytes: int) -> None:
        """Store a tile's rows so many bytes apart."""
        self._tile("tilestored64", "i8, ptr, i64", f"i8 {tile}, ptr {pointer.ref}, i64 {row_bytes}")

    def multiply_tiles(self, sums: int, a: int, b: int) -> None:
        """Add the product of two tiles of bfloat16 to one of float32.

        A row of `b` has the numbers of two rows of the matrix in turns.
        """
        self._tile("tdpbf16ps", "i8, i8, i8", f"i8 {sums}, i8 {a}, i8 {b}")

    def stay_awake(self, room: Value) -> None:
        """Compute something with a whole vector in memory, which nobody needs.

        Where nothing does for about 2000 cycles, that part of the processor goes to sleep, and what comes next waits
        for 1000 until it has woken (measured on Sapphire Rapids).
        """
        kind = f"<{self.lanes} x i32>"
        before = self._new(kind, f"load volatile {kind}, ptr {room.ref}, align 4")
        after = self._new(kind, f"add {kind} {before.ref}, {before.ref}")
        self._lines.append(f"  store volatile {kind} {after.ref}, ptr {room.ref}, align 4")

    def is_aligned(self, pointer: Value) -> Value:
        """The one-bit value that an address is a multiple of the bytes that a row of a tile has at the most."""
        return (self._new("i64", f"ptrtoint ptr {pointer.ref} to i64") & (ROW_BYTES - 1)).equals(0)

    def move(self, target: Value, source: Value, count: Value) -> None:
        """Copy `count` elements as they are stored, to memory of the same type that is apart."""
        wide = self.target.vector_bits // (8 * self._bytes(source))
        whole = self.binary("and", count, -wide)
        for start, stop, lanes in ((0, whole, wide), (whole, count, 1)):
            self.loop(
                start,
                stop,
                lambda i, lanes=lanes: self._store(self._load(self.at(source, i), lanes), self.at(target, i)),
                step=lanes,
            )

    def _narrowed(self, value: Value, pointer: Value) -> Value:
        """Numbers as they are stored; to bfloat16 by an instruction, which takes what tiles take for zero for zero."""
        if pointer.of != "bfloat16" or value.lanes != self.lanes:
            return super()._narrowed(value, pointer)
        rounded, name = shaped("bfloat", value.lanes), "@llvm.x86.avx512bf16.cvtneps2bf16.512"
        self._declared.add(f"declare {rounded} {name}({value.type})")
        return self.reinterpret(
            self._new(rounded, f"call {rounded} {name}({self._typed(value)})"), shaped("i16", value.lanes)
        )

    def _tile(self, name: str, kinds: str, arguments: str) -> None:
        self._declared.add(f"declare void @llvm.x86.{name}({kinds})")
        self._lines.append(f"  call void @llvm.x86.{name}({arguments})")
