"""Files that are written whole or not at all, and never over another one unasked."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from tweakconv.picture import ImageFileError


def check_place(path: Path, source: str | os.PathLike[str] | None = None, overwrite: bool = False) -> None:
    """Refuse, before any work is done, a place where no file can or may be written.

    Parameters
    ----------
    path
        Of the file to be written.
    source
        The file that was read, which gets words of its own.
    overwrite
        Whether an existing file may be replaced.

    Raises
    ------
    ImageFileError
        Where the folder is missing, something other than a file is there, or a file is and `overwrite` is false.
    """
    if path.is_dir():
        raise ImageFileError("is a folder; name a file in it")
    if not path.parent.is_dir():
        raise ImageFileError(f"there is no folder {path.parent}")
    if not path.exists():
        return
    if not path.is_file():
        raise ImageFileError("is not an ordinary file")
    if not overwrite:
        is_source = source is not None and path.samefile(source)
        what = "is the picture that was read" if is_source else "exists already"
        how = "--force (in Python overwrite=True)"
        raise ImageFileError(f"{what}; choose another name, or have it replaced with {how}")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file all at once: a reader never meets half of it, and a failure leaves what was there before.

    The bytes go to a file beside it that then takes its name. A link goes on pointing where it did.

    Raises
    ------
    OSError
        Where the disk refuses.
    """
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with beside.open("xb") as file:
            file.write(data)
        if target.exists():
            shutil.copymode(target, beside)
        beside.replace(target)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
