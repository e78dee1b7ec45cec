"""What a model would learn from a dataset, token by token: asked for here, worked out by `workers/token_preview.py` (no torch).

jobs/preview-<key>/job.json       what was asked; the key is made of the data, the tokenizer and the objective
jobs/preview-<key>/progress.json  how far the whole set is       jobs/.../rows.npz     a number per row, for every limit at once
jobs/preview-<key>/result.json    how it ended                   jobs/.../cancel       put there to end it
jobs/preview-<key>/asks/*.json    rows a person wants to see     jobs/.../answers/     the same as tokens
jobs/preview-<key>/lock           held by the worker as long as it lives; it stays two minutes for the next question

`costs`, `curve`, `histogram` and `untrained` read rows.npz and compute in milliseconds, so a slider needs no worker.
"""

import hashlib
import json
import shutil
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from tuner import __version__, locks, models, paths
from tuner.data.store import store
from tuner.errors import DataError, ModelError, NotFoundError, RequestError, translate
from tuner.paths import Workspace
from tuner.planning import token_counts
from tuner.system import disk_reserve, processes

STARTING, KEPT, MOST = 60, 24 * 3600, 100  # seconds, seconds, rows of one look
_children = processes.Children()


# --- the job ----------------------------------------------------------------------------------------------------------------


def start(ws: Workspace, data: str, model: str, *, objective: str | None = None, measure: bool = True) -> str:
    """The id of a preview that is under way or done; the same question gives the same id. Without `measure` only rows are shown.

    NotFoundError, ModelError (not on this computer) and RequestError (data that can't be learnt so) are raised at once.
    """
    ds, found = store.get(ws, data), models.resolve(model, ws)
    objective = objective or ("text" if ds.kind == "text" else "chat")
    if objective not in ("chat", "text"):
        raise RequestError(
            f"There is no view of the tokens for the objective {objective}.",
            asked=objective,
            available=["chat", "text"],
            remedy="Choose one of these.",
            field="objective",
        )
    folder = Path(found.base) if Path(found.base).is_dir() else models.cached_snapshot(found.base)
    if folder is None:
        raise ModelError(
            f"The tokenizer of {found.ref} is not on this computer yet.",
            asked=found.ref,
            available="the starter, folders, and models that were downloaded",
            remedy="Start a run with it, which downloads it, or look with the starter meanwhile.",
            field="model",
        )
    asked = {
        "home": str(ws.home.resolve()),
        "owner": ws.owner,
        "data": ds.ref,
        "created": ds.created,
        "model": found.ref,
        "folder": str(folder.resolve()),
        "files": token_counts.tokenizer_files(folder),
        "objective": objective,
        "measure": measure,
        "version": __version__,
    }
    ws.prepare()
    _tidy(ws)
    job = "preview-" + hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
    place = ws.jobs / job
    if (place / "job.json").is_file():
        if progress(ws, job)["state"] in ("running", "done"):
            return job
        shutil.rmtree(place, ignore_errors=True)
    place.mkdir(exist_ok=True)
    disk_reserve.keep(place)
    paths.write_json(place / "job.json", asked)
    _launch(place)
    return job


def _launch(place: Path) -> None:
    (place / "cancel").unlink(missing_ok=True)  # meant for the worker before
    try:
        _children[place.name] = processes.start("tuner.workers.token_preview", str(place.resolve()), log=place / "worker.log")
    except OSError as error:
        raise translate(error) or error from error


def progress(ws: Workspace, job: str) -> dict[str, Any]:
    """{"state": running | done | failed | cancelled, "done", "total", "eta_seconds", "errors"}; when done, of result.json also:
    "rows", "how" (own | trl | prefixes | whole: whose marks), "notes" (warnings to show), "refused" ({reason: rows}), "seconds"."""
    place = _place(ws, job)
    alive = _alive(place)  # asked before the result: a worker may write it and end in between
    result = paths.read_json(place / "result.json")
    state = {"state": "running", "done": 0, "total": 0, "eta_seconds": None, "errors": []} | paths.read_json(place / "progress.json", {})
    if result is None and alive:
        return state
    if result is None:
        said = disk_reserve.said(place)  # what it could write nowhere else
        errors = [said] if said else _died(place).as_list()
        result = {"state": "cancelled"} if (place / "cancel").exists() else {"state": "failed", "errors": errors}
        if paths.writable(place) and not said:
            paths.write_json(place / "result.json", result)
    return state | {"eta_seconds": None} | result


def wait(ws: Workspace, job: str, seconds: float = 600, each=None) -> dict[str, Any]:
    """The progress when it has ended, or after `seconds`; `each(progress)` is called on the way."""
    end = time.monotonic() + seconds
    while (state := progress(ws, job))["state"] == "running" and time.monotonic() < end:
        if each:
            each(state)
        time.sleep(0.1)
    return state


def cancel(ws: Workspace, job: str) -> None:
    """End it; the worker hears it within a second."""
    (_place(ws, job) / "cancel").touch()


def forget(ws: Workspace, job: str) -> None:
    """Remove what an ended preview left; one that runs is left alone."""
    place = _place(ws, job)
    if progress(ws, job)["state"] != "running":
        (place / "cancel").touch()
        shutil.rmtree(place, ignore_errors=True)


def _alive(place: Path) -> bool:
    child = _children.get(place.name)
    if child and child.poll() is not None:
        _children.pop(place.name, None)
    elif child or locks.is_held(place / "lock"):
        return True
    return not (place / "progress.json").exists() and time.time() - (place / "job.json").stat().st_mtime < STARTING and not child


def _died(place: Path) -> DataError:
    log = place / "worker.log"
    tail = log.read_text(encoding="utf-8", errors="replace")[-500:].strip() if log.exists() else ""
    return DataError(
        "The view of the tokens was ended from outside before it was done.",
        asked=tail or None,
        available="a view that runs to its end",
        remedy="Open it again; if it ends again, the computer may have too little memory.",
    )


def _place(ws: Workspace, job: str) -> Path:
    place = ws.jobs / paths.checked_id(job, "preview")
    if not (place / "job.json").is_file():
        raise NotFoundError(f"There is no preview {job!r}.", asked=job, available="previews of the last day", remedy="Open it again.")
    return place


def _tidy(ws: Workspace) -> None:
    for result in ws.jobs.glob("preview-*/result.json"):
        if time.time() - result.stat().st_mtime > KEPT and not locks.is_held(result.parent / "lock"):
            shutil.rmtree(result.parent, ignore_errors=True)


# --- rows -------------------------------------------------------------------------------------------------------------------


def look(ws: Workspace, job: str, offset: int = 0, count: int = 20, held_out: bool | None = None) -> list[dict] | None:
    """Rows of the dataset as tokens, or None while they are being made: call again. A worker that left is started again.

    Each: {"row": record number, "held_out", "length": tokens, "learnt": tokens, "problem": why it can't be learnt or None, "tokens":
    [{"text", "id", "trained", "special"}]}. The texts joined are the text that the model reads; a token that only goes on
    with a character has the text "". `tokens` stops at 8,192. What `max_length` cuts off is tokens[max_length:].
    """
    return _asked(ws, job, {"offset": max(0, offset), "count": min(count, MOST), "held_out": held_out})


def look_at(ws: Workspace, job: str, values: list[dict]) -> list[dict] | None:
    """The same for canonical rows that are in no dataset, such as one that is being corrected; "row" counts from 1."""
    return _asked(ws, job, {"values": values[:MOST]})


def look_now(ws: Workspace, job: str, seconds: float = 60, **what: Any) -> list[dict]:
    """`look`, waited for. The worker's own error when it failed, ModelError after `seconds`."""
    end = time.monotonic() + seconds
    while (rows := look(ws, job, **what)) is None:
        if time.monotonic() > end:
            raise ModelError(
                "The rows could not be shown in time.",
                asked=f"{seconds:g} s",
                available="a computer that is less busy",
                remedy="Try again.",
                field="model",
            )
        time.sleep(0.05)
    return rows


def _asked(ws: Workspace, job: str, ask: dict) -> list[dict] | None:
    place, name = _place(ws, job), hashlib.sha256(json.dumps(ask, sort_keys=True).encode()).hexdigest()[:24] + ".json"
    answer = paths.read_json(place / "answers" / name)
    if answer is None:
        state = progress(ws, job)
        if state["state"] in ("failed", "cancelled"):
            raise _as_error(state)
        (place / "asks").mkdir(exist_ok=True)
        if not (place / "asks" / name).exists():
            paths.write_json(place / "asks" / name, ask)
        if not _alive(place):
            _launch(place)
        return None
    if answer.get("errors"):
        raise _as_error(answer)
    return answer["rows"]


def _as_error(state: dict) -> DataError:
    first = (state.get("errors") or [None])[0] or {
        "message": "The view of the tokens was cancelled.",
        "remedy": "Open it again.",
        "asked": None,
        "available": None,
    }
    made = ModelError if first.get("code") == "model" else DataError
    return made(
        first["message"], asked=first.get("asked"), available=first.get("available"), remedy=first["remedy"], field=first.get("field")
    )


# --- the whole set ----------------------------------------------------------------------------------------------------------


def costs(ws: Workspace, job: str, max_length: int, *, micro_batch: int = 1, held_out: bool | None = None) -> dict[str, Any]:
    """What this maximum length costs; see `measures.costs`. Only after the state is done."""
    from tuner.data import length_statistics

    return length_statistics.truncation(_arrays(ws, job), max_length, micro_batch, held_out)


def curve(ws: Workspace, job: str, points: int = 200) -> dict[str, list]:
    """The costs at up to `points` limits (quantiles of the lengths): see `measures.curve`."""
    from tuner.data import length_statistics

    return length_statistics.curve(_arrays(ws, job), points)


def histogram(ws: Workspace, job: str, bins: int = 40) -> dict[str, list]:
    """{"edges": bins + 1 lengths in tokens, "counts": rows between them}."""
    from tuner.data import length_statistics

    return length_statistics.histogram(_arrays(ws, job), bins)


def untrained(ws: Workspace, job: str, max_length: int, most: int | None = 1000) -> list[int]:
    """The record numbers of rows in which nothing is trained at this length, so that they can be excluded."""
    from tuner.data import length_statistics

    return length_statistics.untrained(_arrays(ws, job), max_length, most)


def _arrays(ws: Workspace, job: str) -> dict:
    file = _place(ws, job) / "rows.npz"
    if not file.is_file():
        state = progress(ws, job)
        if state["state"] in ("failed", "cancelled"):
            raise _as_error(state)
        raise NotFoundError(
            "The whole set has not been counted yet.",
            asked=job,
            available=f"{state['done']} of {state['total']} rows",
            remedy="Wait for it.",
        )
    return _read(str(file), file.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read(file: str, changed: int) -> dict:
    import numpy as np

    with np.load(file, allow_pickle=False) as held:
        return {name: held[name] for name in held.files}
