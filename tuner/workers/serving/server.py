"""Serving worker: an OpenAI-compatible API on 127.0.0.1 for base models and their adapters: `python -m tuner.workers.serving.server FOLDER`.

FOLDER/request.json names the device; FOLDER/endpoint.json (port and secret, readable by the owner only) appears when the server is ready. Models
are registered with POST /models; adapters stay loaded on one copy of their base model and are switched per request, a fully fine-tuned model is
loaded when it is asked for. Exits after ten idle minutes, or when the file `control` appears.
"""

import asyncio
import contextlib
import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import torch
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field
from transformers import StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

from tuner import devices, locks, paths
from tuner.errors import RequestError, translate
from tuner.models import chat_templates, model_files
from tuner.workers.modelling import load, peft_methods
from tuner.workers.modelling.generation import end_tokens
from tuner.workers.serving import task_predict
from tuner.workers.serving.model_cache import Models, RegisteredModel
from tuner.workers.tokenization import template_render

IDLE = 600.0  # seconds


class Question(BaseModel):
    """The fields of OpenAI's request that /v1/chat/completions accepts."""

    model: str
    messages: list[dict[str, Any]] = Field(min_length=1)
    stream: bool = False
    temperature: float = Field(0.7, ge=0, le=5)
    top_p: float = Field(0.95, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    seed: int | None = None


class Task(BaseModel):
    """A text for a model that is not a chat model; see task_predict.py."""

    model: str
    text: str
    question: str = ""
    most: int = Field(256, ge=1, le=4096)


class Streamer(TextIteratorStreamer):
    """Streams the answer without special tokens, except those around reasoning, which the reader must be able to separate from the answer.

    It also counts the tokens and takes their times: `count` so far, `begun`, `first` and `last` in monotonic seconds.
    """

    def __init__(self, tokenizer):
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=False)
        self.count, self.begun = 0, time.monotonic()
        self.first = self.last = None
        tags = "".join(tag for pair in chat_templates.THINKING for tag in pair)
        special = {t.content for t in tokenizer.added_tokens_decoder.values() if t.special} | set(tokenizer.all_special_tokens)
        self.hidden = [token for token in special if token not in tags]
        self.decode_kwargs["skip_special_tokens"] = len(self.hidden) == len(special)

    def put(self, value) -> None:
        if not self.next_tokens_are_prompt:
            self.count, self.last = self.count + value.numel(), time.monotonic()
            self.first = self.first or self.last
        super().put(value)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        if not self.decode_kwargs["skip_special_tokens"]:
            for token in self.hidden:
                text = text.replace(token, "")
        super().on_finalized_text(text, stream_end)


class StopOnRequest(StoppingCriteria):
    """Stops a generation. `asked`: the reader cancelled; `heard`: the generation ended because of that."""

    def __init__(self):
        self.asked = self.heard = False

    def __call__(self, input_ids, scores, **_):
        self.heard = self.asked
        return self.asked


class Answer:
    """One generation: iterate over `text()`; afterwards the token counts and the finish reason are set."""

    def __init__(self, models: Models, q: Question):
        self.models, self.q, self.halt = models, q, StopOnRequest()
        self.prompt_tokens, self.completion_tokens = 0, 0
        self.streamer: Streamer | None = None
        self.stop_reason = "stop"

    def usage(self) -> dict[str, int]:
        """Return OpenAI's counts of tokens; while the answer is generated those so far."""
        completion = self.completion_tokens or (self.streamer.count if self.streamer else 0)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
        }

    def timings(self) -> dict[str, float | None]:
        """Return the seconds to the first token (reading the prompt) and the tokens per second from there; None before they are known."""
        s = self.streamer
        if s is None or s.first is None:
            return {"first_token_seconds": None, "tokens_per_second": None}
        speed = (s.count - 1) / (s.last - s.first) if s.count > 1 and s.last > s.first else None
        return {"first_token_seconds": s.first - s.begun, "tokens_per_second": speed}

    def text(self) -> Iterator[str]:
        with self.models.turn:
            model, tokenizer, adapted = self.models.ready(self.q.model)
            inputs = template_render.prompt(tokenizer, self.q.messages, return_tensors="pt", return_dict=True).to(model.device)
            self.prompt_tokens = inputs["input_ids"].shape[1]
            room = (getattr(model.config.get_text_config(), "max_position_embeddings", None) or 4096) - self.prompt_tokens
            if room < 1:
                raise RequestError(
                    f"The conversation has {self.prompt_tokens} tokens, more than the context of this model.",
                    asked=self.prompt_tokens,
                    available=f"up to {self.prompt_tokens + room - 1} tokens",
                    remedy="Start a new chat, or shorten the message.",
                )
            limit = min(room, self.q.max_completion_tokens or self.q.max_tokens or 512)
            streamer = self.streamer = Streamer(tokenizer)
            failure: list[BaseException] = []
            thread = threading.Thread(
                target=self._generate, args=(model, tokenizer, adapted, inputs, limit, streamer, failure), daemon=True
            )
            thread.start()
            if begun := chat_templates.open_reasoning_tag(tokenizer.decode(inputs["input_ids"][0, -16:])):
                yield begun + "\n"
            try:
                yield from (piece for piece in streamer if piece)
            finally:
                self.halt.asked = True  # the reader left, or the answer is complete
                thread.join()
            if failure:
                raise failure[0]

    @torch.inference_mode()
    def _generate(self, model, tokenizer, adapted: bool, inputs, limit: int, streamer, failure: list) -> None:
        sampling = (
            {"do_sample": True, "temperature": self.q.temperature, "top_p": self.q.top_p, "top_k": 0}
            if self.q.temperature > 0
            else {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        )
        off = contextlib.nullcontext() if adapted else peft_methods.disabled(model)
        try:
            if self.q.seed is not None:
                torch.manual_seed(self.q.seed)
            with off:
                out = model.generate(
                    **inputs,
                    max_new_tokens=limit,
                    streamer=streamer,
                    stopping_criteria=StoppingCriteriaList([self.halt]),
                    pad_token_id=tokenizer.pad_token_id,
                    eos_token_id=end_tokens(model, tokenizer),
                    **sampling,
                )
            self.completion_tokens = out.shape[1] - self.prompt_tokens
            ended = int(out[0, -1]) in end_tokens(model, tokenizer)
            self.stop_reason = "stop" if ended else "cancelled" if self.halt.heard else "length"
        except Exception as error:
            failure.append(error)
            streamer.end()


def make_app(models: Models, key: str) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.last = time.monotonic()

    def allowed(request: Request) -> None:
        app.state.last = time.monotonic()
        if not secrets.compare_digest(request.headers.get("authorization", ""), f"Bearer {key}"):
            raise HTTPException(401, "The API key is wrong.")
        if request.headers.get("host", "").rsplit(":", 1)[0] not in ("127.0.0.1", "localhost"):
            raise HTTPException(403, "This host name is not allowed.")

    @app.post("/models", dependencies=[Depends(allowed)])
    def make_known(known: RegisteredModel) -> dict:
        models.known[known.id] = known
        return {"id": known.id}

    @app.get("/v1/models", dependencies=[Depends(allowed)])
    def list_models() -> dict:
        return {"object": "list", "data": [{"id": id, "object": "model", "owned_by": "tunesmith"} for id in models.known]}

    @app.post("/v1/chat/completions", dependencies=[Depends(allowed)])
    async def complete(q: Question):
        if q.model not in models.known:
            raise HTTPException(404, f"The model {q.model!r} is not registered.")
        answer = Answer(models, q)
        if q.stream:
            return StreamingResponse(_events(answer, app), media_type="text/event-stream")
        try:
            text = await asyncio.to_thread(lambda: "".join(answer.text()))
        except Exception as error:
            return JSONResponse({"error": _problem(error)}, status_code=400)
        return {
            "id": f"chatcmpl-{secrets.token_hex(8)}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": q.model,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": answer.stop_reason}],
            "usage": answer.usage(),
            "timings": answer.timings(),
        }

    @app.post("/tasks", dependencies=[Depends(allowed)])
    async def task(t: Task):
        if t.model not in models.known:
            raise HTTPException(404, f"The model {t.model!r} is not registered.")
        try:
            return await asyncio.to_thread(_answered, models, t)
        except Exception as error:
            return JSONResponse({"error": _problem(error)}, status_code=400)

    return app


def _answered(models: Models, t: Task) -> dict[str, Any]:
    known = models.known[t.model]
    folder = Path(known.adapter or known.base)
    about = model_files.head(folder) | paths.read_json(folder / "task.json", {})
    with models.turn:
        model, tokenizer, adapted = models.ready(t.model)
        with contextlib.nullcontext() if adapted else peft_methods.disabled(model):
            return task_predict.answer(model, tokenizer, known.objective, t.text, about=about, question=t.question, most=t.most)


async def _events(answer: Answer, app: FastAPI) -> AsyncIterator[str]:
    """Yield server-sent events in OpenAI's format; an error is an event too, because the status line is already sent.

    A separate thread reads the answer to its end, so that a client that disconnects stops the generation and releases the lock.
    """
    head = {
        "id": f"chatcmpl-{secrets.token_hex(8)}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": answer.q.model,
    }
    loop, pieces = asyncio.get_running_loop(), asyncio.Queue()

    def read() -> None:
        end: BaseException | None = None
        try:
            for piece in answer.text():
                loop.call_soon_threadsafe(pieces.put_nowait, piece)
        except Exception as error:
            end = error
        with contextlib.suppress(RuntimeError):  # the server is shutting down
            loop.call_soon_threadsafe(pieces.put_nowait, end)

    threading.Thread(target=read, daemon=True).start()
    try:
        while isinstance(piece := await pieces.get(), str):
            app.state.last = time.monotonic()
            yield _event(head, answer, {"content": piece}, None)
        if piece is None:
            yield _event(head, answer, {}, answer.stop_reason)
        else:
            yield "data: " + json.dumps({"error": _problem(piece)}) + "\n\n"
        yield "data: [DONE]\n\n"
    finally:
        answer.halt.asked = True


def _event(head: dict[str, Any], answer: Answer, delta: dict[str, str], reason: str | None) -> str:
    """Return one event, with the counts so far: whoever stops an answer then knows them."""
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return "data: " + json.dumps(head | {"choices": [choice], "usage": answer.usage(), "timings": answer.timings()}) + "\n\n"


def _problem(error: BaseException) -> dict[str, Any]:
    import traceback

    known = translate(error)
    if known is None:
        traceback.print_exception(error)
        return {
            "code": "defect",
            "message": f"{type(error).__name__}: {str(error)[:300]}",
            "remedy": "See the serving log for details.",
        }
    return known.as_dict()


def main(folder: Path) -> int:
    if not locks.acquire(folder / "lock"):
        return 1
    request = paths.read_json(folder / "request.json", {})
    (folder / "control").unlink(missing_ok=True)
    load.use_cores()
    with socket.socket() as s:
        s.bind(("127.0.0.1", request.get("port", 0)))
        port = s.getsockname()[1]
    key, models = request.get("key") or secrets.token_urlsafe(32), Models(request.get("device", "cpu"))
    app = make_app(models, key)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))

    def watch() -> None:
        while not server.should_exit:
            time.sleep(0.5)
            if server.started and not (folder / "endpoint.json").exists():
                _publish(folder, port, key)
            if (folder / "control").exists() or time.monotonic() - app.state.last > request.get("idle", IDLE) and not models.turn.locked():
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
