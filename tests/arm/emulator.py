"""AArch64 processors in qemu's user-mode emulation, and what runs compiled code on them: a program in C, `emulated.c`.

A process of that program stays for all calls. Code is linked to a shared object, which the program loads; arrays go
through pipes.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import hashlib
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tweakconv.compiler import helpers, jit
from tweakconv.compiler.call import Space
from tweakconv.compiler.target import TARGETS

PROCESSORS = ("cortex-a57", "max")
"""The first AArch64 has none of the later extensions; qemu's "max" has all that qemu knows."""

Array = NDArray[Any]

_SOURCE = Path(__file__).with_name("emulated.c")
_SYSTEM = "/usr/aarch64-linux-gnu"
_COMPILER, _LINKER = "aarch64-linux-gnu-gcc", "aarch64-linux-gnu-ld"
_EMULATORS = ("qemu-aarch64", "qemu-aarch64-static")

_PACKAGES = "qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
_HEAD = struct.Struct("<19q")


class ToolMissing(Exception):
    """Something that the emulation needs is not installed."""


class EmulatorEnded(AssertionError):
    """The code that was run went astray, and took the emulated process with it."""


class Work(NamedTuple):
    """What one call hands over, as `tweakconv.compiler.call` says.

    Attributes
    ----------
    arrays : sequence of ndarray or None
        Input, weights, bias, output and residual.
    notes : bool
        Whether the code writes to what stands for the residual.
    """

    arrays: Sequence[Array | None]
    integers: Array
    space: Space
    threads: int
    flags: int
    notes: bool = False


class Code:
    """Machine code for the emulated processors; it takes the place of `jit.Loaded`."""

    run = None

    def __init__(self, code: bytes, functions: tuple[str, ...] = ("run",)) -> None:
        self._code = code

    def address(self, name: str = "run") -> int:
        """None that this process could call."""
        return -1

    @functools.cached_property
    def library(self) -> Path:
        """The shared object that it is linked to."""
        path = _folder() / f"{hashlib.sha256(self._code).hexdigest()}.so"
        if not path.exists():
            path.with_suffix(".o").write_bytes(self._code)
            _run(_tool(_LINKER), "-shared", "-o", path, path.with_suffix(".o"))
        return path


def prepare() -> None:
    """Make the program that runs code.

    Raises
    ------
    ToolMissing
        Where something that it takes is not installed.
    """
    _tool(*_EMULATORS)
    _program()


def run(code: Code, work: Work, processors: Sequence[str] = PROCESSORS) -> None:
    """Do one call on each processor, and write what they computed, which is to be the same, to the output."""
    written = [array for array in (work.arrays[3], work.arrays[4] if work.notes else None) if array is not None]
    results = [
        _process(processor).call(code.library, work, at_end=bool(number)) for number, processor in enumerate(processors)
    ]
    assert results[1:] == results[:-1], f"{' and '.join(processors)} computed different bits"
    start = 0
    for array in written:
        ctypes.memmove(array.ctypes.data, results[0][start : start + array.nbytes], array.nbytes)
        start += array.nbytes


class _Process:
    """The program on one processor; started again after a call that ended it."""

    def __init__(self, processor: str) -> None:
        self._command = (_tool(*_EMULATORS), "-cpu", processor, "-L", _SYSTEM, str(_program()))
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, library: Path, work: Work, *, at_end: bool) -> bytes:
        """The bytes of what is written; arrays lie at the end of what may be touched, or at its start."""
        if self._process is None:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, stderr=pipe)
            atexit.register(_end, self._process)
        blocks = [_memory(array) for array in (*work.arrays, work.integers)]
        path, sizes = str(library).encode(), [(len(block), first) for block, first in blocks]
        head = (
            len(path),
            at_end,
            work.threads,
            work.flags,
            work.notes,
            work.space.own,
            work.space.shared,
            *sum(sizes, ()),
        )
        given = [block for number, (block, _) in enumerate(blocks) if number != 3]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(b"".join((_HEAD.pack(*head), path, *given)))
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        wanted = sizes[3][0] + (sizes[4][0] if work.notes else 0)
        written = self._process.stdout.read(wanted)
        if len(written) < wanted:
            raise EmulatorEnded(self._last_words())
        return written

    def _last_words(self) -> str:
        process, self._process = self._process, None
        assert process is not None
        _, errors = process.communicate()
        return f"{' '.join(self._command)} ended with {process.returncode}: {errors.decode(errors='replace')}"


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


@functools.cache
def _process(processor: str) -> _Process:
    return _Process(processor)


def _memory(array: Array | None) -> tuple[bytes, int]:
    """All bytes that a view spans, and where in them its first element lies."""
    if array is None or not array.size:
        return b"", 0
    low, high = np.lib.array_utils.byte_bounds(array)
    return ctypes.string_at(low, high - low), array.ctypes.data - low


@functools.cache
def _program() -> Path:
    """`emulated.c`, compiled, with the native code by which threads help each other."""
    program, waiting = _folder() / "emulated", _folder() / "helpers.o"
    target = TARGETS["aarch64"]
    waiting.write_bytes(jit.compile_module(helpers._text(target.triple), target))
    _run(_tool(_COMPILER), "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", program, _SOURCE, waiting, "-ldl")
    return program


@functools.cache
def _folder() -> Path:
    """A folder that ends with this process."""
    folder = tempfile.mkdtemp(prefix="tweakconv-arm-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _tool(*names: str) -> str:
    for name in names:
        if (found := shutil.which(name)) is not None:
            return found
    raise ToolMissing(f"{names[0]} is not installed. {_ADVICE}")


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolMissing(f"{' '.join(map(str, command))} failed:\n{done.stderr}\n{_ADVICE}")


_ADVICE = f"AArch64 code is run with what Debian and Ubuntu call: apt-get install --no-install-recommends {_PACKAGES}"
