"""Where the processes of one account meet: Unix sockets that nobody else can reach, under paths that the system accepts."""

import hashlib
import os
import tempfile
from pathlib import Path

from tuner.errors import NotAllowedError

LONGEST = 100  # bytes of a Unix socket's path: the system takes 108, on macOS 104


def name_for(folder: Path, *more: str) -> str:
    """Return a short name that stands for a folder (and for what else is given)."""
    return hashlib.sha256("\0".join([str(folder.resolve()), *more]).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def place(folder: Path, name: str, *more: str) -> Path:
    """Return the path of the socket `name` in `folder`; for a folder with a long path one of the same meaning in a short private folder.

    Raises NotAllowedError when that folder belongs to somebody else.
    """
    beside = folder / name
    return beside if len(os.fsencode(beside)) <= LONGEST else private_folder() / name_for(folder, *more)


def private_folder() -> Path:
    """Return a short path that only this account can enter, for machine folders with long ones."""
    folder = Path(tempfile.gettempdir()) / f"tunesmith-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if about.st_uid != os.getuid() or about.st_mode & 0o077 or folder.is_symlink():
        raise NotAllowedError(
            f"{folder} belongs to somebody else, or others can enter it.",
            asked=str(folder),
            available="a folder of your own with mode 700",
            remedy="Remove it, or set TUNESMITH_MACHINE to a shorter path.",
        )
    return folder
