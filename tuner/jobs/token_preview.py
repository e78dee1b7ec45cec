"""What a model would learn from a dataset, token by token: asked for here, worked out by `workers/token_preview.py` (no torch).

jobs/preview-<key>/ is the folder of a job (`tuner.jobs.job`); the key is made of the data, the tokenizer and the objective. In it also:

    rows.npz        a number per row, for every limit at once
    asks/*.json     rows a person wants to see        answers/     the same as tokens

The process stays two minutes for the next question.

`costs`, `curve`, `histogram` and `untrained` read rows.npz and compute in milliseconds, so a slider needs no worker.
"""

import hashlib
import json
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from tuner import __version__, models, paths
from tuner.data.store import store
from tuner.errors import DataError, ModelError, NotFoundError, RequestError
from tuner.jobs.job import Job, JobStatus
from tuner.paths import Workspace
from tuner.planning import token_counts

MOST = 100  # rows of one look


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
    id = "preview-" + hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
    job = Job(ws, "preview", ws.jobs / id)
    if job.exists():
        if progress(ws, id).state in ("running", "done"):
            return id
        job.remove()
    if job.make_folder():  # else somebody else was quicker
        job.launch(asked)
    return id


def progress(ws: Workspace, id: str) -> JobStatus:
    """Return the state of a preview; its result has "rows", "how" (own | trl | prefixes | whole: whose marks), "notes" (warnings to show),
    "refused" ({reason: rows}) and "seconds"."""
    job = _job(ws, id)
    return job.status(lambda: _died(job.folder))


def wait(ws: Workspace, id: str, seconds: float = 600, each=None) -> JobStatus:
    """Return the state when it has ended, or after `seconds`; `each(state)` is called on the way."""
    return _job(ws, id).wait(lambda: progress(ws, id), lambda s: s.running, each=each, seconds=seconds)


def cancel(ws: Workspace, id: str) -> None:
    """End it; its process hears it within a second."""
    _job(ws, id).stop()


def forget(ws: Workspace, id: str) -> None:
    """Remove what an ended preview left; one that runs is left alone."""
    if not progress(ws, id).running:
        cancel(ws, id)  # its process may still wait for a question
        _job(ws, id).remove()


def _died(place: Path) -> DataError:
    log = place / "worker.log"
    tail = log.read_text(encoding="utf-8", errors="replace")[-500:].strip() if log.exists() else ""
    return DataError(
        "The view of the tokens was ended from outside before it was done.",
        asked=tail or None,
        available="a view that runs to its end",
        remedy="Open it again; if it ends again, the computer may have too little memory.",
    )


def _job(ws: Workspace, id: str) -> Job:
    job = Job(ws, "preview", ws.jobs / paths.checked_id(id, "preview"))
    if not job.exists():
        raise NotFoundError(f"There is no preview {id!r}.", asked=id, available="previews of the last day", remedy="Open it again.")
    return job


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


def _asked(ws: Workspace, id: str, ask: dict) -> list[dict] | None:
    job, name = _job(ws, id), hashlib.sha256(json.dumps(ask, sort_keys=True).encode()).hexdigest()[:24] + ".json"
    answer = paths.read_json(job.folder / "answers" / name)
    if answer is None:
        state = progress(ws, id)
        if state.state in ("failed", "cancelled"):
            raise _as_error(state.errors)
        (job.folder / "asks").mkdir(exist_ok=True)
        if not (job.folder / "asks" / name).exists():
            paths.write_json(job.folder / "asks" / name, ask)
        if not job.alive():
            job.launch()
        return None
    if answer.get("errors"):
        raise _as_error(answer["errors"])
    return answer["rows"]


def _as_error(errors: list[dict]) -> DataError:
    first = next(iter(errors), None) or {
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
    file = _job(ws, job).folder / "rows.npz"
    if not file.is_file():
        state = progress(ws, job)
        if state.state in ("failed", "cancelled"):
            raise _as_error(state.errors)
        raise NotFoundError(
            "The whole set has not been counted yet.",
            asked=job,
            available=f"{state.done} of {state.total} rows",
            remedy="Wait for it.",
        )
    return _read(str(file), file.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read(file: str, changed: int) -> dict:
    import numpy as np

    with np.load(file, allow_pickle=False) as held:
        return {name: held[name] for name in held.files}
