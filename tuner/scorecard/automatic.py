"""The scorecard that each run gets at its end, without being asked: on fewer rows than one that somebody asks for.

TUNESMITH_EVALUATE=0 turns it off. It is left out where it would show nothing (fewer than 10 validation rows) or take a device from runs that wait.
"""

import os
from contextlib import closing

from tuner import locks
from tuner.errors import TunerError
from tuner.evaluation import significance
from tuner.jobs import queue
from tuner.paths import Workspace
from tuner.runs import Run
from tuner.scorecard import evaluation

ROWS = 50  # of the validation rows


BEGUN = "It is being evaluated against its base model in the background; its scorecard will be on its page, and in `tunesmith scorecards`."


def begin(ws: Workspace, run: Run) -> str:
    """Begin to evaluate a run that has finished, in the background; return a sentence for its log."""
    if reason := why_not(ws, run):
        return reason
    try:
        evaluation.start(ws, run.id, rows=ROWS)
    except TunerError as error:
        return f"Not evaluated: {error.message}"
    return BEGUN


def why_not(ws: Workspace, run: Run) -> str | None:
    """Return in a sentence why a run that has finished is not evaluated by itself; None for one that is."""
    if os.environ.get("TUNESMITH_EVALUATE") == "0":
        return "Not evaluated: TUNESMITH_EVALUATE is 0."
    if isinstance(run.about.get("trial"), int):
        return f"Not evaluated: it is one of a sweep. Later: tunesmith evaluate {run.id}"
    rows = run.plan.get("data", {}).get("held_out") or 0
    if rows < significance.FEWEST:
        return f"Not evaluated: {rows} validation rows can show no difference; {significance.FEWEST} or more can."
    if others := _others(ws, run):
        return f"Not evaluated: other runs wait or train ({others}). Later: tunesmith evaluate {run.id}"
    return None


def _others(ws: Workspace, run: Run) -> int:
    """Return how many other runs of this computer wait for a device or use one."""
    with closing(queue.connect(ws.machine_folder())) as db:
        waiting, running = (queue.jobs(db, state) for state in ("waiting", "running"))
    at_work = [job for job in running if locks.is_held(job.folder / "lock")]
    return sum(job.kind == "train" and job.folder.resolve() != run.path.resolve() for job in (*waiting, *at_work))
