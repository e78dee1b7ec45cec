"""The run folder: the only code that knows its file names.

config.yaml  what was asked            status.json  where it stands, written by whoever holds `lock`
plan.json    what was decided and why  metrics.db   (step, key) -> value; written again, never doubled
lock heartbeat control worker.log checkpoints/ model/ about.json (name and notes: a person's, not the worker's)
reserve      space kept back while a run lives, so that a full disk can still hold how it ended (tuner/reserve.py)
"""

import json
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from tuner import locks, paths, reserve, run_warnings
from tuner.errors import ConflictError, NotFoundError, translate
from tuner.paths import Workspace

SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is there
RESERVE = reserve.BYTES
LIVE = ("queued", "preparing", "running", "stopping")
ENDED = ("finished", "stopped", "failed", "interrupted")
SENTENCES = {
    "queued": "waiting for the device",
    "preparing": "loading the model and the rows",
    "running": "learning",
    "stopping": "saving, then stopping",
    "finished": "done",
    "stopped": "stopped and saved",
    "failed": "failed",
    "interrupted": "ended without a word; what was saved is kept",
}


@dataclass(frozen=True)
class Run:
    """One run as it stands on disk. `progress`: step, steps, epoch, eta_seconds, eta_low, eta_high, elapsed_seconds."""

    id: str
    path: Path
    status: dict[str, Any]
    config: dict[str, Any]
    plan: dict[str, Any]
    about: dict[str, Any] = field(default_factory=dict)

    def as_of(self, status: dict[str, Any]) -> "Run":
        """The same run with another status."""
        return replace(self, status=status)

    @property
    def state(self) -> str:
        return self.status.get("state", "queued")

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
        """What its model was told before each conversation that it learnt from."""
        return self.plan.get("data", {}).get("system") or ""

    @property
    def brief(self) -> dict[str, Any]:
        """The little of the plan that lists show: model, method, objective."""
        settings = self.plan["settings"]
        return {"model": (self.plan.get("model") or {}).get("name"), "method": settings["method"], "objective": settings.get("objective")}

    @property
    def progress(self) -> dict[str, Any]:
        return self.status.get("progress") or {}

    @property
    def best(self) -> float | None:
        return (self.status.get("best") or {}).get("eval_loss")

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """What it has to say beside how it ended: see tuner/run_warnings.py."""
        return run_warnings.read(self.status.get("warnings"))

    @property
    def can_answer(self) -> bool:
        return (self.path / "model").is_dir()

    def summary(self) -> dict[str, Any]:
        """A row of `tunesmith runs`."""
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "model": self.config.get("model"),
            "data": self.config.get("data"),
            "method": self.brief["method"],
            "best": self.best,
            "created": self.about.get("created"),
            "duration_seconds": self.progress.get("elapsed_seconds"),
            "notes": self.notes,
        }

    def detail(self) -> dict[str, Any]:
        """The document of `tunesmith show`."""
        keys = ("step", "steps", "epoch", "eta_seconds", "eta_low", "eta_high")
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "reason": self.status.get("reason"),
            "model": self.config.get("model"),
            "data": self.config.get("data"),
            "settings": self.plan["settings"],
            "reasons": self.plan["reasons"],
            "predicted": {
                k: self.plan.get(k) for k in ("peak_bytes", "uncorrected_bytes", "seconds", "seconds_low", "seconds_high", "energy_wh")
            },
            "measured": self.status.get("measured"),
            "dry_run": self.status.get("dry_run"),
            "progress": {k: self.progress.get(k) for k in keys},
            "best": self.status.get("best"),
            "signs": self.status.get("signs") or [],
            "warnings": self.warnings,
            "prepared": {k: (self.status.get("prepared") or {}).get(k) for k in ("rows", "cut", "left_out", "notes")},
            "error": self.status.get("error"),
            "baseline": self.status.get("baseline"),
            "notes": self.notes,
            "path": str(self.path),
        }


def create(ws: Workspace, config: dict[str, Any], plan: dict[str, Any], *, name: str) -> Run:
    """A new run folder in the state `queued`; nothing is started."""
    ws.prepare()
    try:
        while True:
            id = paths.new_id(name, ws.runs)
            try:
                (ws.runs / id).mkdir()
                break
            except FileExistsError:
                continue  # another start took the name in between
        paths.write_json(ws.runs / id / "about.json", {"name": name, "notes": "", "created": time.strftime("%Y-%m-%dT%H:%M:%S%z")})
        fill(ws.runs / id, config, plan)
    except OSError as error:
        raise translate(error) or error from error
    return get(ws, id)


def fill(folder: Path, config: dict[str, Any], plan: dict[str, Any]) -> None:
    """What a trainer reads, in the state `queued`: of a run, or of a dry run."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    paths.write_json(folder / "plan.json", plan)
    write_status(folder, state="queued", warnings=plan.get("warnings") or [])


def write_status(folder: Path, **change: Any) -> dict[str, Any]:
    """Merge `change` into status.json. Only the holder of the run's lock, or the supervisor when nobody holds it, may.

    `starting=True` says that a process was started and has yet to take the lock; whatever is written next takes that back.
    """
    before = {k: v for k, v in (paths.read_json(folder / "status.json", {}) or {}).items() if k != "starting"}
    status = {**before, **change, "updated": time.time()}
    if change.get("state") == "queued":
        reserve.keep(folder)
    reserve.in_its_room(folder, lambda: paths.write_json(folder / "status.json", status), drop_unfinished)
    if status["state"] in ENDED:
        reserve.drop(folder)
    return status


def drop_unfinished(folder: Path) -> None:
    """On a full disk: most of the reserve goes, and whatever was half written, which nothing would ever read."""
    reserve.shrink(folder)
    shutil.rmtree(folder / "model.new", ignore_errors=True)
    shutil.rmtree(folder / "base.new", ignore_errors=True)
    for checkpoint in checkpoints(folder):
        if not is_whole(checkpoint):
            shutil.rmtree(checkpoint, ignore_errors=True)


def get(ws: Workspace, id: str) -> Run:
    folder = ws.run(id)
    try:
        status = paths.read_json(folder / "status.json")
        found = None if status is None else read(folder, status)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise NotFoundError(
            f"The folder of the run {id!r} is damaged.",
            asked=str(error)[:200],
            available="config.yaml, plan.json and status.json as they were written",
            remedy=f"Put them back, or remove {folder}.",
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
    return _true(ws, [found])[0]


def _true(ws: Workspace, found: list[Run]) -> list[Run]:
    """Runs whose live states were asked of their locks."""
    from tuner import settling  # which stands above this: it writes endings

    return settling.listing(ws, found)


def read(folder: Path, status: dict[str, Any]) -> Run:
    """A run as its files say; ValueError when they are not what was written there."""
    config, plan = yaml.load((folder / "config.yaml").read_text(encoding="utf-8"), SAFE), paths.read_json(folder / "plan.json")
    about = paths.read_json(folder / "about.json", {})
    if not all(isinstance(d, dict) for d in (status, config, plan, about)) or "settings" not in plan:
        raise ValueError(f"config.yaml, plan.json, status.json or about.json in {folder} is not what was written there")
    return Run(folder.name, folder, status, config, plan, about)


def listing(ws: Workspace) -> list[Run]:
    """All runs, the newest first, out of the index; a damaged folder is left out of the list and left on disk."""
    from tuner import run_index

    return _true(ws, run_index.listing(ws))


def version(ws: Workspace) -> str:
    """A cheap number that changes when any run does: what the page's timer looks at."""
    from tuner import run_index

    return str(run_index.of(ws).look())


def alive(run: Run, *, patience: float = 0.0) -> bool:
    """Whether a process works on it; one that has just written its ending gets `patience` seconds to leave."""
    end = time.monotonic() + patience
    while held := locks.held(run.path / "lock"):
        if time.monotonic() >= end:
            break
        time.sleep(0.05)
    return held


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
    """Ask the worker to save and stop at the next step. A run that waits is stopped by the supervisor."""
    from tuner import settling

    run = settling.wait(ws, id)
    if not run.live:
        raise ConflictError(
            f"The run {run.name} is not under way: it is {run.state}.",
            asked=id,
            available=[r.id for r in listing(ws) if r.live],
            remedy="Only a run that waits or learns can be stopped.",
            field="run",
        )
    (run.path / "control").write_text("stop")
    return run


def delete(ws: Workspace, id: str) -> None:
    from tuner import settling

    run = settling.wait(ws, id)
    if run.live or alive(run, patience=3):
        raise ConflictError(
            f"The run {run.name} is under way.", asked=id, available="runs that have ended", remedy="Stop it first.", field="run"
        )
    heirs = [r.id for r in listing(ws) if r.config.get("model") == id]
    if heirs:
        raise ConflictError(
            f"{', '.join(heirs)} went on from {run.name} and still need it.",
            asked=id,
            available="runs that no other stands on",
            remedy="Delete those first.",
            field="run",
        )
    doomed = run.path.with_name(f".deleted-{id}-{time.time_ns()}")
    run.path.rename(doomed)  # gone from the list at once, even when deleting takes long or is interrupted
    shutil.rmtree(doomed, ignore_errors=True)


def using_dataset(ws: Workspace, dataset: str) -> list[str]:
    """The names of the runs that were trained on a dataset."""
    return [r.name for r in listing(ws) if str(r.config.get("data", "")).split("@")[0] == dataset]


# --- metrics ---------------------------------------------------------------------------------------------------------


def metrics_db(folder: Path) -> sqlite3.Connection:
    db = sqlite3.connect(folder / "metrics.db", timeout=10)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("CREATE TABLE IF NOT EXISTS metrics (step INTEGER, key TEXT, value REAL, PRIMARY KEY (step, key)) WITHOUT ROWID")
    return db


def write_metrics(db: sqlite3.Connection, step: int, values: dict[str, float]) -> None:
    """UPSERT: a resumed run writes its steps again and doubles none."""
    with db:
        db.executemany(
            "INSERT INTO metrics VALUES (?, ?, ?) ON CONFLICT (step, key) DO UPDATE SET value = excluded.value",
            [(step, k, None if v != v else v) for k, v in values.items()],
        )  # SQLite's NaN is NULL: a gap in the chart


def metrics(run: Run, *, since: int = -1) -> list[tuple[int, str, float | None]]:
    """(step, key, value) in order of step, after step `since`."""
    file = run.path / "metrics.db"
    if not file.exists():
        return []
    for how in ("mode=ro", "mode=ro&immutable=1"):  # where nothing can be written SQLite reads only what it may take for unchanging
        try:
            with closing(sqlite3.connect(f"file:{quote(file.as_posix())}?{how}", uri=True, timeout=5)) as db:
                return read_metrics(db, since)
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []  # the worker has opened the file and not yet made the table
            if paths.writable(run.path) or "immutable" in how:
                raise
    return []


def read_metrics(db: sqlite3.Connection, since: int = -1) -> list[tuple[int, str, float | None]]:
    return db.execute("SELECT step, key, value FROM metrics WHERE step > ? ORDER BY step", (since,)).fetchall()


def metrics_table(run: Run) -> dict[str, list]:
    """{"columns": ["step", ...], "rows": [[...], ...]}: one row a step, null where nothing was measured."""
    rows: dict[int, dict[str, float | None]] = {}
    keys: dict[str, None] = {}
    for step, key, value in metrics(run):
        rows.setdefault(step, {})[key] = int(value) if key.endswith("_bytes") and value is not None else value
        keys[key] = None
    return {"columns": ["step", *keys], "rows": [[step, *(values.get(k) for k in keys)] for step, values in rows.items()]}


# --- what was saved --------------------------------------------------------------------------------------------------


def log_tail(run: Run, bytes: int = 20_000) -> str:
    try:
        with open(run.path / "worker.log", "rb") as f:
            f.seek(0, 2)
            f.seek(max(0, f.tell() - bytes))
            return f.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def write_manifest(checkpoint: Path) -> None:
    """Written last: a checkpoint without it, or that differs from it, does not count."""
    files = {
        f.relative_to(checkpoint).as_posix(): {"bytes": f.stat().st_size, "sha256": paths.sha256(f)}
        for f in sorted(checkpoint.rglob("*"))
        if f.is_file() and f.name != "MANIFEST.json"
    }
    paths.write_json(checkpoint / "MANIFEST.json", files)


def is_whole(checkpoint: Path) -> bool:
    try:
        files = json.loads((checkpoint / "MANIFEST.json").read_text(encoding="utf-8"))
        return bool(files) and all(
            (checkpoint / n).stat().st_size == f["bytes"] and paths.sha256(checkpoint / n) == f["sha256"] for n, f in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoint folders of a run, the newest first, whole or not."""
    found = [p for p in (folder / "checkpoints").glob("checkpoint-*") if p.name.split("-")[-1].isdigit()]
    return sorted(found, key=lambda p: int(p.name.split("-")[-1]), reverse=True)


def newest_whole_checkpoint(folder: Path) -> Path | None:
    return next((c for c in checkpoints(folder) if is_whole(c)), None)
