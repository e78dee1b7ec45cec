"""One background job: start, watch, stop, remove. The kinds are in `kinds.py`.

<folder>/lock             held by the process as long as it lives
<folder>/worker.log       what it and its libraries print
<folder>/status.json      the state of kinds with that record (`tuner.runs.settling`)
<folder>/job.json         of the others: what was asked
<folder>/progress.json    how far it is; its first write says that the process is at work
<folder>/result.json      how it ended, written last
<folder>/control, cancel  the stop file of the kind
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tuner import locks, paths
from tuner.errors import TunerError, translate
from tuner.jobs import handover, queue
from tuner.jobs.kinds import KINDS, RESULT, Kind
from tuner.paths import Workspace
from tuner.system import disk_reserve, machine, processes

STARTING = 60.0  # seconds within which a process takes its lock whose starter is gone
HALF_MADE = 10.0  # seconds within which a folder gets its job.json
LOOKS = 5.0  # seconds between two looks at whether there is still a supervisor
PROGRESS = ("done", "total", "rows", "eta_seconds")
T = TypeVar("T")
_children = processes.Children()


@dataclass(frozen=True)
class JobStatus:
    """Where a job with a result stands: `state` running, done, failed or cancelled; `done` of `total` in the kind's own unit, `rows` so far,
    seconds to the end; error documents; `result` is what its process wrote at the end."""

    state: str
    done: int = 0
    total: int = 0
    rows: int = 0
    eta_seconds: float | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return self.state == "running"


@dataclass(frozen=True)
class Job:
    """A job of a kind in a folder. It holds no state: all of it is on disk."""

    ws: Workspace
    kind: str
    folder: Path

    @property
    def about(self) -> Kind:
        return KINDS[self.kind]

    # --- start ---------------------------------------------------------------------------------------------------------------

    def submit(self, device: str = "cpu", bytes: int = 0) -> None:
        """Put the job into the queue, once, and see that a supervisor works. Asking again does nothing twice."""
        place = self.ws.machine_folder()
        machine.relieve(place)  # before the job is there: a former supervisor could start a module that has moved
        if self.ws.token and self.about.online(self.folder):
            machine.ensure(place)
            handover.tell(place, self.folder, "HF_TOKEN", self.ws.token)
        orphaned = not locks.is_held(place / machine.LOCK) and not locks.is_held(self.folder / "lock")
        queue.add(place, self.kind, self.folder, device, bytes, orphaned=orphaned)
        machine.ensure(place)

    def make_folder(self) -> bool:
        """Make the folder of a job in the workspace, with its disk reserve, and remove those that are too old; False when it is there already."""
        self.ws.prepare()
        self._remove_old()
        try:
            self.folder.mkdir()
        except FileExistsError:
            if self.exists() or _age(self.folder) < HALF_MADE:
                return False  # else it was left by a process that died before it had written what was asked
        disk_reserve.keep(self.folder)
        return True

    def launch(self, request: dict[str, Any] | None = None, *, network: bool = False, secrets: dict[str, str] | None = None) -> None:
        """Start the process of a kind without a queue. `request` becomes job.json; `secrets` are told to the process and written nowhere."""
        if request is not None:
            paths.write_json(self.folder / "job.json", request)
        else:
            (self.folder / self.about.stop).unlink(missing_ok=True)  # meant for the process before
        module, log = self.about.module_of(self.folder), self.folder / "worker.log"
        try:
            _children[str(self.folder)] = processes.start(module, str(self.folder.resolve()), log=log, offline=not network, secrets=secrets)
        except OSError as error:
            if request is not None:
                shutil.rmtree(self.folder, ignore_errors=True)
            raise translate(error) or error from error

    # --- watch ---------------------------------------------------------------------------------------------------------------

    def exists(self) -> bool:
        return (self.folder / "job.json").is_file()

    def alive(self) -> bool:
        """Return whether a process works on the job, or is about to."""
        child = _children.get(str(self.folder))
        if child is not None and child.poll() is not None:
            _children.pop(str(self.folder), None)
        elif child is not None or locks.is_held(self.folder / "lock"):
            return True
        if self.about.queued:
            return str(self.folder) in machine.Machine(self.ws.machine_folder()).work
        # started by a page that is gone, not at work yet
        return child is None and not (self.folder / "progress.json").exists() and _age(self.folder / "job.json") < STARTING

    def status(self, died: Callable[[], TunerError]) -> JobStatus:
        """Return the state of a job with a result. If its process is gone without one, the job is settled; `died` returns the error."""
        alive = self.alive()  # asked before the result: a process may write it and end in between
        result = paths.read_json(self.folder / RESULT)
        progress = paths.read_json(self.folder / "progress.json", {}) or {}
        progress = {k: progress[k] for k in PROGRESS if progress.get(k) is not None}
        if result is None and alive:
            return JobStatus("running", **progress)
        result = self._settle(died) if result is None else result
        known = progress | {k: result[k] for k in PROGRESS if k in result} | {"eta_seconds": None}
        return JobStatus(result.get("state", "done"), **known, errors=result.get("errors") or [], result=result)

    def _settle(self, died: Callable[[], TunerError]) -> dict[str, Any]:
        """Write the result of a process that is gone and wrote none."""
        said = disk_reserve.said(self.folder)  # what it could write nowhere else
        errors = [said] if said else died().as_list()
        result = {"state": "cancelled"} if self.asked_to_stop() else {"state": "failed", "errors": errors}
        if self.folder.is_dir() and paths.writable(self.folder) and not said:
            paths.write_json(self.folder / RESULT, result)
        return result

    def wait(
        self,
        look: Callable[[], T],
        going: Callable[[T], bool],
        *,
        each: Callable[[T], Any] | None = None,
        seconds: float | None = None,
        poll: float = 0.1,
    ) -> T:
        """Return what `look` says as soon as it is no longer `going`, or after `seconds`; `each` is called with it on the way.

        Sees that a supervisor works on a queued job, which may have been killed."""
        began = looked = time.monotonic()
        while going(now := look()):
            if seconds is not None and time.monotonic() - began > seconds:
                return now
            if each:
                each(now)
            if self.about.queued and time.monotonic() - looked > LOOKS:
                looked = time.monotonic()
                machine.ensure(self.ws.machine_folder())
            time.sleep(poll)
        return now

    # --- stop and remove -----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ask the process to stop; it does so within a second, or at its next step."""
        if self.folder.is_dir():
            (self.folder / self.about.stop).write_text("stop", encoding="utf-8")

    def asked_to_stop(self) -> bool:
        return (self.folder / self.about.stop).exists()

    def remove(self, seconds: float = 3.0) -> None:
        """Remove the folder of a job that has ended: its process gets some seconds to leave, and one that still works keeps it."""
        end = time.monotonic() + seconds
        while held := locks.is_held(self.folder / "lock"):
            if time.monotonic() > end:
                break
            time.sleep(0.05)
        if not held:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _remove_old(self) -> None:
        """Remove the folders of the kind's jobs that ended, or were stopped and left, too long ago to be of use."""
        if self.about.kept is None:
            return
        for record in self.ws.jobs.glob(f"{self.kind}-*/{self.about.record}"):
            if _age(record) > self.about.kept and not locks.is_held(record.parent / "lock"):
                shutil.rmtree(record.parent, ignore_errors=True)


def _age(file: Path) -> float:
    """Return the seconds since a file was written; infinite for one that is gone."""
    try:
        return time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
