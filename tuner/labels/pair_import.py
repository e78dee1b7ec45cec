"""Pairs out of a file or a dataset, taken in a process of its own: the page and the terminal open no stranger's file.

The work is a job (tuner/jobs/data_jobs.py) with progress and a way to end it; pairs that are in the project already are never doubled, so
that the same call goes on with what was ended.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.data.importing.import_pass import Progress
from tuner.data.importing.sources import LIMIT, check_upload
from tuner.data.store import store
from tuner.jobs import data_jobs
from tuner.labels import db as files
from tuner.labels import pairs
from tuner.labels.pairs import Added
from tuner.paths import Workspace


@dataclass(frozen=True)
class Taken:
    """What the process that took them writes into its result. `rows` counts the new pairs."""

    ref: str
    rows: int
    report: dict[str, Any] = field(default_factory=dict)


def from_file(ws: Workspace, project: str, path: str | Path, *, gold: bool = False, limit_bytes: int = LIMIT) -> str:
    """The id of a job that takes the pairs of a file. NotFoundError, DataError (no file), RequestError (too large) are raised at once."""
    check_upload(path, limit_bytes)
    files.file_of(ws, project)
    return data_jobs.begin(ws, "pairs", project=project, file=str(Path(path).absolute()), gold=gold)


def from_dataset(ws: Workspace, project: str, ref: str, *, gold: bool = False) -> str:
    """The id of a job that copies the pairs of a dataset. NotFoundError and RequestError (another kind of data) are raised at once."""
    files.file_of(ws, project)
    return data_jobs.begin(ws, "pairs", project=project, data=pairs.preferences(store.get(ws, ref)).ref, gold=gold)


def run(ws: Workspace, *, project: str, gold: bool, file: str | None = None, data: str | None = None, progress, cancelled) -> Taken:
    """Take the pairs; called in a process of its own (workers/data_tasks.py). Raises what `pairs.from_file` and `pairs.from_dataset` raise."""
    if data:
        added = pairs.from_dataset(ws, project, data, gold=gold, progress=progress, cancelled=cancelled)
    else:
        added, _ = pairs.from_file(ws, project, Path(str(file)), gold=gold, progress=progress, cancelled=cancelled)
    return Taken(project, added.added, added.as_dict() | {"unread": added.unread})


def report(now: dict[str, Any]) -> Added:
    """What became of the pairs, of a job that is done (`jobs.progress`)."""
    told = now["report"]
    return Added(told["added"], Counter(told["dropped"]), told["unread"])


def follow(ws: Workspace, job: str, tell: Progress | None = None) -> Added:
    """What became of the pairs, once the job has ended; raises what went wrong in its process."""
    return report(data_jobs.follow(ws, job, tell))
