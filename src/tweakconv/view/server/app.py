"""The application: which function answers what, and how many of each work at once."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import numpy as np
from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tweakconv.ops import filter2d
from tweakconv.view.server.about import about_answer
from tweakconv.view.server.answers import Refusal, on_http_error, on_refusal
from tweakconv.view.server.exports import export_answer
from tweakconv.view.server.files import PAGE, file_answer, packaged_files
from tweakconv.view.server.guard import Guard, Hosts
from tweakconv.view.server.layers import chain_answer, scene_answer
from tweakconv.view.server.pictures import forget_endpoint, kernel_answer, picture_answer, upload_endpoint
from tweakconv.view.server.practice import exercise_answer, verdict_answer
from tweakconv.view.server.store import PictureStore
from tweakconv.view.server.turns import Answer, Turns


def make_app(
    hosts: Hosts | None = None, store: PictureStore | None = None, stopping: threading.Event | None = None
) -> Starlette:
    """The explorer as an ASGI application.

    Parameters
    ----------
    hosts
        The names it may be asked for under; those of loopback where None.
    store
        Where pictures that are sent are kept; one of its own where None.
    stopping
        Set by whoever runs it when it is about to end, so that long work is given up.
    """
    kept = PictureStore() if store is None else store
    # Drawing is Python's work, which no second thread makes faster; a picture uses every thread by itself.
    ending = threading.Event() if stopping is None else stopping
    drawing, pictures, exports = Turns(2, ending), Turns(2, ending), Turns(1, ending)
    answers: list[tuple[str, Answer, Turns]] = [
        ("/api/about", about_answer, drawing),
        ("/api/scene", scene_answer, drawing),
        ("/api/layers", chain_answer, drawing),
        ("/api/exercise", exercise_answer, drawing),
        ("/api/exercise/check", verdict_answer, drawing),
        ("/api/kernel", kernel_answer, drawing),
        ("/api/picture", partial(picture_answer, kept), pictures),
    ]
    return Starlette(
        routes=[
            *_file_routes(),
            *(Route(path, turns.endpoint(answer), methods=["GET", "POST"]) for path, answer, turns in answers),
            Route("/api/export", exports.patient_endpoint(export_answer), methods=["GET", "POST"]),
            Route("/api/pictures", upload_endpoint(kept, pictures), methods=["POST"]),
            Route("/api/pictures/{picture}", forget_endpoint(kept), methods=["DELETE"]),
        ],
        middleware=[Middleware(Guard, hosts=hosts or Hosts())],
        exception_handlers={Refusal: on_refusal, HTTPException: on_http_error},
        lifespan=_warmed_up,
    )


def _file_routes() -> list[Route]:
    table = packaged_files()

    async def page(request: Request) -> Response:
        return file_answer(table, PAGE, request)

    async def packaged(request: Request) -> Response:
        return file_answer(table, request.path_params["name"], request)

    return [Route("/", page), Route("/static/{name:path}", packaged)]


@asynccontextmanager
async def _warmed_up(app: Starlette) -> AsyncIterator[None]:
    """Start LLVM beside the first requests, so that the first picture need not wait for that."""
    async with anyio.create_task_group() as beside:
        beside.start_soon(to_thread.run_sync, _start_compiler)
        yield


def _start_compiler() -> None:
    filter2d(np.zeros((4, 4), np.float32), np.ones((3, 3), np.float32))
