"""Tasks on data (`kinds.TASKS`) in a process of their own, so that the page can be closed and an import of a large file be cancelled.

jobs/<id>/ is the folder of a job (`tuner.jobs.job`), with limits.json and fault.log of tuner/system/limits.py.
"""

import secrets
from pathlib import Path

from tuner import paths
from tuner.data.importing.import_pass import Progress, unread
from tuner.data.importing.sources import LIMIT, check_upload
from tuner.data.readers.file_format import READABLE
from tuner.data.store import store
from tuner.data.store.store import Dataset
from tuner.errors import DataError, NotFoundError, TunerError, restore
from tuner.jobs.job import Job, JobStatus
from tuner.jobs.kinds import TASKS
from tuner.paths import Workspace
from tuner.system import limits
from tuner.system.untrusted import regular, shown

__all__ = [
    "begin",
    "begin_anew",
    "cancel",
    "check",
    "check_upload",
    "follow",
    "forget",
    "kept",
    "paste",
    "progress",
    "quality_report",
    "start",
    "start_paste",
    "subject",
    "wait",
]
PASTED = "pasted"


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


def quality_report(ws: Workspace, ds: Dataset) -> str | None:
    """See that the quality report of a version is made: the id of the job that makes it, None when it is there."""
    if (paths.read_json(ds.path / "health.json") or {}).get("complete"):
        return None
    id = f"import-health-{ds.id[:40]}-{ds.version}"
    job = Job(ws, "import", ws.jobs / id)
    if job.exists():
        if progress(ws, id).state in ("running", "failed"):
            return id
        job.remove()
    return begin(ws, "health", id, ref=ds.ref)


def begin(
    ws: Workspace, task: str, job_id: str | None = None, /, *, hidden: dict[str, str] | None = None, text: str | None = None, **arguments
) -> str:
    """Start a task of workers/data_tasks.py with these arguments in a process of its own; return the id of the job.

    The process is told `hidden` without its being written anywhere. `text` is laid into the job's folder, for the task "paste".
    """
    job_id = job_id or f"import-{secrets.token_hex(6)}"
    job = Job(ws, "import", ws.jobs / job_id)
    if not job.make_folder():
        return job_id  # somebody else was quicker
    if text is not None:
        (job.folder / PASTED).write_text(text, encoding="utf-8", errors="replace", newline="")
        arguments |= {"folder": str(job.folder.resolve())}
    network = TASKS[task].network
    if network and ws.token:
        hidden = {"HF_TOKEN": ws.token} | (hidden or {})
    request = {"home": str(ws.home.resolve()), "owner": ws.owner, "task": task, "arguments": arguments}
    job.launch(request, network=network, secrets=hidden)
    return job_id


def begin_anew(ws: Workspace, task: str, job_id: str, /, **how) -> str:
    """Start a task as `begin` does, under an id of its own, in place of one that has ended; one that runs is left at it."""
    if (ws.jobs / job_id / "job.json").exists():
        if progress(ws, job_id).running:
            return job_id
        forget(ws, job_id)
    return begin(ws, task, job_id, **how)


def progress(ws: Workspace, id: str) -> JobStatus:
    """Return the state of a job; its result has "dataset", "rows", and "document" or "report" of tasks that make none."""
    job = _job(ws, id)

    def died() -> TunerError:
        store.sweep(ws)
        return _died(job.folder)

    return job.status(died)


def wait(ws: Workspace, id: str, tell: Progress | None = None) -> Dataset:
    """The dataset that a job makes; raises what went wrong in its process."""
    return store.get(ws, follow(ws, id, tell).result["dataset"])


def follow(ws: Workspace, id: str, tell: Progress | None = None) -> JobStatus:
    """Return the state of a job that has ended; raise what went wrong in its process. An interrupt from the keyboard cancels the job."""

    def each(now: JobStatus) -> None:
        if tell:
            tell(now.done, now.total, now.rows)

    try:
        now = _job(ws, id).wait(lambda: progress(ws, id), lambda s: s.running, each=each, poll=0.05)
    except KeyboardInterrupt:
        cancel(ws, id)
        raise
    forget(ws, id)
    if now.state == "failed":
        raise restore(now.errors)
    if now.state == "cancelled":
        raise store.Cancelled
    return now


def check(ws: Workspace, path: str | Path, tell: Progress | None = None, **options) -> dict:
    """The document of `data check` (see `tuner.data.importing.import_pass.check`), made in a process of its own. Raises NotFoundError, SettingError."""
    try:
        regular(path, available=f"one file: {READABLE}")
    except DataError as error:
        return unread(error)
    return follow(ws, begin(ws, "check", path=str(Path(path).absolute()), **options), tell).result["document"]


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
        available="the rest of it" if _keeps(job) else "an import that runs to its end",
        remedy="Close other programs that take memory, and go on with it."
        if _keeps(job)
        else "Close other programs that take memory, and start it again; if it ends again, import a smaller part of the file.",
    )


def _keeps(job: dict) -> bool:
    return job.get("task") in TASKS and TASKS[job["task"]].keeps


def subject(job: dict) -> str:
    """What a job works on, as a person calls it: the names of its files, or the data."""
    given = job.get("arguments", {})
    named = given.get("path") or given.get("file") or given.get("ref") or given.get("data") or given.get("id") or given.get("name")
    files = named if isinstance(named, list) else [named] if named else []
    names = [shown(Path(str(f)).name) for f in files]
    return " and ".join([names[0], *([f"{len(names) - 1} more"] if len(names) > 1 else [])]) if names else "this data"


def kept(job: dict) -> str:
    """What is there of a job that did not come to its end."""
    return "What was done is kept." if _keeps(job) else "Nothing was added."


def cancel(ws: Workspace, id: str) -> None:
    """Cancel a job; its process hears it within a second and leaves nothing."""
    _job(ws, id).stop()


def forget(ws: Workspace, id: str) -> None:
    """Remove the folder of a job that has ended; one that runs is left alone."""
    if not progress(ws, id).running:
        _job(ws, id).remove()


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


def _job(ws: Workspace, id: str) -> Job:
    job = Job(ws, "import", ws.jobs / paths.checked_id(id, "import"))
    if not job.exists():
        raise NotFoundError(
            f"There is no import {id!r}.", asked=id, available=sorted(f.name for f in ws.jobs.glob("import-*")), remedy="Start it again."
        )
    return job
