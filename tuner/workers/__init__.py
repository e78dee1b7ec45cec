"""Processes of their own, started with `python -m tuner.workers.NAME FOLDER`.

This runs before a worker's libraries are imported, which takes seconds: the lock says from the first moment on that
somebody works in FOLDER, so that a supervisor that comes anew does not take the worker for dead.
"""

import sys
from pathlib import Path

from tuner import locks

if sys.argv[0] == "-m" and len(sys.argv) > 1:
    if Path(sys.argv[1]).is_dir():
        locks.hold(Path(sys.argv[1]) / "lock", patience=5)
    elif sys.argv[-1].endswith(".json"):  # the probe's DEVICE OUT.json
        locks.hold(Path(sys.argv[-1]).resolve().parent / "lock", patience=0.5)
