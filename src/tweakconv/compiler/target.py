"""What a processor offers the code generator: vector width, registers, fused multiply-add, caches.

A target is named, not measured: the same name gives the same blocking and so, by the same way, the same bits on every
machine that can run it. How fast weights come from beyond a core's own caches is the processor's, and may decide which
way is taken.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, replace

from tweakconv.compiler.llvm_lock import llvm_lock
from tweakconv.compiler.tile_registers import tiles_are_granted


@dataclass(frozen=True, slots=True)
class Target:
    """A processor family to generate code for.

    Attributes
    ----------
    name : str
        How users and tests name it.
    triple, cpu, features : str
        What LLVM is told.
    vector_bits : int
        Width of one vector register.
    registers : int
        Number of vector registers.
    fma : bool
        Whether a multiply and an add are one instruction with one rounding.
    l1_bytes, l2_bytes : int
        Data caches of one core, assumed on the small side of what the family has.
    half : bool
        Whether it has instructions that convert float16.
    masks : bool
        Whether loads and stores take some lanes and leave others alone, at no cost.
    near, far : float
        Bytes that come while a vector of products takes 0.6 cycles, as schedules count them: from the cache that cores
        share, and from memory.
    """

    name: str
    triple: str
    cpu: str
    features: str
    vector_bits: int
    registers: int
    fma: bool
    l1_bytes: int
    l2_bytes: int
    half: bool = True
    masks: bool = False
    near: float = 10.0
    far: float = 7.0

    def lanes(self, element_bytes: int) -> int:
        """How many elements of a size fit in one vector.

        Examples
        --------
        >>> TARGETS["avx512"].lanes(4), TARGETS["avx2"].lanes(8)
        (16, 4)
        """
        return self.vector_bits // (8 * element_bytes)

    @property
    def tiles(self) -> bool:
        """Whether it has instructions that multiply tiles of bfloat16."""
        return "amx-bf16" in self.features


_VARIABLE = "TWEAKCONV_TARGET"
_LINUX_X86 = "x86_64-unknown-linux-gnu"
_KIB = 1024

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("avx512", _LINUX_X86, "x86-64-v4", "", 512, 32, True, 32 * _KIB, 1024 * _KIB, masks=True),
        Target("avx2", _LINUX_X86, "x86-64-v3", "", 256, 16, True, 32 * _KIB, 256 * _KIB),
        Target("x86-64", _LINUX_X86, "x86-64", "", 128, 16, False, 32 * _KIB, 256 * _KIB, half=False),
        Target("aarch64", "aarch64-unknown-linux-gnu", "generic", "+neon", 128, 32, True, 32 * _KIB, 512 * _KIB),
    )
}
"""The families code can be generated for, fastest first within an architecture."""

TILE_TARGETS: dict[str, Target] = {
    "amx": replace(TARGETS["avx512"], name="amx", features="+avx512bf16,+amx-tile,+amx-bf16"),
}
"""Those that have tiles beside the vectors of another one, by which all is computed that is not for tiles."""

_STREAMS = {"znver4": (40.0, 16.0)}
"""`near` and `far` of processors that differ from the others, by LLVM's names for them.

Zen 4 was measured with weights of 9 and 38 MB; its vectors of 512 bits take two turns of a multiplier, so that more
comes meanwhile.
"""

_VECTORS_OF = {"amx": "avx512"}

_V3 = {"avx", "avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe", "popcnt", "sse4.2"}
_NEEDS = {
    "avx512": _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    "avx2": _V3,
    "x86-64": {"sse2"},
}
"""What the x86-64 targets take for granted, the fastest first (x86-64-v4 and -v3 of the System V ABI)."""


def get_target(name: str | None = None, *, tiles: bool = False) -> Target:
    """The target of a name, or the best one this processor can run.

    The environment variable ``TWEAKCONV_TARGET`` names one where no name is given.

    Parameters
    ----------
    name : str, optional
        One of `TARGETS` or `TILE_TARGETS`.
    tiles : bool
        Whether, where none is named, one that has tiles is wanted if this process can run it.

    Raises
    ------
    ValueError, TypeError
        For a name that is not a target, or one this processor cannot run.
    """
    source = "target"
    if name is None and (named := requested_target()):
        name, source = named, f"environment variable {_VARIABLE}"
    if name is None:
        return _for_host(next(iter(runnable_tile_targets()), _best_host_name()) if tiles else _best_host_name())
    known = ", ".join(sorted({*TARGETS, *TILE_TARGETS}))
    if not isinstance(name, str):
        raise TypeError(f"{source}: received {name!r}; the name of one is needed: {known}")
    if name not in TARGETS and name not in TILE_TARGETS:
        raise ValueError(f"{source}: received {name!r}; choose one of {known}")
    if name not in runnable_targets() and (name not in TILE_TARGETS or name not in runnable_tile_targets()):
        runs = ", ".join((*runnable_tile_targets(), *runnable_targets()))
        raise ValueError(f"{source}: received {name!r}, which this processor cannot run; it runs {runs}")
    return _for_host(name)


def requested_target() -> str | None:
    """What the environment variable ``TWEAKCONV_TARGET`` holds, if it is set."""
    return os.environ.get(_VARIABLE)


@functools.cache
def runnable_targets() -> tuple[str, ...]:
    """Names of the targets whose code this processor can run, fastest first."""
    with llvm_lock:
        import llvmlite.binding as llvm  # noqa: PLC0415 - loaded when code is first generated

        architecture = llvm.get_process_triple().split("-")[0]
        have = {name for name, on in llvm.get_host_cpu_features().items() if on}
    if architecture in ("aarch64", "arm64"):
        return ("aarch64",)  # Advanced SIMD is part of every one, whatever the feature list says
    if architecture in ("x86_64", "amd64"):
        return tuple(name for name, needs in _NEEDS.items() if needs <= have)
    return ()


def runnable_tile_targets() -> tuple[str, ...]:
    """Names of the targets with tiles whose code this process can run: it asks the system for leave to use them."""
    return ("amx",) if "avx512" in runnable_targets() and _has_tiles() else ()


def without_tiles(target: Target) -> Target:
    """The target whose vectors a target with tiles has; any other is its own."""
    plain = TARGETS[_VECTORS_OF[target.name]] if target.tiles else target
    return replace(plain, triple=target.triple, near=target.near, far=target.far)


@functools.cache
def _has_tiles() -> bool:
    with llvm_lock:
        import llvmlite.binding as llvm  # noqa: PLC0415

        have = {name for name, on in llvm.get_host_cpu_features().items() if on}
    return {"avx512bf16", "amx-tile", "amx-bf16"} <= have and tiles_are_granted()


def _best_host_name() -> str:
    names = runnable_targets()
    if not names:
        raise RuntimeError("tweakconv generates code for x86-64 and AArch64; this processor is neither")
    return names[0]


@functools.cache
def _for_host(name: str) -> Target:
    """The named target with this process' own triple (operating system and object format)."""
    with llvm_lock:
        import llvmlite.binding as llvm  # noqa: PLC0415

        target = replace((TARGETS | TILE_TARGETS)[name], triple=llvm.get_process_triple())
        streams = _STREAMS.get(llvm.get_host_cpu_name())
    return target if streams is None or target.vector_bits < 512 else replace(target, near=streams[0], far=streams[1])
