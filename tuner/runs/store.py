"""The runs of a workspace: create, find, list, rename, stop, delete. Every returned state is checked against its lock (`settling`)."""

import shutil
import time
from typing import Any

import yaml

from tuner import paths
from tuner.errors import ConflictError, NotFoundError, translate
from tuner.paths import Workspace
from tuner.runs import index, run_folder, settling
from tuner.runs.run_folder import Run, alive, fill

PATIENCE = 3.0  # seconds to wait for the supervisor to settle a run before an action


def create(ws: Workspace, config: dict[str, Any], plan: dict[str, Any], *, name: str, id: str | None = None) -> Run:
    """Create a run folder in the state `queued`; nothing is started. `id`: an id of its own instead of one from the name; ConflictError if it is
    taken."""
    ws.prepare()
    try:
        id = _own_folder(ws, id) if id else _new_folder(ws, name)
        paths.write_json(ws.runs / id / "about.json", {"name": name, "notes": "", "created": time.strftime("%Y-%m-%dT%H:%M:%S%z")})
        fill(ws.runs / id, config, plan)
    except OSError as error:
        raise translate(error) or error from error
    return get(ws, id)


def _new_folder(ws: Workspace, name: str) -> str:
    while True:
        id = paths.new_id(name, ws.runs)
        try:
            (ws.runs / id).mkdir()
            return id
        except FileExistsError:
            continue  # another process took the name in between


def _own_folder(ws: Workspace, id: str) -> str:
    try:
        ws.run(id).mkdir()
        return id
    except FileExistsError as error:
        raise ConflictError(
            f"There is a run {id} already.", asked=id, available="ids that no run has", remedy="Leave the id out.", field="run"
        ) from error


def get(ws: Workspace, id: str) -> Run:
    """Return a run in its true state; NotFoundError when there is none with this id, or its folder is damaged."""
    folder = ws.run(id)
    try:
        status = paths.read_json(folder / "status.json")
        found = None if status is None else run_folder.read(folder, status)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise NotFoundError(
            f"The folder of the run {id!r} is damaged.",
            asked=str(error)[:200],
            available="intact files config.yaml, plan.json and status.json",
            remedy=f"Restore these files, or delete {folder}.",
            field="run",
        ) from error
    if found is None:
        raise NotFoundError(
            f"There is no run called {id!r}.",
            asked=id,
            available=[r.id for r in listing(ws)][:20],
            remedy="`tunesmith runs` lists them.",
            field="run",
        )
    return settling.run(ws, found)


def get_settled(ws: Workspace, id: str, patience: float = PATIENCE) -> Run:
    """Return a run in its true state before an action on it.

    If it has a live state but no process, its supervisor gets up to `patience` seconds to settle it; after that it is settled here: the
    supervisor may be stopped, or run on another computer.
    """
    end = time.monotonic() + patience
    while (found := get(ws, id)).live and found.state != "queued" and not alive(found):
        if time.monotonic() > end:
            settling.settle(found.path)
            return get(ws, id)
        time.sleep(0.05)
    return found


def listing(ws: Workspace) -> list[Run]:
    """Return all runs, the newest first, from the index; a damaged folder is left out of the list and stays on disk."""
    return settling.listing(ws, index.listing(ws))


def version(ws: Workspace) -> str:
    """Return a text that changes when any run does and is cheap to get, for the page's timer."""
    return str(index.of(ws).look())


def describe(ws: Workspace, id: str, *, name: str | None = None, notes: str | None = None) -> None:
    """Change a run's display name or notes."""
    run = get(ws, id)
    about = dict(run.about)
    if name is not None:
        about["name"] = name.strip()[:120] or run.id
    if notes is not None:
        about["notes"] = notes[:5000]
    paths.write_json(run.path / "about.json", about)


def ask_to_stop(ws: Workspace, id: str) -> Run:
    """Ask the worker to save and stop at the next step; ConflictError for a run that has ended. The supervisor stops a queued run."""
    run = get_settled(ws, id)
    if not run.live:
        raise ConflictError(
            f"The run {run.name} is not in progress: it is {run.state}.",
            asked=id,
            available=[r.id for r in listing(ws) if r.live],
            remedy="Only a queued or running run can be stopped.",
            field="run",
        )
    (run.path / "control").write_text("stop")
    return run


def delete(ws: Workspace, id: str) -> None:
    """Delete a run; ConflictError while it is in progress or another run needs it."""
    run = get_settled(ws, id)
    if run.live or alive(run, patience=3):
        raise ConflictError(
            f"The run {run.name} is in progress.", asked=id, available="runs that have ended", remedy="Stop it first.", field="run"
        )
    dependents = [r.id for r in listing(ws) if r.config.get("model") == id or _copied(ws, r, run)]
    if dependents:
        raise ConflictError(
            f"{', '.join(dependents)} came from {run.name} and still need it.",
            asked=id,
            available="runs that no other run needs",
            remedy="Delete those runs first.",
            field="run",
        )
    doomed = run.path.with_name(f".deleted-{id}-{time.time_ns()}")
    run.path.rename(doomed)  # gone from the list at once, even when deleting takes long or is interrupted
    shutil.rmtree(doomed, ignore_errors=True)


def _copied(ws: Workspace, other: Run, run: Run) -> bool:
    """Return whether another run is a checkpoint of this one whose base model lies in this one's folder."""
    if (other.about.get("checkpoint") or {}).get("run") != run.id:
        return False
    return str((get(ws, other.id).plan.get("model") or {}).get("base") or "").startswith(str(run.path))


def using_dataset(ws: Workspace, dataset: str) -> list[str]:
    """Return the names of the runs that were trained on a dataset."""
    return [r.name for r in listing(ws) if str(r.config.get("data", "")).split("@")[0] == dataset]
