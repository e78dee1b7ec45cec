"""Who is alive: a process holds an exclusive lock on a file for as long as it lives. No pids, no clocks.

`fcntl.lockf` locks belong to a process, are not inherited by its children and fall with it, however it ends; `msvcrt`
does the same on Windows.
"""

import os
import sys
import time
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _take(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(fd: int) -> None:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


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


def release(path: Path) -> None:
    fd = _mine.pop(path.resolve(), None)
    if fd is not None:
        os.close(fd)


def held(path: Path) -> bool:
    """Whether some process holds the lock now."""
    if path.resolve() in _mine:
        return True
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        _take(fd)
        return False
    except OSError:
        return True
    finally:
        os.close(fd)
