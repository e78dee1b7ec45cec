"""A state that says it is live is asked of the lock: whoever reads a folder's status.json reads it through here.

A process that works in a folder holds its lock; a state that claims to live while nobody holds it is settled by the supervisor, within a
second. Without a supervisor whoever reads it does that: takes the lock, looks again, writes how it ended, releases. So does a reader when
the supervisor is there and has said nothing for `SLOW` seconds. Only folders in a live state are probed.
"""

import errno
import time
from pathlib import Path
from typing import Any

from tuner import locks, paths
from tuner.errors import example
from tuner.paths import Workspace
from tuner.runs import checkpoint_files, run_folder
from tuner.system import disk_reserve
from tuner.system.machine import Machine

SLOW = 10.0  # seconds that a process has to take its lock, and a supervisor to settle what it started
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
CAUSES = {71: "memory_short", 74: "disk"}  # exit codes of workers (71 and 74 as in sysexits.h) and the codes of their errors
KILLED = (-9, 137)  # exit codes by which Linux ends who takes too much of the computer's memory


# --- the truth of a state --------------------------------------------------------------------------------------------


def run(ws: Workspace, found: run_folder.Run) -> run_folder.Run:
    """Return a run as it truly stands."""
    return listing(ws, [found])[0]


def listing(ws: Workspace, found: list[run_folder.Run]) -> list[run_folder.Run]:
    """Return runs as they truly stand; those that have ended cost nothing."""
    machine = Machine(ws.machine_folder())
    return [r.as_of(_true(r.path, r.status, machine)) if r.live else r for r in found]


def status(folder: Path, document: dict[str, Any], machine: Path) -> dict[str, Any]:
    """Return what status.json in `folder` truly says, which `document` was read from; written there when it was no longer true."""
    return _true(folder, document, Machine(machine))


def _true(folder: Path, document: dict[str, Any], machine: Machine) -> dict[str, Any]:
    if document.get("state") not in run_folder.LIVE or locks.held(folder / "lock"):
        return document
    known, starting = machine.work.get(str(folder)), document.get("starting")
    if document["state"] == "queued" or starting and known == "waiting":
        if known and not machine.awake:
            machine.wake(folder)
        return document
    return document if (starting or known and machine.awake) and young(folder) else settle(folder)


def settle(folder: Path, code: int | None = None) -> dict[str, Any]:
    """Write how the process that worked in `folder` ended, unless it did, and return the status. `code` is its exit code, where known.

    A worker writes its own ending, last: a state that still claims to live is therefore not a success.
    """
    lock = folder / "lock"
    before = paths.read_json(folder / "status.json", {}) or {}
    if before.get("state") not in run_folder.LIVE:
        return before  # without its lock: the folder may be being deleted, and would come back with it
    try:
        if not (mine := locks.mine(lock)) and not locks.hold(lock, patience=0.2):
            return paths.read_json(folder / "status.json", {}) or {}
        try:
            now = paths.read_json(folder / "status.json", {}) or {}
            return run_folder.write_status(folder, **ending(folder, code)) if now.get("state") in run_folder.LIVE else now
        finally:
            if not mine:
                locks.release(lock)
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        return (paths.read_json(folder / "status.json", {}) or {}) | ending(folder, code)  # it can't be written, and is true all the same


def ending(folder: Path, code: int | None) -> dict[str, Any]:
    """Return the change of status.json for a process that is gone without a word in it."""
    saved = checkpoint_files.newest_whole_checkpoint(folder)
    kept = f"The last good state is of step {saved.name.split('-')[-1]}." if saved else "Nothing had been saved yet."
    remedy = "Resume it to go on from there." if saved else "Resume it to begin again."
    if words := disk_reserve.said(folder) or cause_of(code):
        return {"state": "failed", "reason": f"{words['message']} {words['remedy']} {kept}", "error": words, "exit_code": code}
    return {"state": "interrupted", "reason": f"{why(code)} {kept} {remedy}", "exit_code": code}


def code_of(error: dict[str, Any]) -> int:
    """Return the exit code of a worker that failed with an error (its document): it tells the cause where nothing could be written."""
    return next((code for code, name in CAUSES.items() if name == error["code"]), 1)


def cause_of(code: int | None) -> dict[str, Any] | None:
    """Return the document of the error that an exit code tells of, see `code_of`."""
    return example(CAUSES[code]).as_dict() if code in CAUSES else None


def why(code: int | None) -> str:
    """Return what an exit code says of a process's end."""
    if code in KILLED:
        return "The process was killed; the usual cause is too little memory."
    if code is not None and code < 0:
        return f"The process was ended by signal {-code}."
    if code:
        return f"The process ended with code {code}; its log says more."
    return "The process is gone: a restart of the computer, or somebody ended it."


def young(folder: Path) -> bool:
    """Whether somebody has written there within `SLOW` seconds, by the disk's clock."""
    stamps = [f.stat().st_mtime for f in (folder / "status.json", folder / "heartbeat") if f.exists()]
    return bool(stamps) and abs(time.time() - max(stamps)) < SLOW
