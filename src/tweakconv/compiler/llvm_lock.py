"""The lock under which LLVM is used, and which a fork waits for.

LLVM and llvmlite hold locks of their own while they work. A child forked at that moment by another thread would
find them held for ever, so whoever forks first waits until nobody here is inside LLVM.
"""

from __future__ import annotations

import os
import threading


class _Lock:
    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        self._lock = threading.RLock()


llvm_lock = _Lock()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=llvm_lock.before_fork,
        after_in_parent=llvm_lock.after_fork_in_parent,
        after_in_child=llvm_lock.after_fork_in_child,
    )
