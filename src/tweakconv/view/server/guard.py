"""Who may ask: requests that name this server as their host and come from its own page, and no others.

A page of another site can make a browser send requests to loopback addresses. It cannot read the answers unless its
own name is made to point to this machine (DNS rebinding): then its requests carry its name in ``Host``, and are
refused. What other sites send without reading the answer carries their origin, or says ``Sec-Fetch-Site``, and is
refused as well. Answers tell the browser to load and run nothing but what comes from this server.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tweakconv.view.server.answers import Refusal, refused

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""The content security policy: nothing from elsewhere, and no script or style that is written into a page."""

_HOST: Final = re.compile(r"(?:(?P<name>[^:\[\]]+)|\[(?P<v6>[0-9A-Fa-f:.]+)\])(?::\d{1,5})?", re.ASCII)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names under which this server may be asked for.

    A name can be made to point anywhere by whoever owns it, an address cannot: addresses are safe to allow.

    Attributes
    ----------
    names
        In lower case; "localhost" is always one.
    any_address
        Whether any address will do, not only those of loopback: for a server that others may reach.

    Examples
    --------
    >>> local = Hosts()
    >>> [local.allow(host) for host in ("localhost:8765", "127.0.0.1", "[::1]:8765", "10.0.0.5", "evil.example")]
    [True, True, True, False, False]
    >>> Hosts(any_address=True).allow("10.0.0.5:8765")
    True
    """

    names: Collection[str] = ()
    any_address: bool = False

    def allow(self, host: str) -> bool:
        """Whether a ``Host`` header names this server; its port does not matter, for it may be forwarded."""
        written = _HOST.fullmatch(host)
        if written is None:
            return False
        name = (written["name"] or "").lower().removesuffix(".")
        if name == "localhost" or name in self.names:
            return True
        try:
            address = ipaddress.ip_address(written["v6"] or name)
        except ValueError:
            return False
        return self.any_address or address.is_loopback


class Guard:
    """The application, behind the checks that every request passes.

    Parameters
    ----------
    app
        What answers.
    hosts
        The names it may be asked for under.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        app = self._app if refusal is None else refused(refusal)
        await app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._hosts.allow(hosts[0]):
            received = repr(hosts[0][:100]) if hosts else "none"
            return Refusal(
                421,
                f"the Host header must name this server, received {received}; open it as http://localhost:PORT/, or "
                f"start it with --allow-host NAME",
            )
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != hosts[0]:
            return Refusal(403, f"requests from {origin[:100]} are refused; use the page of this server")
        site = headers.get("sec-fetch-site", "none")
        # A link from elsewhere to the page is what an address is for.
        follows_a_link = headers.get("sec-fetch-mode") == "navigate" and scope["path"] == "/"
        if site not in ("none", "same-origin") and not follows_a_link:
            return Refusal(403, "requests from the pages of other sites are refused")
        return None
