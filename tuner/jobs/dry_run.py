"""A dry run: two real steps on the longest rows and one test batch, on the actual device; what it took is the true figure.

It lies in jobs/measure-<id>/, a folder like a run's, and the run's own trainer works on it with `"dry_run": true` in its plan.json; nothing
is saved there. A run whose estimate is close to the limit carries the mark `measure` until its dry run is done (workers/training/preflight.py).
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuner import paths, runs
from tuner.errors import MemoryShortError, TunerError, WorkError, restore
from tuner.formatting import human_bytes
from tuner.jobs.job import Job
from tuner.paths import Workspace
from tuner.planning import fitting, planner
from tuner.planning.memory import calibration
from tuner.runs import settling
from tuner.settings.run_config import Settings

STEPS = 2  # the first makes the optimizer's states, the second works beside them
TOGETHER = 2  # micro-batches of a step at most: in the second one the gradients of the first lie there already
NEAR = 0.9  # of what a plan may take: from here on to the limit the estimate's own error decides
LONG = 600  # seconds of a run before which a dry run is recommended
NEVER = 10**6  # steps: tests and saves of a dry run
SHORT = "memory_short"  # the code of an error, see tuner.errors


def near(plan: planner.Plan) -> bool:
    """Whether the estimate fits so barely that it must be measured before the run; one of several processes is not like the run."""
    if plan.settings.processes > 1:
        return False
    room = fitting.ROOM * plan.free_bytes
    return NEAR * room <= plan.peak_bytes <= room


def create(ws: Workspace, plan: dict[str, Any], wish: dict[str, Any], id: str) -> Path:
    """jobs/<id>/ for a dry run of a plan (plan.json's document) that `wish` (config.yaml's) asked for; nothing is started."""
    job = _job(ws, id)
    job.make_folder()
    settings = Settings.from_json(plan["settings"])
    again = settings.effective_batch // settings.micro_batch
    together = min(TOGETHER, again)
    changed = settings.replace(
        effective_batch=settings.micro_batch * together, max_steps=STEPS, epochs=1.0, eval_steps=NEVER, save_steps=NEVER
    )
    pace = plan.get("pace") or {}
    pace = pace | {"step": pace["step"] * together / again, "test": 0.0, "save": 0.0} if pace.get("step") else {}
    document = plan | {"dry_run": True, "steps": STEPS, "of_micro_batches": again, "settings": changed.as_json(), "pace": pace}
    runs.fill(job.folder, wish, document)
    return job.folder


def ask(ws: Workspace, plan: dict[str, Any], wish: dict[str, Any]) -> str:
    """The id of a dry run that now waits for its device."""
    id = f"measure-{secrets.token_hex(6)}"
    create(ws, plan, wish, id)
    _job(ws, id).submit(plan["device"], plan.get("peak_bytes") or 0)
    return id


def _job(ws: Workspace, id: str) -> Job:
    return Job(ws, "measure", ws.jobs / paths.checked_id(id, "dry run"))


def look(ws: Workspace, id: str) -> dict[str, Any]:
    """{"state": running | done | failed | cancelled, "reason", "step", "steps", "eta_seconds", "elapsed_seconds", "measured", "errors"}.

    Too little memory is a result (`measured["fits"]` is False), not a failure.
    """
    job = _job(ws, id)
    folder = job.folder
    status, plan = paths.read_json(folder / "status.json", {}), paths.read_json(folder / "plan.json", {})
    status = settling.status(folder, status, ws.machine_folder())
    progress = {k: (status.get("progress") or {}).get(k) for k in ("step", "steps", "eta_seconds", "elapsed_seconds")}
    told = {"state": "running", "reason": status.get("reason"), "measured": None, "errors": []} | progress
    if not status or job.asked_to_stop():
        return told | {"state": "cancelled", "reason": "The dry run was taken back."}
    if status["state"] in runs.LIVE:
        return told | {"reason": status.get("reason") or doing(status), "eta_seconds": left(folder, plan)}
    if (found := outcome(plan, status)) is not None:
        return told | {"state": "done", "measured": found}
    why = status.get("reason") or "The dry run ended without a result."
    gone = WorkError(why, asked=id, available="a dry run that ends by itself", remedy="Measure again.")
    return told | {"state": "failed", "errors": [status["error"]] if status.get("error") else gone.as_list()}


def doing(status: dict[str, Any]) -> str:
    """'step 1 of 2 on the longest rows'."""
    if status["state"] != "running":
        return runs.SENTENCES[status["state"]]
    return f"step {(status.get('progress') or {}).get('step', 0) + 1} of {STEPS} on the longest rows"


def left(folder: Path, plan: dict[str, Any]) -> float | None:
    """Seconds until the end, from what the plan says of the start and of a step; None when it takes longer than that, or nobody knows."""
    if not (pace := plan.get("pace")):
        return None
    seconds = pace["start"] + (STEPS + 1) * pace["step"] - (time.time() - (folder / "plan.json").stat().st_mtime)
    return round(seconds, 1) if seconds > 0 else None


def outcome(plan: dict[str, Any], status: dict[str, Any]) -> dict[str, Any] | None:
    """What a dry run that has ended found; None when it failed for another reason than too little memory.

    {"fits", "peak_bytes": what it took, or more than that (`more`: it was ended by too little memory), "free_bytes", "predicted_bytes",
    "micro_batch", "step_seconds": of a whole step of such rows, None when it came to none, "allocated_bytes", "reserved_bytes", "process_bytes"}
    """
    short = (status.get("error") or {}).get("code") == SHORT or status.get("exit_code") in settling.KILLED
    if status["state"] != "finished" and not short:
        return None
    measured, free, parts = status.get("measured") or {}, plan["free_bytes"], plan["breakdown"]
    took = calibration.measured_peak(measured, parts) or (free if short else 0)
    on_card = measured.get("allocated_bytes") is not None
    room = free if on_card else fitting.ROOM * free  # a heap grows further under rows of changing length (measured: by 1 to 11%)
    fits = not short and (calibration.least(measured, parts) or 0) <= room
    counts = {k: measured.get(k) for k in ("step_seconds", "allocated_bytes", "reserved_bytes", "process_bytes")}
    about = {"free_bytes": free, "predicted_bytes": plan["peak_bytes"], "micro_batch": plan["settings"]["micro_batch"]}
    return {"fits": fits, "peak_bytes": took, "more": short} | about | counts


def words(found: dict[str, Any], device: str) -> str:
    """One sentence on what was measured."""
    took, free = human_bytes(found["peak_bytes"]), human_bytes(found["free_bytes"])
    if found["fits"]:
        return f"Measured on the longest rows: it took {took} of the {free} free on {device} ({human_bytes(found['predicted_bytes'])} were predicted)."
    close = "" if found["more"] or found["peak_bytes"] > found["free_bytes"] else ", and rows of changing length take up to a tenth more"
    more = "more than " if found["more"] else ""
    return f"Measured on the longest rows, it does not fit: it needed {more}{took}; {free} are free on {device}{close}."


def refusal(found: dict[str, Any], device: str, remedies: list[fitting.Remedy]) -> MemoryShortError:
    """The error of a run that was measured not to fit, with the plan's remedies."""
    offers = "; ".join(str(r) for r in remedies if r.fits)
    return MemoryShortError(
        words(found, device),
        asked=found["peak_bytes"],
        available=found["free_bytes"],
        remedy=offers or "Choose a smaller micro-batch or maximum length, or a smaller model.",
        field="micro_batch",
    )


def cancel(ws: Workspace, id: str) -> None:
    """Cancel a dry run; the supervisor ends its process within a second."""
    _job(ws, id).stop()


def forget(ws: Workspace, id: str) -> None:
    """Remove the folder of a dry run; one that still works is left alone."""
    _job(ws, id).remove()


def wait(ws: Workspace, id: str, each: Callable[[dict], None] | None = None) -> dict[str, Any]:
    """Return what was measured (see `outcome`), calling `each(look)` on the way; raise what went wrong."""
    now = _job(ws, id).wait(lambda: look(ws, id), lambda state: state["state"] == "running", each=each, poll=0.2)
    if now["state"] != "done":
        raise restore(now["errors"]) if now["errors"] else _taken_back(id)
    forget(ws, id)
    return now["measured"]


def _taken_back(id: str) -> TunerError:
    return WorkError("The dry run was taken back.", asked=id, available="a dry run that ends by itself", remedy="Measure again.")
