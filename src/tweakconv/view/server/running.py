"""The server on an address: a port that is free, the words that say where it is, a browser, and a quiet end."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import os
import socket
import threading
import webbrowser
from collections.abc import Callable, Collection
from types import FrameType
from typing import Final

import uvicorn

from tweakconv.view.server.app import make_app
from tweakconv.view.server.guard import Hosts

DEFAULT_PORT: Final = 8765
_TRIES: Final = 20
_BACKLOG: Final = 128
_SECONDS_TO_FINISH: Final = 2


class AddressError(ValueError):
    """An address that cannot be served on; the message is one line meant for a person."""


class _Server(uvicorn.Server):
    """A server that tells the application at once when it is to end."""

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._stopping.set()
        super().handle_exit(sig, frame)


def serve(
    host: str = "127.0.0.1",
    port: int | None = None,
    *,
    names: Collection[str] = (),
    open_browser: bool = True,
    echo: Callable[[str], object] = print,
) -> None:
    """Serve the explorer until Ctrl-C.

    Parameters
    ----------
    host
        The address to listen on; others than those of loopback let other machines in.
    port
        None takes `DEFAULT_PORT`, or the next one that is free.
    names
        Host names that it may be asked for under, besides localhost and addresses.
    open_browser
        Whether to open the page.
    echo
        Takes the lines for a person.

    Raises
    ------
    AddressError
        Where the address or the port cannot be had.
    KeyboardInterrupt
        After Ctrl-C.
    """
    with contextlib.closing(listen(host, port)) as listening:
        address = address_of(host, listening.getsockname()[1])
        echo(f"tweakconv explorer: {address}   (Ctrl-C ends it)")
        if not is_loopback(host):
            echo(
                f"--host {host}: whoever reaches this machine over the network can use the explorer. There is no "
                f"password and no encryption; pictures that are sent are kept in memory only, each under a secret name."
            )
        hosts = Hosts(frozenset(name.lower() for name in (host, *names)), any_address=not is_loopback(host))
        stopping = threading.Event()
        config = uvicorn.Config(
            make_app(hosts, stopping=stopping),
            log_level="error",
            access_log=False,
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_SECONDS_TO_FINISH,
        )
        # What the end cuts off is no error.
        logging.getLogger("uvicorn.error").addFilter(lambda record: not stopping.is_set())
        if open_browser:
            # Connections wait until the server takes them. Some browsers run in the terminal and do not return.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        _Server(config, stopping).run(sockets=[listening])


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that takes connections.

    Raises
    ------
    AddressError
        Where the host is unknown or not this machine's, or the port is taken; with `port` None, where the default
        one and those behind it all are.

    Examples
    --------
    >>> with listen("127.0.0.1", 0) as listening:
    ...     listening.getsockname()[0]
    '127.0.0.1'
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):
        raise AddressError(f"--host {host}: there is no such host; 127.0.0.1 is this machine alone") from None
    for number in range(DEFAULT_PORT, DEFAULT_PORT + _TRIES) if port is None else (port,):
        listening = socket.socket(family, kind, protocol)
        if os.name == "posix":  # elsewhere this lets two programs have one port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((place[0], number, *place[2:]))
            listening.listen(_BACKLOG)
        except OSError as problem:
            listening.close()
            if problem.errno == errno.EADDRINUSE and port is None:
                continue
            raise AddressError(_why_not(host, number, problem)) from None
        return listening
    last = DEFAULT_PORT + _TRIES - 1
    raise AddressError(f"--port: other programs have {DEFAULT_PORT} to {last}; name another one, or 0 for any")


def _why_not(host: str, port: int, problem: OSError) -> str:
    if problem.errno == errno.EADDRINUSE:
        return f"--port {port}: another program has it; name another one, or none to have one chosen"
    if problem.errno == errno.EACCES:
        return f"--port {port}: needs rights that you do not have; ports from 1024 on do not"
    return f"--host {host}: this machine cannot listen there ({problem.strerror})"


def address_of(host: str, port: int) -> str:
    """Where to point a browser.

    Examples
    --------
    >>> address_of("127.0.0.1", 8765), address_of("::1", 8765)
    ('http://127.0.0.1:8765/', 'http://[::1]:8765/')
    >>> address_of("0.0.0.0", 8765)  # every address of this machine
    'http://localhost:8765/'
    """
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}/"
    if parsed.is_unspecified:
        return f"http://localhost:{port}/"
    return f"http://[{host}]:{port}/" if parsed.version == 6 else f"http://{host}:{port}/"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone.

    Examples
    --------
    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("example.org")
    (True, True, False, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
