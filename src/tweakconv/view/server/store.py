"""The pictures that visitors have sent: in memory, bounded, under names that cannot be guessed, for a while."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from tweakconv.picture import Picture
from tweakconv.view.limits import LIMITS, Limits


class _Kept(NamedTuple):
    picture: Picture
    size: int
    asked_for: float


class PictureStore:
    """Pictures by name, the one asked for longest ago first to go.

    Any thread may use it.

    Parameters
    ----------
    limits
        How many are kept, how many bytes in all, and for how many seconds since they were last asked for.
    clock
        Seconds that only grow.

    Examples
    --------
    >>> import numpy as np
    >>> store = PictureStore()
    >>> name = store.keep(Picture(np.zeros((2, 3, 1), np.uint8)))
    >>> store.find(name).size
    (2, 3)
    >>> store.forget(name)
    >>> store.find(name) is None
    True
    """

    def __init__(self, limits: Limits = LIMITS, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def keep(self, picture: Picture) -> str:
        """Keep a picture, and make room for it; returns the name to ask for it by."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._kept[name] = _Kept(picture, _bytes_of(picture), self._clock())
            self._tidy()
        return name

    def find(self, name: str) -> Picture | None:
        """The picture of a name; None where it is not held, or not any more."""
        with self._lock:
            self._tidy()
            kept = self._kept.pop(name, None)
            if kept is None:
                return None
            self._kept[name] = kept._replace(asked_for=self._clock())
            return kept.picture

    def forget(self, name: str) -> None:
        """Let go of a picture, if it is held."""
        with self._lock:
            self._kept.pop(name, None)

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)

    def _tidy(self) -> None:
        """Let go of what is too old or too much; the newest one always stays."""
        oldest = self._clock() - self._limits.seconds_kept
        size = sum(kept.size for kept in self._kept.values())
        for name, kept in list(self._kept.items())[:-1]:
            too_much = size > self._limits.kept_bytes or len(self._kept) > self._limits.kept_pictures
            if not too_much and kept.asked_for >= oldest:
                break
            del self._kept[name]
            size -= kept.size
        if self._kept and next(reversed(self._kept.values())).asked_for < oldest:
            self._kept.clear()


def _bytes_of(picture: Picture) -> int:
    return int(picture.pixels.nbytes) + (0 if picture.alpha is None else int(picture.alpha.nbytes))
