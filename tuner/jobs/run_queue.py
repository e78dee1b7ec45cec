"""Put runs into the queue, and have a supervisor look at them again after a crash or a restart."""

from tuner import paths, runs
from tuner.jobs.job import Job
from tuner.paths import Workspace
from tuner.runs import Run
from tuner.system import machine


def enqueue(ws: Workspace, run: Run) -> None:
    """Have the supervisor train a run, when its device is free; a run that is in the queue stays where it is."""
    Job(ws, "train", run.path).submit(run.plan.get("device", "cpu"), run.plan.get("peak_bytes", 0))


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
