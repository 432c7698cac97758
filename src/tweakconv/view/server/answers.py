"""Answers: JSON, files to be saved, and refusals in words."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tweakconv.view.parameters import ParameterError, argument_in

#: Of an error, in letters: what was received is quoted, and may be long.
_LONGEST: Final = 600
_FRESH: Final = {"Cache-Control": "no-store"}


class Refusal(Exception):
    """A request that is not answered as it was meant.

    Parameters
    ----------
    status
        The HTTP status, a 4xx.
    message
        What is wrong, for a person.
    argument
        The parameter that is at fault, where one is.
    """

    def __init__(self, status: int, message: str, argument: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.argument = argument


def json_answer(content: object, status: int = 200) -> Response:
    """An answer in JSON.

    Raises
    ------
    ValueError
        For NaN and infinity, which JSON does not have.
    """
    return Response(dumped(content), status, _FRESH, "application/json")


def dumped(content: object) -> str:
    r"""JSON as short as it goes, in ASCII.

    Examples
    --------
    >>> dumped({"size": [3, 4], "text": "3 × 4"})
    '{"size":[3,4],"text":"3 \\u00d7 4"}'
    """
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def raw_answer(content: bytes, facts: Mapping[str, Any]) -> Response:
    """Bytes for the page to show, with what is to be said about them in the header ``Tweakconv-Result``."""
    return Response(content, 200, _FRESH | {"Tweakconv-Result": dumped(facts)}, "application/octet-stream")


def file_answer(content: bytes, name: str, media_type: str) -> Response:
    """A file to be saved under a name."""
    headers = _FRESH | {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, 200, headers, media_type)


def refused(refusal: Refusal) -> Response:
    """The answer to a request that is refused."""
    message = str(refusal)
    if len(message) > _LONGEST:
        message = f"{message[:_LONGEST]}..."
    return json_answer({"error": message, "argument": refusal.argument or None}, refusal.status)


@contextmanager
def in_words(names: Collection[str]) -> Iterator[None]:
    """Have what deeper functions refuse be refused as a bad request, naming the parameter that they speak of.

    Parameters
    ----------
    names
        The parameters that there are.

    Examples
    --------
    >>> with in_words(["strides"]):
    ...     raise ValueError("strides must be at least 1, received 0")
    Traceback (most recent call last):
    ...
    tweakconv.view.server.answers.Refusal: strides must be at least 1, received 0
    """
    try:
        yield
    except ParameterError as problem:
        raise Refusal(400, str(problem), problem.argument) from None
    except (ValueError, TypeError, OverflowError) as problem:
        raise Refusal(400, str(problem), argument_in(str(problem), names)) from None
    except MemoryError:
        raise Refusal(413, "this takes more memory than there is") from None


async def on_refusal(request: Request, problem: Exception) -> Response:
    """What the application does with a `Refusal`."""
    assert isinstance(problem, Refusal)
    return refused(problem)


async def on_http_error(request: Request, problem: Exception) -> Response:
    """What the application does where no route is found, or a route does not take a method."""
    assert isinstance(problem, HTTPException)
    what = {404: "there is nothing at", 405: f"{request.method} is not for"}.get(problem.status_code)
    message = f"{what} {request.url.path}" if what else problem.detail
    answer = refused(Refusal(problem.status_code, message))
    answer.headers.update(problem.headers or {})
    return answer
