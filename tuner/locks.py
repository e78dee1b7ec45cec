"""Who is alive: a process holds an exclusive lock on a file for as long as it lives. No pids, no clocks.

`fcntl.lockf` locks belong to a process, are not inherited by its children and fall with it, however it ends; `msvcrt`
does the same on Windows.
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

    _look = _take
else:
    import fcntl

    def _take(fd: int) -> None:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _look(fd: int) -> None:
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)


_mine: dict[Path, int] = {}  # closing any descriptor of a file drops lockf's lock on it, so our own files are never probed


def hold(path: Path, *, patience: float = 2.0) -> bool:
    """Take the lock for the rest of this process's life; False when another process holds it.

    `patience` in seconds: a probe (`held`) takes the lock for a moment, which must not count as a holder.
    """
    path = path.resolve()
    if path in _mine:
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    end = time.monotonic() + patience
    while True:
        try:
            _take(fd)
            _mine[path] = fd
            return True
        except OSError:
            if time.monotonic() > end:
                os.close(fd)
                return False
            time.sleep(0.02)


def mine(path: Path) -> bool:
    """Whether this very process holds the lock."""
    return path.resolve() in _mine


def release(path: Path) -> None:
    fd = _mine.pop(path.resolve(), None)
    if fd is not None:
        os.close(fd)


def held(path: Path) -> bool:
    """Whether some process holds the lock now; on a disk that can only be read as well."""
    if mine(path):
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
    """(descriptor, how to try the lock on it): what may only be read is tried with a shared lock, which an exclusive one refuses too."""
    try:
        return os.open(path, os.O_RDWR), _take
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        return os.open(path, os.O_RDONLY), _look
