"""The lock under which LLVM is used and what it needs is imported, and which a fork waits for.

LLVM, llvmlite and the import system hold locks of their own while they work. A child forked at that moment by another
thread would find them held for ever, so whoever forks first waits until nobody here is inside any of them.
"""

from __future__ import annotations

import os
import threading

llvm_lock = threading.RLock()

if hasattr(os, "register_at_fork"):
    # The child's only thread is the one that forked, and so the one that holds the lock there.
    os.register_at_fork(before=llvm_lock.acquire, after_in_parent=llvm_lock.release, after_in_child=llvm_lock.release)
