"""File locks that show which processes are alive: a process holds an exclusive lock for its whole life. No pids, no clocks.

`fcntl.lockf` locks belong to a process, are not inherited by its children, and are released when it ends for any reason;
`msvcrt` does the same on Windows.
"""

import errno
import os
import sys
import time
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _take(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

    _probe = _take
else:
    import fcntl

    def _take(fd: int) -> None:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _probe(fd: int) -> None:
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)


_mine: dict[Path, int] = {}  # closing any descriptor of a file releases lockf's lock on it, so files locked here are never probed


def acquire(path: Path, *, timeout: float = 2.0) -> bool:
    """Acquire the lock for the rest of this process's life; return False when another process holds it.

    `timeout` is in seconds: a check (`is_held`) takes the lock for a moment, which must not count as a holder.
    """
    path = path.resolve()
    if path in _mine:
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + timeout
    while True:
        try:
            _take(fd)
            _mine[path] = fd
            return True
        except OSError:
            if time.monotonic() > deadline:
                os.close(fd)
                return False
            time.sleep(0.02)


def is_mine(path: Path) -> bool:
    """Return whether this process holds the lock."""
    return path.resolve() in _mine


def release(path: Path) -> None:
    """Release the lock if this process holds it."""
    fd = _mine.pop(path.resolve(), None)
    if fd is not None:
        os.close(fd)


def is_held(path: Path) -> bool:
    """Return whether any process holds the lock now. Works on a read-only disk, too."""
    if is_mine(path):
        return True
    try:
        fd, take = _opened(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        take(fd)
        return False
    except OSError:
        return True
    finally:
        os.close(fd)


def _opened(path: Path):
    """Return (descriptor, function that tries the lock). A read-only file is tried with a shared lock, which an exclusive one blocks."""
    try:
        return os.open(path, os.O_RDWR), _take
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        return os.open(path, os.O_RDONLY), _probe
