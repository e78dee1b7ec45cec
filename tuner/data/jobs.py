"""Imports that run in a process of their own, so that the page can be closed and a large file can be taken back.

jobs/<id>/job.json       what was asked            jobs/<id>/progress.json  how far it is, rewritten by the worker
jobs/<id>/result.json    how it ended, written last jobs/<id>/cancel        put there to take the import back
jobs/<id>/lock           held by the worker as long as it lives
"""

import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tuner import locks, paths, reserve
from tuner.data import store
from tuner.data.check import Progress
from tuner.data.sources import LIMIT, check_upload
from tuner.data.store import Dataset
from tuner.errors import DataError, NotFoundError, restore, translate
from tuner.launch import local
from tuner.paths import Workspace

__all__ = ["begin", "cancel", "check_upload", "forget", "health", "paste", "progress", "start", "wait"]
STARTING, KEPT = 60, 24 * 3600
KEEPS = ("generate", "judge")  # tasks whose work so far stays when they are ended
_children: dict[str, subprocess.Popen] = {}


def start(
    ws: Workspace,
    path: str | Path | list[str | Path],
    name: str | None = None,
    *,
    limit_bytes: int = LIMIT,
    **options,
) -> str:
    """The id of an import that is now under way; the options are those of `store.add`.

    NotFoundError or RequestError (too large) are raised at once.
    """
    files = path if isinstance(path, list) else [path]
    for one in files:
        check_upload(one, limit_bytes)
    return begin(ws, "add", path=[str(Path(one).resolve()) for one in files], name=name, limit_bytes=limit_bytes, **options)


def health(ws: Workspace, ds: Dataset) -> str | None:
    """See that the health report of a version is made: the id of the job that makes it, None when it is there."""
    if (paths.read_json(ds.path / "health.json") or {}).get("complete"):
        return None
    job = f"import-health-{ds.id[:40]}-{ds.version}"
    folder = ws.jobs / job
    if (folder / "job.json").exists():
        if progress(ws, job)["state"] in ("running", "failed"):
            return job
        shutil.rmtree(folder, ignore_errors=True)
    return begin(ws, "health", job, ref=ds.ref)


def begin(ws: Workspace, task: str, job: str | None = None, *, hidden: dict[str, str] | None = None, **arguments) -> str:
    """The id of a job that does a task of workers/ingest.py (add, remap, mix, mend, edit, hub, health, export, generate, judge) with these arguments in a process of its own, which is told
    `hidden` without its being written anywhere."""
    ws.prepare()
    _tidy(ws)
    job = job or f"import-{secrets.token_hex(6)}"
    folder = ws.jobs / job
    try:
        folder.mkdir()
    except FileExistsError:
        return job  # somebody else was quicker
    reserve.keep(folder)
    paths.write_json(folder / "job.json", {"home": str(ws.home.resolve()), "owner": ws.owner, "task": task, "arguments": arguments})
    try:
        _children[job] = local.start(
            "tuner.workers.ingest", str(folder.resolve()), log=folder / "worker.log", offline=task != "hub", secrets=hidden
        )
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise translate(error) or error from error
    return job


def progress(ws: Workspace, job: str) -> dict:
    """{"state": running | done | failed | cancelled, "done", "total", "rows", "eta_seconds", "dataset", "errors"}."""
    folder = _folder(ws, job)
    alive = _alive(folder, job)  # asked before the result: a worker may write it and end in between
    result = paths.read_json(folder / "result.json")
    state = {"state": "running", "done": 0, "total": 0, "rows": 0, "eta_seconds": None, "dataset": None, "errors": []}
    state |= paths.read_json(folder / "progress.json", {})
    if result is None and alive:
        return state
    if result is None:
        store.sweep(ws)
        said = reserve.said(folder)  # what it could write nowhere else
        errors = [said] if said else _died(folder).as_list()
        result = {"state": "cancelled"} if (folder / "cancel").exists() else {"state": "failed", "errors": errors}
        if paths.writable(folder) and not said:
            paths.write_json(folder / "result.json", result)
    return state | {"eta_seconds": None} | result


def wait(ws: Workspace, job: str, tell: Progress | None = None) -> Dataset:
    """The dataset that a job makes; raises what went wrong in its process."""
    while (now := progress(ws, job))["state"] == "running":
        if tell:
            tell(now["done"], now["total"], now["rows"])
        time.sleep(0.1)
    forget(ws, job)
    if now["state"] == "failed":
        raise restore(now["errors"])
    if now["state"] == "cancelled":
        raise store.Cancelled
    return store.get(ws, now["dataset"])


def _alive(folder: Path, job: str) -> bool:
    child = _children.get(job)
    if child and child.poll() is not None:
        _children.pop(job, None)
    if child:
        return child.poll() is None
    if locks.held(folder / "lock"):
        return True
    return (
        not (folder / "progress.json").exists() and time.time() - (folder / "job.json").stat().st_mtime < STARTING
    )  # started by a page that is gone, not at work yet


def _died(folder: Path) -> DataError:
    log = folder / "worker.log"
    tail = log.read_text(encoding="utf-8", errors="replace")[-500:].strip() if log.exists() else ""
    if (paths.read_json(folder / "job.json") or {}).get("task") in KEEPS:
        return DataError(
            "The work was ended from outside before it was done (out of memory, or the computer was shut down). What was done is kept.",
            asked=tail or None,
            available="the rest of it",
            remedy="Go on with it.",
        )
    return DataError(
        "The import was ended from outside before it was done (out of memory, or the computer was shut down). Nothing was added.",
        asked=tail or None,
        available="an import that runs to its end",
        remedy="Start it again; if it ends again, import a smaller part of the file.",
    )


def cancel(ws: Workspace, job: str) -> None:
    """Take the import back; the worker hears it within a second and leaves nothing."""
    (_folder(ws, job) / "cancel").touch()


def forget(ws: Workspace, job: str) -> None:
    """Remove the folder of an import that has ended; one that runs is left alone."""
    if progress(ws, job)["state"] != "running":
        shutil.rmtree(_folder(ws, job), ignore_errors=True)


def paste(ws: Workspace, text: str, name: str | None = None, **options) -> Dataset:
    """Import pasted text, whatever format it is in; the options are those of `store.add`."""
    if not text.strip():
        raise DataError(
            "Nothing was pasted.", asked="", available="rows of CSV, JSON or JSONL, or plain text", remedy="Paste at least one row."
        )
    ws.prepare()
    with tempfile.TemporaryDirectory(dir=ws.jobs, prefix=".paste-") as folder:
        path = Path(folder) / "pasted"
        path.write_text(text, encoding="utf-8", errors="replace", newline="")
        return store.add(ws, path, name=name or "pasted", **options)


def _folder(ws: Workspace, job: str) -> Path:
    folder = ws.jobs / paths.checked(job, "import")
    if not (folder / "job.json").is_file():
        raise NotFoundError(
            f"There is no import {job!r}.", asked=job, available=sorted(f.name for f in ws.jobs.glob("import-*")), remedy="Start it again."
        )
    return folder


def _tidy(ws: Workspace) -> None:
    """Folders of imports that ended a day ago are of no use to anyone."""
    for result in ws.jobs.glob("import-*/result.json"):
        if time.time() - result.stat().st_mtime > KEPT:
            shutil.rmtree(result.parent, ignore_errors=True)
