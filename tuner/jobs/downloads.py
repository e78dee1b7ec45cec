"""Models that are fetched ahead of a run, in the background, while a person looks at their data."""

from pathlib import Path
from typing import Any

from tuner import models, paths, runs
from tuner.errors import ModelError
from tuner.jobs.job import Job
from tuner.paths import Workspace
from tuner.runs import settling


def folder(ws: Workspace, id: str) -> Path:
    """Where the state of the download of `id` lies."""
    return ws.machine_folder() / "downloads" / id.lower().replace("/", "--")  # no id of the Hub holds two dashes, so none shares a folder


def _job(ws: Workspace, id: str) -> Job:
    return Job(ws, "fetch", folder(ws, id))


def start(ws: Workspace, id: str) -> dict[str, Any]:
    """Begin, or join one that is under way; ModelError for what is not a Hub id. Returns its state, see `state`."""
    if not models.HUB_ID.fullmatch(id):
        raise ModelError(
            f"{id!r} is no model of the Hub.", asked=id, available="owner/name", remedy="Choose one from the list.", field="model"
        )
    place = folder(ws, id)
    if state(ws, id).get("state") not in runs.LIVE:
        place.mkdir(parents=True, exist_ok=True)
        (place / "control").unlink(missing_ok=True)
        (place / "fetch").write_text(id, encoding="utf-8")
        runs.write_status(place, state="queued", reason="Waiting to begin.", progress={}, error=None)
    _job(ws, id).submit()
    return state(ws, id)


def state(ws: Workspace, id: str) -> dict[str, Any]:
    """{"state", "reason", "progress", "error"} of the download; {} when there was none."""
    place = folder(ws, id)
    return settling.status(place, paths.read_json(place / "status.json", {}) or {}, ws.machine_folder())


def stop(ws: Workspace, id: str) -> None:
    """Ask it to stop; what has come is kept."""
    _job(ws, id).stop()
