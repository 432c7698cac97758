"""How many threads a convolution may use, and the helpers that run it beside the calling thread.

The compiled code hands out its own work: every thread that runs it takes the next task from a shared counter
until none is left. So a helper that wakes late, or never, costs nothing, and which thread computes what cannot change a
bit of the result.
"""

from __future__ import annotations

import contextlib
import operator
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_VARIABLE = "TWEAKCONV_NUM_THREADS"

_MOST_HELPERS = 255

_PATIENCE = 200e-6
"""Seconds to look for the end of helpers before sleeping until woken."""

_LONGEST_SLEEP = 0.05
"""Seconds after which to look again, should a signal have come between being woken and noticing why."""


def get_num_threads() -> int:
    """The most threads one convolution uses.

    It is what `set_num_threads` set, else the environment variable ``TWEAKCONV_NUM_THREADS``, else the number of
    processors this process may run on.

    Raises
    ------
    ValueError
        Where the environment variable is not a whole number of at least 1.

    Examples
    --------
    >>> get_num_threads() >= 1
    True
    """
    if _state.threads is None:
        _state.threads = _from_environment()
    return _state.threads


def set_num_threads(threads: int) -> None:
    """Set the most threads one convolution uses, for the whole process.

    Parameters
    ----------
    threads : int
        At least 1. Results do not depend on it, to the last bit.

    Raises
    ------
    TypeError, ValueError
        Where it is not an integer of at least 1.

    Examples
    --------
    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(before)
    """
    if isinstance(threads, bool):
        raise TypeError(f"threads must be an integer of at least 1, received {threads!r}")
    try:
        number = operator.index(threads)
    except TypeError:
        raise TypeError(f"threads must be an integer of at least 1, received {threads!r}") from None
    if number < 1:
        raise ValueError(f"threads must be at least 1, received {threads!r}")
    _state.threads = number


def run(work: Callable[[], object], threads: int) -> None:
    """Run `work` in the calling thread and `threads` - 1 helpers at once; returns when all are done."""
    if threads <= 1:
        work()
    else:
        _helpers.run(work, threads - 1)


class Workspace(NamedTuple):
    """Memory of one thread; it stays as long as this object, also where the thread is given more meanwhile."""

    memory: NDArray[np.uint8]
    address: int


def workspace(size: int) -> Workspace:
    """At least `size` bytes, aligned to 64, that belong to the calling thread.

    What the thread had there before is lost.
    """
    space: Workspace | None = getattr(_local, "space", None)
    if space is None or space.memory.nbytes < size + 63:
        memory = np.empty(size + 63, np.uint8)
        space = _local.space = Workspace(memory, -(-memory.ctypes.data // 64) * 64)
    return space


class _State:
    threads: int | None = None


class _Share:
    """One helper's part in a call: whoever holds the lock, helper or caller, has decided whether it begins."""

    def __init__(self, work: Callable[[], object], ended: queue.SimpleQueue[None]) -> None:
        self.work = work
        self.lock = threading.RLock()
        self.over = False
        self.error: BaseException | None = None
        self.ended = ended

    def run(self) -> None:
        """Do the work, unless the caller has already done without."""
        if self.lock.acquire(blocking=False):
            try:
                if not self.over:
                    self.work()
            except BaseException as error:
                self.error = error
            self.over = True
            self.ended.put(None)

    def cancel(self) -> None:
        """Have it not begin, where it has not; may be repeated."""
        if self.lock.acquire(blocking=False):
            self.over = True


class _Helpers:
    """Threads that wait for work; made when first needed, as many as any one call has needed."""

    def __init__(self) -> None:
        self._shares: queue.SimpleQueue[_Share] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._count = 0

    def run(self, work: Callable[[], object], helpers: int) -> None:
        process = os.getpid()
        ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        shares = [_Share(work, ended) for _ in range(min(helpers, self._available(helpers)))]
        errors: list[BaseException] = []
        try:
            for share in shares:
                self._shares.put(share)
            work()
        except BaseException as error:
            errors.append(error)
        # The helpers write into arrays of this call: not even an interrupt may end it before they have. A share that
        # has not begun, since all helpers are busy with other calls, is not waited for. (A signal handler may fork:
        # in the child there are no helpers.)
        while os.getpid() == process:
            try:
                for share in shares:
                    share.cancel()
                if all(share.over for share in shares):
                    break
                _wait(ended)
            except BaseException as interrupt:
                errors.append(interrupt)
        errors += [share.error for share in shares if share.error is not None]
        if errors:
            raise errors[0]

    def _available(self, wanted: int) -> int:
        """Start helpers until there are as many as wanted, or the system refuses; returns how many there are."""
        with self._lock:
            while self._count < min(wanted, _MOST_HELPERS):
                helper = threading.Thread(target=self._serve, name=f"tweakconv-{self._count + 1}", daemon=True)
                try:
                    helper.start()
                except RuntimeError:  # no more threads to be had: those there are do the work
                    break
                self._count += 1
            return self._count

    def _serve(self) -> None:
        while True:
            self._shares.get().run()


def _wait(ended: queue.SimpleQueue[None]) -> None:
    """Wait a little while for some share to end.

    Helpers end at nearly the same time as the caller, and sleeping until woken takes longer than they do.
    """
    latest = time.perf_counter() + _PATIENCE
    while ended.empty():
        if time.perf_counter() > latest:
            with contextlib.suppress(queue.Empty):
                ended.get(timeout=_LONGEST_SLEEP)
            return
        time.sleep(0)  # lets go of the interpreter, which the helper needs to say that it has ended
    ended.get()


def _from_environment() -> int:
    text = os.environ.get(_VARIABLE, "").strip()
    if not text:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"environment variable {_VARIABLE} must be a whole number of at least 1, received {text!r}")
    return int(text)


def _forget_helpers() -> None:
    """In a forked child only the forking thread exists: start over."""
    global _helpers  # noqa: PLW0603
    _helpers = _Helpers()


_state = _State()
_local = threading.local()
_helpers = _Helpers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)
