"""The supervisor of a machine folder, seen from outside: whether one is at work, what its queue holds, how it is started and relieved.

    <machine>/supervisor.lock   held by the supervisor as long as it lives
    <machine>/supervisor.json   {"version", "pid"} of the supervisor that holds the lock; without it, one of before version 2
    <machine>/supervisor.leave  the version of a program that asks a supervisor of another version to leave
    <machine>/queue.db          the jobs

A supervisor starts modules by name. After an update those have other names or other contents, so that one of another version is asked to
leave before it starts the next job: its workers go on, and its successor finds them by their locks.
"""

import contextlib
import os
import sqlite3
import sys
import time
from contextlib import closing
from functools import cached_property
from pathlib import Path

import psutil

from tuner import __version__, locks, paths
from tuner.errors import ConflictError
from tuner.system import processes

MODULE = "tuner.jobs.supervisor"
FORMER = ("tuner.supervisor",)  # modules of supervisors that know neither versions nor a request to leave
VERSION = f"{__version__}/4"  # raise the number when what a supervisor starts, or what it and its jobs tell each other, changes
LEAVES = 10.0  # seconds in which a supervisor leaves that was asked to
SETTLES = 1.0  # seconds between its lock and its version, at most
STARTS = 2.0  # seconds until a supervisor that was started holds its lock
LOCK, ABOUT, LEAVE = "supervisor.lock", "supervisor.json", "supervisor.leave"


def ensure(folder: Path) -> None:
    """Start a supervisor unless one of this version is at work; one of another version is relieved first."""
    relieve(folder)
    if not locks.is_held(folder / LOCK):
        before = os.environ.get("TUNESMITH_MACHINE")
        os.environ["TUNESMITH_MACHINE"] = str(folder)
        try:
            processes.start(MODULE, log=folder / "supervisor.log", offline=False)
        finally:
            os.environ.pop("TUNESMITH_MACHINE") if before is None else os.environ.__setitem__("TUNESMITH_MACHINE", before)


def announce(folder: Path) -> None:
    """Write down whose supervisor this process is; called by the one that holds the lock."""
    (folder / LEAVE).unlink(missing_ok=True)
    paths.write_json(folder / ABOUT, {"version": VERSION, "pid": os.getpid()})


def asked_to_leave(folder: Path) -> bool:
    """Whether a program of another version than this supervisor's has asked it to leave."""
    try:
        return (folder / LEAVE).read_text(encoding="utf-8") != VERSION
    except FileNotFoundError:
        return False


def version_at_work(folder: Path) -> str | None:
    """The version of the supervisor that holds the lock: "" for one of before version 2, None when there is none."""
    if not locks.is_held(folder / LOCK):
        return None
    about = paths.read_json(folder / ABOUT) or {}
    with contextlib.suppress(psutil.Error, TypeError, ValueError):
        if MODULE in psutil.Process(about.get("pid") or 0).cmdline():
            return str(about.get("version"))
    return ""  # what is written there is of a supervisor that is gone


def relieve(folder: Path) -> None:
    """Have a supervisor of another version leave; its workers go on. ConflictError when it is still there after `LEAVES` seconds."""
    found, end = version_at_work(folder), time.monotonic() + SETTLES
    while found == "" and time.monotonic() < end:  # one that has just begun has its lock a moment before it says its version
        time.sleep(0.05)
        found = version_at_work(folder)
    if found in (None, VERSION) or locks.is_mine(folder / LOCK) or not paths.writable(folder):
        return
    (folder / LEAVE).write_text(VERSION, encoding="utf-8")
    if not found:
        _end_former(folder)
    end = time.monotonic() + LEAVES
    while locks.is_held(folder / LOCK) and version_at_work(folder) != VERSION:
        if time.monotonic() > end:
            raise ConflictError(
                "A background process of another version of Tunesmith is still at work.",
                asked=VERSION,
                available=found or "a version before this one",
                remedy="End the process `python -m tuner.supervisor` (runs go on without it), and try again.",
            )
        time.sleep(0.05)


def _end_former(folder: Path) -> None:
    """End the supervisor of a version that can't be asked. It may be killed at any time: the queue is a file, and workers go on."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if {*FORMER, MODULE} & set(process.cmdline()) and process.environ().get("TUNESMITH_MACHINE") == str(folder):
                process.terminate()


class Machine:
    """The supervisor of a machine's folder and its queue, looked at once, and only when something depends on it."""

    def __init__(self, folder: Path):
        self.folder = folder

    @cached_property
    def awake(self) -> bool:
        return locks.is_held(self.folder / LOCK)

    @cached_property
    def work(self) -> dict[str, str]:
        """{folder: waiting | running} of what is not done."""
        file = self.folder / "queue.db"
        if not file.exists():
            return {}
        try:
            with closing(sqlite3.connect(f"file:{file.as_posix()}?mode=ro", uri=True, timeout=5)) as db:
                return dict(db.execute("SELECT folder, state FROM jobs WHERE state != 'done'"))
        except sqlite3.Error as error:  # adding a job raises it; looking goes on without the queue
            print(f"{file} can't be read: {error}", file=sys.stderr)
            return {}

    def wake(self, folder: Path) -> None:
        """Start a supervisor for what waits in `folder`, unless one was started a moment ago or could write nothing there."""
        if time.monotonic() - _woken.get(self.folder, -LEAVES) > STARTS and paths.writable(folder) and paths.writable(self.folder):
            _woken[self.folder] = time.monotonic()
            ensure(self.folder)


_woken: dict[Path, float] = {}  # when this process last started a supervisor, which takes a moment to take its lock
