"""What carries the jobs of a workspace forward: a thread of one server at a time. A server that ends, or dies, leaves the jobs to the next one."""

import threading
import time
import traceback

from tuner import locks
from tuner.api.jobs import Jobs
from tuner.api.runner import JobRunner

LOOKS, AGAIN = 0.5, 20.0  # seconds between two looks, and until a job is tried again that failed in a way nobody foresaw
IMPORTS = 2  # files that are read at once


class Driver:
    """`start` and `stop` the thread."""

    def __init__(self, jobs: Jobs):
        self.jobs, self.runner, self.over = jobs, JobRunner(jobs), threading.Event()
        self.later: dict[str, float] = {}  # job -> when it is tried again
        self.thread = threading.Thread(target=self._run, daemon=True, name="fine-tuning")

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.over.set()
        self.thread.join(10)

    def _run(self) -> None:
        lock = self.jobs.ws.api / "driver.lock"
        while not self.over.wait(LOOKS):
            try:
                if locks.acquire(lock, timeout=0):
                    self.look()
            except Exception:  # told, and tried again: one thing that fails keeps no job waiting for ever
                traceback.print_exc()

    def look(self) -> None:
        """Carry each job as far as it goes. Runs are queued in the order in which the jobs came: the first whose files are read waits for nobody."""
        jobs = self.runner.unsettled()
        importing = [job for job in jobs if job["state"] == "importing"]
        for n, job in enumerate(importing):
            if n < IMPORTS or self.jobs.wanted(job, "cancel"):
                self._carry(job, first=n == 0)
        for job in jobs:
            if job["state"] == "run":
                self._carry(job)

    def _carry(self, job: dict, *, first: bool = True) -> None:
        if time.monotonic() < self.later.get(job["id"], 0.0):
            return
        try:
            self.runner.advance(job, first=first)
        except Exception:  # of this job alone
            self.later[job["id"]] = time.monotonic() + AGAIN
            traceback.print_exc()
