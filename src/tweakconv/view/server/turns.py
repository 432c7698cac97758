"""Turns: how much is worked on at once. The rest waits, and whoever has gone meanwhile is passed over."""

from __future__ import annotations

import math
import threading
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from tweakconv.view.parameters import Parameters
from tweakconv.view.server.answers import Refusal, in_words, refused
from tweakconv.view.server.body import read_parameters

Answer = Callable[[Parameters], Response]
PatientAnswer = Callable[[Parameters, Callable[[], bool]], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


class Turns:
    """Threads that work for requests of one kind.

    Kinds have turns of their own, so that a slider does not wait for somebody's GIF.

    Parameters
    ----------
    at_once
        How many requests are worked on at once.
    stopping
        Set where the server is about to end, and nobody waits any more.
    """

    def __init__(self, at_once: int, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._waiting = anyio.CapacityLimiter(at_once)
        self._threads = anyio.CapacityLimiter(math.inf)

    async def take(self, request: Request, work: Callable[[], Response]) -> Response:
        """The answer that `work` makes in a thread, once it is this request's turn."""
        async with self._waiting:
            if await _has_gone(request):
                return Response(status_code=204)  # nobody reads it
            return await to_thread.run_sync(work, limiter=self._threads)

    def endpoint(self, answer: Answer) -> Endpoint:
        """A route's function: reads the parameters, waits for a turn, answers."""

        async def answered(request: Request) -> Response:
            with in_words(()):
                parameters = await read_parameters(request)
            return await self.take(request, partial(answer, parameters))

        return answered

    def patient_endpoint(self, answer: PatientAnswer) -> Endpoint:
        """The same for work that takes long: it can ask whether whoever waited for it has gone."""

        async def answered(request: Request) -> Response:
            with in_words(()):
                parameters = await read_parameters(request)
            gone = threading.Event()

            def nobody_waits() -> bool:
                return gone.is_set() or self._stopping.is_set()

            async with anyio.create_task_group() as beside:
                beside.start_soon(_watch, request, gone)
                try:
                    answer_or_refusal = await self.take(request, partial(answer, parameters, nobody_waits))
                except Refusal as refusal:  # it would leave the group as one of several
                    answer_or_refusal = refused(refusal)
                beside.cancel_scope.cancel()
            return answer_or_refusal

        return answered


async def _watch(request: Request, gone: threading.Event) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()


async def _has_gone(request: Request) -> bool:
    # Looking takes one message from the connection: the first may be the end of the (empty) body.
    return await request.is_disconnected() or await request.is_disconnected()
