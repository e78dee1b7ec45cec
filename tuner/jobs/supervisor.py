"""A detached process, one per account on a machine: the queue, one training lease per device, starts and watches workers.

A probe, which measures a device, is started only while nothing else is at work or waits, and makes way for a run at once. A dry run
(`measure`) takes its device like a run, by the same trainer, and is ended at once when it is taken back.

`python -m tuner.jobs.supervisor` exits at once when another holds the lock, by itself when there is nothing left to do, and between two
jobs when a program of another version asks it to (`system/machine.py`).
It can be killed at any time: the queue is a file, workers go on, and the next supervisor finds them by their locks.
"""

import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tuner import locks, paths, runs
from tuner.devices import roofline
from tuner.errors import disk_is_full
from tuner.jobs import handover
from tuner.paths import Workspace
from tuner.runs.settling import settle, young
from tuner.settings import objectives
from tuner.system import processes
from tuner.system.machine import Machine, announce, asked_to_leave, ensure, relieve

IDLE = 20.0  # seconds without work before it exits
TICK = 0.15
FULL = 10.0  # seconds to wait for somebody to free some of a full disk
WORKERS = {
    "serve": "tuner.workers.serving.server",
    "export": "tuner.workers.merge",
    "fetch": "tuner.workers.download",
    "probe": "tuner.workers.device_benchmark",
    "rehearse": "tuner.workers.training.preflight",
}
LEARN = ("train", "measure")  # one of them at a time on a device


def queue(machine: Path) -> sqlite3.Connection:
    machine.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(machine / "queue.db", timeout=20, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("""CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, folder TEXT NOT NULL, device TEXT NOT NULL,
                  bytes INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'waiting', pid INTEGER, created REAL NOT NULL)""")
    return db


def submit(ws: Workspace, kind: str, folder: Path, device: str, bytes: int = 0) -> None:
    """Put work into the queue, once, and see that somebody looks at it."""
    machine = ws.machine_folder()
    relieve(machine)  # before the work is there: it could start a module that has moved
    if ws.token and (kind == "fetch" or (folder / "fetch").exists()):
        ensure(machine)
        handover.tell(machine, folder, "HF_TOKEN", ws.token)
    with closing(queue(machine)) as db:
        db.execute("BEGIN IMMEDIATE")
        if not locks.is_held(machine / "supervisor.lock") and not locks.is_held(folder / "lock"):  # its process is gone with its supervisor
            db.execute("UPDATE jobs SET state = 'waiting' WHERE folder = ? AND kind = ? AND state = 'running'", (str(folder), kind))
        if not db.execute("SELECT 1 FROM jobs WHERE folder = ? AND kind = ? AND state != 'done'", (str(folder), kind)).fetchone():
            db.execute(
                "INSERT INTO jobs (kind, folder, device, bytes, created) VALUES (?, ?, ?, ?, ?)",
                (kind, str(folder), device, bytes, time.time()),
            )
        db.execute("COMMIT")
    ensure(machine)


def watch_again(ws: Workspace) -> None:
    """After a crash or a restart: have a supervisor look at whatever in this workspace waits or is under way."""
    if paths.writable(machine := ws.machine_folder()):
        relieve(machine)
    attend(ws, runs.listing(ws))


def attend(ws: Workspace, found: list[runs.Run]) -> None:
    """Have a supervisor look at those runs that wait or are under way; nothing is done where it could write nothing."""
    live = [r for r in found if r.live and paths.writable(r.path)]
    machine = Machine(ws.machine_folder())
    if not live or not paths.writable(machine.folder):
        return
    for run in live:
        if str(run.path) not in machine.work:
            submit(ws, "train", run.path, run.plan.get("device", "cpu"), run.plan.get("peak_bytes", 0))
    ensure(machine.folder)


def serving(machine: Path, device: str) -> list[int]:
    """Process ids of the chats on a device, which make way for a run."""
    if not (machine / "queue.db").exists():
        return []
    with closing(queue(machine)) as db:
        found = db.execute("SELECT pid, folder FROM jobs WHERE kind = 'serve' AND state = 'running' AND device = ?", (device,)).fetchall()
    return [pid for pid, folder in found if pid and locks.is_held(Path(folder) / "lock")]


class Supervisor:
    def __init__(self, machine: Path, inbox: handover.Inbox):
        self.machine, self.db, self.inbox = machine, queue(machine), inbox
        self.children: dict[int, subprocess.Popen] = {}
        self.seen_alive: dict[int, float] = {}  # job -> when it was started or last held its lock
        self.sick: dict[int, float] = {}  # job -> until when it is left alone

    def run(self) -> None:
        idle_since = time.monotonic()
        while time.monotonic() - idle_since <= IDLE and not asked_to_leave(self.machine):
            try:
                for job in self.jobs("running"):
                    self.tend(self.look_at, job)
                for job in self.jobs("waiting"):
                    self.tend(self.consider, job)
                if self.jobs("running") or self.jobs("waiting") or self.inbox.waiting():
                    idle_since = time.monotonic()
            except (OSError, sqlite3.Error) as error:
                if not disk_is_full(error):
                    raise
                print(f"{time.strftime('%H:%M:%S')} the disk is full; looking again in {FULL:g} s", flush=True)
                time.sleep(FULL)
                idle_since = time.monotonic()
            time.sleep(TICK)

    def tend(self, work: Callable, job: tuple) -> None:
        """Do something for one job. Its own trouble (a folder that can only be read, a file that is damaged) must not end the others:
        it is told in the log, and the job left alone for a while; a full disk is everybody's."""
        if time.monotonic() < self.sick.get(job[0], 0.0):
            return
        try:
            work(*job)
        except (OSError, ValueError) as error:
            if disk_is_full(error):
                raise
            print(f"{time.strftime('%H:%M:%S')} {job[1]} in {job[2]}: {type(error).__name__}: {error}", flush=True)
            self.sick[job[0]] = time.monotonic() + FULL

    def jobs(self, state: str) -> list[tuple]:
        return self.db.execute("SELECT id, kind, folder, device, bytes, pid FROM jobs WHERE state = ? ORDER BY id", (state,)).fetchall()

    def consider(self, id: int, kind: str, folder_name: str, device: str, need: int, _pid: Any) -> None:
        """Start a waiting job when its device is free."""
        folder = Path(folder_name)
        if not folder.is_dir():
            return self.done(id)
        if kind in LEARN:
            if (folder / "control").exists():
                runs.write_status(folder, state="stopped", reason="Stopped before it began.")
                return self.done(id)
            if locks.is_held(folder / "lock"):  # a worker that a former supervisor started
                self.db.execute("UPDATE jobs SET state = 'running' WHERE id = ?", (id,))
                return None
            status = paths.read_json(folder / "status.json", {})
            if status.get("starting") and young(folder):
                return None  # a former supervisor may have started a process that is about to take the lock
            if status.get("state") not in ("queued", None) and not status.get("starting"):
                self.db.execute("UPDATE jobs SET state = 'running' WHERE id = ?", (id,))  # it claims to live: look_at will settle it
                return None
            if any(k in LEARN and d == device for _, k, _, d, _, _ in self.jobs("running")):
                return None
            if not self.probes_gone():
                return None
        if kind == "train":
            self.make_room(device)
        if kind == "probe" and not self.idle():
            return None
        fetching = kind == "fetch" or kind == "train" and (folder / "fetch").exists()
        first = "fetch" if fetching else "rehearse" if kind == "train" and (folder / "measure").exists() else None
        module = trainer(folder) if kind in LEARN and not first else WORKERS[first or kind]
        if kind in LEARN or kind == "fetch":
            runs.write_status(folder, state="preparing", starting=True, reason="Downloading the model." if fetching else None)
        words = (device, str(folder / roofline.RESULT)) if kind == "probe" else (str(folder),)
        told = self.inbox.of(folder) if fetching else None
        child = processes.start(module, *words, log=folder / "worker.log", device=device, offline=not fetching, secrets=told)
        self.children[id] = child
        self.seen_alive[id] = time.monotonic()
        self.db.execute("UPDATE jobs SET state = 'running', pid = ? WHERE id = ?", (child.pid, id))

    def idle(self) -> bool:
        """Nothing computes and no run waits: measured beside either, a device would seem slow (a chat that nobody asks computes nothing)."""
        return not any(k != "serve" for _, k, *_ in self.jobs("running")) and not any(k in LEARN for _, k, *_ in self.jobs("waiting"))

    def probes_gone(self) -> bool:
        """Whether no probe is at work, so that a run may begin. One of our own is ended, and waits for the run's end; that of a former
        supervisor is waited for, five seconds at most."""
        for id, kind, *_ in self.jobs("running"):
            if kind == "probe":
                if (child := self.children.pop(id, None)) is None:
                    return False
                child.kill()
                child.wait()
                self.db.execute("UPDATE jobs SET state = 'waiting' WHERE id = ?", (id,))
        return True

    def make_room(self, device: str) -> None:
        """A run takes a card from a chat; on a CPU chatting during a run is the person's choice."""
        if device == "cpu":
            return
        for _, kind, folder, other, _, _ in self.jobs("running"):
            if kind == "serve" and other == device:
                (Path(folder) / "control").write_text("stop")

    def look_at(self, id: int, kind: str, folder_name: str, device: str, _need: int, _pid: Any) -> None:
        """Settle a running job whose process is gone."""
        folder = Path(folder_name)
        child = self.children.get(id)
        code = child.poll() if child else None
        if kind == "measure" and (folder / "control").exists() and child is not None and code is None:
            child.kill()
            code = child.wait()
            runs.write_status(folder, state="stopped", reason="Taken back.")
        if locks.is_held(folder / "lock") if folder.is_dir() else False:
            self.seen_alive[id] = time.monotonic()
            return
        if child is not None and code is None:
            return  # started, imports under way, the lock not yet taken
        if child is None and time.monotonic() - self.seen_alive.setdefault(id, time.monotonic()) < 1.0:
            return  # another supervisor's child may be between two locks
        if child is None and paths.read_json(folder / "status.json", {}).get("starting") and young(folder):
            return  # or has yet to take its first one
        self.children.pop(id, None)
        if kind in (*LEARN, "fetch") and folder.is_dir():
            # downloaded or measured; resumed or asked for anew before its former worker was seen to be gone
            if paths.read_json(folder / "status.json", {}).get("state") == "queued":
                self.db.execute("UPDATE jobs SET state = 'waiting' WHERE id = ?", (id,))
                return
            settle(folder, code)
        self.done(id)

    def done(self, id: int) -> None:
        for (folder,) in self.db.execute("SELECT folder FROM jobs WHERE id = ?", (id,)).fetchall():
            self.inbox.forget(Path(folder))
        self.db.execute("UPDATE jobs SET state = 'done' WHERE id = ?", (id,))
        self.db.execute("DELETE FROM jobs WHERE state = 'done' AND id < ?", (id - 1000,))


def trainer(folder: Path) -> str:
    """Return the training worker for the objective of a run."""
    plan = paths.read_json(folder / "plan.json", {}) or {}
    return f"tuner.workers.training.{objectives.get(plan.get('settings', {}).get('objective', 'chat')).worker}"


def main() -> int:
    machine, told = paths.machine_folder(), {}
    lock = machine / "supervisor.lock"
    try:
        while locks.acquire(lock, patience=0.3):
            announce(machine)
            inbox = handover.Inbox(machine, told)
            supervisor = Supervisor(machine, inbox)
            supervisor.run()
            inbox.close()  # before the lock falls: the next supervisor listens at the same place
            told = inbox.kept
            left = asked_to_leave(machine)
            locks.release(lock)
            if left or not supervisor.jobs("waiting") and not inbox.waiting():  # what came in while the lock was held would wait for nobody
                break
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
