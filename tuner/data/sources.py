"""Where the rows of a dataset came from: files copied into the workspace, or left where they are and known by their hash."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from tuner.data.check import Progress, beat
from tuner.data.opened import suffix
from tuner.errors import ConflictError, NotFoundError, RequestError, translate

LIMIT = 2 * 10**9


def check_upload(path: str | Path, limit: int = LIMIT) -> int:
    """The size in bytes; NotFoundError, or RequestError that names the limit."""
    path = Path(path)
    if not path.exists():
        raise NotFoundError(
            f"There is no file {path.name!r}.", asked=str(path), available="a file on this computer", remedy="Check the path."
        )
    size = path.stat().st_size if path.is_file() else 0
    if size > limit:
        raise RequestError(
            f"{path.name} has {size / 1e6:,.0f} MB; at most {limit / 1e6:,.0f} MB are taken here.",
            asked=size,
            available=limit,
            field="file",
            remedy="Choose a part of the file, or raise the limit.",
        )
    return size


def take(path: Path, folder: Path, number: int, reference: bool, progress: Progress | None, cancelled: Callable[[], bool] | None) -> dict:
    """Copy a file into `folder`, or only read it through: {"name", "file" or "path", "sha256", "bytes", "changed"}."""
    ending = suffix(path.name) if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix(path.name)) else ""
    file = f"data-{number}{ending}{'.gz' if path.name.lower().endswith('.gz') else ''}"
    about = path.stat()
    digest = _read_through(path, None if reference else folder / file, progress, cancelled)
    place = {"path": str(path.resolve())} if reference else {"file": file}
    return {"name": path.name} | place | {"sha256": digest, "bytes": about.st_size, "changed": about.st_mtime_ns}


def find(source: dict, folder: Path) -> Path:
    """The file of a source, the same bytes as when it was brought in; ConflictError or NotFoundError when they are not there."""
    if "file" in source:
        return folder / source["file"]
    path = Path(source["path"])
    if not path.is_file():
        raise NotFoundError(
            f"The file {path} is gone; the data only referred to it.",
            asked=str(path),
            available="the rows as they were read",
            remedy="Put it back, or add it again from where it is now.",
        )
    about = path.stat()
    same = (about.st_size, about.st_mtime_ns) == (source["bytes"], source["changed"])
    if not same and _read_through(path, None, None, None) != source["sha256"]:
        raise ConflictError(
            f"The file {path} was changed since it was brought in.",
            asked=str(path),
            available="the rows as they were read",
            remedy="Add it again, as data of its own.",
        )
    return path


def digest(sources: list[dict]) -> str:
    """One hash for all files; that of the file itself when there is one."""
    if len(sources) == 1:
        return sources[0]["sha256"]
    return hashlib.sha256("".join(s["sha256"] for s in sources).encode()).hexdigest()


def _read_through(path: Path, target: Path | None, progress: Progress | None, cancelled: Callable[[], bool] | None) -> str:
    digest, size, done = hashlib.sha256(), path.stat().st_size, 0
    try:
        out = open(target, "wb") if target else None
        with open(path, "rb") as f:
            try:
                while block := f.read(1 << 20):
                    digest.update(block)
                    done += out.write(block) if out else len(block)
                    beat(progress, cancelled, 0, size, 0)
            finally:
                if out:
                    out.close()
    except OSError as error:
        raise translate(error) or error from error
    return digest.hexdigest()
