"""Worker processes, started with `python -m tuner.workers.NAME FOLDER` or forked off a server that has their libraries (fork_server.py).

This module runs before a worker's libraries are imported, which takes seconds: it takes the lock of FOLDER at once, so that a restarted
supervisor does not take the worker for dead. Errors raised from here on are reported in FOLDER, even when an import runs out of memory.
"""

import os
import sys
from pathlib import Path

from tuner import locks


def _report_uncaught_errors(folder: Path) -> None:
    """Report uncaught errors in `folder` (jobs/worker_exit.py)."""
    default = sys.excepthook

    def hook(kind, error, trace) -> None:
        if not isinstance(error, Exception):
            return default(kind, error, trace)
        from tuner.jobs import worker_exit

        worker_exit.leave(worker_exit.uncaught(folder, error))

    sys.excepthook = hook


def begin() -> None:
    """Take the lock of the folder that the arguments name, and have errors reported there."""
    if os.environ.get("RANK", "0") != "0":
        return  # one of several processes of a run: the first holds the lock and tells its end (training/ranks.py)
    if len(sys.argv) > 1 and Path(sys.argv[1]).is_dir():
        locks.acquire(Path(sys.argv[1]) / "lock", timeout=5)
        _report_uncaught_errors(Path(sys.argv[1]).resolve())


if sys.argv[0] == "-m":
    begin()
