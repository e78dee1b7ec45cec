"""What reaches the page at all: known host names, and writes only from the page itself.

Gradio on loopback takes uploads from any web site and answers to any Host (DNS rebinding). Two small ASGI layers refuse both.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class HostGuard:
    """Refuses (400) a request for a host name that is not ours; '*' lets all through (a login stands before them)."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]):
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and "*" not in self.hosts:
            host = Headers(scope=scope).get("host", "")
            if bare(host) not in self.hosts:
                return await PlainTextResponse(
                    f"Refused: {host[:100]!r} is not a name of this page. Start it with --allow-host to permit it.\n", 400
                )(scope, receive, send)
        await self.app(scope, receive, send)


class OriginGuard:
    """Refuses (403) writes that another web site's page sends; programs such as gradio_client send no Origin and pass."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]):
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and (scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD", "OPTIONS")):
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if origin is not None and not self.ours(origin, headers.get("host", "")):
                return await PlainTextResponse(f"Refused: this came from a page of {origin[:100]!r}.\n", 403)(scope, receive, send)
        await self.app(scope, receive, send)

    def ours(self, origin: str, host: str) -> bool:
        name = urlsplit(origin).netloc
        return name == host or (bare(name) in self.hosts and bare(name) not in LOOPBACK)


def bare(host: str) -> str:
    """A host without its port, in small letters; the brackets of an IPv6 address stay."""
    host = host.lower()
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
