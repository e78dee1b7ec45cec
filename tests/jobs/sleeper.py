"""A worker of the tests, `python -m tests.jobs.sleeper FOLDER [DEVICE]`: it works until a file `end` says how it ends, or it is asked to stop."""

import sys
import time
from pathlib import Path

from tuner import locks, paths


def main(folder: Path) -> int:
    locks.acquire(folder / "lock")
    paths.write_json(folder / "progress.json", {"done": 1, "total": 4, "rows": 10, "eta_seconds": 3.0})
    while True:
        if (folder / "halt").exists():
            paths.write_json(folder / "result.json", {"state": "cancelled"})
            return 0
        if (folder / "end").exists():
            paths.write_json(folder / "result.json", {"state": "done", "done": 4, "made": (folder / "end").read_text()})
            return 0
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
