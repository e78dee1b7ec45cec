"""How a worker's last word is written when something went wrong: in status.json or result.json, and where that can't be, in the reserve.

No torch. `tuner/workers/__init__.py` has it called for whatever is raised before a worker's own code runs: a library that can't be imported
for want of memory ends as clearly as a step that can't be taken.
"""

import contextlib
import gc
import os
import sqlite3
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuner import locks, paths, runs
from tuner.errors import disk_is_full, translate
from tuner.runs import settling
from tuner.system import disk_reserve


def document(error: BaseException, folder: Path) -> dict[str, Any]:
    """Return an error as a person may read it: ours, or what says that it is a defect."""
    if known := translate(error):
        return known.as_dict()
    return {
        "code": "defect",
        "field": None,
        "message": f"Something unforeseen went wrong: {type(error).__name__}: {str(error)[:300]}",
        "asked": None,
        "available": None,
        "remedy": f"The log has the whole story: {folder / 'worker.log'}",
    }


def log(error: BaseException) -> None:
    """Write the traceback to the log; a full disk may hold no log, and that must not cost the last word as well."""
    text = "".join(traceback.format_exception(error))
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def attempt(work: Callable, *args: Any, **named: Any) -> None:
    """Do one of the things by which an ending is told: when the disk refuses it, the others and the exit code still tell it."""
    try:
        work(*args, **named)
    except (OSError, sqlite3.Error) as error:
        log(error)


def begin(error: BaseException, folder: Path) -> dict[str, Any]:
    """Say an error where it takes no space, then make room: memory, and on a full disk what was half written. Returns its document."""
    told = document(error, folder)
    attempt(disk_reserve.say, folder, told)
    if disk_is_full(error):
        attempt(runs.drop_unfinished, folder)  # before the log, which is on that disk too
    log(error)
    traceback.clear_frames(error.__traceback__)  # what they held may be what was too much
    gc.collect()
    return told


def failed(folder: Path, error: BaseException, **found: Any) -> int:
    """Write into status.json that the work in `folder` failed, and why. Returns the exit code, which tells the cause where no file can."""
    told = begin(error, folder)
    reason = f"{told['message']} {told['remedy']} {kept(folder)}".rstrip()
    attempt(runs.write_status, folder, state="failed", reason=reason, error=told, **found)
    return settling.code_of(told)


def kept(folder: Path) -> str:
    """Return the sentence about what a run still has; empty for what trains nothing."""
    if (folder / "fetch").exists() or not (folder / "plan.json").exists():
        return ""
    saved = runs.newest_whole_checkpoint(folder)
    return f"The state of step {saved.name.split('-')[-1]} is kept." if saved else "Nothing had been saved yet."


def result(folder: Path, content: dict[str, Any]) -> None:
    """Write result.json, on a full disk into the room of the reserve."""
    disk_reserve.in_its_room(folder, lambda: paths.write_json(folder / "result.json", content))


def uncaught(folder: Path, error: BaseException) -> int:
    """Tell what ended a worker before its own code could: see the head of this file."""
    if not locks.is_mine(folder / "lock"):
        log(error)  # another process works there, and the ending is its own
        return 1
    if (folder / "status.json").exists():
        return failed(folder, error)
    told = begin(error, folder)
    if (folder / "job.json").exists() or (folder / "request.json").exists():
        attempt(result, folder, {"state": "failed", "errors": [told]})
    return settling.code_of(told)


def leave(code: int) -> None:
    """End now: libraries' exit handlers may hang for seconds after a finished run."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
