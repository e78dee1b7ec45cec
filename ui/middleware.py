"""What reaches the page at all, as small ASGI layers around Gradio's app; each stands alone and is told what it needs.

HostGuard     known host names only (a foreign name that points here is DNS rebinding)
OriginGuard   nothing for other web sites, reads included: Gradio answers any origin with credentials outside loopback
RouteGuard    the table of ui/routes.py: closed routes, and a login where there is one
LoginGuard    tries at the password are slowed down
ReplyGuard    headers of every answer: what the page may load and who may frame it; the flags of the login cookie
"""

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from gradio.routes import App, ORJSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui import attempts, routes

STATIC = Path(__file__).parent / "static"
PARTS = frozenset(file.name for file in STATIC.iterdir())
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
FRAMES_OF_A_SPACE = ("https://huggingface.co", "https://*.huggingface.co", "https://*.hf.space")
# Gradio's page needs inline scripts and styles, and evaluates the small scripts of its events; everything comes from here.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-src 'self'; frame-ancestors {frames}"
)


class GuardedApp(App):
    """Gradio's app inside our layers. As `middleware` of the app they would stand inside Gradio's own CORS layer, which answers
    preflights itself and adds its headers to our refusals."""

    def __init__(self, guards: list[Middleware]):
        self.guards = guards
        super().__init__(default_response_class=ORJSONResponse, openapi_url=None)
        self.get("/parts/{name}", include_in_schema=False)(part)  # before Gradio's routes, which take any other address

    def build_middleware_stack(self) -> ASGIApp:
        app = super().build_middleware_stack()
        for layer in reversed(self.guards):
            app = layer.cls(app, *layer.args, **layer.kwargs)
        return app


def part(name: str) -> Response:
    """Return one of our own scripts and styles (ui/static); browsers ask whether it has changed, and keep it."""
    if name not in PARTS:
        return PlainTextResponse("There is no such part of the page.\n", 404)
    return FileResponse(STATIC / name, headers={"Cache-Control": "no-cache"})


class HostGuard:
    """Refuses (400) a request for a host name that is not ours; '*' lets all through (a login stands before them)."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]):
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and "*" not in self.hosts:
            host = Headers(scope=scope).get("host", "")
            if bare(host) not in self.hosts:
                refused = f"Refused: {host[:100]!r} is not a name of this page. Start it with --allow-host to permit it.\n"
                return await refuse(scope, receive, send, PlainTextResponse(refused, 400))
        await self.app(scope, receive, send)


class OriginGuard:
    """Refuses (403) what another web site's page asks for, by the headers that browsers set and scripts can't.

    Following a link to the page or to a file is allowed. Programs such as gradio_client send neither header and pass.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]):
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and (foreign := self.foreign(scope)):
            return await refuse(scope, receive, send, PlainTextResponse(f"Refused: this came from {foreign}.\n", 403))
        await self.app(scope, receive, send)

    def foreign(self, scope: Scope) -> str | None:
        """Which other site asks, in words; None when it is the page itself, a program, or a person who follows a link."""
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is not None and not self.ours(origin, headers.get("host", "")):
            return f"a page of {origin[:100]!r}"
        follows = headers.get("sec-fetch-mode") == "navigate" and linkable(scope)
        if origin is None and headers.get("sec-fetch-site") in ("cross-site", "same-site") and not follows:
            return "a page of another site"  # of other ports of this computer, too: browsers call these the same site
        return None

    def ours(self, origin: str, host: str) -> bool:
        try:
            name = urlsplit(origin).netloc
        except ValueError:  # "http://[::1": no browser writes that
            return False
        return bool(name) and (name == host or (bare(name) in self.hosts and bare(name) not in LOOPBACK))


def linkable(scope: Scope) -> bool:
    """Whether a request may come from a link on another site: to the page and to files, not to what does something (/logout)."""
    return scope.get("method") in ("GET", "HEAD") and (scope["path"] == "/" or scope["path"].startswith(f"{routes.API}/file="))


class RouteGuard:
    """Answers 404 to closed routes, and 401 without a login where the page has one."""

    def __init__(self, app: ASGIApp, login: bool):
        self.app, self.login = app, login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return await refuse(scope, receive, send, PlainTextResponse("Not found.\n", 404))
        if scope["type"] == "http":
            if scope["method"] == "HEAD" and scope["path"] == "/":
                # Gradio asks itself so at the start, with three seconds' patience: a busy machine takes longer to make the page
                return await refuse(scope, receive, send, PlainTextResponse(""))
            decision = routes.decide(scope["method"], scope["path"])
            if decision == "closed":
                return await refuse(scope, receive, send, PlainTextResponse("Not found.\n", 404))
            if decision == "login" and self.login and not logged_in(scope):
                return await refuse(scope, receive, send, JSONResponse({"detail": {"error": "Not authenticated"}}, 401))
        await self.app(scope, receive, send)


def logged_in(scope: Scope) -> bool:
    """Whether the request carries the cookie of a login that Gradio gave out and still knows."""
    app = scope["app"]
    cookies = Headers(scope=scope).get("cookie", "").split(";")
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(app.tokens.get(value) for name, _, value in (c.strip().partition("=") for c in cookies) if name in names)


class LoginGuard:
    """Answers 429 to a try at the password that comes too soon after wrong ones; sees by the answer whether one was right."""

    def __init__(self, app: ASGIApp, tries: attempts.Attempts):
        self.app, self.tries = app, tries

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].rstrip("/") != "/login":
            return await self.app(scope, receive, send)
        address = (scope.get("client") or (None,))[0]
        if wait := self.tries.begin(address):
            told = {"detail": attempts.told(wait)}
            return await refuse(scope, receive, send, JSONResponse(told, 429, {"Retry-After": str(max(1, round(wait)))}))

        async def seen(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                self.tries.succeeded(address)
            await send(message)

        await self.app(scope, receive, seen)


class ReplyGuard:
    """Sets the headers that every answer carries, and puts the login cookie behind SameSite=Lax (Secure over TLS).

    `frames`: origins that may show the page in a frame, besides the page itself.
    """

    def __init__(self, app: ASGIApp, frames: Iterable[str] = ()):
        self.app, self.policy = app, POLICY.format(frames=" ".join(["'self'", *frames]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.put(MutableHeaders(scope=message), secure=scope.get("scheme") == "https")
            await send(message)

        await self.app(scope, receive, guarded)

    def put(self, headers: MutableHeaders, *, secure: bool) -> None:
        headers["Content-Security-Policy"] = self.policy
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "same-origin"
        headers["X-DNS-Prefetch-Control"] = "off"
        cookies = headers.getlist("set-cookie")
        if cookies:
            del headers["set-cookie"]
            for cookie in cookies:
                headers.append("set-cookie", flagged(cookie, secure=secure))


def flagged(cookie: str, *, secure: bool) -> str:
    """A Set-Cookie line with HttpOnly and SameSite=Lax, and Secure where the connection is."""
    parts = [p.strip() for p in cookie.split(";")]
    kept = [p for p in parts if p.partition("=")[0].lower() not in ("samesite", "httponly", "secure")]
    return "; ".join([*kept, "HttpOnly", "SameSite=Lax", *(["Secure"] if secure else [])])


async def refuse(scope: Scope, receive: Receive, send: Send, answer: Response) -> None:
    """Answer a request, or close a websocket before it opens."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await answer(scope, receive, send)


HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]@/]+)(?::[0-9]{1,5})?")


def bare(host: str) -> str:
    """A host without its port, in small letters; the brackets of an IPv6 address stay. What is no host stays as it is."""
    found = HOST.fullmatch(host.lower())
    return found[1] if found else host.lower()
