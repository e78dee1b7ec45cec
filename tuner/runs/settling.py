"""The true state of a run: a live state in status.json is checked against the lock. All readers of status.json go through this module.

A process that works in a folder holds its lock. If status.json has a live state but nobody holds the lock, the supervisor settles it within
a second. Without a supervisor the reader does: it takes the lock, reads again, writes how the run ended, and releases the lock. A reader
also does so when the supervisor has written nothing for `SLOW` seconds. Only folders in a live state are checked.
"""

import errno
import time
from pathlib import Path
from typing import Any

from tuner import locks, paths
from tuner.errors import example
from tuner.paths import Workspace
from tuner.runs import checkpoint_files, run_folder
from tuner.runs.run_status import RunStatus
from tuner.system import disk_reserve
from tuner.system.machine import Machine

SLOW = 10.0  # seconds for a process to take its lock, and for a supervisor to settle what it started
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
CAUSES = {71: "memory_short", 74: "disk"}  # exit code of a worker (71 and 74 as in sysexits.h) -> the code of its error
KILLED = (-9, 137)  # exit codes after Linux has killed a process for lack of memory


# --- the true state --------------------------------------------------------------------------------------------------


def run(ws: Workspace, found: run_folder.Run) -> run_folder.Run:
    """Return a run in its true state."""
    return listing(ws, [found])[0]


def listing(ws: Workspace, found: list[run_folder.Run]) -> list[run_folder.Run]:
    """Return runs in their true state; ended runs need no check."""
    machine = Machine(ws.machine_folder())
    return [r.with_status(RunStatus.from_json(_true(r.path, r.status.document, machine))) if r.live else r for r in found]


def status(folder: Path, document: dict[str, Any], machine: Path) -> dict[str, Any]:
    """Return the true status of `folder`, given the content of its status.json; writes it if it has changed."""
    return _true(folder, document, Machine(machine))


def _true(folder: Path, document: dict[str, Any], machine: Machine) -> dict[str, Any]:
    if document.get("state") not in run_folder.LIVE or locks.is_held(folder / "lock"):
        return document
    known, starting = machine.work.get(str(folder)), document.get("starting")
    if document["state"] == "queued" or starting and known == "waiting":
        if known and not machine.awake:
            machine.wake(folder)
        return document
    return document if (starting or known and machine.awake) and young(folder) else settle(folder)


def settle(folder: Path, code: int | None = None) -> dict[str, Any]:
    """Write how the process in `folder` ended, unless it did so itself, and return the status. `code`: its exit code, if known.

    A worker writes its final state last; a state that is still live is therefore not a success.
    """
    lock = folder / "lock"
    before = paths.read_json(folder / "status.json", {}) or {}
    if before.get("state") not in run_folder.LIVE:
        return before  # don't take the lock: it would recreate a folder that is being deleted
    try:
        if not (already_mine := locks.is_mine(lock)) and not locks.acquire(lock, timeout=0.2):
            return paths.read_json(folder / "status.json", {}) or {}
        try:
            now = paths.read_json(folder / "status.json", {}) or {}
            return run_folder.write_status(folder, **ending(folder, code)) if now.get("state") in run_folder.LIVE else now
        finally:
            if not already_mine:
                locks.release(lock)
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        return (paths.read_json(folder / "status.json", {}) or {}) | ending(
            folder, code
        )  # a read-only disk: it can't be written, but it is true


def ending(folder: Path, code: int | None) -> dict[str, Any]:
    """Return the change to status.json for a process that ended without writing its final state."""
    saved = checkpoint_files.newest_whole_checkpoint(folder)
    kept = f"The last checkpoint is from step {saved.name.split('-')[-1]}." if saved else "Nothing had been saved yet."
    remedy = "Resume the run to continue from there." if saved else "Resume the run to start again."
    if error := disk_reserve.said(folder) or cause_of(code):
        return {"state": "failed", "reason": f"{error['message']} {error['remedy']} {kept}", "error": error, "exit_code": code}
    return {"state": "interrupted", "reason": f"{why(code)} {kept} {remedy}", "exit_code": code}


def code_of(error: dict[str, Any]) -> int:
    """Return the exit code for a worker that failed with this error document: it carries the cause when nothing can be written."""
    return next((code for code, name in CAUSES.items() if name == error["code"]), 1)


def cause_of(code: int | None) -> dict[str, Any] | None:
    """Return the error document that belongs to an exit code (see `code_of`); None for other codes."""
    return example(CAUSES[code]).as_dict() if code in CAUSES else None


def why(code: int | None) -> str:
    """Describe in one sentence how a process ended, from its exit code."""
    if code in KILLED:
        return "The process was killed; the usual cause is too little memory."
    if code is not None and code < 0:
        return f"The process was ended by signal {-code}."
    if code:
        return f"The process ended with exit code {code}; see its log."
    return "The process is gone: the computer was restarted, or another program ended the process."


def young(folder: Path) -> bool:
    """Return whether a process has written to the folder within the last `SLOW` seconds, by the time stamps of its files."""
    stamps = [f.stat().st_mtime for f in (folder / "status.json", folder / "heartbeat") if f.exists()]
    return bool(stamps) and abs(time.time() - max(stamps)) < SLOW
