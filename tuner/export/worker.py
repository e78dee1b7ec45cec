"""An export that a worker makes (`tuner/workers/exporting`): start it, follow it, cancel it, take its check."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner import paths, runs
from tuner.errors import WorkError, restore
from tuner.export import sizes
from tuner.jobs.job import Job, JobStatus
from tuner.paths import Workspace
from tuner.settings.run_config import Settings

LIBRARIES = 600_000_000  # bytes
OF_THE_JOB = ("request.json", "result.json", "progress.json", "worker.log", "lock", "control")


@dataclass(frozen=True)
class Making:
    """An export of a run that is being made in `folder`."""

    ws: Workspace
    run: runs.Run
    folder: Path
    waiting: Callable[[float, str], None] | None
    cancelled: Callable[[], bool]

    def by_worker(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Have a worker do it and return its check. `asked`: what it needs beside the run."""
        settings = Settings.from_json(self.run.plan["settings"])
        known = {"precision": settings.precision, "objective": settings.objective, "method": settings.method}
        place = {"run": str(self.run.path), "base": self.run.plan["model"]["base"]}
        return carry_out(
            self.ws,
            self.folder,
            known | place | asked,
            self.waiting,
            self.cancelled,
            log=self._log_kept(asked["kind"]),
            bytes=memory(self.run, asked["kind"]),
        )

    def _log_kept(self, kind: str) -> Path:
        return self.ws.exports / self.run.id / f"{kind}.log"


def memory(run: runs.Run, kind: str) -> int:
    """Return the bytes of memory that making an export takes: the libraries, and the model that is checked; for ONNX once more as it is traced."""
    return LIBRARIES + int(sizes.estimate(run, "merged") * (3 if kind == "onnx" else 1.5))


def carry_out(
    ws: Workspace,
    folder: Path,
    request: dict[str, Any],
    waiting: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    *,
    log: Path | None = None,
    bytes: int = 0,
) -> dict[str, Any]:
    """Have a worker of exports carry out a request in a folder and return its check. `log`: where its log is kept when it fails;
    `bytes`: the memory that it takes: it waits where runs hold so much of it that it would not suffice."""
    paths.write_json(folder / "request.json", request)
    job, began = Job(ws, "export", folder), time.monotonic()
    job.submit(bytes=bytes)

    def died() -> WorkError:
        return WorkError(
            "The export stopped unexpectedly, without a result.",
            asked=request["kind"],
            available=f"its log: {_log(folder)}",
            remedy="Free some memory and export again.",
        )

    def each(_: JobStatus) -> None:
        if cancelled() and not job.asked_to_stop():
            job.stop()
        if waiting:
            waiting(time.monotonic() - began, (paths.read_json(folder / "progress.json") or {}).get("said", ""))

    look = lambda: job.status(died)  # noqa: E731
    try:
        now = job.wait(look, lambda s: s.running, each=each, poll=0.2)
    except KeyboardInterrupt:
        job.stop()
        job.wait(look, lambda s: s.running, seconds=5.0)
        raise
    if now.state == "cancelled":
        raise WorkError("The export was cancelled.", asked=request["kind"], available="the exports before", remedy="Export again.")
    if now.errors:
        raise restore([e | {"remedy": e["remedy"] + _kept(folder, log)} for e in now.errors])
    for file in OF_THE_JOB:
        (folder / file).unlink(missing_ok=True)
    return now.result["check"]


def _kept(folder: Path, log: Path | None) -> str:
    """Keep the log of a failed export and return where it is, as the end of a remedy."""
    if log is None or not (folder / "worker.log").is_file():  # else the error counts, and no missing file takes its place
        return ""
    log.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "worker.log", log)
    return f" The log: {log}"


def _log(folder: Path) -> str:
    try:
        return (folder / "worker.log").read_text(encoding="utf-8", errors="replace")[-500:]
    except FileNotFoundError:
        return "empty"
