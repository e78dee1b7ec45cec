"""A worker that holds its lock and gives no sign of life: noticed, told, and ended when somebody wants the run stopped.

A training worker touches `heartbeat` every two seconds from a thread of its own. It does so no longer when the whole process is halted
(SIGSTOP, a debugger, a computer without memory that only swaps), or stuck in code that never releases Python's lock. The worker itself
notices a training that makes no progress in a process that lives (workers/training/heartbeat.py).
"""

import contextlib
import time
from pathlib import Path

import psutil

from tuner import locks, paths, runs
from tuner.jobs.queue import QueuedJob
from tuner.runs import run_warnings
from tuner.runs.run_folder import NOTICED
from tuner.system import processes

SILENT = 60.0  # seconds without a heartbeat
GRACE = 60.0  # seconds after a request to stop
GONE = 5.0  # seconds for a killed process to leave its lock


def watch(job: QueuedJob) -> None:
    """Look at a job whose lock is held: write down that it gives no sign of life, and end it when it was asked to stop in vain."""
    if (silent := _age(job.folder / "heartbeat")) is None:
        return  # not a training worker, or one that still imports
    file = job.folder / NOTICED
    if silent < SILENT:
        return forget(job.folder)
    if not file.exists():
        message = "The process of this run gives no sign of life: it is halted, or the computer has no memory left."
        remedy = "Close what takes the memory, or stop the run: it is then ended, and resuming it continues from its last checkpoint."
        paths.write_json(file, run_warnings.make("not_responding", message, remedy, severity="error"))
    asked = _age(job.folder / job.about.stop)
    if asked is not None and asked > GRACE:
        _end(job, silent)


def forget(folder: Path) -> None:
    """Take the warning back."""
    (folder / NOTICED).unlink(missing_ok=True)


def _end(job: QueuedJob, silent: float) -> None:
    """End the process of a job and write that it was stopped."""
    with contextlib.suppress(psutil.Error, OSError):
        psutil.Process(job.pid or 0).kill()
    end = time.monotonic() + GONE
    while not locks.acquire(job.folder / "lock", timeout=0.1):
        if time.monotonic() > end:
            return  # it waits for a disk that does not answer: nothing can end it
    try:
        processes.end_group(job.pid or 0)
        saved = runs.newest_whole_checkpoint(job.folder)
        kept = f"The state of step {saved.name.rpartition('-')[2]} is kept." if saved else "Nothing had been saved yet."
        said = f"Ended: it was asked to stop and had given no sign of life for {silent:.0f} seconds. {kept}"
        (job.folder / job.about.stop).unlink(missing_ok=True)
        runs.write_status(job.folder, state="stopped", reason=said)
    finally:
        locks.release(job.folder / "lock")
    forget(job.folder)


def _age(file: Path) -> float | None:
    """Return the seconds since a file was written; None without it."""
    try:
        return time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return None
