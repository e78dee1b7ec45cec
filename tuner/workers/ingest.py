"""`python -m tuner.workers.ingest JOB_FOLDER`: read files into the dataset store, or read them anew; have models write
pairs, or judge them (no torch). See tuner/data/jobs.py."""

import os
import sys
import time
from pathlib import Path

from tuner import locks, paths
from tuner.data import mend, store
from tuner.errors import DataError, TunerError, translate
from tuner.launch import local
from tuner.paths import Workspace
from tuner.workers import ending, hub

EVERY = 0.2


def health(ws: Workspace, *, ref: str, progress, cancelled) -> store.Dataset:
    """Make the report of a version, stage by stage: what is found first can be read while the rest is looked for."""
    from tuner.data import health as report

    ds = store.get(ws, ref)
    more = {"teaches": report.teaches(ds), "charts": report.charts(ds)}

    def tell(found: list, complete: bool = False) -> None:
        report.save(ds.path, found, score=report.score(found, ds), complete=complete, **more)

    tell(report.report(ds, progress, cancelled, tell), True)
    return ds


def export(ws: Workspace, *, ref: str, path: str, progress, cancelled) -> store.Dataset:
    ds = store.get(ws, ref)
    store.export(ds, Path(path), progress, cancelled)
    return ds


def generate(ws: Workspace, **arguments):
    from tuner.labels import generate

    return generate.run(ws, **arguments)


def judge(ws: Workspace, **arguments):
    from tuner.labels import judge

    return judge.run(ws, **arguments)


TASKS = {
    "generate": generate,
    "judge": judge,
    "mix": store.mix,
    "export": export,
    "add": store.add,
    "remap": store.remap,
    "mend": mend.mend,
    "edit": mend.edit,
    "hub": hub.add,
    "health": health,
}


class Report:
    """Writes progress and hears the wish to cancel, at most five times a second."""

    def __init__(self, folder: Path):
        self.folder, self.begun, self.told, self.heard, self.wished = folder, None, 0.0, 0.0, False

    def progress(self, done: int, total: int, rows: int) -> None:
        now = time.monotonic()
        if now - self.told < EVERY and done < total:
            return
        self.told = now
        self.begun = self.begun or (now if done else None)
        elapsed = now - self.begun if self.begun else 0
        eta = round(elapsed * (total - done) / done, 1) if done and elapsed > 0.5 else None
        paths.write_json(self.folder / "progress.json", {"done": done, "total": total, "rows": rows, "eta_seconds": eta})

    def cancelled(self) -> bool:
        if not self.wished and time.monotonic() - self.heard >= EVERY:
            self.heard = time.monotonic()
            self.wished = (self.folder / "cancel").exists()
        return self.wished


def work(folder: Path) -> dict:
    """The content of result.json."""
    job = paths.read_json(folder / "job.json")
    ws = Workspace(Path(job["home"]), job["owner"])
    report = Report(folder)
    try:
        made = TASKS[job["task"]](ws, **job["arguments"], progress=report.progress, cancelled=report.cancelled)
        return {"state": "done", "dataset": made.ref, "rows": made.rows}
    except store.Cancelled:
        return {"state": "cancelled"}
    except TunerError as error:
        return {"state": "failed", "errors": error.as_list()}
    except Exception as error:  # a defect of ours: logged whole, and the page still gets an answer
        ending.log(error)
        ours = translate(error) or DataError(
            f"The import failed: {type(error).__name__}: {error}"[:300],
            asked=job["arguments"],
            available="see worker.log",
            remedy=f"Nothing was added. The whole story is in {folder / 'worker.log'}.",
        )
        return {"state": "failed", "errors": ours.as_list()}


def main(folder: Path) -> int:
    locks.hold(folder / "lock")
    local.take_token()
    if hasattr(os, "nice"):
        os.nice(10)  # the page answers first: it needs little, and an import takes all that is left
    paths.write_json(folder / "progress.json", {})  # from now on the lock says whether this process lives
    result = work(folder)
    ending.result(folder, result)
    locks.release(folder / "lock")
    return 0 if result["state"] != "failed" else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
