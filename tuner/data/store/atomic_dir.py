"""Build folders atomically: complete or absent. A lock that ends with its process tells folders in progress from leftovers."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from tuner import locks
from tuner.errors import translate
from tuner.paths import Workspace


@contextlib.contextmanager
def building(parent: Path) -> Iterator[Path]:
    """Yield a hidden folder to fill and rename; it is removed unless it was renamed. A lock file beside it marks it as in progress."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f".import-{secrets.token_hex(6)}"
    lock = folder.with_suffix(".lock")
    locks.acquire(lock)
    while not lock.exists():  # another process removed it before the lock was taken
        locks.release(lock)
        locks.acquire(lock)
    try:
        folder.mkdir()
        yield folder
    except OSError as error:
        raise translate(error) or error from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        locks.release(lock)
        lock.unlink(missing_ok=True)


def sweep(ws: Workspace) -> None:
    """Remove the leftovers of killed imports and interrupted deletions."""
    for parent in [ws.datasets, *ws.datasets.glob("[!.]*/versions")]:
        for folder in (*parent.glob(".import-*"), *parent.glob(".gone-*")):
            base = folder.with_suffix("")
            if locks.is_held(base.with_suffix(".lock")):
                continue
            shutil.rmtree(base, ignore_errors=True)
            base.with_suffix(".lock").unlink(missing_ok=True)
