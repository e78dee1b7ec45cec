"""Which checkpoints of a run are valid, which is the best, and which are deleted. No torch.

Metrics are only reported for weights that exist: the best checkpoint has the lowest validation loss of all complete checkpoints (size and
sha256 of every file as in MANIFEST.json). It is chosen from the recorded evaluations, so it can be chosen again when a checkpoint is lost.
A new checkpoint is complete before an old one is deleted.
"""

import math
import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner import paths, runs
from tuner.evaluation import scoring
from tuner.runs import run_warnings
from tuner.runs.checkpoint_files import step_of
from tuner.settings import objectives

LEAST = 2  # complete checkpoints that are always kept
DROPPED = ".dropped-"  # prefix of a checkpoint that is being deleted: it is renamed first, so that a kill leaves nothing that looks damaged

Best = dict[str, Any]


@dataclass(frozen=True)
class Stock:
    """What a run can resume from. `resume`: the newest complete checkpoint. `best`: the document for status.json. Both None without one."""

    resume: Path | None
    best: Best | None
    warnings: list[dict[str, Any]] = field(default_factory=list)


def names_of(folder: Path) -> tuple[str, ...]:
    """Return the names of the metrics of the objective of the run in `folder`."""
    plan = paths.read_json(folder / "plan.json", {}) or {}
    return objectives.get(plan.get("settings", {}).get("objective", "chat")).metrics


# --- the best checkpoint ---------------------------------------------------------------------------------------------


def evaluations(folder: Path, whole: list[Path]) -> dict[int, dict[str, float]]:
    """Return {step: {"eval_loss", the objective's metrics}} from metrics.db, overridden by the records of the complete checkpoints."""
    names, found = names_of(folder), {}
    for step, key, value in _measured(folder, ("eval_loss", *names)):
        if value is not None:
            found.setdefault(step, {})[key] = value
    for checkpoint in whole:
        for entry in _history(checkpoint):
            values = {n: entry[f"eval_{n}"] for n in names if isinstance(entry.get(f"eval_{n}"), (int, float))}
            loss = float(entry["eval_loss"])
            found[int(entry["step"])] = found.get(int(entry["step"]), {}) | {"eval_loss": loss} | values | scoring.of_loss(loss, names)
    return {step: v for step, v in found.items() if math.isfinite(v.get("eval_loss", math.nan))}


def _measured(folder: Path, keys: tuple[str, ...]) -> list[tuple[int, str, float | None]]:
    run = runs.Run(folder.name, folder, runs.RunStatus(), {}, {})
    try:
        return runs.metrics(run, keys=keys)
    except sqlite3.DatabaseError as error:  # the checkpoints record the same evaluations
        print(f"metrics.db can't be read: {error}", flush=True)
        return []


def _history(checkpoint: Path) -> list[dict[str, Any]]:
    """Return the evaluations in a checkpoint's trainer_state.json."""
    state = paths.read_json(checkpoint / "trainer_state.json", {})
    return [e for e in state.get("log_history", []) if isinstance(e.get("eval_loss"), (int, float)) and "step" in e]


def ranked(folder: Path, whole: list[Path]) -> list[tuple[Path, Best]]:
    """Return (checkpoint, its metrics) of the evaluated checkpoints, the best first; of equal ones the earlier, as in training."""
    found = evaluations(folder, whole)
    known = [(c, found[step_of(c)] | {"step": step_of(c)}) for c in whole if step_of(c) in found]
    return sorted(known, key=lambda k: (k[1]["eval_loss"], k[1]["step"]))


def best_whole(folder: Path) -> tuple[Path, Best] | None:
    """Return (checkpoint, metrics) of the best complete checkpoint, verified now; None when none was evaluated."""
    there = [c for c in runs.checkpoints(folder) if (c / "MANIFEST.json").exists()]
    while found := ranked(folder, there):
        if runs.is_whole(found[0][0]):
            return found[0]
        there.remove(found[0][0])
    return None


# --- resuming --------------------------------------------------------------------------------------------------------


def take_stock(folder: Path) -> Stock:
    """Verify every checkpoint of a run that starts or resumes, delete incomplete ones, and choose the best one again."""
    sweep(folder)
    found = runs.checkpoints(folder)
    whole = [c for c in found if runs.is_whole(c)]
    invalid = [(step_of(c), "damaged" if (c / "MANIFEST.json").exists() else "incomplete") for c in found if c not in whole]
    resume = whole[0] if whole else None
    before = (paths.read_json(folder / "status.json", {}) or {}).get("best") or None
    best = next((b for _, b in ranked(folder, whole)), None)
    if best is None and before and before.get("step") in map(step_of, whole):
        best = before  # its weights exist, and no record contradicts it
    for step, how in invalid:
        print(f"checkpoint-{step} is {how} and is left out", flush=True)
        drop(folder / "checkpoints" / f"checkpoint-{step}")
    warnings = [left_out(step, how, resume) for step, how in invalid]
    return Stock(resume, best, warnings + best_changed(before, best, dict(invalid)))


def left_out(step: int, how: str, resume: Path | None) -> dict[str, Any]:
    """Return the warning about an incomplete or damaged checkpoint; steps are only lost if it is newer than the one resumed from."""
    newest = step_of(resume) if resume else 0
    begun = f"The run resumed from step {newest:,}." if resume else "No other checkpoint is complete, so the run started again."
    why = "it was being written when the run was interrupted" if how == "incomplete" else "its files differ from what was saved"
    lost = step > newest
    return run_warnings.make(
        "checkpoint_damaged",
        f"The checkpoint of step {step:,} is {how} ({why}) and was left out. {begun}",
        "The steps after it are trained again; nothing else is lost." if lost else "It was not needed.",
        step=step,
        severity="warning" if lost or how == "damaged" else "info",
    )


def best_changed(before: Best | None, now: Best | None, invalid: dict[int, str], *, ended: bool = False) -> list[dict[str, Any]]:
    """Return the warning that the best checkpoint has changed; [] when it has not. `ended`: no evaluation follows."""
    if not before or before.get("eval_loss") is None or (now and now["step"] == before.get("step")):
        return []
    step = before.get("step")
    why = f"its checkpoint is {invalid.get(step, 'gone')}"
    left = f"The best remaining one is from step {now['step']:,} (validation loss {now['eval_loss']:.4f})." if now else ""
    coming = "Later evaluations may still find a better one." if now else "Later evaluations will choose a new one."
    final = "The model is that checkpoint." if now else "The model has the last weights, evaluated again."
    return [
        run_warnings.make(
            "best_changed",
            f"The best checkpoint was from step {step} (validation loss {before['eval_loss']:.4f}), but {why}. {left}".rstrip(),
            final if ended else coming,
            step=step,
        )
    ]


# --- deleting --------------------------------------------------------------------------------------------------------


def drop(checkpoint: Path) -> None:
    """Delete a checkpoint; it disappears at once by renaming, even if the deletion itself takes long."""
    doomed = checkpoint.with_name(f"{DROPPED}{checkpoint.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    checkpoint.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Delete what interrupted deletions have left."""
    for left in (folder / "checkpoints").glob(f"{DROPPED}*"):
        shutil.rmtree(left, ignore_errors=True)


class Kept:
    """The complete checkpoints of a run in progress. Each is verified once, and again when one of its files has changed."""

    def __init__(self, folder: Path, keep: int):
        self.folder, self.keep, self.seen = folder, max(LEAST, keep), {}

    def added(self, checkpoint: Path) -> None:
        """Register a checkpoint whose manifest was just written."""
        self.seen[checkpoint.name] = _stamps(checkpoint)

    def whole(self) -> list[Path]:
        """Return the complete checkpoints, the oldest first."""
        return [c for c in reversed(runs.checkpoints(self.folder)) if self.is_whole(c)]

    def is_whole(self, checkpoint: Path) -> bool:
        now = _stamps(checkpoint)
        if self.seen.get(checkpoint.name) != now or not now:
            self.seen[checkpoint.name] = now if runs.is_whole(checkpoint) else ()
        return bool(self.seen[checkpoint.name])

    def rotate(self, best: int | None) -> None:
        """Delete the oldest checkpoints beyond `keep`, but never the newest complete one, the one of step `best`, or the last two."""
        there = self.whole()
        spare = [c for c in there[:-1] if step_of(c) != best]
        for checkpoint in spare[: max(0, len(there) - self.keep)]:
            drop(checkpoint)


def _stamps(checkpoint: Path) -> tuple:
    """Return (name, bytes, times of the last change) of every file."""
    return tuple(
        (f.name, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for f in sorted(checkpoint.rglob("*")) if (s := f.stat()) and f.is_file()
    )
