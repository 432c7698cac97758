"""The machine a board ran on: its processor, the CPUs used, and its measured limits."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from tweakconv.bench.limits import fma_peak, stream_seconds
from tweakconv.compiler.host import cpu_name
from tweakconv.compiler.target import TARGETS, runnable_targets

__all__ = ["Machine", "best_cpus", "busy_seconds", "cpu_name", "measure_machine", "pin"]

#: Bytes of each of the two arrays that are copied to measure the memory.
MEMORY_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine the board ran on, and its limits at the number of threads used.

    Attributes
    ----------
    cpu : str
        The processor's name.
    system : str
        The operating system and the kind of machine.
    cpus : int
        How many CPUs this process may use.
    threads : int
        How many threads the measurements, and all contenders, used.
    pinned : tuple of int
        The CPUs they were pinned to; empty where the system does not pin.
    target : str
        The instruction set that gave the highest peak, as `tweakconv.compiler.target` names it.
    vector_bits : int
        The width of its vectors.
    fma_gflops : float
        Measured peak in 1e9 floating-point operations a second, float32, all threads together.
    memory_gbytes : float
        Measured copy between arrays larger than most caches: 1e9 bytes a second, read and written together.
    """

    cpu: str
    system: str
    cpus: int
    threads: int
    pinned: tuple[int, ...]
    target: str
    vector_bits: int
    fma_gflops: float
    memory_gbytes: float


def measure_machine(threads: int, cpus: int, pinned: tuple[int, ...]) -> Machine:
    """Measure this machine's limits on so many threads; `cpus` and `pinned` are only noted down.

    Examples
    --------
    >>> machine = measure_machine(threads=1, cpus=2, pinned=())
    >>> machine.fma_gflops > 1 and machine.memory_gbytes > 0.1
    True
    """
    peak, target = max((fma_peak(name, threads), name) for name in runnable_targets())
    seconds = stream_seconds(MEMORY_BYTES, MEMORY_BYTES, threads)
    return Machine(
        cpu=cpu_name(),
        system=f"{platform.system()} {platform.machine()}",
        cpus=cpus,
        threads=threads,
        pinned=pinned,
        target=target,
        vector_bits=TARGETS[target].vector_bits,
        fma_gflops=peak / 1e9,
        memory_gbytes=2 * MEMORY_BYTES / seconds / 1e9,
    )


def best_cpus() -> tuple[int, ...]:
    """The CPUs this process may use, best first: one of each core before the second of any.

    Among equals the last come first, because interrupts are usually served by the first.
    """
    allowed = sorted(_allowed_cpus(), reverse=True)
    firsts: dict[str, int] = {}
    for cpu in allowed:
        firsts.setdefault(_core_of(cpu), cpu)
    return (*firsts.values(), *(cpu for cpu in allowed if cpu not in firsts.values()))


def pin(cpus: tuple[int, ...]) -> tuple[int, ...]:
    """Keep this process on these CPUs; returns them, or nothing where the system cannot pin."""
    if not hasattr(os, "sched_setaffinity"):
        return ()
    os.sched_setaffinity(0, cpus)
    return cpus


def busy_seconds(cpus: tuple[int, ...]) -> float | None:
    """How long these CPUs have not been idle since the system started, together; None where the system does not say.

    Time that a hypervisor took from them counts as well.

    Examples
    --------
    >>> busy_seconds(()) is None
    True
    """
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    ticks = {name: [int(number) for number in numbers] for name, *numbers in map(str.split, lines)}
    own = [ticks[f"cpu{cpu}"] for cpu in cpus if f"cpu{cpu}" in ticks]
    # user, nice, system, (idle, waiting for disks,) interrupts, soft interrupts, stolen; guests count as user already
    busy = sum(sum(of_cpu[:3]) + sum(of_cpu[5:8]) for of_cpu in own)
    return busy / os.sysconf("SC_CLK_TCK") if own else None


def _allowed_cpus() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _core_of(cpu: int) -> str:
    try:
        return Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text(encoding="utf-8")
    except OSError:
        return str(cpu)
