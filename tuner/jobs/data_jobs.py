"""Imports that run in a process of their own, so that the page can be closed and a large file can be taken back.

jobs/<id>/job.json       what was asked            jobs/<id>/progress.json  how far it is, rewritten by the worker
jobs/<id>/result.json    how it ended, written last jobs/<id>/cancel        put there to take the import back
jobs/<id>/lock           held by the worker as long as it lives
jobs/<id>/limits.json, fault.log  see tuner/system/limits.py
"""

import secrets
import shutil
import time
from pathlib import Path

from tuner import locks, paths
from tuner.data.importing.import_pass import Progress, unread
from tuner.data.importing.sources import LIMIT, check_upload
from tuner.data.readers.file_format import READABLE
from tuner.data.store import store
from tuner.data.store.store import Dataset
from tuner.errors import DataError, NotFoundError, TunerError, restore, translate
from tuner.paths import Workspace
from tuner.system import disk_reserve, limits, processes
from tuner.system.untrusted import regular, shown

__all__ = [
    "begin",
    "cancel",
    "check",
    "check_upload",
    "follow",
    "forget",
    "health",
    "kept",
    "paste",
    "progress",
    "start",
    "start_paste",
    "subject",
    "wait",
]
PASTED = "pasted"
STARTING, KEPT = 60, 24 * 3600
KEEPS = ("generate", "judge", "pairs")  # tasks whose work so far stays when they are ended
_children = processes.Children()


def start(
    ws: Workspace,
    path: str | Path | list[str | Path],
    name: str | None = None,
    *,
    limit_bytes: int = LIMIT,
    **options,
) -> str:
    """The id of an import that is now under way; the options are those of `store.add`.

    NotFoundError, DataError (no file) or RequestError (too large) are raised at once.
    """
    files = path if isinstance(path, list) else [path]
    if test := options.get("test_file"):
        options["test_file"] = str(Path(test).absolute())
    for one in [*files, *([test] if test else [])]:
        check_upload(one, limit_bytes)
    return begin(ws, "add", path=[str(Path(one).absolute()) for one in files], name=name, limit_bytes=limit_bytes, **options)


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


def begin(
    ws: Workspace, task: str, job: str | None = None, *, hidden: dict[str, str] | None = None, text: str | None = None, **arguments
) -> str:
    """Start a task of workers/data_tasks.py (its TASKS) with these arguments in a process of its own; the id of the job.

    The process is told `hidden` without its being written anywhere. `text` is laid into the job's folder, for the task "paste".
    """
    ws.prepare()
    _tidy(ws)
    job = job or f"import-{secrets.token_hex(6)}"
    folder = ws.jobs / job
    try:
        folder.mkdir()
    except FileExistsError:
        return job  # somebody else was quicker
    disk_reserve.keep(folder)
    if text is not None:
        (folder / PASTED).write_text(text, encoding="utf-8", errors="replace", newline="")
        arguments |= {"folder": str(folder.resolve())}
    paths.write_json(folder / "job.json", {"home": str(ws.home.resolve()), "owner": ws.owner, "task": task, "arguments": arguments})
    if task == "hub" and ws.token:
        hidden = {"HF_TOKEN": ws.token} | (hidden or {})
    try:
        _children[job] = processes.start(
            "tuner.workers.data_tasks", str(folder.resolve()), log=folder / "worker.log", offline=task != "hub", secrets=hidden
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
        said = disk_reserve.said(folder)  # what it could write nowhere else
        errors = [said] if said else _died(folder).as_list()
        result = {"state": "cancelled"} if (folder / "cancel").exists() else {"state": "failed", "errors": errors}
        if paths.writable(folder) and not said:
            paths.write_json(folder / "result.json", result)
    return state | {"eta_seconds": None} | result


def wait(ws: Workspace, job: str, tell: Progress | None = None) -> Dataset:
    """The dataset that a job makes; raises what went wrong in its process."""
    return store.get(ws, follow(ws, job, tell)["dataset"])


def follow(ws: Workspace, job: str, tell: Progress | None = None) -> dict:
    """The result of a job, once it has ended; raises what went wrong in its process. Whoever is interrupted here takes the job back."""
    try:
        while (now := progress(ws, job))["state"] == "running":
            if tell:
                tell(now["done"], now["total"], now["rows"])
            time.sleep(0.05)
    except KeyboardInterrupt:
        cancel(ws, job)
        raise
    forget(ws, job)
    if now["state"] == "failed":
        raise restore(now["errors"])
    if now["state"] == "cancelled":
        raise store.Cancelled
    return now


def check(ws: Workspace, path: str | Path, tell: Progress | None = None, **options) -> dict:
    """The document of `data check` (see `tuner.data.importing.import_pass.check`), made in a process of its own. Raises NotFoundError, SettingError."""
    try:
        regular(path, available=f"one file: {READABLE}")
    except DataError as error:
        return unread(error)
    return follow(ws, begin(ws, "check", path=str(Path(path).absolute()), **options), tell)["document"]


def _alive(folder: Path, job: str) -> bool:
    child = _children.get(job)
    if child and child.poll() is not None:
        _children.pop(job, None)
    if child:
        return child.poll() is None
    if locks.is_held(folder / "lock"):
        return True
    return (
        not (folder / "progress.json").exists() and time.time() - (folder / "job.json").stat().st_mtime < STARTING
    )  # started by a page that is gone, not at work yet


def _died(folder: Path) -> TunerError:
    """Why a process is gone that told no result: a limit that it came to, a library that broke, or the system."""
    job = paths.read_json(folder / "job.json") or {}
    what, left = subject(job), kept(job)
    if found := limits.why(folder, what, left):
        return found
    log = folder / "worker.log"
    tail = log.read_text(encoding="utf-8", errors="replace")[-500:].strip() if log.exists() else ""
    return DataError(
        f"The process that worked on {what} was stopped by the system before it was done: most often because memory ran out, "
        f"or because the computer was shut down. {left}",
        asked=tail or None,
        available="the rest of it" if job.get("task") in KEEPS else "an import that runs to its end",
        remedy="Close other programs that take memory, and go on with it."
        if job.get("task") in KEEPS
        else "Close other programs that take memory, and start it again; if it ends again, import a smaller part of the file.",
    )


def subject(job: dict) -> str:
    """What a job works on, as a person calls it: the names of its files, or the data."""
    given = job.get("arguments", {})
    named = given.get("path") or given.get("file") or given.get("ref") or given.get("data") or given.get("id") or given.get("name")
    files = named if isinstance(named, list) else [named] if named else []
    names = [shown(Path(str(f)).name) for f in files]
    return " and ".join([names[0], *([f"{len(names) - 1} more"] if len(names) > 1 else [])]) if names else "this data"


def kept(job: dict) -> str:
    """What is there of a job that did not come to its end."""
    return "What was done is kept." if job.get("task") in KEEPS else "Nothing was added."


def cancel(ws: Workspace, job: str) -> None:
    """Take the import back; the worker hears it within a second and leaves nothing."""
    (_folder(ws, job) / "cancel").touch()


def forget(ws: Workspace, job: str) -> None:
    """Remove the folder of an import that has ended; one that runs is left alone."""
    if progress(ws, job)["state"] != "running":
        shutil.rmtree(_folder(ws, job), ignore_errors=True)


def paste(ws: Workspace, text: str, name: str | None = None, **options) -> Dataset:
    """Import pasted text and wait for it; see `start_paste`."""
    return wait(ws, start_paste(ws, text, name, **options))


def start_paste(ws: Workspace, text: str, name: str | None = None, **options) -> str:
    """The id of an import of pasted text, whatever format it is in; the options are those of `store.add`. DataError for no text."""
    if not text.strip():
        raise DataError(
            "Nothing was pasted.", asked="", available="rows of CSV, JSON or JSONL, or plain text", remedy="Paste at least one row."
        )
    return begin(ws, "paste", text=text, name=name or "pasted", **options)


def _folder(ws: Workspace, job: str) -> Path:
    folder = ws.jobs / paths.checked_id(job, "import")
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
