"""Where the rows of a dataset came from: files copied into the workspace, or left where they are and known by their hash."""

import contextlib
import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event

from tuner.data.importing.import_pass import Cancelled, Progress, beat
from tuner.data.readers.decompress import suffix
from tuner.data.readers.file_format import READABLE
from tuner.errors import ConflictError, NotFoundError, RequestError, translate
from tuner.system import limits
from tuner.system.untrusted import regular, shown

LIMIT = 2 * 10**9


def check_upload(path: str | Path, limit: int = LIMIT) -> int:
    """The size in bytes; NotFoundError, DataError for what is no file, or RequestError that names the limit."""
    path = Path(path)
    size = regular(path, available=f"one file: {READABLE}").st_size
    if size > limit:
        raise RequestError(
            f"{shown(path.name)} has {size / 1e6:,.0f} MB; at most {limit / 1e6:,.0f} MB are taken here.",
            asked=size,
            available=limit,
            field="file",
            remedy="Choose a part of the file, or raise the limit.",
        )
    return size


def take(path: Path, folder: Path, number: int, reference: bool, progress: Progress | None, cancelled: Callable[[], bool] | None) -> dict:
    """Copy a file into `folder`, or only refer to it: {"name", "file" or "path", "bytes", "changed"}. Its hash comes from `Hashes`."""
    ending = suffix(path.name) if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix(path.name)) else ""
    file = f"data-{number}{ending}{'.gz' if path.name.lower().endswith('.gz') else ''}"
    about = regular(path)
    if not reference:
        _read_through(path, lambda: beat(progress, cancelled, 0, about.st_size, 0), folder / file)
    place = {"path": str(path.resolve())} if reference else {"file": file}
    return {"name": shown(path.name)} | place | {"bytes": about.st_size, "changed": about.st_mtime_ns}


class Hashes:
    """Hashes files in a thread of its own while they are read: `with Hashes(paths) as hashes: ...; hashes.wait()`."""

    def __init__(self, paths: list[Path]):
        self.paths, self.over, self.pool = paths, Event(), ThreadPoolExecutor(1)

    def __enter__(self) -> "Hashes":
        self.work = self.pool.submit(lambda: [_read_through(path, self._stop) for path in self.paths])
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.pool.shutdown()

    def _stop(self) -> None:
        if self.over.is_set():
            raise Cancelled

    def wait(self, cancelled: Callable[[], bool] | None) -> list[str]:
        """The sha256 of each file."""
        while not wait([self.work], 0.1).done:
            beat(None, cancelled, 0, 0, 0)
        return self.work.result()


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
    if not same and _read_through(path, lambda: None) != source.get("sha256"):
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


def _read_through(path: Path, between: Callable[[], None], target: Path | None = None) -> str:
    """The sha256 of a file; with `target` it is copied there (and not hashed). `between` may raise to end it."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as f, open(target, "wb") if target else contextlib.nullcontext() as out:
            while block := f.read(1 << 20):
                limits.alive()  # a large file on a slow disk is no standstill
                out.write(block) if out else digest.update(block)
                between()
    except OSError as error:
        regular(path)  # says so when it is the file that vanished or may not be read
        raise translate(error) or error from error
    return digest.hexdigest()
