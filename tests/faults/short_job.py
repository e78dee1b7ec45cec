"""A job that takes the lock of its folder, notes that it began and ended, and sleeps in between: `python -m tests.faults.short_job FOLDER DEVICE`."""

import random
import sys
import time
from pathlib import Path

from tuner import locks, paths, runs


def main(folder: Path) -> int:
    if not locks.acquire(folder / "lock", timeout=5):
        return 1
    if (paths.read_json(folder / "status.json") or {}).get("state") in runs.ENDED:
        return 0
    with open(folder.parent / "journal", "a") as journal:
        journal.write(f"begin {folder.name}\n")
    runs.write_status(folder, state="running")
    time.sleep(random.Random(folder.name).uniform(0.02, 0.3))
    with open(folder.parent / "journal", "a") as journal:
        journal.write(f"end {folder.name}\n")
    runs.write_status(folder, state="finished")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
