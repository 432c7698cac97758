"""The two limits of a processor, measured: multiply-adds a second, and bytes a second for a given size.

The loops are native code made with llvmlite. Nothing optimises them away: llvmlite's MCJIT selects
instructions for the IR that it is given, and runs none of LLVM's passes that change it.
"""

from __future__ import annotations

import ctypes
import platform
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import llvmlite.binding as llvm
import numpy as np

__all__ = ["fma_peak", "stream_seconds", "vector_widths"]

#: Each measurement repeats its loop for about this long, so many times, and the best counts.
MEASURE_SECONDS = 0.01
TRIES = 7
#: Vectors read or written in one turn of a streaming loop.
UNROLL = 4

Work = Callable[[int], object]


def fma_peak(vector_bits: int, threads: int = 1) -> float:
    """Floating-point operations a second in float32, with vectors of this width on so many threads.

    Independent chains of multiply-adds, all in registers, enough of them to keep every unit busy. Processors
    without fused multiply-adds get a multiplication and an addition.

    Examples
    --------
    >>> fma_peak(128) > 1e8
    True
    """
    lanes = vector_bits // 32
    # Half of the registers, at least: latency times units is at most 10 on today's processors.
    chains = 24 if vector_bits == 512 else 12
    # 0.5 as the factor and 1.0 as the summand hold every chain near 2: no infinities, no denormals.
    loop = _native(
        _peak_ir(lanes, chains), "peak", ctypes.c_float, ctypes.c_float, ctypes.c_int64, ctypes.c_void_p
    )

    def work() -> Work:
        result = ctypes.c_float()
        return lambda repeats: loop(0.5, 1.0, repeats, ctypes.addressof(result))

    seconds = _seconds_per_repeat([work() for _ in range(threads)])
    return threads * 2 * lanes * chains / seconds


def stream_seconds(read_bytes: int, write_bytes: int, threads: int = 1) -> float:
    """The shortest time in which so many bytes were read and so many written, each once, in a tight loop.

    What is both read and written is copied; the rest is only read, or only written. The arrays stay in the
    caches that hold them, as they do for a convolution that is called repeatedly, so that this bounds its time
    from below whatever its size. Stores are ordinary ones. The threads share the bytes evenly.

    Examples
    --------
    >>> 0 < stream_seconds(4096, 65536) < 1e-3
    True
    """
    bits = max(vector_widths())
    lanes = bits // 32
    reads, writes = (
        UNROLL * max(1, round(size / threads / (4 * lanes * UNROLL))) for size in (read_bytes, write_bytes)
    )
    loop = _native(_stream_ir(lanes), "stream", *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3)

    def work() -> Work:
        source, target = (np.ones(count * lanes, np.float32) for count in (reads, writes))
        return lambda repeats: loop(source.ctypes.data, target.ctypes.data, reads, writes, repeats)

    return _seconds_per_repeat([work() for _ in range(threads)])


def vector_widths() -> tuple[int, ...]:
    """The widths, in bits, of the vectors this processor computes with."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return (128,)
    features = llvm.get_host_cpu_features()
    return (128, *(bits for bits, name in ((256, "avx"), (512, "avx512f")) if features.get(name)))


def _seconds_per_repeat(works: Sequence[Work]) -> float:
    """The best time of one repeat while all the works run at once, each on a thread of its own."""
    with ThreadPoolExecutor(len(works)) as pool:

        def seconds(repeats: int) -> float:
            start = time.perf_counter()
            for done in [pool.submit(work, repeats) for work in works]:
                done.result()
            return time.perf_counter() - start

        repeats = 1
        while seconds(repeats) < MEASURE_SECONDS:
            repeats *= 2
        return min(seconds(repeats) for _ in range(TRIES)) / repeats


@cache
def _native(ir: str, name: str, *arguments: type) -> Callable[..., None]:
    """Compile the function of this name for this processor. Calling it releases the GIL."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(ir)
    module.verify()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    function = ctypes.CFUNCTYPE(None, *arguments)(engine.get_function_address(name))
    _ENGINES.append(engine)
    return function


#: The code lives as long as its engine does.
_ENGINES: list[llvm.ExecutionEngine] = []


def _peak_ir(lanes: int, chains: int) -> str:
    vector = f"<{lanes} x float>"
    fused = platform.machine().lower() in {"arm64", "aarch64"} or llvm.get_host_cpu_features().get("fma", False)
    names = range(chains)

    def step(n: int) -> list[str]:
        if fused:
            return [
                f"%n{n} = call {vector} @llvm.fma.v{lanes}f32({vector} %c{n}, {vector} %vf, {vector} %vs)"
            ]
        return [f"%m{n} = fmul {vector} %c{n}, %vf", f"%n{n} = fadd {vector} %m{n}, %vs"]

    total = [f"%t0 = fadd {vector} %n0, %n0"]
    total += [f"%t{n} = fadd {vector} %t{n - 1}, %n{n}" for n in names[1:]]
    return "\n".join(
        [
            f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})" if fused else "",
            f"define void @peak(float %factor, float %summand, i64 %repeats, ptr %out) {_wide(lanes)} {{",
            "entry:",
            *_splat(vector, lanes, "vf", "%factor"),
            *_splat(vector, lanes, "vs", "%summand"),
            "br label %loop",
            "loop:",
            "%i = phi i64 [0, %entry], [%i1, %loop]",
            *[f"%c{n} = phi {vector} [%vs, %entry], [%n{n}, %loop]" for n in names],
            *[line for n in names for line in step(n)],
            "%i1 = add i64 %i, 1",
            "%more = icmp slt i64 %i1, %repeats",
            "br i1 %more, label %loop, label %end",
            "end:",
            *total,
            f"%result = extractelement {vector} %t{chains - 1}, i32 0",
            "store float %result, ptr %out",
            "ret void",
            "}",
        ]
    )


def _stream_ir(lanes: int) -> str:
    """Per repeat: copy while there is something to read and to write, then read the rest, or write it."""
    vector = f"<{lanes} x float>"

    def read(u: int) -> str:  # volatile: nobody uses the value
        return f"%r{u} = load volatile {vector}, ptr %from{u}, align 4"

    def write(u: int) -> str:
        return f"store {vector} zeroinitializer, ptr %to{u}, align 4"

    def copy(u: int) -> str:
        return f"%c{u} = load {vector}, ptr %from{u}, align 4\nstore {vector} %c{u}, ptr %to{u}, align 4"

    return "\n".join(
        [
            f"define void @stream(ptr %from, ptr %to, i64 %reads, i64 %writes, i64 %repeats) {_wide(lanes)} {{",
            "entry:",
            "%less = icmp slt i64 %reads, %writes",
            "%both = select i1 %less, i64 %reads, i64 %writes",
            "br label %repeat",
            "repeat:",
            "%i = phi i64 [0, %entry], [%i1, %write.end]",
            _pass("copy", vector, "0", "%both", "repeat", copy),
            _pass("read", vector, "%both", "%reads", "copy.end", read),
            _pass("write", vector, "%both", "%writes", "read.end", write),
            "%i1 = add i64 %i, 1",
            "%more = icmp slt i64 %i1, %repeats",
            "br i1 %more, label %repeat, label %end",
            "end:",
            "ret void",
            "}",
        ]
    )


def _pass(name: str, vector: str, start: str, stop: str, before: str, body: Callable[[int], str]) -> str:
    """A loop over vectors `start` to `stop`, UNROLL of them at a time, entered from the block `before`."""
    steps: list[str] = []
    for u in range(UNROLL):
        steps += [
            f"%o{u} = add i64 %p, {u}",
            f"%from{u} = getelementptr {vector}, ptr %from, i64 %o{u}",
            f"%to{u} = getelementptr {vector}, ptr %to, i64 %o{u}",
            body(u),
        ]
    lines = [
        f"br label %{name}",
        f"{name}:",
        f"%p = phi i64 [{start}, %{before}], [%p1, %{name}.step]",
        f"%more = icmp slt i64 %p, {stop}",
        f"br i1 %more, label %{name}.step, label %{name}.end",
        f"{name}.step:",
        *steps,
        f"%p1 = add i64 %p, {UNROLL}",
        f"br label %{name}",
        f"{name}.end:",
    ]
    local = r"%(p1?|more|o\d+|from\d+|to\d+|r\d+|c\d+)\b"
    return re.sub(local, rf"%{name}.\1", "\n".join(lines))


def _splat(vector: str, lanes: int, name: str, value: str) -> list[str]:
    return [
        f"%{name}0 = insertelement {vector} poison, float {value}, i32 0",
        f"%{name} = shufflevector {vector} %{name}0, {vector} poison, <{lanes} x i32> zeroinitializer",
    ]


def _wide(lanes: int) -> str:
    """The attributes without which LLVM splits vectors wider than a processor prefers."""
    return f'"prefer-vector-width"="{32 * lanes}" "min-legal-vector-width"="{32 * lanes}"'
