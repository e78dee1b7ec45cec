"""Source files of a dataset: copied into the workspace, or left in place and identified by their hash."""

import contextlib
import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event

from tuner.data.importing.import_pass import Cancelled, Progress, tick
from tuner.data.readers.decompress import suffix
from tuner.data.readers.file_format import READABLE
from tuner.errors import ConflictError, NotFoundError, RequestError, translate
from tuner.system import limits
from tuner.system.untrusted import regular, shown

LIMIT = 2 * 10**9


def check_upload(path: str | Path, limit: int = LIMIT) -> int:
    """Return the size in bytes. Raises NotFoundError, DataError (not a file), RequestError (larger than the limit)."""
    path = Path(path)
    size = regular(path, available=f"one file: {READABLE}").st_size
    if size > limit:
        raise RequestError(
            f"{shown(path.name)} is {size / 1e6:,.0f} MB; the limit is {limit / 1e6:,.0f} MB.",
            asked=size,
            available=limit,
            field="file",
            remedy="Use a part of the file, or raise the limit.",
        )
    return size


def copy_or_reference(
    path: Path, folder: Path, number: int, reference: bool, progress: Progress | None, cancelled: Callable[[], bool] | None
) -> dict:
    """Copy a file into `folder`, or only reference it.

    Returns {"name", "file" or "path", "bytes", "changed"}; the hash comes from `Hashes`.
    """
    ending = suffix(path.name) if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix(path.name)) else ""
    file = f"data-{number}{ending}{'.gz' if path.name.lower().endswith('.gz') else ''}"
    status = regular(path)
    if not reference:
        _read_through(path, lambda: tick(progress, cancelled, 0, status.st_size, 0), folder / file)
    place = {"path": str(path.resolve())} if reference else {"file": file}
    return {"name": shown(path.name)} | place | {"bytes": status.st_size, "changed": status.st_mtime_ns}


class Hashes:
    """Hashes files in a separate thread while they are read: `with Hashes(paths) as hashes: ...; hashes.wait()`."""

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
        """Return the sha256 of each file. Raises Cancelled."""
        while not wait([self.work], 0.1).done:
            tick(None, cancelled, 0, 0, 0)
        return self.work.result()


def find(source: dict, folder: Path) -> Path:
    """Return the path of a source. Raises NotFoundError when the file is gone, ConflictError when it changed since it was imported."""
    if "file" in source:
        return folder / source["file"]
    path = Path(source["path"])
    if not path.is_file():
        raise NotFoundError(
            f"The file {path} no longer exists; the dataset only referenced it.",
            asked=str(path),
            available="the rows as they were imported",
            remedy="Put the file back, or import it again from its new location.",
        )
    status = path.stat()
    same = (status.st_size, status.st_mtime_ns) == (source["bytes"], source["changed"])
    if not same and _read_through(path, lambda: None) != source.get("sha256"):
        raise ConflictError(
            f"The file {path} has changed since it was imported.",
            asked=str(path),
            available="the rows as they were imported",
            remedy="Import it again as a new dataset.",
        )
    return path


def digest(sources: list[dict]) -> str:
    """Return one hash for all files: for a single file its own sha256."""
    if len(sources) == 1:
        return sources[0]["sha256"]
    return hashlib.sha256("".join(s["sha256"] for s in sources).encode()).hexdigest()


def _read_through(path: Path, between: Callable[[], None], target: Path | None = None) -> str:
    """Return the sha256 of a file; with `target` copy it there instead of hashing it.

    `between` is called after each block and may raise to stop.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as f, open(target, "wb") if target else contextlib.nullcontext() as out:
            while block := f.read(1 << 20):
                limits.alive()  # a large file on a slow disk still counts as progress
                out.write(block) if out else digest.update(block)
                between()
    except OSError as error:
        regular(path)  # raises the fitting error when the file vanished or can't be read
        raise translate(error) or error from error
    return digest.hexdigest()
