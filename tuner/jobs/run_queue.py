"""Put runs into the queue, see and change their order, and have a supervisor look at them again after a crash or a restart."""

from contextlib import closing
from typing import Any

from tuner import devices, paths, runs
from tuner.errors import ConflictError, RequestError
from tuner.jobs import queue
from tuner.jobs.job import Job
from tuner.jobs.leases import ELSEWHERE, Use
from tuner.paths import Workspace
from tuner.runs import Run
from tuner.system import machine

PLACES = ("next", "last", "up", "down")


def enqueue(ws: Workspace, run: Run) -> None:
    """Have the supervisor train a run, when its device is free; a run that is in the queue stays where it is."""
    if run.plan.get("where"):
        return Job(ws, "train", run.path).submit(ELSEWHERE)
    Job(ws, "train", run.path).submit(",".join(run.plan.get("devices") or [run.plan.get("device", "cpu")]), run.plan.get("peak_bytes", 0))


def watch_again(ws: Workspace) -> None:
    """After a crash or a restart: have a supervisor look at whatever in this workspace waits or is at work."""
    if paths.writable(place := ws.machine_folder()):
        machine.relieve(place)
    attend(ws, runs.listing(ws))


def attend(ws: Workspace, found: list[Run]) -> None:
    """Have a supervisor look at those runs that wait or are at work; nothing is done where it could write nothing."""
    live = [r for r in found if r.live and paths.writable(r.path)]
    seen = machine.Machine(ws.machine_folder())
    if not live or not paths.writable(seen.folder):
        return
    for run in live:
        if str(run.path) not in seen.work:
            enqueue(ws, run)
    machine.ensure(seen.folder)


# --- the order -----------------------------------------------------------------------------------------------------------------


def listing(ws: Workspace) -> list[dict[str, Any]]:
    """Return the devices of this computer with what works on each and what waits for it, in order.

    [{"id", "name", "total_bytes", "leased_bytes", "jobs": [{"run", "name", "job", "state", "held", "bytes", "reason"}]}]. A run of another workspace
    is counted and not named.
    """
    found = queue.at_work(ws.machine_folder())
    known, mine = {d.id: d for d in devices.listing()}, {run.path: run for run in runs.listing(ws)}
    ids = list(dict.fromkeys([*known, *(device for _, job in found for device in job.devices)]))
    out = []
    for id in ids:
        here = [(state, job) for state, job in found if id in job.devices and (job.about.use is not Use.NOTHING or job.bytes)]
        device = known.get(id)
        out.append(
            {
                "id": id,
                "name": device.name if device else "a device that does not answer",
                "total_bytes": device.total if device else None,
                "leased_bytes": sum(job.bytes for state, job in here if state == "running"),
                "jobs": [_shown(mine.get(job.folder) if job.kind == "train" else None, state, job) for state, job in here],
            }
        )
    return out


def _shown(run: Run | None, state: str, job: queue.QueuedJob) -> dict[str, Any]:
    """Return a job as `listing` shows it; `run` is None for what is no run of this workspace."""
    title = "a run" if run else "a run of another workspace" if job.kind == "train" else job.about.title
    about = {"run": run.id, "name": run.name, "reason": run.status.reason} if run else {"run": None, "name": None, "reason": None}
    return about | {"job": title, "state": state, "held": job.held, "bytes": job.bytes}


def move(ws: Workspace, id: str, to: str) -> None:
    """Move a waiting run among those that wait for its device: `next`, `last`, `up`, `down`, or its place from 1 on."""
    if to not in PLACES and not (to.isdecimal() and int(to)):
        raise RequestError(
            f"{to!r} is no place in the queue.",
            asked=to,
            available=[*PLACES, "a number from 1 on"],
            remedy="Name one of these.",
            field="to",
        )
    with closing(queue.connect(ws.machine_folder())) as db:
        job = _waiting(ws, db, id)
        others = [j.id for j in queue.jobs(db, "waiting") if set(j.devices) & set(job.devices) and j.about.use is Use.WHOLE]
        at = others.index(job.id)
        others.remove(job.id)
        new = {"next": 0, "last": len(others), "up": max(0, at - 1), "down": at + 1}.get(to)
        new = int(to) - 1 if new is None else new
        queue.place(db, job.id, before=others[new] if new < len(others) else None)


def hold(ws: Workspace, id: str, held: bool = True) -> None:
    """Put a waiting run on hold, or release it."""
    with closing(queue.connect(ws.machine_folder())) as db:
        queue.hold(db, _waiting(ws, db, id).id, held)
    machine.ensure(ws.machine_folder())


def cancel(ws: Workspace, id: str) -> Run:
    """Take a run out of the queue; one that is at work saves and stops."""
    run = runs.ask_to_stop(ws, id)
    enqueue(ws, run)
    return run


def _waiting(ws: Workspace, db, id: str) -> queue.QueuedJob:
    """Return the job of a run that waits; NotFoundError without the run, ConflictError when it does not wait."""
    run = runs.get(ws, id)
    waiting = [job for job in queue.jobs(db, "waiting") if job.kind == "train"]
    found = next((job for job in waiting if job.folder == run.path), None)
    if found is None:
        raise ConflictError(
            f"The run {run.name} does not wait: it is {run.state}.",
            asked=id,
            available=[job.folder.name for job in waiting if job.folder.parent == ws.runs] or "no run that waits",
            remedy="Only a run that waits can be moved or held; `tunesmith stop` stops one that is at work.",
            field="run",
        )
    return found
