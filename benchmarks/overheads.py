"""What surrounds the arithmetic: compiling, the disk cache, importing, calling, memory, and a second thread.

Run it as ``python benchmarks/overheads.py`` on an otherwise quiet machine. Each line of the output is
something measured, next to what it should be at most (or at least).
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np

import tweakconv
from tweakconv.bench.geometries import Line
from tweakconv.bench.lines import LINES
from tweakconv.bench.machine import best_cpus, cpu_name, pin
from tweakconv.bench.ours import LAYOUTS, compiled, input_of
from tweakconv.bench.problem import Problem
from tweakconv.bench.timing import interleave
from tweakconv.compiler import build, jit
from tweakconv.compiler.choose import Choice

#: Lines long and dense enough that a second thread should nearly halve their time.
LARGE = (
    Line("dense", (56, 56), 128, 128, (3, 3), pad=(1, 1)),
    Line("dense", (28, 28), 256, 256, (3, 3), dilation_rate=(2, 2), pad=(2, 2)),
    Line("dense", (112, 112), 64, 64, (3, 3), pad=(1, 1)),
    Line("dense", (224, 224), 64, 64, (3, 3), pad=(1, 1)),
    Line("pointwise", (56, 56), 256, 1024, (1, 1)),
)
#: The call whose cost is nearly all on the way in and out.
SMALL = Line("small", (5, 5), 1, 1, (3, 3), pad=(1, 1), bias=False)
#: A geometry that is not on the board, for whatever happens only once in a process; work enough for two threads.
WARMUP = Line("small", (65, 65), 60, 64, (1, 1))


@dataclass(frozen=True, slots=True)
class Finding:
    """One measurement: its value in `unit`, and the limit it should keep to."""

    what: str
    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False

    def __str__(self) -> str:
        text = f"{self.what:66}{self.value:9.3g} {self.unit:3}"
        if self.limit is None:
            return text
        kept = self.value >= self.limit if self.at_least else self.value <= self.limit
        bound = "at least" if self.at_least else "at most"
        return f"{text}  {bound} {self.limit:g} {self.unit}: {'yes' if kept else 'NO'}"


def main() -> None:
    """Measure and print everything."""
    print(f"{cpu_name()}, Python {platform.python_version()}, NumPy {np.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TWEAKCONV_CACHE_DIR"] = folder  # nothing here finds, or leaves, anything in the user's cache
        for measure in (imports, compiling, calling, memory, second_thread):
            for finding in measure():
                print(finding, flush=True)


def imports() -> Iterator[Finding]:
    """Import time beyond NumPy's own, and a whole new process up to its first result, all cached."""
    timed = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
    ours = [_python("import numpy\n" + timed.format("import tweakconv")) for _ in range(9)]
    yield Finding("import tweakconv, beyond import numpy", 1e3 * median(ours), "ms", 20)
    first = "import numpy as np, tweakconv as tc; tc.conv2d(np.ones((1, 5, 5, 1), 'f'), np.ones((3, 3, 1, 1), 'f'))"
    _python(timed.format(first))
    cached = [_python(timed.format(first)) for _ in range(5)]
    yield Finding("first result of a new process, NumPy's import included", 1e3 * median(cached), "ms")


def compiling() -> Iterator[Finding]:
    """Compiling each line of the board in both formats for the first time, and loading it from the disk cache."""
    from_nothing: dict[str, float] = {}
    from_disk: dict[str, float] = {}
    compiled(Problem.of(WARMUP))  # llvmlite is imported and started before the clock is
    for line, (data_format, layout) in product(LINES, LAYOUTS.items()):
        choice, times = compiled(Problem.of(line), data_format).built.choice, []
        from_nothing[f"{line.name} {layout}"] = median([_seconds_to_compile(choice) for _ in range(3)])
        for _ in range(5):
            build.forget()
            times.append(build.build(choice).seconds)
        from_disk[f"{line.name} {layout}"] = median(times)
    for name, values, limit in (("compiling", from_nothing, 150), ("loading from disk", from_disk, 5)):
        slowest, middle = max(values, key=values.__getitem__), median([*values.values()])
        yield Finding(f"{name} a new geometry, median of {len(values)}", 1e3 * middle, "ms", limit)
        yield Finding(f"  slowest: {slowest}", 1e3 * values[slowest], "ms", limit)


def calling() -> Iterator[Finding]:
    """What a prepared call costs over its native code.

    The native time of one image is the slope over the batch, which the cost of the call is not part of.
    """
    one, many = 1, 2001
    problem = Problem.of(SMALL)
    conv = compiled(problem)
    runs: dict[str, Callable[[], object]] = {}
    for batch in (one, many):
        x = np.repeat(problem.x, batch, axis=0)
        runs[f"new {batch}"] = partial(conv, x)
        runs[f"out {batch}"] = partial(conv, x, out=conv(x))
    tweakconv.set_num_threads(1)
    times = {name: median(turns.seconds) for name, turns in interleave(runs, rounds=7).items()}
    native = (times[f"out {many}"] - times[f"out {one}"]) / (many - one)
    yield Finding(f"native code of {SMALL.name}, one image", 1e6 * native, "µs")
    yield Finding("  a prepared call over that, new output", 1e6 * (times[f"new {one}"] - native), "µs", 5)
    yield Finding("  a prepared call over that, out=", 1e6 * (times[f"out {one}"] - native), "µs", 5)


def memory() -> Iterator[Finding]:
    """Peak memory of the first call beyond input, output and packed weights, one thread and two."""
    if not Path("/proc/self/clear_refs").exists():
        print("peak memory: measured on Linux only, where a process can reset its peak")
        return
    cases = list(product((*LINES, *LARGE), LAYOUTS))
    # The C library would hand out again what was freed before the call, unseen; this makes it ask the system.
    os.environ["MALLOC_MMAP_THRESHOLD_"] = str(2**16)
    spawn = multiprocessing.get_context("spawn")
    # A new process for each: what one line's call leaves behind would hide what the next one takes.
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        for threads in (1, 2):
            extra = dict(zip(cases, pool.map(partial(_extra_bytes, threads), cases), strict=True))
            line, data_format = max(cases, key=extra.__getitem__)
            what = f"peak memory beyond the arrays, {threads} thread{'s' * (threads > 1)}: {line.name}"
            most = extra[line, data_format] / 1e6
            yield Finding(f"{what} {LAYOUTS[data_format]}", most, "MB", 8 * threads)


def second_thread() -> Iterator[Finding]:
    """How much faster two threads are than one."""
    cpus = best_cpus()
    if len(cpus) < 2:
        print("two threads: this process may use one CPU only")
        return
    pin(cpus[:2])
    for line in LARGE:
        problem = Problem.of(line)
        conv = compiled(problem)
        call = partial(conv, problem.x, out=conv(problem.x))
        turns = interleave({str(threads): partial(_call_on, threads, call) for threads in (1, 2)}, rounds=9)
        alone, together = median(turns["1"].seconds), median(turns["2"].seconds)
        what = f"two threads over one, {line.name} ({1e3 * alone:.1f} ms)"
        yield Finding(what, alone / together, "x", 1.8 if alone > 2e-3 else None, at_least=True)


def _seconds_to_compile(choice: Choice) -> float:
    start = time.perf_counter()
    jit.Loaded(jit.compile_module(choice.schedule.emit(choice.plan), choice.plan.target))
    return time.perf_counter() - start


def _call_on(threads: int, call: Callable[[], object]) -> None:
    tweakconv.set_num_threads(threads)
    call()


def _extra_bytes(threads: int, case: tuple[Line, str]) -> int:
    """How far the first call of a process raises its peak over what it held before."""
    tweakconv.set_num_threads(threads)
    warmup = Problem.of(WARMUP)
    compiled(warmup)(warmup.x)
    line, data_format = case
    problem = Problem.of(line)
    conv = compiled(problem, data_format)
    x = input_of(problem, data_format)
    batch, height, width, channels = problem.output_shape
    last = data_format == "channels_last"
    out = np.ones((batch, height, width, channels) if last else (batch, channels, height, width), np.float32)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
    before = _status("VmHWM")
    conv(x, out=out)
    return _status("VmHWM") - before


def _status(name: str) -> int:
    """A number of bytes from the kernel's account of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])


def _python(code: str) -> float:
    """The number that a new Python prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
