"""The chat client: starts the serving worker when needed, registers a model with it and streams its answers."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from tuner import devices, locks, models, paths, runs
from tuner.errors import DeviceError, ModelError, NotFoundError, TunerError, WorkError
from tuner.jobs.job import Job
from tuner.models import mixed_precision
from tuner.paths import Workspace
from tuner.runs import checkpoint_files
from tuner.settings import continuation, objectives
from tuner.settings.run_config import Settings

STARTS = 20.0  # seconds within which a serving worker must take its lock; it does so before it loads anything
PATIENCE = 180.0  # seconds until a serving worker counts as failed: importing torch and loading a large base model takes a while
STREAMED = {"stream": True, "stream_options": {"continuous_usage_stats": True}}


@dataclass
class Piece:
    """A part of an answer. The last one has `stop_reason`; the token counts of the others are those so far.

    `first_token_seconds`: the time to the first token, without loading the model; `tokens_per_second` from there on; None while unknown.
    """

    text: str = ""
    stop_reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token_seconds: float | None = None
    tokens_per_second: float | None = None


def insisted(known: dict[str, Any], anyway: bool) -> dict[str, Any]:
    """Return what the serving worker needs, with whether to load the model even where a run may need its memory."""
    return known | {"anyway": True} if anyway else known


def serving_spec(ws: Workspace, ref: str, base: bool = False, step: int | None = None) -> dict[str, Any]:
    """Return what the serving worker needs to load a run or model: its id there, base model, adapter, precision.

    With `base`, the model that the run started from; with `step`, the run's checkpoint of that step. ModelError for a run without a model,
    NotFoundError for a checkpoint that it does not have.
    """
    device = devices.listing()[0]
    if paths.ID.fullmatch(ref) and (ws.runs / ref / "status.json").exists():
        run = runs.get(ws, ref)
        about, settings = run.plan["model"], Settings.from_json(run.plan["settings"])
        generates = settings.objective in objectives.GENERATIVE
        how = {"precision": mixed_precision.served(settings.precision, settings.method, generates, device), "objective": settings.objective}
        if base:
            return {"id": f"{ws.owner}/{ref}/base", "base": about["base"], "adapter": about["adapter"]} | how
        if step is not None:
            return _checkpoint(ws, run, step, about["base"]) | how
        if not run.can_answer:
            raise ModelError(
                f"The run {run.name} has no model to chat with yet.",
                asked=ref,
                available="runs that finished, or were stopped after their first save",
                remedy="Wait until it has ended, or resume it.",
                field="run",
            )
        whole = settings.method == "full"
        return {
            "id": f"{ws.owner}/{ref}",
            "base": str(run.path / "model") if whole else about["base"],
            "adapter": None if whole else str(run.path / "model"),
        } | how
    model = models.resolve(ref, ws, need_weights=True)
    return {
        "id": f"{ws.owner}/{ref}",
        "base": model.base,
        "adapter": str(model.adapter) if model.adapter else None,
        "precision": "bf16" if device.bf16 else "fp32",
    }


def _checkpoint(ws: Workspace, run: runs.Run, step: int, base: str) -> dict[str, Any]:
    """Return where the weights of a checkpoint are."""
    found = {checkpoint_files.step_of(c): c for c in checkpoint_files.checkpoints(run.path)}
    if step not in found or not _whole(found[step], _stamp(found[step] / "MANIFEST.json")):
        raise NotFoundError(
            f"The run {run.name} has no complete checkpoint of step {step}.",
            asked=step,
            available=", ".join(map(str, sorted(found))) or "none",
            remedy="Choose one of these.",
            field="model",
        )
    whole = continuation.kind(found[step]) == "whole"
    place = {"base": str(found[step]), "adapter": None} if whole else {"base": base, "adapter": str(found[step])}
    return {"id": f"{ws.owner}/{run.id}@{step}"} | place


@cache
def _whole(checkpoint: Path, stamp: int | None) -> bool:
    """Return whether a checkpoint is whole; asked once for a manifest, since it reads all files."""
    return stamp is not None and checkpoint_files.is_whole(checkpoint)


def _stamp(file: Path) -> int | None:
    return file.stat().st_mtime_ns if file.exists() else None


def folder(ws: Workspace, device: str) -> Path:
    """Return the folder of a device's serving worker."""
    return ws.machine_folder() / "serving" / device.replace(":", "-")


def endpoint(ws: Workspace, device: str | None = None, *, waiting=None) -> dict[str, Any]:
    """Return {"port", "key"} of the device's serving worker, which is started if necessary; DeviceError if it does not start.

    `waiting(seconds)` is called while it loads.
    """
    device = devices.get(device).id
    place = folder(ws, device)
    began = seen = time.monotonic()
    while True:
        found = paths.read_json(place / "endpoint.json") if locks.is_held(place / "lock") else None
        if found:
            return found
        if not locks.is_held(place / "lock"):
            place.mkdir(parents=True, exist_ok=True)
            (place / "endpoint.json").unlink(missing_ok=True)
            if not (place / "request.json").exists():
                paths.write_json(place / "request.json", {"device": device})
            Job(ws, "serve", place).submit(device)
        else:
            seen = time.monotonic()
        if time.monotonic() - began > PATIENCE or time.monotonic() - seen > STARTS:
            raise DeviceError(
                "The model could not be started.",
                asked=device,
                available=f"the log: {place / 'worker.log'}",
                remedy="Check the log, then restart the app.",
            )
        if waiting:
            waiting(time.monotonic() - began)
        time.sleep(0.2)


class Client:
    """A connection to one serving worker."""

    def __init__(self, ws: Workspace, device: str | None = None, *, waiting=None):
        self.ws, self.device = ws, device
        self.connect(waiting=waiting)

    def connect(self, *, waiting=None) -> None:
        """Connect to the device's serving worker, which is started when it is gone."""
        found = endpoint(self.ws, self.device, waiting=waiting)
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{found['port']}",
            headers={"Authorization": f"Bearer {found['key']}"},
            timeout=httpx.Timeout(600, connect=10),
            limits=httpx.Limits(max_keepalive_connections=0),  # a kept connection may be closed while a request is on its way
            trust_env=False,
        )

    def stream(self, known: dict[str, Any], messages: list[dict[str, Any]], **sampling: Any) -> Iterator[Piece]:
        """Yield the pieces of the answer as they arrive; closing the iterator stops the generation."""
        try:
            self.http.post("/models", json=known).raise_for_status()
            with self.http.stream(
                "POST", "/v1/chat/completions", json=STREAMED | {"model": known["id"], "messages": messages, **sampling}
            ) as response:
                if response.status_code != 200:
                    response.read()
                    raise _refusal(response, sampling)
                yield from map(_piece, _data(response))
        except httpx.HTTPError as error:
            raise _gone(known, error) from error

    def task(self, known: dict[str, Any], text: str, *, question: str = "", most: int = 256) -> dict[str, Any]:
        """Return the prediction of a model that does not chat: see workers/serving/task_predict.py."""
        return self.tasks(known, [text], question=question, most=most)[0]

    def tasks(self, known: dict[str, Any], texts: list[str], *, question: str = "", most: int = 256) -> list[dict[str, Any]]:
        """Return the predictions for up to 256 texts, which are read together where the objective allows it."""
        return self._posted(known, "/tasks", {"texts": texts, "question": question, "most": most})["rows"]

    def _posted(self, known: dict[str, Any], path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Register the model and return the document that the worker answers with."""
        try:
            self.http.post("/models", json=known).raise_for_status()
            response = self.http.post(path, json={"model": known["id"]} | body)
        except httpx.HTTPError as error:
            raise _gone(known, error) from error
        if response.status_code != 200:
            raise _refusal(response, {"asked": str(body)[:80]})
        return response.json()

    def scores(self, known: dict[str, Any], rows: list[dict[str, Any]], **how: Any) -> list[dict[str, Any]]:
        """Return how likely the model finds the answers of rows: see workers/serving/scores.py. `how`: kind, objective, max_length, fold_system."""
        return self._posted(known, "/score", {"rows": rows} | how)["rows"]

    def answer(
        self, known: dict[str, Any], messages: list[dict[str, Any]], *, leave: Callable[[], bool] = lambda: False, **sampling: Any
    ) -> Piece:
        """Return the complete answer, or what there is of it when `leave()` turns true."""
        text, last = "", Piece()
        with contextlib.closing(self.stream(known, messages, **sampling)) as pieces:
            for last in pieces:
                text += last.text
                if leave():
                    break
        return replace(last, text=text)


def in_words(out: dict[str, Any]) -> str:
    """Return the prediction of a model that does not chat, as one line."""
    if "labels" in out:
        likely = [n for n in out["labels"] if n["score"] >= 0.5] if out.get("several") else out["labels"][:1]
        return ", ".join(n["label"] for n in likely)
    if "value" in out:
        return f"{out['value']:g}"
    if "words" in out:
        return " ".join(f"{w['text']}/{w['label']}" if w["label"] not in ("O", "0") else w["text"] for w in out["words"])
    return out["text"]


class Gone(WorkError):
    """The worker ended while it was asked."""


def _gone(known: dict[str, Any], error: Exception) -> Gone:
    return Gone(
        f"The model stopped answering ({type(error).__name__}).",
        asked=known["id"],
        available="the same question again",
        remedy="Send the question again to restart the model. The usual cause is too little memory.",
    )


def _refusal(response: httpx.Response, sampling: dict[str, Any]) -> TunerError:
    problem = {}
    with contextlib.suppress(ValueError):
        problem = response.json().get("error") or {}
    if problem.get("remedy"):
        return TunerErrorFromWorker(problem)
    return WorkError(
        f"The model refused the question: {problem.get('message') or response.text[:300]}",
        asked=str(sampling),
        available="temperature 0 to 5, top-p up to 1",
        remedy="Change the generation settings.",
    )


def _data(response: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line[6:])


def _piece(event: dict[str, Any]) -> Piece:
    if problem := event.get("error"):
        raise TunerErrorFromWorker(problem)
    choice, usage, timings = event["choices"][0], event.get("usage") or {}, event.get("timings") or {}
    return Piece(
        choice["delta"].get("content") or "",
        choice["finish_reason"],
        usage.get("prompt_tokens", 0),
        usage.get("completion_tokens", 0),
        timings.get("first_token_seconds"),
        timings.get("tokens_per_second"),
    )


class TunerErrorFromWorker(TunerError):
    """An error that the worker reported, unchanged; `refused`: the request was at fault, and not what happened to it."""

    def __init__(self, document: dict[str, Any]):
        self.refused = document.get("type") == "invalid_request_error"
        super().__init__(
            document["message"],
            asked=document.get("asked"),
            available=document.get("available"),
            remedy=document.get("remedy") or "Check the log.",
            field=document.get("field"),
        )
