"""The queue of a machine folder: the jobs that wait for the supervisor and those it has started. In SQLite, so it outlives every process.

Jobs wait in the order of `rank`, which is that of their arrival until somebody moves one; a job that is on hold is passed over.
"""

import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tuner import locks, paths
from tuner.jobs.kinds import KINDS, Kind
from tuner.jobs.leases import Lease, Use

FILE = "queue.db"
KEPT = 1000  # ended jobs
ADDED = {"rank": "REAL", "held": "INTEGER NOT NULL DEFAULT 0"}  # columns that earlier versions don't have
COLUMNS = "id, kind, folder, device, bytes, pid, held"


@dataclass(frozen=True)
class QueuedJob:
    """A row of the queue; `bytes` of device memory, 0 when unknown; `held`: it waits until somebody releases it."""

    id: int
    kind: str
    folder: Path
    device: str
    bytes: int = 0
    pid: int | None = None
    held: bool = False

    @property
    def about(self) -> Kind:
        return KINDS[self.kind]

    @property
    def name(self) -> str:
        """What people know it by: a run's id, or what it does."""
        return self.folder.name if self.kind == "train" else self.about.title

    @property
    def devices(self) -> list[str]:
        """The devices that it takes: of a run in several processes all of them."""
        return self.device.split(",")

    @property
    def leases(self) -> list[Lease]:
        """Its claim on each of its devices."""
        return [Lease(device, self.about.use, self.bytes, name=self.name) for device in self.devices]


def connect(machine: Path) -> sqlite3.Connection:
    """Return a connection to the queue, which is made if necessary; states are `waiting`, `running` and `done`."""
    machine.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(machine / FILE, timeout=20, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("""CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, folder TEXT NOT NULL, device TEXT NOT NULL,
                  bytes INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'waiting', pid INTEGER, created REAL NOT NULL)""")
    there = {row[1] for row in db.execute("PRAGMA table_info(jobs)")}
    for name, kind in ADDED.items():
        if name not in there:
            try:
                db.execute(f"ALTER TABLE jobs ADD COLUMN {name} {kind}")
            except sqlite3.OperationalError as error:
                if "duplicate column" not in str(error):  # another process was faster
                    raise
    return db


def add(machine: Path, kind: str, folder: Path, device: str, bytes: int, *, orphaned: bool) -> None:
    """Add a job unless it is there and not done. `orphaned`: its process and the supervisor are gone, so it waits again."""
    with closing(connect(machine)) as db:
        db.execute("BEGIN IMMEDIATE")
        if orphaned:
            db.execute("UPDATE jobs SET state = 'waiting' WHERE folder = ? AND kind = ? AND state = 'running'", (str(folder), kind))
        if not db.execute("SELECT 1 FROM jobs WHERE folder = ? AND kind = ? AND state != 'done'", (str(folder), kind)).fetchone():
            job = (kind, str(folder), device, bytes, time.time())
            db.execute("INSERT INTO jobs (kind, folder, device, bytes, created) VALUES (?, ?, ?, ?, ?)", job)
        db.execute("COMMIT")


def jobs(db: sqlite3.Connection, state: str) -> list[QueuedJob]:
    """Return the jobs in a state in their order; a kind of a later version is left to that version."""
    found = db.execute(f"SELECT {COLUMNS} FROM jobs WHERE state = ? ORDER BY COALESCE(rank, id), id", (state,)).fetchall()
    return [QueuedJob(id, kind, Path(folder), *rest, bool(held)) for id, kind, folder, *rest, held in found if kind in KINDS]


def at_work(machine: Path) -> list[tuple[str, QueuedJob]]:
    """Return (state, job) of what works and what waits, in order. Nothing is made or changed: a page may only be able to read."""
    if not (machine / FILE).exists():
        return []
    try:
        with closing(connect(machine) if paths.writable(machine) else _read_only(machine)) as db:
            return [(state, job) for state in ("running", "waiting") for job in jobs(db, state)]
    except sqlite3.Error as error:  # a read-only disk, or a queue of a version before this one on it
        print(f"{machine / FILE} can't be read: {error}", file=sys.stderr)
        return []


def _read_only(machine: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote((machine / FILE).as_posix())}?mode=ro&immutable=1", uri=True, timeout=5)


def set_state(db: sqlite3.Connection, id: int, state: str, pid: int | None = None) -> None:
    """Set the state of a job; `pid` is kept when it is None."""
    db.execute("UPDATE jobs SET state = ?, pid = COALESCE(?, pid) WHERE id = ?", (state, pid, id))
    if state == "done":
        db.execute("DELETE FROM jobs WHERE state = 'done' AND id < ?", (id - KEPT,))


def set_bytes(db: sqlite3.Connection, id: int, bytes: int) -> None:
    """Set what a job was granted."""
    db.execute("UPDATE jobs SET bytes = ? WHERE id = ?", (bytes, id))


def place(db: sqlite3.Connection, id: int, *, before: int | None) -> None:
    """Put a waiting job directly before another one, or behind all (None)."""
    db.execute("BEGIN IMMEDIATE")
    order = [row[0] for row in db.execute("SELECT id FROM jobs WHERE state = 'waiting' AND id != ? ORDER BY COALESCE(rank, id), id", (id,))]
    at = order.index(before) if before in order else len(order)
    order.insert(at, id)
    ranks = sorted(row[0] for row in db.execute("SELECT COALESCE(rank, id) FROM jobs WHERE state = 'waiting'"))
    db.executemany("UPDATE jobs SET rank = ? WHERE id = ?", zip(ranks, order, strict=True))  # the same places, in another order
    db.execute("COMMIT")


def hold(db: sqlite3.Connection, id: int, held: bool) -> None:
    """Put a waiting job on hold, or release it."""
    db.execute("UPDATE jobs SET held = ? WHERE id = ?", (int(held), id))


def sharing(machine: Path, device: str) -> list[int]:
    """Return the process ids of the chats on a device, which give way to a run."""
    if not (machine / FILE).exists():
        return []
    with closing(connect(machine)) as db:
        found = [job for job in jobs(db, "running") if job.about.use is Use.SHARED and device in job.devices]
    return [job.pid for job in found if job.pid and locks.is_held(job.folder / "lock")]
