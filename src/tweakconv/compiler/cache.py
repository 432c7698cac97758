"""Compiled code kept on disk: in a folder only its user can write, checked before it is trusted.

An entry is named by a hash of all that its code follows from: the generator's own source, what was asked for,
the target, and the versions of llvmlite and LLVM. It holds that key and a hash of the code, so that an entry that
was cut short, damaged, or put in another's place is rebuilt and not run. The environment variable
``TWEAKCONV_CACHE_DIR`` names another folder; empty, it turns the cache off.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import stat
import sys
import tempfile
import warnings
from pathlib import Path

_MAGIC = b"tweakconv code 1\n"
_HASH_BYTES = 32
_OURS = re.compile(r"[0-9a-f]{64}(\.bin|\.\w+\.part)")
MOST_BYTES = 32 << 20
"""When the entries take more than this, the ones unused for longest are removed."""


def key(*parts: object) -> bytes:
    """The hash that names the code for `parts`, whose ``repr`` says all that matters about them."""
    return hashlib.sha256(repr((*_versions(), *parts)).encode()).digest()


def read(key: bytes) -> bytes | None:
    """The code stored under a key; None where there is none that can be trusted."""
    kept = folder()
    if kept is None:
        return None
    path = _path(kept, key)
    try:
        with path.open("rb") as file:
            if not _is_ours(os.fstat(file.fileno())):
                return None
            entry = file.read()
    except OSError:
        return None
    code = _open_entry(entry, key)
    if code is not None:
        with contextlib.suppress(OSError):
            os.utime(path)  # so that what is used stays
    return code


def write(key: bytes, code: bytes) -> None:
    """Store code under a key, whole or not at all; a disk that refuses costs only the next process' time."""
    kept = folder()
    if kept is None:
        return
    try:
        descriptor, temporary = tempfile.mkstemp(dir=kept, prefix=f"{key.hex()}.", suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_make_entry(key, code))
            os.replace(temporary, _path(kept, key))
        except BaseException:
            os.unlink(temporary)
            raise
        _remove_oldest(kept, MOST_BYTES)
    except OSError:
        return


def _path(folder: Path, key: bytes) -> Path:
    return folder / f"{key.hex()}.bin"


def _make_entry(key: bytes, code: bytes) -> bytes:
    return _MAGIC + key + hashlib.sha256(code).digest() + code


def _open_entry(entry: bytes, key: bytes) -> bytes | None:
    head = len(_MAGIC) + 2 * _HASH_BYTES
    code = entry[head:]
    return code if entry[:head] == _MAGIC + key + hashlib.sha256(code).digest() else None


def folder() -> Path | None:
    """Where entries are kept, made if need be; None where the cache is off or its folder cannot be trusted."""
    named = os.environ.get("TWEAKCONV_CACHE_DIR")
    if named == "":
        return None
    chosen = Path(named).absolute() if named else _default_folder()
    return chosen and _trusted_folder(chosen)


@functools.lru_cache(maxsize=8)
def _trusted_folder(folder: Path) -> Path | None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError:
        return None
    if not (stat.S_ISDIR(status.st_mode) and _is_ours(status)):
        warnings.warn(
            f"tweakconv keeps no compiled code in {folder}: others than its user may write there "
            f"(owner {status.st_uid}, mode {stat.S_IMODE(status.st_mode):o}); name a folder of your own in "
            "TWEAKCONV_CACHE_DIR, or remove the others' permission",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return folder


def _is_ours(status: os.stat_result) -> bool:
    """Whether a file belongs to this user and nobody else can write it."""
    if not hasattr(os, "geteuid"):  # Windows: the user's own profile folder is protected by its own lists
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _default_folder() -> Path | None:
    """Where the system keeps a user's caches; None for a user without a home."""
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    return Path(base) / "tweakconv" if os.path.isabs(base) else None


def _remove_oldest(folder: Path, most_bytes: int) -> None:
    """Remove the entries unused for longest until the others fit; what is not ours is neither counted nor removed."""
    entries = []
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name):
            with contextlib.suppress(OSError):
                status = path.stat()
                entries.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= most_bytes:
            return
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size


@functools.cache
def _versions() -> tuple[str, ...]:
    """What generated code depends on besides the request: the generator and the compiler behind it."""
    import llvmlite  # noqa: PLC0415 - loaded when code is first needed
    import llvmlite.binding as llvm  # noqa: PLC0415

    source = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        source.update(file.read_bytes())
    return source.hexdigest(), str(llvmlite.__version__), str(llvm.llvm_version_info)
