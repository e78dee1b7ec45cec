"""Plans of trainings that a program proposes and a person confirms: nothing is trained before that. Each is used once.

api/proposals/<id>.json: what would be trained, what it would take, and its state: waiting, confirmed, refused, used.
"""

import os
import time
from pathlib import Path
from typing import Any

from tuner.api.records import Records
from tuner.errors import ConflictError, NotFoundError
from tuner.jobs import training
from tuner.paths import Workspace
from tuner.runs import Run
from tuner.serving.protocol import Refused

OWNER = "assistant"
WORDS = {"waiting": "waits for a person", "confirmed": "is confirmed", "refused": "was refused", "used": "was used"}


def propose(ws: Workspace, values: dict[str, Any], *, preset: str | None = None, name: str | None = None) -> dict[str, Any]:
    """Plan a training and write the plan down; returns the record. Raises what `training.prepare` raises."""
    plan, model, ds, _ = training.prepare(ws, values, preset=preset, need_data=True)
    pinned = values | {"data": ds.ref}
    told = plan.as_dict()
    shown = {
        key: told[key]
        for key in ("fits", "peak_bytes", "free_bytes", "device", "steps", "seconds", "rows", "warnings", "notes", "remedies", "question")
    }
    shown |= {"model": model.facts.name, "settings": told["settings"], "reasons": told["reasons"]}
    return _records(ws).create(OWNER, values=pinned, preset=preset, name=name, plan=shown, state="waiting")


def get(ws: Workspace, id: str) -> dict[str, Any]:
    """Return a proposal. NotFoundError names those that wait."""
    try:
        return _records(ws).get(OWNER, id)
    except Refused as error:
        raise NotFoundError(
            f"There is no plan {id[:60]!r}.",
            asked=id,
            available=[p["id"] for p in waiting(ws)] or "no plan waits",
            remedy="Make a plan first.",
            field="plan",
        ) from error


def waiting(ws: Workspace) -> list[dict[str, Any]]:
    """Return the proposals that nobody has decided on, the newest first."""
    return [p for p in reversed(_records(ws).all()) if p["state"] == "waiting"]


def decide(ws: Workspace, id: str, *, confirmed: bool) -> dict[str, Any]:
    """Confirm or refuse a plan. ConflictError when that was done before."""
    found = get(ws, id)
    _require(found, "waiting")
    found |= {"state": "confirmed" if confirmed else "refused", "decided": time.time()}
    _records(ws).write(found)
    return found


def begin(ws: Workspace, id: str) -> Run:
    """Start the training of a confirmed plan. ConflictError for another one, also for one that was used: it is taken before anything starts."""
    found = get(ws, id)
    _require(found, "confirmed")
    try:
        os.close(os.open(_taken(ws, id), os.O_CREAT | os.O_EXCL))
    except FileExistsError as error:
        raise _conflict(found | {"state": "used"}, "confirmed") from error
    _records(ws).write(found | {"state": "used"})
    return training.start(ws, found["values"], preset=found["preset"], name=found["name"])


def _records(ws: Workspace) -> Records:
    return Records(ws.api / "proposals", "plan")


def _taken(ws: Workspace, id: str) -> Path:
    return ws.api / "proposals" / f"{id}.taken"


def _require(found: dict[str, Any], state: str) -> None:
    if found["state"] != state:
        raise _conflict(found, state)


def _conflict(found: dict[str, Any], state: str) -> ConflictError:
    remedy = f"A person confirms it by `tunesmith confirm {found['id']}`." if found["state"] == "waiting" else "Make a new plan."
    return ConflictError(
        f"The plan {found['id']} {WORDS[found['state']]}.",
        asked=found["id"],
        available=f"a plan that {WORDS[state]}",
        remedy=remedy,
        field="plan",
    )
