"""One worker process that does job after job, as `python -m tuner.workers.data_tasks` does one: starting Python for each file takes longer than
the file. It writes each result where the job has its folder; when a limit ends it, the next one is started.

`python -m tests.hostile.warm`: reads a job's folder from each line of its input, and answers with a line when its result is there.
"""

import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tuner import paths
from tuner.jobs import data_jobs
from tuner.paths import Workspace
from tuner.system import processes

PATIENCE = 60  # seconds for one file, far beyond what the test asks for


class Warm:
    def __init__(self, log: Path):
        self.log, self.child = log, None

    def run(self, ws: Workspace, task: str, **arguments) -> dict:
        """What `jobs.progress` tells of a job that has ended, done in the warm process."""
        folder = ws.jobs / f"import-{time.monotonic_ns()}"
        folder.mkdir(parents=True)
        document = {"home": str(ws.home), "owner": ws.owner, "task": task, "arguments": arguments}
        paths.write_json(folder / "job.json", document)
        paths.write_json(folder / "progress.json", {})
        if self.child is None or self.child.poll() is not None:
            self.child = self._started()
        self.child.stdin.write(f"{folder}\n")
        self.child.stdin.flush()
        answered = self.child.stdout.readline()
        if not answered:
            self.child.wait(PATIENCE)
        log = self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""
        (folder / "worker.log").write_text(log)  # what a process of its own would have left there
        now = data_jobs.progress(ws, folder.name)
        return asdict(now) | now.result | {"log": log}

    def _started(self) -> subprocess.Popen:
        self.log.unlink(missing_ok=True)
        with open(self.log, "ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.hostile.warm"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=out,
                text=True,
                env=processes.environment(None, True),
                cwd=Path(__file__).resolve().parents[2],
            )

    def close(self) -> None:
        if self.child:
            self.child.stdin.close()
            self.child.wait(PATIENCE)


def main() -> None:
    from tuner.system import limits
    from tuner.workers import data_tasks

    held = None
    for line in sys.stdin:
        folder = Path(line.strip())
        if held is None:
            limits.hold(folder)
            held = folder
        limits.move(folder)
        paths.write_json(folder / "result.json", data_tasks.work(folder))
        print("done", flush=True)


if __name__ == "__main__":
    main()
