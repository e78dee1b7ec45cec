"""What takes space in a workspace and can be freed: checkpoints of runs that finished, and what interrupted work left behind.

A run's `model/` (its best checkpoint) stays, and with it all that depends on it: chats, exports, runs that continue from it. Runs that may
still be resumed keep their checkpoints.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner import locks, paths, runs
from tuner.evaluation import checkpoints
from tuner.paths import Workspace

OLD = 24 * 3600.0  # seconds after which the folder of a job that has ended is of no use


@dataclass(frozen=True)
class Item:
    """Something that can be freed: `what` in words, its folders, and their size in bytes."""

    kind: str
    what: str
    folders: tuple[Path, ...]
    bytes: int
    run: str | None = None
    name: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "what": self.what, "bytes": self.bytes, "run": self.run}


def survey(ws: Workspace) -> list[Item]:
    """Return what can be freed, the largest first."""
    found = [item for run in runs.listing(ws) if (item := _checkpoints(ws, run))]
    if left := _leftovers(ws):
        found.append(Item("leftovers", "What interrupted work left behind.", left, _size(left)))
    return sorted(found, key=lambda item: -item.bytes)


def free(items: list[Item]) -> int:
    """Delete what these items name; return the freed bytes. What a process works on by now is left alone."""
    freed = 0
    for item in items:
        for folder in item.folders:
            if locks.is_held(folder / "lock") or locks.is_held(folder.parent / "lock"):
                continue
            size = paths.folder_bytes(folder)
            if item.kind == "checkpoints":
                checkpoints.drop(folder)
            else:
                shutil.rmtree(folder, ignore_errors=True)
            freed += size
    return freed


def _checkpoints(ws: Workspace, run: runs.Run) -> Item | None:
    """Return the checkpoints of a run that finished and whose model is there; not of a fine-tuning job, whose checkpoints answer under names."""
    there = tuple(runs.checkpoints(run.path))
    named = run.id.startswith("ftjob-") and (ws.api / "jobs").is_dir()
    if run.state != "finished" or named or not run.can_answer or not there or locks.is_held(run.path / "lock"):
        return None
    return Item(
        "checkpoints", f"{len(there)} checkpoints of {run.name}, which finished; its model stays.", there, _size(there), run.id, run.name
    )


def _leftovers(ws: Workspace) -> tuple[Path, ...]:
    """Return folders that were being deleted, half-written models, and jobs that ended a day ago."""
    found = [
        *ws.runs.glob(".deleted-*"),
        *ws.runs.glob(".new-*"),
        *ws.runs.glob("*/model.new"),
        *ws.runs.glob("*/base.new"),
        *ws.runs.glob("*/checkpoints/.dropped-*"),
    ]
    ended = [job for job in ws.jobs.glob("*") if job.is_dir() and time.time() - job.stat().st_mtime > OLD]
    return tuple(f for f in [*found, *ended] if not locks.is_held(f / "lock") and not locks.is_held(f.parent / "lock"))


def _size(folders: tuple[Path, ...]) -> int:
    return sum(map(paths.folder_bytes, folders))
