"""Dry run before a run whose memory estimate is close to the limit: `python -m tuner.workers.training.preflight RUN_DIR`. No torch.

The run's own trainer takes two steps in a separate process and folder, so nothing of it remains. When it does not fit, it is tried again with
half the micro-batch and the same effective batch size, unless a person fixed the micro-batch; a run that can't fit fails here, before any
long work. The run then goes back into the queue without its mark.
"""

import secrets
import sys
import time
from pathlib import Path
from typing import Any

from tuner import locks, paths, runs
from tuner.formatting import human_bytes
from tuner.jobs import dry_run, training, worker_exit
from tuner.jobs.kinds import trainer
from tuner.paths import Workspace
from tuner.planning import fitting
from tuner.runs import settling
from tuner.settings.run_config import Settings
from tuner.system import processes

WORDS = "Measuring memory on the longest rows"
POLL = 0.2  # seconds


class Stopped(Exception):
    """A person stopped the run during the dry run."""


def once(ws: Workspace, run: runs.Run) -> dict[str, Any] | None:
    """Run a dry run of the plan and return its result (`dry_run.outcome`); None when it ended for a reason other than memory, which the run itself
    will report."""
    # an earlier one may still be running in its own folder
    folder = dry_run.create(ws, run.plan, run.config, f"measure-{secrets.token_hex(6)}")
    child = processes.start(trainer(folder), str(folder), log=folder / "worker.log", device=run.plan["device"])
    try:
        while (code := child.poll()) is None:
            if (run.path / "control").exists():
                raise Stopped
            tell(run.path, paths.read_json(folder / "status.json", {}))
            time.sleep(POLL)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    settling.settle(folder, code)
    print((folder / "worker.log").read_text(encoding="utf-8", errors="replace")[-4000:], flush=True)
    found = dry_run.outcome(run.plan, paths.read_json(folder / "status.json", {}))
    dry_run.forget(ws, folder.name)
    return found


def tell(folder: Path, status: dict[str, Any]) -> None:
    """Write the progress of the dry run into the run's own status."""
    reason = f"{WORDS}: {status.get('reason') or dry_run.doing(status)}" if status.get("state") in runs.LIVE else WORDS
    reason = reason.rstrip(".") + "."
    if (paths.read_json(folder / "status.json", {}) or {}).get("reason") != reason:
        runs.write_status(folder, state="preparing", reason=reason)


def halve(run: runs.Run, micro: int, found: dict[str, Any]) -> str:
    """Write plan.json with a smaller micro-batch and its reason; return the reason."""
    plan, old = run.plan, run.plan["settings"]["micro_batch"]
    more = "more than " if found["more"] else ""
    why = f"Dry run: a micro-batch of {old} needed {more}{human_bytes(found['peak_bytes'])} of {human_bytes(found['free_bytes'])} free; the effective batch size stays."
    plan["settings"]["micro_batch"] = micro
    plan["uncorrected_bytes"] = None  # the prediction was for another micro-batch: it must not be compared with this run
    for reason in plan["reasons"]:
        if reason["setting"] == "micro_batch":
            reason |= {"value": micro, "reason": why, "by": "planner"}
    paths.write_json(run.path / "plan.json", plan)
    return why


def fixed(plan: dict[str, Any]) -> bool:
    """Return whether a person chose the micro-batch."""
    return any(r["setting"] == "micro_batch" and r["by"] == "you" for r in plan["reasons"])


def dry_run_until_it_fits(ws: Workspace, run: runs.Run) -> dict[str, Any]:
    """Return the change of status.json: queued, with the measurement. Raises the error of a run that can't fit."""
    changed = None
    while (found := once(ws, run)) is not None and not found["fits"]:
        settings = Settings.from_json(run.plan["settings"])
        less = None if fixed(run.plan) else fitting.next_smaller(settings)
        if less is None:
            raise dry_run.refusal(found, run.plan["device"], training.remedies(ws, run.config, run.plan, found))
        changed = halve(run, less, found)
    if found and changed:
        run.plan["peak_bytes"] = found["peak_bytes"]
        paths.write_json(run.path / "plan.json", run.plan)
    return {"state": "queued", "reason": changed, "dry_run": found and found | {"changed": changed}}


def main(folder: Path) -> int:
    if not locks.acquire(folder / "lock", timeout=5):
        return 1
    try:
        ws = Workspace(folder.parents[2], folder.parents[1].name)
        runs.write_status(folder, state="preparing", reason=f"{WORDS}.", error=None)
        done = dry_run_until_it_fits(ws, runs.get(ws, folder.name))
        (folder / "measure").unlink(missing_ok=True)  # before it is queued again: with the mark it would be measured again
        runs.write_status(folder, **done)
        return 0
    except Stopped:
        (folder / "control").unlink(missing_ok=True)
        runs.write_status(folder, state="stopped", reason="Stopped during the dry run; nothing was trained yet.")
        return 3
    except Exception as error:
        return worker_exit.failed(folder, error)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
