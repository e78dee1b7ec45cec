"""Data jobs: `python -m tuner.workers.data_tasks JOB_FOLDER` (no torch).

It imports, checks or remaps files, imports pairs, and lets models generate or judge pairs. Untrusted files are parsed in this process only,
within limits. See tuner/jobs/data_jobs.py.
"""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tuner import locks, paths
from tuner.data.store import store
from tuner.data.versions import new_version
from tuner.errors import DataError, TunerError, translate
from tuner.jobs import data_jobs, worker_exit
from tuner.jobs.kinds import KINDS, TASKS
from tuner.paths import Workspace
from tuner.system import limits, processes
from tuner.workers import hub_datasets

EVERY = 0.2


@dataclass(frozen=True)
class Document:
    """A result that is not a dataset: the document is written into result.json."""

    document: dict
    ref: str | None = None
    rows: int = 0


def quality_report(ws: Workspace, *, ref: str, progress, cancelled) -> store.Dataset:
    """Write the quality report of a version, stage by stage: first findings can be read while the rest is computed."""
    from tuner.data.quality import report, size_guidance

    ds = store.get(ws, ref)
    more = {"teaches": size_guidance.guidance(ds), "charts": report.charts(ds)}

    def tell(found: list, complete: bool = False) -> None:
        report.save(ds.path, found, score=report.score(found, ds), complete=complete, **more)

    tell(report.report(ds, progress, cancelled, tell), True)
    return ds


def export(ws: Workspace, *, ref: str, path: str, progress, cancelled) -> store.Dataset:
    ds = store.get(ws, ref)
    store.export(ds, Path(path), progress, cancelled)
    return ds


def check(ws: Workspace, **arguments) -> Document:
    """Return the output of `tunesmith data check`, computed here so that the CLI's process opens no untrusted file."""
    return Document(store.check(**arguments))


def paste(ws: Workspace, *, folder: str, progress, cancelled, **options) -> store.Dataset:
    """Import the pasted text in the job's folder."""
    return store.add(ws, Path(folder) / data_jobs.PASTED, progress=progress, cancelled=cancelled, **options)


def pairs(ws: Workspace, **arguments):
    from tuner.labels import pair_import

    return pair_import.run(ws, **arguments)


def generate(ws: Workspace, **arguments):
    from tuner.labels import generate

    return generate.run(ws, **arguments)


def evaluate(ws: Workspace, **arguments):
    from tuner.scorecard import evaluation

    return evaluation.run(ws, **arguments)


def benchmark(ws: Workspace, **arguments):
    from tuner.scorecard import lm_eval_tasks

    return lm_eval_tasks.run(ws, **arguments)


def push(ws: Workspace, **arguments):
    from tuner.export import hub_push

    return hub_push.upload(ws, **arguments)


def judge(ws: Workspace, **arguments):
    from tuner.labels import judge

    return judge.run(ws, **arguments)


def take_in(ws: Workspace, *, path: str, progress, cancelled) -> Document:
    """Add a packed run, here, so that the page opens no file of a stranger; return {"run", "name"}."""
    from tuner.jobs import bundles

    run = bundles.take_in(ws, Path(path))
    return Document({"run": run.id, "name": run.name})


WORK = {  # what each task of `kinds.TASKS` calls
    "check": check,
    "paste": paste,
    "pairs": pairs,
    "generate": generate,
    "judge": judge,
    "evaluate": evaluate,
    "benchmark": benchmark,
    "push": push,
    "take-in": take_in,
    "mix": store.mix,
    "export": export,
    "add": store.add,
    "remap": store.remap,
    "mend": new_version.apply_fixes,
    "edit": new_version.edit,
    "hub": hub_datasets.add,
    "health": quality_report,
}


class Report:
    """Writes progress and checks for cancellation, at most five times a second."""

    def __init__(self, folder: Path):
        self.folder, self.begun, self.reported, self.checked, self.wished, self.last = folder, None, 0.0, 0.0, False, None

    def progress(self, done: int, total: int, rows: int) -> None:
        now = time.monotonic()
        if (done, rows) != self.last:
            self.last = done, rows
            limits.alive()
        if now - self.reported < EVERY and done < total:
            return
        self.reported = now
        self.begun = self.begun or (now if done else None)
        elapsed = now - self.begun if self.begun else 0
        eta = round(elapsed * (total - done) / done, 1) if done and elapsed > 0.5 else None
        paths.write_json(self.folder / "progress.json", {"done": done, "total": total, "rows": rows, "eta_seconds": eta})

    def cancelled(self) -> bool:
        if not self.wished and time.monotonic() - self.checked >= EVERY:
            self.checked = time.monotonic()
            self.wished = (self.folder / KINDS["import"].stop).exists()
        return self.wished


def work(folder: Path) -> dict:
    """Run the job and return the content of result.json."""
    job = paths.read_json(folder / "job.json")
    ws = Workspace(Path(job["home"]), job["owner"])
    report = Report(folder)
    try:
        made = WORK[job["task"]](ws, **job["arguments"], progress=report.progress, cancelled=report.cancelled)
        result = {"state": "done", "dataset": made.ref, "rows": made.rows}
        return result | {k: v for k in ("document", "report") if (v := getattr(made, k, None)) is not None}
    except store.Cancelled:
        return {"state": "cancelled"}
    except TunerError as error:
        return {"state": "failed", "errors": error.as_list()}
    except Exception as error:
        return {"state": "failed", "errors": _as_tuner_error(error, folder, job).as_list()}


def _as_tuner_error(error: Exception, folder: Path, job: dict) -> TunerError:
    """Return an unexpected error as an error with the file's name and a remedy; the original goes into the log."""
    worker_exit.log(error)
    what, kept = data_jobs.subject(job), data_jobs.kept(job)
    if isinstance(error, MemoryError) and TASKS[job["task"]].limited:
        return limits.memory_short(what, kept, (paths.read_json(folder / limits.TOLD) or {}).get("memory"))
    return translate(error) or DataError(
        f"{what} could not be read completely ({type(error).__name__}: {error})"[:300] + f". {kept}",
        asked=what,
        available=f"details in {folder / 'worker.log'}",
        remedy="Save it again as CSV or as one JSON object per line and import that, or import a part of it to find the place.",
    )


def main(folder: Path) -> int:
    locks.acquire(folder / "lock")
    processes.take_token()
    if hasattr(os, "nice"):
        os.nice(10)  # the page has priority: it needs little, and an import uses all the rest
    task = (paths.read_json(folder / "job.json") or {}).get("task")
    if TASKS[task].limited:
        limits.hold(folder, still=None if TASKS[task].network else limits.STILL)
    paths.write_json(folder / "progress.json", {})  # from now on the lock shows whether this process is alive
    result = work(folder)
    worker_exit.result(folder, result)
    locks.release(folder / "lock")
    return 0 if result["state"] != "failed" else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
