"""A checkpoint as a run of its own: it can then be chatted with, compared, evaluated, exported and trained further as any other. No torch.

Its files are hard links where the disk has them, so that it takes no space; it stays when the checkpoint is deleted.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from tuner import paths, runs
from tuner.errors import ConflictError, NotFoundError
from tuner.evaluation import checkpoints
from tuner.paths import Workspace
from tuner.runs import metrics_file
from tuner.runs.checkpoint_files import step_of

# of a checkpoint: what training resumes with, and no model needs
STATE = (
    "optimizer.pt",
    "scheduler.pt",
    "scaler.pt",
    "rng_state.pth",
    "trainer_state.json",
    "training_args.bin",
    "MANIFEST.json",
    "README.md",
)
CHANGED_BASE = ("pissa", "olora")  # such an adapter belongs to a base that was changed, until the end of the run converts it


def listing(run: runs.Run) -> list[dict[str, Any]]:
    """Return the complete checkpoints in order of step: {"step", "bytes", "best", "eval_loss", the objective's metrics}."""
    measured = checkpoints.evaluations(run.path, [])  # of metrics.db: an open page asks each second, and a trainer_state.json may be large
    return [found | measured.get(found["step"], {}) for found in run.checkpoints]


def copies(ws: Workspace, id: str) -> dict[int, str]:
    """Return {step: run} of the checkpoints of a run that are runs of their own."""
    found = {}
    for run in runs.listing(ws):
        origin = run.about.get("checkpoint") or {}
        if origin.get("run") == id:
            found.setdefault(origin["step"], run.id)
    return found


def make(ws: Workspace, id: str, step: int, name: str | None = None) -> runs.Run:
    """Return the checkpoint of a step as a run of its own, made once; a `name` makes another.

    NotFoundError without such a checkpoint, or where its files are damaged; ConflictError where it can't answer by itself.
    """
    run = runs.get(ws, id)
    if name is None and (there := copies(ws, id).get(step)):
        return runs.get(ws, there)
    checkpoint = _whole(run, step)
    if run.plan["settings"].get("lora_init") in CHANGED_BASE:
        raise ConflictError(
            f"{run.name} began with {run.plan['settings']['lora_init']}, which changes the base model: only its final model is a plain adapter.",
            asked=f"step {step}",
            available="the run itself, or checkpoints of runs with lora_init=default",
            remedy=f"`tunesmith compare {id} {id}@{step}` asks it as it is.",
            field="run",
        )
    name = (name or "").strip()[:120] or f"{run.name} · step {step}"
    new = ws.runs / f".new-{paths.new_id(name, ws.runs)}"
    new.mkdir()
    try:
        _fill(new, run, checkpoint, name)
        while True:
            place = ws.runs / paths.new_id(name, ws.runs)
            try:
                new.rename(place)  # whole or not at all
                return runs.get(ws, place.name)
            except OSError:
                if not place.exists():
                    raise
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _whole(run: runs.Run, step: int) -> Path:
    found = {step_of(c): c for c in runs.checkpoints(run.path)}
    if step not in found or not runs.is_whole(found[step]):
        damaged = step in found
        raise NotFoundError(
            f"The checkpoint of step {step} of {run.name} is damaged." if damaged else f"{run.name} has no checkpoint of step {step}.",
            asked=step,
            available=", ".join(str(c["step"]) for c in run.checkpoints) or "none",
            remedy="Choose another checkpoint.",
            field="step",
        )
    return found[step]


def _fill(new: Path, run: runs.Run, checkpoint: Path, name: str) -> None:
    """Write the folder of the run: the weights with all that describes them, the plan, and what was measured up to there."""
    step = step_of(checkpoint)
    shutil.copytree(
        checkpoint,
        new / "model",
        copy_function=_link,
        ignore=lambda _, names: [n for n in names if n in STATE or n.startswith("rng_state")],
    )
    for beside in (run.path / "model").glob("*"):  # such as an image processor; the checkpoint's own files stand first
        if beside.is_file() and not (new / "model" / beside.name).exists() and beside.suffix not in (".safetensors", ".bin", ".md"):
            shutil.copy2(beside, new / "model" / beside.name)
    shutil.copy2(run.path / "config.yaml", new / "config.yaml")
    paths.write_json(new / "plan.json", run.plan)
    metrics_file.copy(run, new, step)
    measured = checkpoints.evaluations(run.path, [checkpoint]).get(step)
    about = run.about | {"name": name, "notes": "", "checkpoint": {"run": run.id, "step": step}}
    about = {key: value for key, value in about.items() if key not in ("sweep", "trial")}
    paths.write_json(new / "about.json", about)
    runs.write_status(
        new,
        state="finished",
        reason=f"This is the checkpoint of step {step:,} of {run.name}.",
        best=measured | {"step": step} if measured else {},
        baseline=run.status.baseline,
        prepared=run.status.prepared,
        progress={"steps": run.progress.steps, "step": step, "eta_seconds": 0},
    )


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or a file system without links
        shutil.copy2(source, target)
