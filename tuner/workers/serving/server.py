"""Serving worker: an OpenAI-compatible API on 127.0.0.1 for base models and their adapters: `python -m tuner.workers.serving.server FOLDER`.

FOLDER/request.json names the device; FOLDER/endpoint.json (port and secret, readable by the owner only) appears when the server is ready. Models
are registered with POST /models; adapters stay loaded on one copy of their base model and are switched between turns, a fully fine-tuned model is
loaded when it is asked for. Exits after ten idle minutes, or when the file `control` appears.
"""

import asyncio
import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

from tuner import devices, locks, paths
from tuner.errors import TunerError
from tuner.jobs import device_memory
from tuner.serving import protocol
from tuner.serving.protocol import ChatRequest, ClassifyRequest, CompletionRequest, EmbeddingsRequest, Refused
from tuner.workers.modelling import load
from tuner.workers.serving import tasks
from tuner.workers.serving.answers import Answer
from tuner.workers.serving.generation import Piece
from tuner.workers.serving.model_cache import Models, RegisteredModel
from tuner.workers.serving.problems import problem, status
from tuner.workers.serving.scheduler import Scheduler
from tuner.workers.serving.scores import ScoreRequest, scored

IDLE = 600.0  # seconds
ENDS = 3.0  # seconds for the last words of answers under way
GIVES_WAY = "The model has left the memory: a run needs it. Ask again when the run has ended."
NAME = "x-served-as"  # the name by which the gateway's clients know the model


class Task(BaseModel):
    """Texts for a model that is not a chat model; see task_predict.py."""

    model: str
    texts: list[str] = Field(min_length=1, max_length=256)
    question: str = ""
    most: int = Field(256, ge=1, le=4096)


def make_app(models: Models, key: str) -> FastAPI:
    """Return the server's routes; `app.state.scheduler` answers them."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.last, app.state.scheduler = time.monotonic(), Scheduler(models)
    scheduler: Scheduler = app.state.scheduler

    def allowed(request: Request) -> None:
        app.state.last = time.monotonic()
        if not secrets.compare_digest(request.headers.get("authorization", ""), f"Bearer {key}"):
            raise HTTPException(401, "The API key is wrong.")
        if request.headers.get("host", "").rsplit(":", 1)[0] not in ("127.0.0.1", "localhost"):
            raise HTTPException(403, "This host name is not allowed.")

    guarded = {"dependencies": [Depends(allowed)]}

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        return JSONResponse(error.body(), status_code=error.status)

    @app.exception_handler(TunerError)
    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": problem(error)}, status_code=status(error))

    async def read(request: Request, kind: type[BaseModel]) -> Any:
        return registered(protocol.read(kind, protocol.parse(await request.body())))

    def registered(q: Any) -> Any:
        if q.model not in models.known:
            raise Refused(404, f"The model {q.model!r} is not registered.", param="model", code="model_not_found")
        return q

    _add_own_routes(app, models, guarded, registered)

    @app.get("/v1/models", **guarded)
    def list_models() -> dict:
        return {"object": "list", "data": [{"id": id, "object": "model", "owned_by": "tunesmith"} for id in models.known]}

    @app.post("/v1/chat/completions", **guarded)
    async def chat(request: Request):
        return await answered(request, await read(request, ChatRequest))

    @app.post("/v1/completions", **guarded)
    async def complete(request: Request):
        return await answered(request, await read(request, CompletionRequest))

    async def answered(request: Request, q: ChatRequest | CompletionRequest):
        answer = Answer(scheduler, q, _named(request, q))
        await answer.start()
        try:
            if not q.stream:
                return await answer.whole(request.is_disconnected)
            pieces = answer.pieces()
            first = await anext(pieces, None)  # what is wrong with the request itself has its own status line
        except Exception as error:
            return JSONResponse({"error": problem(error)}, status_code=status(error))
        return StreamingResponse(_with(answer.events(_after(first, pieces)), app), media_type="text/event-stream")

    @app.post("/v1/embeddings", **guarded)
    async def embed(request: Request):
        q = await read(request, EmbeddingsRequest)
        return await tasks.embeddings(scheduler, models, q, _named(request, q))

    @app.post("/v1/classify", **guarded)
    async def classify(request: Request):
        q = await read(request, ClassifyRequest)
        return await tasks.classified(scheduler, models, q, _named(request, q))

    return app


def _add_own_routes(app: FastAPI, models: Models, guarded: dict[str, Any], registered: Callable[[Any], Any]) -> None:
    """Add what only our own client asks: models to register, counts, likelihoods and predictions."""
    scheduler: Scheduler = app.state.scheduler

    @app.post("/models", **guarded)
    def make_known(known: RegisteredModel) -> dict:
        models.known[known.id] = known
        return {"id": known.id}

    @app.get("/stats", **guarded)
    def stats() -> dict:
        return scheduler.counts()

    @app.post("/score", **guarded)
    async def score(q: ScoreRequest) -> dict:
        registered(q)
        return {"rows": await asyncio.to_thread(scheduler.call, q.model, lambda model, tokenizer, on: scored(model, tokenizer, on, q))}

    @app.post("/tasks", **guarded)
    async def task(t: Task) -> dict:
        registered(t)
        return {"rows": await tasks.predicted(scheduler, models, t.model, t.texts, question=t.question, most=t.most)}


def _named(request: Request, q: Any) -> str:
    """Return the name of the model for the client; JSON in the header, because names may have any characters."""
    return json.loads(request.headers[NAME]) if NAME in request.headers else q.model


async def _after(first: Piece | None, rest: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
    if first is not None:
        yield first
    async for piece in rest:
        yield piece


async def _with(events: AsyncIterator[str], app: FastAPI) -> AsyncIterator[str]:
    """Yield the events; a reader who leaves closes them, and a long answer keeps the server from counting as idle."""
    try:
        async for event in events:
            app.state.last = time.monotonic()
            yield event
    finally:
        await events.aclose()


def claimed(folder: Path, device: str) -> Callable[[int], None]:
    """Return the function that claims memory of the device for this worker."""
    return lambda needed: device_memory.claim(folder.parents[1], folder, device, needed, os.getpid())


def main(folder: Path) -> int:
    if not locks.acquire(folder / "lock"):
        return 1
    request = paths.read_json(folder / "request.json", {})
    (folder / "control").unlink(missing_ok=True)
    load.use_cores()
    with socket.socket() as s:
        s.bind(("127.0.0.1", request.get("port", 0)))
        port = s.getsockname()[1]
    key, models = (
        request.get("key") or secrets.token_urlsafe(32),
        Models(request.get("device", "cpu"), claimed(folder, request.get("device", "cpu"))),
    )
    app = make_app(models, key)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))

    def watch() -> None:
        while not server.should_exit:
            time.sleep(0.5)
            if server.started and not (folder / "endpoint.json").exists():
                _publish(folder, port, key)
            if (folder / "control").exists():
                app.state.scheduler.leave(GIVES_WAY)  # answers under way end with this: a client would be waited for otherwise
                server.should_exit = True
                time.sleep(ENDS)
                server.force_exit = True
            elif time.monotonic() - app.state.last > request.get("idle", IDLE) and not app.state.scheduler.busy:
                server.should_exit = True

    def announce() -> None:
        while not server.started:
            time.sleep(0.02)
        _publish(folder, port, key)

    threading.Thread(target=announce, daemon=True).start()
    threading.Thread(target=watch, daemon=True).start()
    try:
        server.run()
    finally:
        (folder / "endpoint.json").unlink(missing_ok=True)
    return 0


def _publish(folder: Path, port: int, key: str) -> None:
    old = os.umask(0o077)
    try:
        paths.write_json(folder / "endpoint.json", {"port": port, "key": key})
    finally:
        os.umask(old)


if __name__ == "__main__":
    devices.cores()
    sys.exit(main(Path(sys.argv[1]).resolve()))
