"""The routes of files, uploads, jobs and tuned models, as OpenAI's API has them, beside those of the chat (`tuner.serving.gateway`)."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, BinaryIO

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from tuner import runs
from tuner.api import events, results
from tuner.api.files import LARGEST, PART, Files, described
from tuner.api.jobs import ENDED, Jobs
from tuner.api.names import TunedModels
from tuner.api.records import page, shown
from tuner.api.requests import CompleteRequest, JobRequest, UploadRequest, limit_of
from tuner.errors import ConflictError, DiskError, TunerError, translate
from tuner.serving import protocol
from tuner.serving.gateway import Allowed, read_body
from tuner.serving.protocol import Refused

ROOM = 2**16  # bytes of a form beside its file
LOOKS = 0.5  # seconds between two looks at the events of a job that somebody follows
METADATA = re.compile(r"metadata\[(.{1,64})\]")


class Routes:
    """`add` puts them into an app."""

    def __init__(self, jobs: Jobs, files: Files):
        self.jobs, self.files, self.tuned = jobs, files, TunedModels(jobs.ws)

    def add(self, app: FastAPI, allowed: Allowed) -> None:
        """Add all routes. `allowed` says who asks, or refuses."""
        for method, path, scope, work in (
            ("GET", "/v1/files", "read", self.list_files),
            ("POST", "/v1/files", "train", self.add_file),
            ("GET", "/v1/files/{id}", "read", self.get_file),
            ("DELETE", "/v1/files/{id}", "train", self.delete_file),
            ("GET", "/v1/files/{id}/content", "read", self.content),
            ("POST", "/v1/uploads", "train", self.begin_upload),
            ("POST", "/v1/uploads/{id}/parts", "train", self.add_part),
            ("POST", "/v1/uploads/{id}/complete", "train", self.complete_upload),
            ("POST", "/v1/uploads/{id}/cancel", "train", self.cancel_upload),
            ("GET", "/v1/fine_tuning/jobs", "read", self.list_jobs),
            ("POST", "/v1/fine_tuning/jobs", "train", self.create_job),
            ("GET", "/v1/fine_tuning/jobs/{id}", "read", self.get_job),
            ("GET", "/v1/fine_tuning/jobs/{id}/events", "read", self.list_events),
            ("GET", "/v1/fine_tuning/jobs/{id}/checkpoints", "read", self.list_checkpoints),
            ("POST", "/v1/fine_tuning/jobs/{id}/cancel", "train", self.act(self.jobs.cancel)),
            ("POST", "/v1/fine_tuning/jobs/{id}/pause", "train", self.act(self.jobs.pause)),
            ("POST", "/v1/fine_tuning/jobs/{id}/resume", "train", self.act(self.jobs.resume)),
            ("DELETE", "/v1/models/{name:path}", "train", self.delete_model),
        ):
            app.add_api_route(path, _route(allowed, scope, work), methods=[method], response_model=None)

    # --- files ---------------------------------------------------------------------------------------------------------

    async def list_files(self, owner: str, request: Request) -> dict[str, Any]:
        q = request.query_params
        found = await asyncio.to_thread(
            self.files.listing,
            owner,
            purpose=q.get("purpose"),
            after=q.get("after"),
            limit=limit_of(q.get("limit"), 10_000, 10_000),
            oldest=q.get("order") == "asc",
        )
        return shown(*found)

    async def add_file(self, owner: str, request: Request) -> dict[str, Any]:
        async with _Form(request, LARGEST, "file") as form:
            for name in form.fields.keys() - {"purpose"}:
                raise Refused(
                    400, f"{name[:60]}: not known here. Files do not expire; delete them when they are no longer needed.", param=name
                )
            return await asyncio.to_thread(self.files.add, owner, form.filename, form.fields.get("purpose", ""), form.content)

    async def get_file(self, owner: str, request: Request) -> dict[str, Any]:
        return described(await asyncio.to_thread(self.files.get, owner, request.path_params["id"]))

    async def delete_file(self, owner: str, request: Request) -> dict[str, Any]:
        return await asyncio.to_thread(self.files.delete, owner, request.path_params["id"])

    async def content(self, owner: str, request: Request) -> FileResponse:
        id = (await asyncio.to_thread(self.files.get, owner, request.path_params["id"]))["id"]
        return FileResponse(self.files.path(id), media_type="application/octet-stream")

    # --- uploads -------------------------------------------------------------------------------------------------------

    async def begin_upload(self, owner: str, request: Request) -> dict[str, Any]:
        q: UploadRequest = protocol.read(UploadRequest, await read_body(request))
        return await asyncio.to_thread(self.files.begin, owner, q.filename, q.purpose, q.bytes)

    async def add_part(self, owner: str, request: Request) -> dict[str, Any]:
        async with _Form(request, PART, "data") as form:
            return await asyncio.to_thread(self.files.add_part, owner, request.path_params["id"], form.content)

    async def complete_upload(self, owner: str, request: Request) -> dict[str, Any]:
        q: CompleteRequest = protocol.read(CompleteRequest, await read_body(request))
        return await asyncio.to_thread(self.files.complete, owner, request.path_params["id"], q.part_ids, q.md5)

    async def cancel_upload(self, owner: str, request: Request) -> dict[str, Any]:
        return await asyncio.to_thread(self.files.cancel, owner, request.path_params["id"])

    # --- jobs ----------------------------------------------------------------------------------------------------------

    async def list_jobs(self, owner: str, request: Request) -> dict[str, Any]:
        q = request.query_params
        metadata = {found[1]: value for name, value in q.items() if (found := METADATA.fullmatch(name))}
        limit = limit_of(q.get("limit"), 20, 100)
        return shown(*await asyncio.to_thread(self.jobs.listing, owner, after=q.get("after"), limit=limit, metadata=metadata))

    async def create_job(self, owner: str, request: Request) -> dict[str, Any]:
        q: JobRequest = protocol.read(JobRequest, await read_body(request))
        return await asyncio.to_thread(self.jobs.create, owner, q)

    async def get_job(self, owner: str, request: Request) -> dict[str, Any]:
        return await asyncio.to_thread(self.jobs.get, owner, request.path_params["id"])

    def act(self, what: Callable[[str, str], dict[str, Any]]):
        """Return the work of a route that does something with a job."""

        async def work(owner: str, request: Request) -> dict[str, Any]:
            return await asyncio.to_thread(what, owner, request.path_params["id"])

        return work

    async def list_events(self, owner: str, request: Request) -> Any:
        q, id = request.query_params, request.path_params["id"]
        if q.get("stream") == "true":
            await asyncio.to_thread(self._events, owner, id)  # refused before the stream begins
            return StreamingResponse(self._followed(owner, id, request), media_type="text/event-stream")
        found = await asyncio.to_thread(self._events, owner, id)
        return shown(*page(found, q.get("after"), limit_of(q.get("limit"), 20, 1000)))

    def _events(self, owner: str, id: str) -> list[dict[str, Any]]:
        job = self.jobs.records.get(owner, id)
        return events.of(self.jobs.ws, job, self.jobs.run_of(job))

    async def _followed(self, owner: str, id: str, request: Request) -> AsyncIterator[bytes]:
        """Each event as it comes, the oldest first, until the job has ended."""
        told: set[str] = set()
        while True:
            over = (await asyncio.to_thread(self.jobs.get, owner, id))["status"] in ENDED and self.jobs.records.get(owner, id).get(
                "settled"
            )
            for event in reversed(await asyncio.to_thread(self._events, owner, id)):
                if event["id"] not in told:
                    told.add(event["id"])
                    yield f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
            if over or await request.is_disconnected():
                yield b"data: [DONE]\n\n"
                return
            await asyncio.sleep(LOOKS)

    async def list_checkpoints(self, owner: str, request: Request) -> dict[str, Any]:
        q = request.query_params

        def found() -> list[dict[str, Any]]:
            job = self.jobs.records.get(owner, request.path_params["id"])
            return results.checkpoints(job, self.jobs.run_of(job))

        return shown(*page(await asyncio.to_thread(found), q.get("after"), limit_of(q.get("limit"), 10, 100)))

    # --- models --------------------------------------------------------------------------------------------------------

    async def delete_model(self, owner: str, request: Request) -> dict[str, Any]:
        name = request.path_params["name"]
        await asyncio.to_thread(self._delete_model, owner, name)
        return {"id": name, "object": "model", "deleted": True}

    def _delete_model(self, owner: str, name: str) -> None:
        """Delete the run of a job of this key, with its checkpoints. The models of others, and runs that no job made, are not deleted here."""
        found = self.tuned.find(name)
        try:
            if found is None or found.step is not None or not name.startswith("ft:"):
                raise KeyError
            self.jobs.records.get(owner, found.ref)
        except (KeyError, Refused) as error:
            raise Refused(
                404, f"There is no model {name[:120]!r} that this key may delete.", param="model", code="model_not_found"
            ) from error
        runs.delete(self.jobs.ws, found.ref)


def _route(allowed: Allowed, scope: str, work: Callable) -> Callable:
    """Return a handler that asks who comes, does the work, and refuses in OpenAI's shape."""

    async def handler(request: Request):
        owner = allowed(request, scope)
        try:
            return await work(owner, request)
        except TunerError as error:
            raise as_refusal(error) from error
        except OSError as error:
            known = translate(error)
            raise (as_refusal(known) if known else error) from error

    return handler


def as_refusal(error: TunerError) -> Refused:
    """Return an error of the engine in OpenAI's shape."""
    first = error.as_list()[0]
    status = 507 if isinstance(error, DiskError) else 409 if isinstance(error, ConflictError) else 400
    return Refused(status, f"{first['message']} {first['remedy'] or ''}".strip(), param=first["field"], code=first["code"])


class _Form:
    """The form of a request with one file, which lies on the disk and not in memory; no more is read than `most` bytes."""

    def __init__(self, request: Request, most: int, field: str):
        self.request, self.most, self.field = request, most, field
        self.fields: dict[str, str] = {}
        self.filename = ""
        self.content: BinaryIO

    async def __aenter__(self) -> "_Form":
        read, receive = 0, self.request.receive

        async def counted():
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.most + ROOM:
                raise Refused(413, f"The request has more than {self.most:,} bytes.", param=self.field, code="too_large")
            return message

        limited = Request(self.request.scope, counted)
        try:
            self.form = await limited.form(max_files=1, max_fields=20)
        except (MultiPartException, HTTPException) as error:
            told = getattr(error, "message", None) or getattr(error, "detail", "")
            raise Refused(400, f"The form can't be read: {told}", code="invalid_form") from error
        found = self.form.get(self.field)
        if found is None or isinstance(found, str):
            raise Refused(400, f"The form has no file called {self.field!r}.", param=self.field, code="missing_file")
        self.fields = {name: value for name, value in self.form.items() if isinstance(value, str)}
        self.filename = re.split(r"[/\\]", found.filename or "")[-1][:255] or "file.jsonl"
        self.content = found.file
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.form.close()
