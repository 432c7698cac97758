"""The page and its files: a table made once, from the package. Requests look names up in it and open nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from tweakconv.view.drawing import stylesheet
from tweakconv.view.server.answers import Refusal

PAGE: Final = "index.html"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}


class PackagedFile(NamedTuple):
    """A file as it is served.

    Attributes
    ----------
    content, media_type
        Its bytes and what they are.
    tag
        Changes when they do, so that a browser need not load them again.
    """

    content: bytes
    media_type: str
    tag: str

    @classmethod
    def of(cls, name: str, content: bytes) -> PackagedFile:
        """The file of a name and content."""
        suffix = name[name.rfind(".") :]
        return cls(content, _TYPES[suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def packaged_files() -> dict[str, PackagedFile]:
    """Every file of the page by its name below ``/static/``, the style sheet of the drawings among them.

    Examples
    --------
    >>> files = packaged_files()
    >>> files["player.js"].media_type, "drawing.css" in files
    ('text/javascript; charset=utf-8', True)
    """
    table = {name: PackagedFile.of(name, file.read_bytes()) for name, file in _below(_folder())}
    return table | {"drawing.css": PackagedFile.of("drawing.css", stylesheet().encode())}


def file_answer(table: Mapping[str, PackagedFile], name: str, request: Request) -> Response:
    """The answer to a request for a packaged file.

    Raises
    ------
    Refusal
        404 where there is none.
    """
    file = table.get(name)
    if file is None:
        raise Refusal(404, f"there is no file {name[:100]!r}")
    headers = {"Cache-Control": "no-cache", "ETag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, 200, headers, file.media_type)


def _folder() -> Traversable:
    return resources.files("tweakconv.view").joinpath("static")


def _below(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            yield from _below(entry, f"{name}/")
        elif name[name.rfind(".") :] in _TYPES:
            yield name, entry
