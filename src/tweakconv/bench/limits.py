"""The two limits of a processor, measured: multiply-adds a second, and bytes a second for a given size.

Each is measured at its best, and as a sample to be taken in turns with what it limits: a processor that is warm, or
shared with others, is slower than at its best for either. The loops are native code from the same generator as the
convolutions. No optimisation pass runs on it, so that nothing is left out because its result is not needed.
"""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from tweakconv.compiler import jit
from tweakconv.compiler.emit import Builder, Value
from tweakconv.compiler.target import Target, get_target

__all__ = ["Sample", "fma_peak", "fma_sample", "stream_sample", "stream_seconds"]

#: A sample repeats its loop for about this long: short enough to fit between the turns of other programs. Several
#: threads take some tens of microseconds to come together, which must not count.
SAMPLE_SECONDS = 0.002
SAMPLE_SECONDS_TOGETHER = 0.01
#: Samples are taken for this long, and the best counts.
MEASURE_SECONDS = 0.15
#: Vectors that a streaming loop reads or writes in one turn.
UNROLL = 8

Work = Callable[[int], object]
Native = Callable[..., object]

_C_TYPES = {"ptr": ctypes.c_void_p, "i64": ctypes.c_int64}


class Sample(NamedTuple):
    """A call that takes some milliseconds, and how many times it does what was asked for."""

    run: Callable[[], object]
    times: float


def fma_peak(target: str | None = None, threads: int = 1) -> float:
    """Floating-point operations a second in float32, on so many threads.

    Parameters
    ----------
    target : str, optional
        The vectors to use, a name in `tweakconv.compiler.target.TARGETS`; None takes the best there are.
        Those without fused multiply-adds get a multiplication and an addition.
    threads : int
        How many threads work at once; the result is for all of them together.

    Examples
    --------
    >>> fma_peak() > 1e8
    True
    """
    chosen = get_target(target)
    return threads * _operations(chosen) / _seconds_per_repeat(_products(chosen, threads))


def fma_sample(operations: float, target: str | None = None, threads: int = 1) -> Sample:
    """So many floating-point operations in float32, shared by so many threads; else as `fma_peak`.

    Examples
    --------
    >>> sample = fma_sample(2e6)
    >>> sample.run()
    >>> sample.times > 0
    True
    """
    chosen = get_target(target)
    run, repeats = _call(_products(chosen, threads))
    return Sample(run, repeats * threads * _operations(chosen) / operations)


def stream_seconds(read_bytes: int, write_bytes: int, threads: int = 1) -> float:
    """The shortest time in which so many bytes were read and so many written, each once, in a tight loop.

    What is both read and written is copied; the rest is only read, or only written. The arrays stay in the
    caches that hold them, as they do for a convolution that is called repeatedly, so that this bounds its
    time from below whatever its size. Stores are ordinary ones. The threads share the bytes evenly.

    Examples
    --------
    >>> stream_seconds(4096, 65536) > 0
    True
    """
    return _seconds_per_repeat(_streams(read_bytes, write_bytes, threads))


def stream_sample(read_bytes: int, write_bytes: int, threads: int = 1) -> Sample:
    """So many bytes read and so many written; else as `stream_seconds`.

    Examples
    --------
    >>> sample = stream_sample(4096, 65536)
    >>> sample.run()
    >>> sample.times >= 1
    True
    """
    run, repeats = _call(_streams(read_bytes, write_bytes, threads))
    return Sample(run, repeats)


def _products(target: Target, threads: int) -> list[Work]:
    """Multiply-adds in registers, for each thread."""
    loop = _peak_loop(target)
    numbers = np.array([0.5, 1.0], np.float32)  # keeps every chain near 2: no infinities, no denormals

    def work() -> Work:
        sums = np.zeros(target.lanes(4), np.float32)
        return lambda repeats: loop(numbers.ctypes.data, sums.ctypes.data, repeats)

    return [work() for _ in range(threads)]


def _operations(target: Target) -> int:
    """Floating-point operations of a repeat of `_products` in one thread."""
    return 2 * target.lanes(4) * _chains(target)


def _streams(read_bytes: int, write_bytes: int, threads: int) -> list[Work]:
    """The bytes that each thread reads and writes."""
    target = get_target()
    turn = UNROLL * target.lanes(4)
    reads, writes = (turn * max(1, round(size / threads / 4 / turn)) for size in (read_bytes, write_bytes))
    loop = _stream_loop(target)

    def work() -> Work:
        source, copy = np.ones(reads, np.float32), np.ones(writes, np.float32)
        sums = np.empty(target.lanes(4), np.float32)
        arrays = (source, copy, sums)
        return lambda repeats: loop(*(array.ctypes.data for array in arrays), reads, writes, repeats)

    return [work() for _ in range(threads)]


def _seconds_per_repeat(works: Sequence[Work]) -> float:
    """The best time of one repeat while all the works run at once, each on a thread of its own."""
    run, repeats = _call(works)
    best, end = _seconds(run), time.perf_counter() + MEASURE_SECONDS
    while time.perf_counter() < end:
        best = min(best, _seconds(run))
    return best / repeats


def _call(works: Sequence[Work]) -> tuple[Callable[[], None], int]:
    """A call that runs all the works at once, each on a thread of its own, and how often it repeats them."""
    mine, *others = works
    pool = ThreadPoolExecutor(len(others)) if others else None

    def run(repeats: int) -> None:
        working = [pool.submit(work, repeats) for work in others] if pool else []
        mine(repeats)
        for work in working:
            work.result()

    repeats, wanted = 1, SAMPLE_SECONDS_TOGETHER if others else SAMPLE_SECONDS
    while _seconds(functools.partial(run, repeats)) < wanted:
        repeats *= 2
    return functools.partial(run, repeats), repeats


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _chains(target: Target) -> int:
    """Independent chains of multiply-adds: more than latency times units (10 at most), all in registers."""
    return target.registers * 3 // 4


@functools.cache
def _peak_loop(target: Target) -> Native:
    """The function of the addresses of factor and summand, of one vector for the sum, and of the repeats."""
    b = Builder(target, "float")

    def body(numbers: Value, sums: Value, repeats: Value) -> None:
        factor, summand = (b.broadcast(b.load(b.at(numbers, i))) for i in range(2))
        chains = b.loop(
            0,
            repeats,
            lambda _, *chains: [b.multiply_add(chain, factor, summand) for chain in chains],
            [summand] * _chains(target),
        )
        b.store(functools.reduce(b.add, chains), sums)

    return _native(b, body, {"numbers": "ptr", "sums": "ptr", "repeats": "i64"})


@functools.cache
def _stream_loop(target: Target) -> Native:
    """The function of three addresses (source, copy, a vector), elements to read and write, and repeats."""
    b = Builder(target, "float")
    vectors = [u * target.lanes(4) for u in range(UNROLL)]
    turn = UNROLL * target.lanes(4)

    def body(*arguments: Value) -> None:
        source, copy, sums, reads, writes, repeats = arguments

        def move(i: Value) -> None:
            for u in vectors:
                b.store(b.load(b.at(source, i + u), target.lanes(4)), b.at(copy, i + u))

        def read(i: Value, *totals: Value) -> list[Value]:
            pairs = zip(vectors, totals, strict=True)
            return [b.add(total, b.load(b.at(source, i + u), target.lanes(4))) for u, total in pairs]

        def write(i: Value) -> None:
            for u in vectors:
                b.store(b.zero(), b.at(copy, i + u))

        def once(_: Value) -> None:
            both = b.minimum(reads, writes)
            b.loop(0, both, move, step=turn)
            totals = b.loop(both, reads, read, [b.zero()] * UNROLL, step=turn)
            b.loop(both, writes, write, step=turn)
            b.store(functools.reduce(b.add, totals), sums)

        b.loop(0, repeats, once)

    arrays, counts = ("source", "copy", "sums"), ("reads", "writes", "repeats")
    return _native(b, body, dict.fromkeys(arrays, "ptr") | dict.fromkeys(counts, "i64"))


def _native(b: Builder, body: Callable[..., None], parameters: dict[str, str]) -> Native:
    """Compile a function of these parameters. Calling it releases the GIL."""
    b.function("run", parameters, body, public=True)
    loaded = jit.Loaded(jit.compile_module(b.module(), b.target))
    prototype = ctypes.CFUNCTYPE(None, *(_C_TYPES[kind] for kind in parameters.values()))
    function = ctypes.cast(loaded.run, prototype)

    def call(*arguments: int, _alive: jit.Loaded = loaded) -> None:
        function(*arguments)

    return call
