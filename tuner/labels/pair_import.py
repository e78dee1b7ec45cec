"""Import pairs from a file or a dataset in a separate process: the page and the terminal never parse untrusted files.

The work is a job (tuner/jobs/data_jobs.py) with progress that can be stopped; pairs that the project already has are never added twice, so
the same call continues a stopped import.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.data.importing.import_pass import Progress
from tuner.data.importing.sources import LIMIT, check_upload
from tuner.data.store import store
from tuner.jobs import data_jobs
from tuner.jobs.job import JobStatus
from tuner.labels import db as files
from tuner.labels import pairs
from tuner.labels.pairs import Added
from tuner.paths import Workspace


@dataclass(frozen=True)
class Imported:
    """The result that the process of the job writes. `rows` counts the new pairs."""

    ref: str
    rows: int
    report: dict[str, Any] = field(default_factory=dict)


def from_file(ws: Workspace, project: str, path: str | Path, *, gold: bool = False, limit_bytes: int = LIMIT) -> str:
    """Start a job that imports the pairs of a file and return its id. Raises NotFoundError, DataError (no file), RequestError (size)."""
    check_upload(path, limit_bytes)
    files.file_of(ws, project)
    return data_jobs.begin(ws, "pairs", project=project, file=str(Path(path).absolute()), gold=gold)


def from_dataset(ws: Workspace, project: str, ref: str, *, gold: bool = False) -> str:
    """Start a job that copies the pairs of a dataset and return its id. Raises NotFoundError, RequestError (kind of data)."""
    files.file_of(ws, project)
    return data_jobs.begin(ws, "pairs", project=project, data=pairs.preferences(store.get(ws, ref)).ref, gold=gold)


def run(ws: Workspace, *, project: str, gold: bool, file: str | None = None, data: str | None = None, progress, cancelled) -> Imported:
    """Import the pairs; called in a separate process (data_tasks.py). Raises the errors of `pairs.from_file` and `pairs.from_dataset`."""
    if data:
        added = pairs.from_dataset(ws, project, data, gold=gold, progress=progress, cancelled=cancelled)
    else:
        added, _ = pairs.from_file(ws, project, Path(str(file)), gold=gold, progress=progress, cancelled=cancelled)
    return Imported(project, added.added, added.as_dict() | {"unread": added.unread})


def report(now: JobStatus) -> Added:
    """Return how many pairs were added and dropped by a finished job."""
    document = now.result["report"]
    return Added(document["added"], Counter(document["dropped"]), document["unread"])


def follow(ws: Workspace, job: str, tell: Progress | None = None) -> Added:
    """Wait for the job and return how many pairs were added and dropped; raises the error of its process."""
    return report(data_jobs.follow(ws, job, tell))
