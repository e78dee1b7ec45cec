"""The run folder: the only code that knows its file names.

config.yaml  the requested settings        status.json  the state, written by the process that holds `lock`
plan.json    the decisions and reasons     metrics.db   (step, key) -> value, without duplicates
samples.jsonl  answers to a few prompts at each evaluation; prompts.json: a person's own
lock heartbeat control worker.log checkpoints/ model/ about.json (name and notes: set by a person, not by the worker)
noticed.json a warning of the supervisor about a worker that does not answer, as long as that lasts
reserve      disk space reserved while a run is live, so that its end can be recorded on a full disk (tuner/system/disk_reserve.py)
"""

import os
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from tuner import locks, paths
from tuner.formatting import yaml_text
from tuner.runs import checkpoint_files, run_warnings, samples_file
from tuner.runs.run_status import Progress, RunStatus
from tuner.system import disk_reserve, log_files

SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, if libyaml is installed
RESERVE = disk_reserve.BYTES
NOTICED = "noticed.json"
LIVE = ("queued", "preparing", "running", "stopping")
ENDED = ("finished", "stopped", "failed", "interrupted")
SENTENCES = {
    "queued": "waiting for the device",
    "preparing": "loading the model and the data",
    "running": "training",
    "stopping": "saving, then stopping",
    "finished": "training is complete",
    "stopped": "stopped and saved",
    "failed": "failed",
    "interrupted": "stopped unexpectedly; everything saved is kept",
}


@dataclass(frozen=True)
class Run:
    """A run as it is on disk. `config`, `plan` and `about` are the documents of its files; `status` is read from status.json."""

    id: str
    path: Path
    status: RunStatus
    config: dict[str, Any]
    plan: dict[str, Any]
    about: dict[str, Any] = field(default_factory=dict)

    def with_status(self, status: RunStatus) -> "Run":
        """Return the same run with another status."""
        return replace(self, status=status)

    @property
    def state(self) -> str:
        return self.status.state

    @property
    def live(self) -> bool:
        return self.state in LIVE

    @property
    def name(self) -> str:
        return self.about.get("name") or self.id

    @property
    def notes(self) -> str:
        return self.about.get("notes") or ""

    @property
    def system(self) -> str:
        """The system prompt of all conversations that the model was trained on; "" without a common one."""
        return self.plan.get("data", {}).get("system") or ""

    @property
    def brief(self) -> dict[str, Any]:
        """The part of the plan that lists show: model, method, objective. A model that is another run is named as this run, and its base."""
        settings, model = self.plan["settings"], self.plan.get("model") or {}
        name, ref = model.get("name"), model.get("ref")
        named = f"{ref} ({name})" if model.get("kind") == "run" and ref != name else name
        return {"model": named, "method": settings["method"], "objective": settings.get("objective")}

    @property
    def progress(self) -> Progress:
        return self.status.progress

    @property
    def best(self) -> float | None:
        return self.status.best.get("eval_loss")

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """The warnings of the run, the most severe first: see tuner/runs/run_warnings.py."""
        earlier = [run_warnings.make("over_optimization", sign, "") for sign in self.status.signs]  # of a version that kept them apart
        return run_warnings.by_severity([*run_warnings.read(self.status.warnings), *earlier])

    @property
    def checkpoints(self) -> list[dict[str, Any]]:
        """The complete checkpoints: [{"step", "bytes", "best"}], in order of step."""
        found = [c for c in checkpoint_files.checkpoints(self.path) if (c / "MANIFEST.json").exists()]
        best = self.status.best.get("step")
        steps = [(checkpoint_files.step_of(c), paths.folder_bytes(c)) for c in reversed(found)]
        return [{"step": step, "bytes": size, "best": step == best} for step, size in steps]

    @property
    def troubled(self) -> bool:
        """Whether something was found that ruins the run, or will."""
        return any(isinstance(w, dict) and w.get("severity") == "error" for w in self.status.warnings)

    @property
    def can_answer(self) -> bool:
        return (self.path / "model").is_dir()

    def summary(self) -> dict[str, Any]:
        """Return a row of `tunesmith runs`."""
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "model": self.config.get("model"),
            "data": self.config.get("data"),
            "method": self.brief["method"],
            "best": self.best,
            "troubled": self.troubled,
            "created": self.about.get("created"),
            "duration_seconds": self.progress.elapsed_seconds or None,
            "notes": self.notes,
            "sweep": self.about.get("sweep"),
        }

    def detail(self) -> dict[str, Any]:
        """Return the document of `tunesmith show`."""
        keys = ("step", "steps", "epoch", "eta_seconds", "eta_low", "eta_high")
        told = self.status.document.get("progress") or {}  # null, and not 0, for what is not known yet
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "reason": self.status.reason,
            "model": self.config.get("model"),
            "data": self.config.get("data"),
            "settings": self.plan["settings"],
            "reasons": self.plan["reasons"],
            "predicted": {
                k: self.plan.get(k) for k in ("peak_bytes", "uncorrected_bytes", "seconds", "seconds_low", "seconds_high", "energy_wh")
            },
            "measured": self.status.measured or None,
            "scorecard": self.status.scorecard or None,
            "dry_run": self.status.dry_run or None,
            "progress": {k: told.get(k) for k in keys},
            "best": self.status.best or None,
            "signs": run_warnings.signs(self.warnings),
            "warnings": self.warnings,
            "prepared": {k: self.status.prepared.get(k) for k in ("rows", "cut", "left_out", "notes")},
            "error": self.status.error,
            "baseline": self.status.baseline or None,
            "notes": self.notes,
            "samples": samples_file.read(self.path),
            "checkpoints": self.checkpoints,
            "path": str(self.path),
        }


def fill(folder: Path, config: dict[str, Any], plan: dict[str, Any]) -> None:
    """Write the files that a training worker reads, in the state `queued`: for a run or a dry run."""
    (folder / "config.yaml").write_text(yaml_text(config), encoding="utf-8")
    paths.write_json(folder / "plan.json", plan)
    write_status(folder, state="queued", warnings=plan.get("warnings") or [])


def write_status(folder: Path, **change: Any) -> dict[str, Any]:
    """Merge `change` into status.json. Only the holder of the run's lock may do this, or the supervisor when nobody holds it.

    `starting=True` says that a process was started but has not taken the lock yet; the next write removes it.
    """
    before = {k: v for k, v in (paths.read_json(folder / "status.json", {}) or {}).items() if k != "starting"}
    status = {**before, **change, "updated": time.time()}
    if change.get("state") == "queued":
        disk_reserve.keep(folder)
    disk_reserve.in_its_room(folder, lambda: paths.write_json(folder / "status.json", status), drop_unfinished)
    if status["state"] in ENDED:
        disk_reserve.drop(folder)
    return status


def scorecards(folder: Path) -> list[dict[str, Any]]:
    """Return the scorecards that are kept with a run, the newest first."""
    found = [paths.read_json(file) for file in (folder / "evaluations").glob("*.json")]
    return sorted((f for f in found if f), key=lambda f: f["made"], reverse=True)


def drop_unfinished(folder: Path) -> None:
    """Free space on a full disk: release most of the reserve and delete incomplete files, which nothing would read."""
    disk_reserve.shrink(folder)
    shutil.rmtree(folder / "model.new", ignore_errors=True)
    shutil.rmtree(folder / "base.new", ignore_errors=True)
    for checkpoint in checkpoint_files.checkpoints(folder):
        if not checkpoint_files.is_whole(checkpoint):
            shutil.rmtree(checkpoint, ignore_errors=True)


def read(folder: Path, status: dict[str, Any]) -> Run:
    """Read a run from its files; ValueError when they have unexpected content."""
    config, plan = yaml.load((folder / "config.yaml").read_text(encoding="utf-8"), SAFE), paths.read_json(folder / "plan.json")
    about = paths.read_json(folder / "about.json", {})
    if not all(isinstance(d, dict) for d in (status, config, plan, about)) or "settings" not in plan:
        raise ValueError(f"config.yaml, plan.json, status.json or about.json in {folder} has unexpected content")
    if status.get("state") in LIVE and (noticed := run_warnings.read([paths.read_json(folder / NOTICED)])):
        status = status | {"warnings": run_warnings.add(status.get("warnings"), noticed)}
    return Run(folder.name, folder, RunStatus.from_json(status), config, located(plan, folder), about)


def located(plan: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the plan of the run in `folder` with its folders where they are now: the workspace, or the checkout with the starter, may have been
    moved since. A folder that is nowhere keeps its place."""
    model = plan.get("model")
    if not isinstance(model, dict):
        return plan
    now = {key: _now(model[key], folder.parent) for key in ("base", "adapter") if isinstance(model.get(key), str)}
    return plan if all(model[key] == place for key, place in now.items()) else plan | {"model": model | now}


def _now(place: str, runs: Path) -> str:
    """Return where a folder is that was at `place`: in the same folder of runs, or the starter that comes with the program."""
    if not os.path.isabs(place) or os.path.exists(place):
        return place
    parts = Path(place).parts
    if parts[-2:] == paths.STARTER.parts[-2:]:
        return str(paths.STARTER)
    if runs.name in parts and (there := runs.joinpath(*parts[len(parts) - parts[::-1].index(runs.name) :])).exists():
        return str(there)
    return place


def alive(run: Run, *, patience: float = 0.0) -> bool:
    """Return whether a process is working on the run; one that has just finished gets `patience` seconds to exit."""
    end = time.monotonic() + patience
    while held := locks.is_held(run.path / "lock"):
        if time.monotonic() >= end:
            break
        time.sleep(0.05)
    return held


def log_tail(run: Run, bytes: int = 20_000) -> str:
    """Return the last lines of a run's log, of at most so many bytes, without secrets (see `tuner.system.log_files`)."""
    return log_files.tail(run.path / "worker.log", bytes)
