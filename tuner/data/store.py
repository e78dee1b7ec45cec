"""The dataset store: check a file, import it as a version that never changes, list, page through, remap, delete.

datasets/<id>/source/data.*                  the upload as it came
datasets/<id>/versions/<n>/dataset.json      what is known about it (a `Dataset`)
datasets/<id>/versions/<n>/rows.parquet      row (record number), held_out, value (the canonical row as JSON)
"""

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from tuner import paths
from tuner.data.check import Cancelled, Progress, beat, check, each_row, settled
from tuner.data.names import KINDS
from tuner.data.read import Reader
from tuner.data.recognise import Recognition
from tuner.data.rows import iterate, rows, write
from tuner.data.unfinished import building, sweep
from tuner.errors import ConflictError, DataError, NotFoundError, RequestError, SettingError, translate
from tuner.paths import Workspace

__all__ = [
    "Cancelled",
    "Dataset",
    "Sample",
    "add",
    "add_sample",
    "as_dict",
    "check",
    "check_upload",
    "delete",
    "get",
    "iterate",
    "listing",
    "remap",
    "rows",
    "samples",
    "sweep",
]
LIMIT = 2 * 10**9


@dataclass(frozen=True)
class Dataset:
    """One version of a dataset. `rows` are usable, `records` were read; `health` holds empty, duplicates, characters."""

    id: str
    version: int
    name: str
    kind: str
    format: str
    mapping: dict
    reason: str
    questions: list
    rows: int
    held_out: int
    records: int
    problem_count: int
    problems: list
    notes: list
    columns: list
    source_name: str
    sha256: str
    bytes: int
    created: str
    health: dict
    sample: bool = False
    share: float = 0.05
    folder: Path | None = field(default=None, compare=False)

    @property
    def ref(self) -> str:
        return f"{self.id}@{self.version}"

    @property
    def path(self) -> Path:
        return self.folder


@dataclass(frozen=True)
class Sample:
    name: str
    title: str
    sentence: str
    path: Path


SAMPLES = (
    ("persona.jsonl", "A character", "Short chats in a strong manner of speaking: the quickest way to see a model change."),
    ("helpdesk.csv", "A help desk", "Customers' questions with the answers of a help desk."),
    ("tickets.csv", "Tickets to sort", "Support tickets, each with the label of the team that takes it."),
    ("preferences.jsonl", "Better and worse answers", "Two answers to each question; the better one is marked."),
    ("translation.csv", "Translations", "Sentences with their translation."),
)


# ---- importing


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


def add(
    ws: Workspace,
    path: str | Path,
    *,
    name: str | None = None,
    mapping: dict | None = None,
    kind: str | None = None,
    held_out: float = 0.05,
    limit_bytes: int = LIMIT,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    encoding: str | None = None,
    sample: bool = False,
) -> Dataset:
    """Copy the file into the workspace and import it. Whole or not at all: a killed import leaves nothing that counts.

    Raises RequestError (too large), SettingError (mapping, kind), NotFoundError, DataError (no usable row), Cancelled.
    """
    path = Path(path)
    _check_share(held_out)
    check_upload(path, limit_bytes)
    if path.is_dir():
        Reader(path)
    name = (name or path.stem).strip() or "unnamed"
    ws.prepare()
    sweep(ws)
    with building(ws.datasets) as folder:
        (folder / "source").mkdir()
        suffix = path.suffix.lower() if re.fullmatch(r"\.[a-z0-9]{1,8}", path.suffix.lower()) else ""
        source = folder / "source" / f"data{suffix}"
        digest = _copy(path, source, progress, cancelled)
        version = folder / "versions" / "1"
        version.mkdir(parents=True)
        reader = Reader(source, encoding, name=path.name)
        made = _import(reader, version, settled(reader, kind, mapping), held_out, progress, cancelled)
        made |= {"version": 1, "name": name, "source_name": path.name, "sha256": digest, "sample": sample}
        while True:
            id = paths.new_id(name, ws.datasets)
            paths.write_json(version / "dataset.json", {"id": id} | made)
            try:
                os.rename(folder, ws.datasets / id)
                break
            except OSError:
                if not (ws.datasets / id).exists():
                    raise
    return get(ws, id)


def remap(
    ws: Workspace,
    ref: str,
    *,
    mapping: dict | None = None,
    kind: str | None = None,
    held_out: float | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Dataset:
    """A new version from the stored source with other columns, another kind or share; the old version stays as it is."""
    old = get(ws, ref)
    share = old.share if held_out is None else held_out
    _check_share(share)
    root = ws.dataset(old.id)
    source = next(f for f in (root / "source").iterdir() if f.name.startswith("data"))
    sweep(ws)
    with building(root / "versions") as folder:
        reader = Reader(source, name=old.source_name)
        made = _import(reader, folder, settled(reader, kind, mapping), share, progress, cancelled)
        made |= {"id": old.id, "name": old.name, "source_name": old.source_name, "sha256": old.sha256, "sample": old.sample}
        while True:
            number = max(_versions(root)) + 1
            paths.write_json(folder / "dataset.json", made | {"version": number})
            try:
                os.rename(folder, root / "versions" / str(number))
                break
            except OSError:
                if not (root / "versions" / str(number)).exists():
                    raise
    return get(ws, f"{old.id}@{number}")


def _check_share(share: float) -> None:
    if not 0 <= share <= 0.5:
        raise SettingError(
            "The held-out share is not between 0 and 0.5.", field="held_out", asked=share, available="0 to 0.5", remedy="Choose 0.05."
        )


def _copy(path: Path, target: Path, progress: Progress | None, cancelled: Callable[[], bool] | None) -> str:
    """sha256 of what was copied."""
    digest, size = hashlib.sha256(), path.stat().st_size
    try:
        with open(path, "rb") as f, open(target, "wb") as out:
            while block := f.read(1 << 20):
                digest.update(block)
                out.write(block)
                beat(progress, cancelled, 0, size, 0)
    except OSError as error:
        raise translate(error) or error from error
    return digest.hexdigest()


def _import(
    reader: Reader, folder: Path, found: Recognition, share: float, progress: Progress | None, cancelled: Callable[[], bool] | None
) -> dict:
    """Write rows.parquet and return the fields of the Dataset that the file decides."""
    try:
        tally, held = write(each_row(reader, found.kind, found.mapping, progress, cancelled), folder / "rows.parquet", share)
    except OSError as error:
        raise translate(error) or error from error
    if not tally.usable:
        message, count = next(iter(tally.common.most_common(1)), ("It holds no records.", 0))
        raise DataError(
            f"No row of {reader.name} can be used. The commonest problem ({count} of {tally.records} rows): {message}",
            asked=reader.name,
            available=reader.columns,
            remedy="Check which column is what, or choose another kind of data.",
        )
    return {
        "kind": found.kind,
        "format": reader.format,
        "mapping": found.mapping,
        "reason": found.reason,
        "questions": found.questions,
        "rows": tally.usable,
        "held_out": held,
        "records": tally.records,
        "problem_count": tally.problem_count,
        "problems": tally.problems,
        "notes": tally.notes(reader),
        "columns": reader.columns,
        "bytes": reader.bytes,
        "created": datetime.now(UTC).isoformat(),
        "health": tally.health(),
        "share": share,
    }


# ---- looking things up


def get(ws: Workspace, ref: str) -> Dataset:
    """The dataset "id" (newest version) or "id@2"; NotFoundError lists what there is."""
    id, _, number = str(ref).partition("@")
    if paths.ID.fullmatch(id) and re.fullmatch(r"[0-9]{0,9}", number):
        root = ws.dataset(id)
        have = _versions(root)
        wanted = int(number) if number else max(have, default=0)
        if wanted in have and (found := _load(root / "versions" / str(wanted))):
            return found
        if have:
            raise NotFoundError(
                f"The dataset {id} has no version {number or wanted} that can be read.",
                asked=str(ref),
                available=[f"{id}@{n}" for n in have],
                remedy="Choose one of these versions.",
            )
    raise NotFoundError(
        f"There is no dataset {str(ref)[:80]!r}.",
        asked=str(ref)[:80],
        available=[d.id for d in listing(ws)],
        remedy="Choose one from the list, or add a file.",
    )


def listing(ws: Workspace) -> list[Dataset]:
    """The newest readable version of each dataset, newest first."""
    roots = ws.datasets.iterdir() if ws.datasets.is_dir() else ()
    found = (
        next(filter(None, (_load(root / "versions" / str(n)) for n in reversed(_versions(root)))), None)
        for root in roots
        if paths.ID.fullmatch(root.name)
    )
    return sorted(filter(None, found), key=lambda d: d.created, reverse=True)


def _versions(root: Path) -> list[int]:
    folder = root / "versions"
    try:
        return sorted(int(f.name) for f in folder.iterdir() if f.name.isdecimal() and (f / "dataset.json").is_file())
    except OSError:
        return []


def _load(folder: Path) -> Dataset | None:
    """None for a folder that is damaged: one bad folder must not hide the others."""
    try:
        document = paths.read_json(folder / "dataset.json") or {}
        known = {f.name for f in fields(Dataset)} - {"folder"}
        found = Dataset(**{k: v for k, v in document.items() if k in known}, folder=folder)
        return found if (folder / "rows.parquet").is_file() and found.kind in KINDS else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def as_dict(ds: Dataset) -> dict:
    """The document of `tunesmith data add` and `show`."""
    return {"dataset": ds.id, "ref": ds.ref} | {k: v for k, v in asdict(replace(ds, folder=None)).items() if k != "folder"}


def delete(ws: Workspace, id: str, used_by: list[str] | tuple[str, ...] = ()) -> None:
    """Remove a dataset with all its versions; ConflictError while runs use it."""
    ds = get(ws, paths.checked(id, "dataset"))
    if used_by:
        raise ConflictError(
            f"The dataset {ds.id} is used by {', '.join(used_by)}.",
            asked=ds.id,
            available="datasets that no run uses",
            remedy="Delete these runs first, or keep the dataset.",
        )
    gone = ws.datasets / f".gone-{secrets.token_hex(6)}"
    try:
        os.rename(ws.dataset(ds.id), gone)
    except OSError as error:
        raise translate(error) or error from error
    shutil.rmtree(gone, ignore_errors=True)


# ---- samples


def samples() -> list[Sample]:
    """The bundled datasets that are there."""
    return [
        Sample(Path(file).stem, title, sentence, paths.SAMPLES / file)
        for file, title, sentence in SAMPLES
        if (paths.SAMPLES / file).is_file()
    ]


def add_sample(ws: Workspace, name: str) -> Dataset:
    """Import a sample, or return it if it is already there."""
    chosen = next((s for s in samples() if s.name == name), None)
    if not chosen:
        raise NotFoundError(
            f"There is no sample {name!r}.", asked=name, available=[s.name for s in samples()], remedy="Choose one of these."
        )
    digest = paths.sha256(chosen.path)
    return next((d for d in listing(ws) if d.sha256 == digest), None) or add(ws, chosen.path, name=chosen.name, sample=True)
