"""The database of a label project: labels/<project>/labels.db, one SQLite file (WAL). `events` is append-only and holds every decision.

about        name, settings, ... of the project, as JSON              guidelines  every version of the guidelines
pairs        a prompt and two answers; who wrote them is hidden until the pair is judged
tasks        a judgment that is wanted or was given: ordinary (one per pair, more with overlap), repeat, gold, extra, judge
events       judgments, undone judgments, adjudications                readers     which guidelines each labeller has read
ratings      single answers from the chat: thumbs, better wordings     answers     answers of models for pairs being generated
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.errors import NotFoundError
from tuner.paths import Workspace

PATIENCE = 30.0  # seconds to wait for another process that is writing
OPEN, LEASED, DONE = 0, 1, 2  # states of a task

SCHEMA = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS guidelines (version INTEGER PRIMARY KEY, text TEXT NOT NULL, author TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS readers (labeller TEXT PRIMARY KEY, version INTEGER NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS pairs (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, prompt TEXT NOT NULL, first TEXT NOT NULL,
  second TEXT NOT NULL, first_by TEXT NOT NULL, second_by TEXT NOT NULL, origin TEXT NOT NULL, gold TEXT, settled TEXT, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, pair INTEGER NOT NULL REFERENCES pairs, kind TEXT NOT NULL, slot INTEGER NOT NULL,
  rank INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0, labeller TEXT, side TEXT, since REAL, until REAL, event INTEGER);
CREATE UNIQUE INDEX IF NOT EXISTS slots ON tasks (pair, kind, slot);
CREATE UNIQUE INDEX IF NOT EXISTS once ON tasks (pair, labeller, kind) WHERE labeller IS NOT NULL AND kind != 'extra';
CREATE INDEX IF NOT EXISTS waiting ON tasks (state, kind, rank, slot);
CREATE INDEX IF NOT EXISTS mine ON tasks (labeller, state, kind, since);
CREATE INDEX IF NOT EXISTS whose ON tasks (pair, labeller);
CREATE INDEX IF NOT EXISTS tally ON tasks (kind, state);
CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, task INTEGER, pair INTEGER NOT NULL,
  labeller TEXT NOT NULL, winner TEXT, strength INTEGER, edited TEXT, better TEXT, note TEXT, reason TEXT, seconds REAL,
  guidelines INTEGER, undoes INTEGER, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS ratings (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, prompt TEXT NOT NULL, answer TEXT NOT NULL,
  good INTEGER, better TEXT, origin TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS answers (generation TEXT NOT NULL, item INTEGER NOT NULL, side INTEGER NOT NULL, answer TEXT NOT NULL,
  PRIMARY KEY (generation, item, side));
"""


@dataclass
class Writer:
    """The connection with which this process writes to a file. It stays open: closing the last one costs a checkpoint, about 10 ms per
    judgment. SQLite's own waiting is random, so writers within a process take turns by a lock."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    db: sqlite3.Connection | None = None
    file: int = 0  # its inode: another process may delete and recreate the project

    def ready(self, path: Path) -> sqlite3.Connection:
        """Return the open connection, a new one when the file was replaced."""
        inode = path.stat().st_ino
        if self.db is None or inode != self.file:
            self.close()
            self.db, self.file = connect(path), inode
        return self.db

    def close(self) -> None:
        if self.db is not None:
            self.db.close()
        self.db = None


_writers: dict[Path, Writer] = {}
OPEN_FILES = 32  # connections that a process keeps open; each uses three file handles


def file_of(ws: Workspace, id: str) -> Path:
    """Return the path of the project's file; NotFoundError lists the existing projects."""
    path = ws.label_project(id) / "labels.db"
    if not path.exists():
        raise NotFoundError(
            f"There is no label project {id!r}.",
            asked=id,
            available=sorted(f.parent.name for f in ws.labels.glob("*/labels.db")),
            remedy="Choose one of these, or create a new project.",
            field="project",
        )
    return path


def create(path: Path) -> None:
    """Create the file of a new project."""
    path.parent.mkdir(parents=True)
    with closing(connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(SCHEMA)


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection."""
    db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA synchronous=FULL")  # an acknowledged judgment must survive a power failure
    return db


@contextmanager
def reading(ws: Workspace, id: str) -> Iterator[sqlite3.Connection]:
    """Open a read transaction: a consistent snapshot, even while others write."""
    with closing(connect(file_of(ws, id))) as db:
        db.execute("BEGIN")
        yield db


@contextmanager
def writing(ws: Workspace, id: str) -> Iterator[sqlite3.Connection]:
    """Open a write transaction: after the block all of it is on disk, or nothing."""
    path = file_of(ws, id)
    writer = _writers.setdefault(path, Writer())
    _close_idle(writer)
    with writer.turn:
        db = writer.ready(path)
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            if db.in_transaction:  # SQLite rolls some back by itself, such as on a full disk
                db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")


def _close_idle(mine: Writer) -> None:
    """Close idle connections of other projects when many are open; their next write opens a new one."""
    others = [w for w in list(_writers.values()) if w is not mine and w.db is not None]
    for writer in others if len(others) >= OPEN_FILES else ():
        if writer.turn.acquire(blocking=False):
            try:
                writer.close()
            finally:
                writer.turn.release()


def forget(under: Path) -> None:
    """Close the connections to files in a folder that is about to be deleted."""
    for path in [p for p in _writers if p.is_relative_to(under)]:
        if writer := _writers.pop(path, None):
            with writer.turn:
                writer.close()


def get(db: sqlite3.Connection, key: str, default: Any = None) -> Any:
    found = db.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
    return json.loads(found[0]) if found else default


def put(db: sqlite3.Connection, key: str, value: Any) -> None:
    db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (key, json.dumps(value, ensure_ascii=False)))


def now() -> float:
    return time.time()
