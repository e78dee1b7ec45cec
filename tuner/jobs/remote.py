"""The driver of a run that trains elsewhere: `python -m tuner.jobs.remote RUN_DIR DEVICE`.

It holds the run's lock, submits a bundle of the run (`bundles`) and mirrors what happens there into the run folder: state, metrics, samples, log.
So a run elsewhere is alive, charted, stopped and resumed as any other. When the driver is gone the supervisor starts it again, and it finds its job
by `remote/job.json`. At the end the model and the checkpoints are copied into the run folder.
"""

import contextlib
import json
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tuner import locks, paths, runs
from tuner.errors import TunerError
from tuner.jobs import bundles, worker_exit
from tuner.jobs.hub_jobs import HubJobs
from tuner.jobs.slurm import Slurm
from tuner.paths import Workspace
from tuner.runs import metrics_file
from tuner.system import processes

FOLDER, JOB, BUNDLE, RESULT = "remote", "job.json", "bundle.zip", "result.zip"
EVERY, ASK = 1.0, 10.0  # seconds between two looks at the files, and two questions to the scheduler
BROUGHT = ("model", "checkpoints", "tensorboard", "card.md")
MIRRORED = ("best", "baseline", "prepared", "measured", "warnings", "progress", "ready_seconds", "error")
BACKENDS = {"slurm": Slurm, "jobs": HubJobs}


class Driver:
    """`place`: the folder of what belongs to the job; `there`: the run as the other computer writes it."""

    def __init__(self, folder: Path):
        self.folder, self.place = folder, folder / FOLDER
        self.ws = Workspace(folder.parents[2], folder.parents[1].name)
        self.run = runs.get(self.ws, folder.name)
        where = self.run.plan["where"]
        self.place.mkdir(exist_ok=True)
        self.id = f"remote-{folder.name}"
        self.there = self.place / "work" / "me" / "runs" / self.id
        self.backend = BACKENDS[where["kind"]](self.place, self.there, where["options"])
        self.seen, self.logged, self.asked_at, self.state = -1, 0, -ASK, "waits"

    def drive(self) -> None:
        """Submit the run, unless that was done, and follow it to its end."""
        threading.Thread(target=self.beat, daemon=True, name="heartbeat").start()
        job, ended_at = (paths.read_json(self.place / JOB) or {}).get("job"), None
        if job and (self.there / "worker.log").exists():
            self.logged = (self.there / "worker.log").stat().st_size  # an earlier driver has written it here
        job = job or self.submit()
        while True:
            if (self.folder / "control").exists() and self.stop(job):
                return
            self.attempt(self.backend.fetch)
            self.mirror(job)
            now = paths.read_json(self.there / "status.json", {}) or {}
            self.ask(job)
            done = now.get("state") in runs.ENDED
            if done and (self.place / RESULT).exists():  # also where the scheduler tells nothing of jobs that have ended
                return self.end(job, now)
            if self.state not in ("waits", "works"):
                ended_at = ended_at or time.monotonic()
                if done and self.backend.shared or time.monotonic() - ended_at > self.backend.settles:
                    return self.end(job, now if done and self.backend.shared else None)
            time.sleep(EVERY)

    def beat(self) -> None:
        """Show that this process lives: an answer of the network may take minutes, and ending it for that would leave the job there alone."""
        while True:
            with contextlib.suppress(OSError):  # a full disk; the next one is tried
                (self.folder / "heartbeat").touch()
            time.sleep(EVERY)

    def submit(self) -> str:
        """Write the bundle, if it is not there, and hand it over; return the job's id."""
        self.tell("preparing", f"Handing the run over to {self.backend.name}.")
        bundle = self.place / BUNDLE
        if not bundle.exists():
            values = {k: v for k, v in self.run.config.items() if k != "preset"}
            bundles.write(
                self.ws, values, bundle, preset=self.run.config.get("preset"), name=self.run.name, id=self.id, shared=self.backend.shared
            )
        out = self.place / RESULT
        out.unlink(missing_ok=True)
        job = self.backend.submit(bundle, out, f"tunesmith-{self.run.id}"[:60])
        paths.write_json(self.place / JOB, {"job": job, "submitted": time.time()})
        print(f"{self.backend.name} has it as job {job}", flush=True)
        return job

    def ask(self, job: str) -> None:
        """Ask the scheduler after the job, not too often."""
        if time.monotonic() - self.asked_at < ASK:
            return
        self.asked_at = time.monotonic()
        self.state = self.attempt(lambda: self.backend.state(job)) or self.state

    def attempt(self, work: Callable[[], Any]) -> Any:
        """Do what talks to the scheduler or the network; None when that is busy or away: the run there goes on, and it is done again."""
        try:
            return work()
        except Exception as error:
            worker_exit.log(error)
            return None

    def tell(self, state: str, reason: str | None = None, **more: Any) -> None:
        before = paths.read_json(self.folder / "status.json", {}) or {}
        if any(before.get(k) != v for k, v in {"state": state, "reason": reason, **more}.items()):
            runs.write_status(self.folder, state=state, reason=reason, **more)

    # --- what happens there ------------------------------------------------------------------------------------------------------

    def mirror(self, job: str) -> None:
        """Write what the other computer has written since the last look into the run folder."""
        status = paths.read_json(self.there / "status.json")
        earlier = status is not None and status.get("state") in runs.ENDED and not (self.place / RESULT).exists() and self.state == "waits"
        if status is None or earlier:  # of the job before this one, which was stopped or ended
            self.tell("preparing", f"Waiting in the queue of {self.backend.name} (job {job}).")
            return
        found = runs.Run(self.id, self.there, runs.RunStatus(), {}, {})
        rows = runs.metrics(found, since=self.seen - 1)  # the last step again: more of it may have come
        if rows:
            with closing(metrics_file.metrics_db(self.folder)) as db, db:
                db.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?)", rows)
            self.seen = rows[-1][0]
        self._copy_new("samples.jsonl")
        self._log()
        live = status.get("state") in runs.LIVE
        stopping = (self.folder / "control").exists()
        state = "stopping" if stopping else "running" if status.get("state") in ("running", "stopping") else "preparing"
        reason = status.get("reason") if live else f"Bringing the result back from {self.backend.name}."
        self.tell(state, reason, **{k: status[k] for k in MIRRORED if k in status})

    def _copy_new(self, name: str) -> None:
        source, target = self.there / name, self.folder / name
        with contextlib.suppress(FileNotFoundError):
            if not target.exists() or source.stat().st_size != target.stat().st_size:
                shutil.copyfile(source, target)

    def _log(self) -> None:
        """Add what is new of the log there to the log here."""
        with contextlib.suppress(FileNotFoundError), open(self.there / "worker.log", "rb") as log:
            log.seek(self.logged)
            new = log.read(1 << 20)
            self.logged += len(new)
            sys.stdout.write(new.decode("utf-8", "replace"))
            sys.stdout.flush()

    # --- the end -----------------------------------------------------------------------------------------------------------------

    def stop(self, job: str) -> bool:
        """Ask the run there to save and stop; one that has not begun is cancelled. Return whether it has ended by that."""
        if (self.there / "status.json").exists():
            self.attempt(self.backend.stop)
            return False
        if self.attempt(lambda: self.backend.cancel(job) or True) is None:
            return False
        (self.folder / "control").unlink(missing_ok=True)
        (self.place / JOB).unlink(missing_ok=True)
        runs.write_status(self.folder, state="stopped", reason=f"Cancelled in the queue of {self.backend.name}.")
        return True

    def end(self, job: str, status: dict[str, Any] | None) -> None:
        """Write how the run ended, with what it made; a job that SLURM ended is interrupted, and a resume submits it again."""
        self.mirror(job)
        asked = (self.folder / "control").exists()
        (self.place / JOB).unlink(missing_ok=True)
        (self.folder / "control").unlink(missing_ok=True)
        if status and status["state"] == "stopped" and not asked:  # its time was up, and it saved what it had
            self.bring()
            status = status | {"state": "interrupted"}
        if status is None or status["state"] == "interrupted":
            step = self.backend.kept()
            kept = f"The state of step {step} is kept." if step else "Nothing had been saved yet."
            word = "the run there was interrupted" if self.state in ("waits", "works") else self.state.replace("_", " ").lower()
            reason = f"{self.backend.name} ended job {job} ({word}). {kept} {self.backend.again}"
            return self.tell("interrupted", reason)
        plan = paths.read_json(self.there / "plan.json") or {}
        if plan.get("settings"):  # as it was planned for the computer that trained it
            paths.write_json(
                self.folder / "plan.json",
                plan | {k: self.run.plan[k] for k in ("where", "device", "devices", "data") if k in self.run.plan},
            )
        if status["state"] in ("finished", "stopped"):
            self.bring()
        self.tell(status["state"], status.get("reason"), **{k: status[k] for k in MIRRORED if k in status})
        if status["state"] == "finished":
            self.attempt(self.backend.forget)
            shutil.rmtree(self.place, ignore_errors=True)
        return None

    def bring(self) -> None:
        """Copy what the run there made into the run folder."""
        for source in (self.there / name for name in BROUGHT):
            target = self.folder / source.name
            if source.is_dir():
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(source, target)
            elif source.exists():
                shutil.copyfile(source, target)


def main(folder: Path) -> int:
    if not locks.acquire(folder / "lock", timeout=5):
        return 1
    try:
        processes.take_token()
        Driver(folder).drive()
        return 0
    except Exception as error:
        if not isinstance(error, TunerError):
            print(json.dumps({"driver": f"{type(error).__name__}: {error}"}), flush=True)
        return worker_exit.failed(folder, error)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
