"""Fifty jobs, two schedulers that are killed at random moments, and an observer of its own: no device is ever given more than it has."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tuner import runs
from tuner.jobs import queue
from tuner.jobs.kinds import KINDS, STATUS, Kind
from tuner.jobs.leases import Use

ROOT = Path(__file__).resolve().parents[2]
CARD = 24 * 10**9
JOBS = 50


class Observer(threading.Thread):
    """Reads the queue's file with its own SQL, a hundred times a second."""

    def __init__(self, file: Path):
        super().__init__(daemon=True)
        self.file, self.most, self.at_once, self.looks, self.done = file, 0, 0, 0, threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.01):
            with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=10)) as db:
                held, n = db.execute("SELECT COALESCE(SUM(bytes), 0), COUNT(*) FROM jobs WHERE state = 'running'").fetchone()
            self.most, self.at_once, self.looks = max(self.most, held), max(self.at_once, n), self.looks + 1


@pytest.fixture
def scheduler(ws, monkeypatch):
    """Starts a scheduler; one that finds another at work leaves at once."""
    env = os.environ | {
        "TUNESMITH_MACHINE": str(ws.machine_folder()), "TUNESMITH_FAULT": "card", "TUNESMITH_FORK_SERVER": "0",
        "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent / "inject"), str(ROOT))),
    }  # fmt: skip
    monkeypatch.setitem(KINDS, "short", Kind("tests.faults.short_job", record=STATUS, use=Use.WHOLE))
    begun = []

    def start() -> subprocess.Popen:
        begun.append(subprocess.Popen([sys.executable, "-m", "tuner.jobs.supervisor"], env=env, cwd=ROOT, stderr=subprocess.DEVNULL))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait()


def evening(ws, scheduler, seed: int) -> None:
    """Have all jobs done, whatever happens to the schedulers; each is done once."""
    chance, place = random.Random(seed), ws.jobs / f"evening-{seed}"
    place.mkdir(parents=True)
    for n in range(JOBS):
        folder = place / f"job-{n}"
        folder.mkdir()
        runs.write_status(folder, state="queued")
        queue.add(ws.machine_folder(), "short", folder, "cuda:0", int(chance.uniform(0.5, 12) * 10**9), orphaned=False)
    observer = Observer(ws.machine_folder() / queue.FILE)
    observer.start()
    end, two = time.monotonic() + 240, [scheduler(), scheduler()]
    journal = place / "journal"
    while time.monotonic() < end and sum(line.startswith("end") for line in _lines(journal)) < JOBS:
        time.sleep(chance.uniform(0.3, 1.2))
        victim = chance.randrange(2)
        if two[victim].poll() is None and chance.random() < 0.5:
            two[victim].send_signal(signal.SIGKILL)
            two[victim].wait()
        two = [p if p.poll() is None else scheduler() for p in two]
    observer.done.set()
    observer.join()
    assert Counter(_lines(journal)) == Counter({f"{what} job-{n}": 1 for what in ("begin", "end") for n in range(JOBS)})
    assert 0 < observer.most <= CARD and observer.at_once > 1 and observer.looks > 50, "they shared the card"


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_no_card_is_given_more_than_it_has_and_each_job_is_done_once(ws, scheduler, request):
    for seed in range(20 if request.config.getoption("--long") else 1):
        evening(ws, scheduler, seed)
