"""Folders that are being filled: whole or gone, and told from leftovers by a lock that dies with its process."""

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
    """A hidden folder to fill and rename; removed if that does not happen. A lock beside it tells a live one from a leftover."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f".import-{secrets.token_hex(6)}"
    mark = folder.with_suffix(".lock")
    locks.hold(mark)
    while not mark.exists():  # another process swept it before the lock was taken
        locks.release(mark)
        locks.hold(mark)
    try:
        folder.mkdir()
        yield folder
    except OSError as error:
        raise translate(error) or error from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        locks.release(mark)
        mark.unlink(missing_ok=True)


def sweep(ws: Workspace) -> None:
    """Remove what killed imports and interrupted deletions left behind."""
    for parent in [ws.datasets, *ws.datasets.glob("[!.]*/versions")]:
        for folder in (*parent.glob(".import-*"), *parent.glob(".gone-*")):
            base = folder.with_suffix("")
            if locks.held(base.with_suffix(".lock")):
                continue
            shutil.rmtree(base, ignore_errors=True)
            base.with_suffix(".lock").unlink(missing_ok=True)
