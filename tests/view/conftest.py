"""The explorer for tests: as an application without a network, and as a server on a port of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("starlette")

import uvicorn
from starlette.testclient import TestClient

from tweakconv.view.server.app import make_app
from tweakconv.view.server.running import listen


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """Asks the application directly; what fails in it fails in the test."""
    with TestClient(make_app(), base_url="http://localhost") as client:
        yield client


@pytest.fixture(scope="session")
def explorer() -> Iterator[str]:
    """The address of a running server, without the slash at its end."""
    listening: socket.socket = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(make_app(), log_level="error", ws="none", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive(), "the server has ended"
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)
    listening.close()
