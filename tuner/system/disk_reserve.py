"""Space that is kept back in a folder while somebody works in it, so that a full disk can still hold how the work ended.

`reserve` lies beside the work. Its beginning can be written over in place, which takes no space at all: there stands the error of a
process that could not write its ending where it belongs. Its length, and then its inode, make room for that ending.
"""

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuner.errors import disk_is_full

BYTES, WORDS = 64 * 1024, 4096  # all of it; its beginning
NAME = "reserve"


def keep(folder: Path) -> None:
    """Make the reserve anew, without a word in it."""
    (folder / NAME).write_bytes(b"0" * BYTES)


def say(folder: Path, error: dict[str, Any]) -> None:
    """Leave an error (the document of `TunerError.as_dict`) in place; nothing happens where there is no reserve."""
    text = json.dumps(error, ensure_ascii=True, default=str).encode()
    if (file := folder / NAME).exists() and len(text) < WORDS:
        with open(file, "r+b") as f:
            f.write(text + b"\n")


def said(folder: Path) -> dict[str, Any] | None:
    """Return the error that `say` has left; None when there is none."""
    try:
        with open(folder / NAME, "rb") as f:
            found = json.loads(f.read(WORDS).partition(b"\n")[0])
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("message") and found.get("remedy") else None


def shrink(folder: Path) -> None:
    """Give back all but the beginning."""
    if (file := folder / NAME).exists():
        os.truncate(file, WORDS)


def drop(folder: Path) -> None:
    """Give back all of it."""
    (folder / NAME).unlink(missing_ok=True)


def in_its_room(folder: Path, write: Callable[[], None], *spare: Callable[[Path], None]) -> None:
    """Call `write`; on a full disk again after each of `spare` has freed something in `folder`, and at last in the room of the reserve."""
    words = said(folder)
    for free in (*spare, shrink, drop, None):
        try:
            return write()
        except OSError as error:
            if free is None or not disk_is_full(error):
                if words and not (folder / NAME).exists():
                    with contextlib.suppress(OSError):  # then the exit code alone tells the cause
                        (folder / NAME).write_text(json.dumps(words) + "\n", encoding="utf-8")
                raise
            free(folder)
