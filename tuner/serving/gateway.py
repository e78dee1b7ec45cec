"""The OpenAI-compatible server of `tunesmith serve`: names, a key and counters in front of the serving worker. No torch.

The worker comes and goes with its device; this process stays: it starts the worker again when a request needs it. Browsers of other sites are
kept out by the key and, on this computer's own address, by the host name; there are no CORS headers.
"""

import asyncio
import json
import secrets
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.routing import APIRoute

from tuner.errors import ConflictError, NotFoundError, RequestError, translate
from tuner.paths import Workspace
from tuner.serving import chat_client, protocol
from tuner.serving.keys import Access
from tuner.serving.metrics import Metrics
from tuner.serving.other_addresses import OtherAddresses
from tuner.serving.protocol import ChatRequest, ClassifyRequest, CompletionRequest, EmbeddingsRequest, Refused
from tuner.serving.served_models import OtherNames, ServedModels, missing
from tuner.system import ports

PORT = 8000
TRIES = 10  # ports that another program may take between the look and the listening
BODY = 16 * 2**20  # bytes of a request
CROWD = 512  # requests at once; more are refused, and clients try again
ONE_USE = httpx.Limits(max_connections=CROWD, max_keepalive_connections=0)  # a kept connection may be closed while a request is on its way
GONE = "The model stopped answering. The usual cause is too little memory."
LOOKS = 0.5  # seconds between two looks at whether a reader is still there
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
KINDS = {
    "/v1/chat/completions": ChatRequest,
    "/v1/completions": CompletionRequest,
    "/v1/embeddings": EmbeddingsRequest,
    "/v1/classify": ClassifyRequest,
}


class Worker:
    """The connection to the device's serving worker, which is started when it isn't there."""

    def __init__(self, ws: Workspace, device: str | None):
        self.ws, self.device = ws, device
        self.http = httpx.AsyncClient(timeout=httpx.Timeout(None, connect=10), trust_env=False, limits=ONE_USE)

    async def open(self, path: str, spec: dict[str, Any], body: dict[str, Any], name: str) -> httpx.Response:
        """Send a request for the model of `spec` and return the response, of which only the head is read. It is sent again, once, when no worker
        took it: the worker ends when it is idle, or when a run needs its device."""
        for again in (True, False):
            found = await asyncio.to_thread(chat_client.endpoint, self.ws, self.device)
            to, headers = f"http://127.0.0.1:{found['port']}", {"Authorization": f"Bearer {found['key']}"}
            try:
                (await self.http.post(f"{to}/models", json=spec, headers=headers)).raise_for_status()
                request = self.http.build_request(
                    "POST", to + path, json=body | {"model": spec["id"]}, headers=headers | {"x-served-as": json.dumps(name)}
                )
                return await self.http.send(request, stream=True)
            except httpx.ConnectError as error:
                if not again:
                    raise Refused(503, GONE, code="worker_gone") from error
                await asyncio.sleep(0.5)
            except httpx.TransportError as error:  # it died of this request, or of another one: not asked again
                raise Refused(503, GONE, code="worker_gone") from error
        raise AssertionError("not reached")


Allowed = Callable[[Request, str], str]  # (request, scope) -> the owner of its key; Refused for a request that may not


def make_app(
    worker: Worker, models: ServedModels, access: Access, hosts: tuple[str, ...], more: Callable[[FastAPI, Allowed], None] | None = None
) -> FastAPI:
    """Return the gateway's routes. `hosts`: the host names it answers to, "*" for all; `more` adds routes."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    metrics = app.state.metrics = Metrics()

    def allowed(request: Request, scope: str) -> str:
        host = _bare(request.headers.get("host", ""))
        if "*" not in hosts and host not in hosts:
            raise Refused(403, f"The host name {host[:100]!r} is not allowed.", code="host_not_allowed")
        return access.check(request.headers.get("authorization", ""), scope)

    _add_refusals(app)
    app.add_middleware(OtherAddresses)
    if more:
        more(app, allowed)

    @app.api_route("/health", methods=["GET", "HEAD"])
    async def health() -> dict:
        return {"status": "ok"}

    @app.api_route("/metrics", methods=["GET", "HEAD"])
    async def counted(request: Request) -> Response:
        allowed(request, "read")
        return Response(metrics.text(), media_type=metrics.FORMAT)

    @app.api_route("/v1/models", methods=["GET", "HEAD"])
    async def listing(request: Request) -> dict:
        allowed(request, "read")
        found = await asyncio.to_thread(models.listing)
        return {"object": "list", "data": [_shown(m.name, m.created) for m in found]}

    @app.get("/v1/models/{name:path}")
    async def one(request: Request, name: str) -> dict:
        allowed(request, "read")
        found = await asyncio.to_thread(models.find, name)
        return _shown(found.name, found.created)

    async def answered(request: Request) -> Response:
        allowed(request, "chat")
        path, began = request.url.path, time.monotonic()
        metrics.begun()
        try:
            if metrics.running > CROWD:
                raise Refused(429, f"{CROWD} requests are under way; try again soon.", code="too_many_requests")
            return await _unless_gone(request, _forwarded(request, path, began))
        except Exception as error:
            problem = _as_refusal(error)
            metrics.ended(path, problem.status, time.monotonic() - began)
            raise problem from error

    async def _forwarded(request: Request, path: str, began: float) -> Response:
        body = await read_body(request)
        q = protocol.read(KINDS[path], body)
        served = await asyncio.to_thread(models.find, q.model)
        spec = await asyncio.to_thread(served.spec, worker.ws)
        response = await worker.open(path, spec, body, q.model)
        headers = {protocol.IGNORED: told} if (told := protocol.ignored(body)) else {}
        if response.status_code == 200 and "text/event-stream" in response.headers.get("content-type", ""):
            return StreamingResponse(_relayed(response, metrics, path, began, q.model), media_type="text/event-stream", headers=headers)
        content = await response.aread()
        if response.status_code == 200:
            metrics.answered(q.model, json.loads(content))
        metrics.ended(path, response.status_code, time.monotonic() - began)
        return Response(content, response.status_code, headers, "application/json")

    for path in KINDS:
        app.post(path)(answered)
    return app


def _add_refusals(app: FastAPI) -> None:
    """Answer what is refused in OpenAI's shape, addresses and methods that are not there too."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {"Retry-After": "1"} if error.status == 429 else None
        return JSONResponse(error.body(), status_code=error.status, headers=headers)

    @app.exception_handler(404)
    async def unknown(request: Request, error: Exception) -> JSONResponse:
        there = dict.fromkeys(route.path for route in app.routes if isinstance(route, APIRoute) and "{" not in route.path)
        told = f"There is no {request.method} {request.url.path} here. Available: {', '.join(there)}."
        return JSONResponse(Refused(404, told, code="unknown_url").body(), status_code=404)

    @app.exception_handler(405)
    async def wrong_method(request: Request, error: Exception) -> JSONResponse:
        told = f"{request.url.path} does not take {request.method}."
        return JSONResponse(Refused(405, told, code="method_not_allowed").body(), status_code=405)


async def _unless_gone(request: Request, work: Coroutine) -> Any:
    """Return what `work` returns; it is ended when the reader leaves, and with it the generation."""
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.wait({task}, timeout=LOOKS)
        if not task.done() and await request.is_disconnected():
            task.cancel()
            raise Refused(499, "The reader left.", code="cancelled")
    return task.result()


async def _relayed(response: httpx.Response, metrics: Metrics, path: str, began: float, name: str) -> AsyncIterator[bytes]:
    """Pass events on as they come. A comment of the worker with the counts stays here; a reader who leaves ends the answer."""
    status = 499  # as nginx calls a reader who left
    try:
        async for line in response.aiter_lines():
            if line.startswith(": "):
                metrics.answered(name, json.loads(line[2:]))
            elif line:
                status = 200 if line == "data: [DONE]" else status  # with which clients leave
                yield f"{line}\n\n".encode()
    except httpx.TransportError:
        status = 503
        gone = Refused(503, GONE, code="worker_gone")
        yield f"data: {json.dumps(gone.body())}\n\n".encode()
    finally:
        await response.aclose()
        metrics.ended(path, status, time.monotonic() - began)


async def read_body(request: Request) -> dict[str, Any]:
    """Return the request's JSON; Refused when it is too large or no JSON."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY:
            raise Refused(413, f"The request is larger than {BODY // 2**20} MB.", code="too_large")
        parts.append(part)
    return protocol.parse(b"".join(parts))


def _as_refusal(error: Exception) -> Refused:
    """Return an error in OpenAI's shape."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, NotFoundError):
        return missing(error)
    known = translate(error)
    if known is None:
        traceback.print_exception(error)
        return Refused(500, f"{type(error).__name__}: {str(error)[:300]}", code="defect")
    return Refused(503, f"{known.message} {known.remedy or ''}".strip(), code=known.as_dict()["code"])


def _bare(host: str) -> str:
    """Return a Host header's name without its port."""
    return (host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]).lower()


def _shown(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "tunesmith"}


def _usable(key: str) -> str:
    """Return a key that a header can carry; RequestError for another one."""
    if not key.strip().isascii() or not key.strip().isprintable():
        raise RequestError(
            "This API key can't stand in a header.",
            asked="the key",
            available="letters, digits and ASCII signs",
            remedy="Choose another key.",
        )
    return key.strip()


class Gateway:
    """A gateway in a thread: `start`, use `url` and `key`, `stop`."""

    def __init__(
        self,
        ws: Workspace,
        refs: list[str],
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        key: str | None = None,
        device: str | None = None,
        others: OtherNames | None = None,
        more: Callable[[FastAPI, Allowed], None] | None = None,
    ):
        self.models, self.worker = ServedModels(ws, refs, others), Worker(ws, device)
        self.host, self.asked, self.port = host, port, ports.free_port(host, port, PORT)
        self.key = _usable(key) if key else "sk-" + secrets.token_urlsafe(32)
        hosts = (*LOOPBACK, host) if host in LOOPBACK else ("*",)
        self.app = make_app(self.worker, self.models, Access(ws, self.key), hosts, more)
        self._listen_at(self.port)

    def _listen_at(self, port: int) -> None:
        """Make the server for a port; `start` begins it."""
        self.port = port
        config = uvicorn.Config(self.app, host=self.host, port=port, log_level="warning", timeout_graceful_shutdown=5)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True, name="gateway")

    @property
    def url(self) -> str:
        """Return the address that clients take as base_url."""
        name = "127.0.0.1" if self.host in ("0.0.0.0", "::") else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.port}/v1"

    @property
    def running(self) -> bool:
        return self.thread.is_alive()

    def start(self) -> "Gateway":
        """Listen; where no port was asked for and another program was faster, at the next one. ConflictError when none is left."""
        for _ in range(1 if self.asked else TRIES):
            self.thread.start()
            while self.thread.is_alive():
                if self.server.started:
                    return self
                time.sleep(0.02)
            if not self.asked:
                self._listen_at(ports.free_port(self.host, None, self.port + 1))
        raise ConflictError(
            f"The server could not listen on {self.host}:{self.asked or self.port}.",
            asked=self.asked or self.port,
            available="another port",
            remedy="Try again, or choose another --port.",
            field="port",
        )

    def stop(self) -> None:
        """Listen no more; answers that are under way have five seconds."""
        self.server.should_exit = True
        self.thread.join(10)
