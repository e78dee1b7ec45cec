"""Processes of their own, started with `python -m tuner.workers.NAME FOLDER`.

This runs before a worker's libraries are imported, which takes seconds: the lock says from the first moment on that
somebody works in FOLDER, so that a supervisor that comes anew does not take the worker for dead. And whatever is raised from here on
is told in FOLDER, be it that those libraries find too little memory.
"""

import sys
from pathlib import Path

from tuner import locks


def _tell_of_errors(folder: Path) -> None:
    """Have errors that nobody catches told in `folder` (jobs/worker_exit.py)."""
    default = sys.excepthook

    def hook(kind, error, trace) -> None:
        if not isinstance(error, Exception):
            return default(kind, error, trace)
        from tuner.jobs import worker_exit

        worker_exit.leave(worker_exit.uncaught(folder, Path(sys.argv[0]).stem, error))

    sys.excepthook = hook


if sys.argv[0] == "-m" and len(sys.argv) > 1:
    if Path(sys.argv[1]).is_dir():
        locks.hold(Path(sys.argv[1]) / "lock", patience=5)
        _tell_of_errors(Path(sys.argv[1]).resolve())
    elif sys.argv[-1].endswith(".json"):  # the probe's DEVICE OUT.json
        locks.hold(Path(sys.argv[-1]).resolve().parent / "lock", patience=0.5)
