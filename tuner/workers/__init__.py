"""Worker processes, started with `python -m tuner.workers.NAME FOLDER`.

This module runs before a worker's libraries are imported, which takes seconds: it takes the lock of FOLDER at once, so that a restarted
supervisor does not take the worker for dead. Errors raised from here on are reported in FOLDER, even when an import runs out of memory.
"""

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


if sys.argv[0] == "-m" and len(sys.argv) > 1:
    if Path(sys.argv[1]).is_dir():
        locks.acquire(Path(sys.argv[1]) / "lock", timeout=5)
        _report_uncaught_errors(Path(sys.argv[1]).resolve())
