"""labels/<project>/labels.db: one SQLite file (WAL) a project. Whatever a person decided stands in `events`, which only grows.

about        name, settings, ... of the project, as JSON              guidelines  each version of them
pairs        a prompt and two answers; who wrote them is told to nobody before the verdict
tasks        one judgement that is wanted or was given: ordinary (one a pair, more where overlap is asked), repeat, gold, extra
events       verdicts, taken-back verdicts, adjudications              readers     who has read which guidelines
ratings      single answers from the chat: thumbs, better wordings     answers     what models said for pairs that are being made
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

PATIENCE = 30.0  # seconds to wait for another process that writes
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
    """The connection by which this process writes to a file. Kept open: closing a file's last one costs a checkpoint, some 10 ms a verdict.
    SQLite's own waiting is by chance, so within a process writers go in turn."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    db: sqlite3.Connection | None = None
    file: int = 0  # its inode: a project may be deleted and made anew by another process

    def ready(self, path: Path) -> sqlite3.Connection:
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
OPEN_FILES = 32  # connections that a process keeps; each holds three files open


def file_of(ws: Workspace, id: str) -> Path:
    """The project's file; NotFoundError lists what there is."""
    path = ws.label_project(id) / "labels.db"
    if not path.exists():
        raise NotFoundError(
            f"There is no label project {id!r}.",
            asked=id,
            available=sorted(f.parent.name for f in ws.labels.glob("*/labels.db")),
            remedy="Choose one of these, or make a new one.",
            field="project",
        )
    return path


def create(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with closing(connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(SCHEMA)


def connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA synchronous=FULL")  # a verdict that was acknowledged outlives the power as well
    return db


@contextmanager
def reading(ws: Workspace, id: str) -> Iterator[sqlite3.Connection]:
    """One moment of the project, whoever writes beside."""
    with closing(connect(file_of(ws, id))) as db:
        db.execute("BEGIN")
        yield db


@contextmanager
def writing(ws: Workspace, id: str) -> Iterator[sqlite3.Connection]:
    """One transaction: all of it is on disk after the block, or nothing."""
    path = file_of(ws, id)
    writer = _writers.setdefault(path, Writer())
    _close_idle(writer)
    with writer.turn:
        db = writer.ready(path)
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            if db.in_transaction:  # SQLite takes some back by itself: a full disk
                db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")


def _close_idle(mine: Writer) -> None:
    """When many connections are open: close those but ours that nobody writes by just now; the next verdict there opens its own again."""
    others = [w for w in list(_writers.values()) if w is not mine and w.db is not None]
    for writer in others if len(others) >= OPEN_FILES else ():
        if writer.turn.acquire(blocking=False):
            try:
                writer.close()
            finally:
                writer.turn.release()


def forget(under: Path) -> None:
    """Let go of the files in a folder that is to be deleted."""
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
