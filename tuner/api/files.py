"""Uploaded files, and uploads in parts. They are kept as they came; what is in a training file is read when a job needs it, in a process of its own."""

import hashlib
import shutil
import time
from pathlib import Path
from typing import Any, BinaryIO

from tuner.api.records import Records
from tuner.errors import translate
from tuner.paths import Workspace
from tuner.serving.protocol import Refused

LARGEST = 2 * 10**9  # bytes of a file, as the page takes it
PART = 64 * 2**20  # bytes of a part, as OpenAI has it
PARTS = 2000
HOUR = 3600  # seconds in which an upload must be completed
PURPOSES = ("fine-tune",)  # what can be uploaded; results are of the purpose fine-tune-results
RESULTS = "fine-tune-results"
CHUNK = 2**20


class Files:
    """The files of a workspace."""

    def __init__(self, ws: Workspace):
        self.records = Records(ws.api / "files", "file", nested=True)
        self.uploads = Records(ws.api / "uploads", "upload", nested=True)

    def path(self, id: str) -> Path:
        return self.records.file(id).with_name("content.jsonl")

    def add(self, owner: str, name: str, purpose: str, content: BinaryIO) -> dict[str, Any]:
        """Keep a file; returns its object. Refused for a purpose that is not known here, an empty file and one that is too large."""
        _require(purpose)
        return self._keep(owner, name, purpose, content)

    def add_results(self, owner: str, name: str, content: BinaryIO) -> dict[str, Any]:
        """Keep the results of a job."""
        return self._keep(owner, name, RESULTS, content)

    def _keep(self, owner: str, name: str, purpose: str, content: BinaryIO) -> dict[str, Any]:
        record = self.records.create(owner, filename=name, purpose=purpose, bytes=0, whole=False)
        try:
            size = _copied(content, self.path(record["id"]), LARGEST)
            if not size:
                raise Refused(400, "The file is empty.", param="file", code="invalid_file")
        except (OSError, Refused) as error:
            shutil.rmtree(self.path(record["id"]).parent, ignore_errors=True)
            raise translate(error) or error from error
        record |= {"bytes": size, "whole": True}
        self.records.write(record)
        return described(record)

    def get(self, owner: str, id: str) -> dict[str, Any]:
        """Return the record of a whole file; Refused where there is none of this key."""
        record = self.records.get(owner, id)
        if not record["whole"]:
            raise self.records.missing(id)
        return record

    def listing(self, owner: str, *, purpose: str | None, after: str | None, limit: int, oldest: bool) -> tuple[list[dict], bool]:
        """Return (files as they are shown, whether there are more)."""
        found, more = self.records.listing(
            owner, after=after, limit=limit, where=lambda r: r["whole"] and purpose in (None, r["purpose"]), oldest=oldest
        )
        return [described(record) for record in found], more

    def delete(self, owner: str, id: str) -> dict[str, Any]:
        """Delete a file. What was trained on it stays: a run has a dataset of its own."""
        shutil.rmtree(self.path(self.get(owner, id)["id"]).parent)
        return {"id": id, "object": "file", "deleted": True}

    # --- uploads in parts ---------------------------------------------------------------------------------------------

    def begin(self, owner: str, name: str, purpose: str, size: int) -> dict[str, Any]:
        """Begin an upload of so many bytes."""
        _require(purpose)
        if not 0 < size <= LARGEST:
            raise Refused(400, f"An upload has 1 to {LARGEST:,} bytes here; {size:,} were announced.", param="bytes")
        return upload(self.uploads.create(owner, filename=name, purpose=purpose, bytes=size, status="pending", parts=[], file=None))

    def add_part(self, owner: str, id: str, content: BinaryIO) -> dict[str, Any]:
        """Keep a part; parts may come side by side."""
        record = self._pending(owner, id)
        folder = self.uploads.file(id).parent
        if sum(1 for _ in folder.glob("part-*.bin")) >= PARTS:
            raise Refused(400, f"An upload has at most {PARTS:,} parts.", param="data")
        part = Records(folder, "part").create(record["owner"], upload=id)
        size = _copied(content, folder / f"{part['id']}.bin", PART)
        if not size:
            raise Refused(400, "The part is empty.", param="data")
        return {"id": part["id"], "object": "upload.part", "upload_id": id, "created_at": part["created_at"]}

    def complete(self, owner: str, id: str, parts: list[str], md5: str | None) -> dict[str, Any]:
        """Put the parts together in this order. Refused when they are not as many bytes as were announced, or others."""
        record = self._pending(owner, id)
        folder = self.uploads.file(id).parent
        pieces = [folder / f"{Records(folder, 'part').get(owner, part)['id']}.bin" for part in parts]
        if (size := sum(piece.stat().st_size for piece in pieces)) != record["bytes"]:
            raise Refused(400, f"The parts have {size:,} bytes; {record['bytes']:,} were announced.", param="part_ids")
        whole = folder / "whole"
        with open(whole, "wb") as out:
            for piece in pieces:
                with open(piece, "rb") as content:
                    shutil.copyfileobj(content, out, CHUNK)
        if md5 and _md5(whole) != md5.lower():
            whole.unlink()
            raise Refused(400, "The parts are not what was announced: their MD5 differs.", param="md5")
        with open(whole, "rb") as content:
            file = self._keep(owner, record["filename"], record["purpose"], content)
        for each in folder.glob("part-*"):
            each.unlink()
        whole.unlink()
        record |= {"status": "completed", "file": file}
        self.uploads.write(record)
        return upload(record)

    def cancel(self, owner: str, id: str) -> dict[str, Any]:
        """Cancel an upload; its parts are deleted."""
        record = self._pending(owner, id) | {"status": "cancelled"}
        for each in self.uploads.file(id).parent.glob("part-*"):
            each.unlink()
        self.uploads.write(record)
        return upload(record)

    def _pending(self, owner: str, id: str) -> dict[str, Any]:
        record = self.uploads.get(owner, id)
        if (status := upload(record)["status"]) != "pending":
            raise Refused(400, f"The upload {id} is {status}.", param="upload_id")
        return record


def described(record: dict[str, Any]) -> dict[str, Any]:
    """Return a file as OpenAI's API shows it."""
    keys = ("id", "bytes", "created_at", "filename", "purpose")
    return {"object": "file"} | {key: record[key] for key in keys} | {"status": "processed", "expires_at": None, "status_details": None}


def upload(record: dict[str, Any]) -> dict[str, Any]:
    """Return an upload as OpenAI's API shows it."""
    keys = ("id", "bytes", "created_at", "filename", "purpose", "file", "status")
    found = {"object": "upload", "expires_at": record["created_at"] + HOUR} | {key: record[key] for key in keys}
    return found | ({"status": "expired"} if found["status"] == "pending" and time.time() > found["expires_at"] else {})


def _require(purpose: str) -> None:
    if purpose not in PURPOSES:
        raise Refused(400, f"The purpose {purpose[:60]!r} is not known here. Available: {', '.join(PURPOSES)}.", param="purpose")


def _copied(content: BinaryIO, to: Path, most: int) -> int:
    """Copy a stream and return its bytes; Refused, and nothing kept, when it has more than `most`."""
    size = 0
    with open(to, "wb") as out:
        while part := content.read(CHUNK):
            size += len(part)
            if size > most:
                out.close()
                to.unlink()
                raise Refused(413, f"More than {most:,} bytes.", param="file", code="too_large")
            out.write(part)
    return size


def _md5(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "md5").hexdigest()
