"""Reading what is sent: never more than may be, and not for longer than is reasonable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import anyio
from starlette.requests import ClientDisconnect, Request

from tweakconv.view.parameters import Parameters
from tweakconv.view.server.answers import Refusal

FORM_BYTES: Final = 256 * 1024
"""Of a form: some thousands of edited cells."""

_FORM: Final = "application/x-www-form-urlencoded"
_PATIENCE: Final = 30.0
"""Seconds for a body to arrive."""


class Room:
    """Memory for the bodies of all requests together; for the event loop's thread alone.

    Parameters
    ----------
    most_bytes
        How much there is.
    """

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """A function that takes bytes of the room, which are given back in the end.

        It raises a `Refusal`, 429, where there is no room for them.
        """
        taken = 0

        def take(size: int) -> None:
            nonlocal taken
            if size > self._left:
                raise Refusal(429, "so many pictures are being sent that memory is full; try again in a moment")
            self._left -= size
            taken += size

        try:
            yield take
        finally:
            self._left += taken


async def read_body(request: Request, most_bytes: int, take: Callable[[int], None] | None = None) -> bytes:
    """The body of a request.

    Parameters
    ----------
    request
        Whose body has not been read.
    most_bytes
        How long it may be.
    take
        Told the size of each part that arrives, of `Room.share`.

    Raises
    ------
    Refusal
        413 where it is longer than `most_bytes`, by what its header says or once it has arrived; 408 where it takes
        too long, or its sender has gone.
    """
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said[:18]) > most_bytes:
        raise _too_large(most_bytes, f"{int(said[:18]):,} bytes")
    parts, size = [], 0
    try:
        with anyio.fail_after(_PATIENCE):
            async for part in request.stream():
                size += len(part)
                if size > most_bytes:
                    raise _too_large(most_bytes, "more")
                if take is not None:
                    take(len(part))
                parts.append(part)
    except TimeoutError:
        raise Refusal(408, f"the body took longer than {_PATIENCE:g} seconds to arrive") from None
    except ClientDisconnect:
        raise Refusal(408, "the sender went away") from None
    return b"".join(parts)


async def read_parameters(request: Request) -> Parameters:
    """The parameters of a request: those in its address, or of a POST those in its form.

    Raises
    ------
    ParameterError
        As `Parameters.from_query`.
    Refusal
        As `read_body`; 415 for a body that is no form, and 400 for parameters in both places.
    """
    query = request.scope["query_string"].decode("latin-1")
    if request.method != "POST":
        return Parameters.from_query(query)
    if query:
        raise Refusal(400, "the parameters of a POST belong in its form, not in its address")
    kind = request.headers.get("content-type", "none").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise Refusal(415, f"the body must be {_FORM}, received {kind[:100]}")
    try:
        text = (await read_body(request, FORM_BYTES)).decode("ascii")
    except UnicodeDecodeError:
        raise Refusal(400, "the form must be written in ASCII, other letters as %XX of their UTF-8") from None
    return Parameters.from_query(text)


def _too_large(most_bytes: int, received: str) -> Refusal:
    return Refusal(413, f"the body may have {most_bytes:,} bytes, received {received}")
