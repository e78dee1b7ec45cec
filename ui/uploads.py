"""Where Gradio keeps uploads while they are looked at: a folder of this page alone, not the one in /tmp that all accounts share."""

import secrets
import shutil
import tempfile
from pathlib import Path

from tuner import locks, paths


def own_folder(home: Path) -> Path:
    """A new folder that only this account can enter; those of pages that are gone are removed. Elsewhere when `home` can only be read."""
    if not paths.writable(home):
        return Path(tempfile.mkdtemp(prefix="tunesmith-uploads-"))  # mkdtemp's are closed to others; nothing can be imported there anyway
    every = home / ".uploads"
    every.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in every.iterdir():
        if old.is_dir() and not locks.is_held(old / "lock"):
            shutil.rmtree(old, ignore_errors=True)
    folder = every / secrets.token_hex(8)
    folder.mkdir(mode=0o700)
    locks.acquire(folder / "lock")
    return folder
