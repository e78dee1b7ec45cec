"""The dataset store: check a file, import it as a version that never changes, list, page through, remap, delete.

datasets/<id>/source/data-1.*                the unchanged upload, unless the file is only referenced
datasets/<id>/versions/<n>/dataset.json      the fields of a `Dataset`
datasets/<id>/versions/<n>/rows.parquet      row (record number), value (the canonical row as JSON)
datasets/<id>/versions/<n>/held_out.npy      a boolean for each of these rows, True for validation rows
"""

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from tuner import paths
from tuner.data.detection.detect import Recognition
from tuner.data.importing import arrow_import
from tuner.data.importing.import_pass import (
    CONVERSATION_FIELDS,
    Cancelled,
    Progress,
    as_json,
    check,
    each_row,
    recognize_with_choices,
    tick,
)
from tuner.data.importing.parquet import iterate, row, rows, write
from tuner.data.importing.sources import LIMIT, Hashes, check_upload, copy_or_reference, digest, find
from tuner.data.readers.multi_file import MultiFileReader, open_all
from tuner.data.readers.reader import Reader
from tuner.data.schema.cells import NO_MEDIA
from tuner.data.store import index
from tuner.data.store.atomic_dir import building, sweep
from tuner.data.store.dataset import Dataset, as_dict, load, versions
from tuner.data.store.mix import check_parts, mixed
from tuner.errors import ConflictError, DataError, NotFoundError, SettingError, translate
from tuner.paths import Workspace
from tuner.system.untrusted import shown

__all__ = [
    "LIMIT",
    "Cancelled",
    "Dataset",
    "add",
    "as_dict",
    "check",
    "check_upload",
    "delete",
    "export",
    "get",
    "history",
    "iterate",
    "listing",
    "mix",
    "remap",
    "row",
    "rows",
    "sweep",
]


# ---- importing


def add(
    ws: Workspace,
    path: str | Path | list[str | Path],
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
    reference: bool = False,
    system: str = "",
    seed: int = 0,
    test_file: str | Path | None = None,
) -> Dataset:
    """Import a file (or several, as one dataset) into the workspace. The import is atomic: a killed import leaves nothing.

    With `reference` the files stay where they are and are identified by their hash. `system` is added before each conversation that
    has no system prompt of its own. With `test_file`, its rows and no others are the validation rows; otherwise `seed` draws them.
    Raises RequestError (too large), SettingError (mapping, kind), NotFoundError, DataError (no usable row), Cancelled.
    """
    paths_ = [Path(p) for p in [*(path if isinstance(path, list) else [path]), *([test_file] if test_file else [])]]
    _check_share(held_out)
    for one in paths_:
        check_upload(one, limit_bytes)
    name = shown(name or paths_[0].name.removesuffix(".gz").rpartition(".")[0] or paths_[0].name).strip() or "unnamed"
    ws.prepare()
    sweep(ws)
    with building(ws.datasets) as folder:
        (folder / "source").mkdir()
        sources = [copy_or_reference(p, folder / "source", n, reference, progress, cancelled) for n, p in enumerate(paths_, 1)]
        sources[-1] |= {"side": "test"} if test_file else {}
        version = folder / "versions" / "1"
        version.mkdir(parents=True)
        files = [find(s, folder / "source") for s in sources]
        with Hashes(files) as hashes:
            reader = _open(sources, files, encoding)
            _note_encodings(sources, reader, encoding)
            document = _import(reader, version, recognize_with_choices(reader, kind, mapping), held_out, seed, system, progress, cancelled)
            for source, digest_ in zip(sources, hashes.wait(cancelled), strict=True):
                source["sha256"] = digest_
                find(source, folder / "source")  # raises when the file changed while it was read
        document |= {
            "version": 1,
            "name": name,
            "source_name": reader.name,
            "sha256": digest(sources),
            "sources": sources,
            "sample": sample,
        }
        id = move_in(ws, folder, version, name, document)
    return get(ws, id)


def _open(sources: list[dict], files: list[Path], encoding: str | None = None) -> Reader | MultiFileReader:
    tests = sum(s.get("side") == "test" for s in sources)
    return open_all(files, encoding or [s.get("encoding") for s in sources], [s["name"] for s in sources], tests)


def _note_encodings(sources: list[dict], reader: Reader | MultiFileReader, asked: str | None) -> None:
    """Store the encoding of each file where it was chosen or guessed, so that a later import with another mapping reads it alike."""
    for source, one in zip(sources, getattr(reader, "readers", [reader]), strict=True):
        if one.encoding and (asked or not one.encoding.startswith("utf-8")):
            source["encoding"] = one.encoding


def move_in(ws: Workspace, folder: Path, version: Path, name: str, document: dict) -> str:
    """Publish a finished folder as a new dataset and return its id; `document` becomes dataset.json."""
    while True:
        id = paths.new_id(name, ws.datasets)
        paths.write_json(version / "dataset.json", {"id": id} | document)
        try:
            os.rename(folder, ws.datasets / id)
            return id
        except OSError:
            if not (ws.datasets / id).exists():
                raise


def mix(
    ws: Workspace,
    parts: list[tuple[str, float]],
    *,
    name: str | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Dataset:
    """Make a dataset from several of one kind: [("id@2", 1.0), ("other", 0.5)]. Validation rows stay validation rows, once each.

    Raises NotFoundError, SettingError (a weight), RequestError (kinds that differ).
    """
    datasets = [(get(ws, ref), weight) for ref, weight in parts]
    check_parts(datasets, [ds.kind for ds, _ in datasets])
    first, title = datasets[0][0], " + ".join(ds.name for ds, _ in datasets)
    name = (name or title).strip()
    ws.prepare()
    with building(ws.datasets) as folder:
        version = folder / "versions" / "1"
        version.mkdir(parents=True)
        tally, validation = write(mixed(datasets, progress, cancelled), version, None)
        weights = ", ".join(f"{ds.name} \u00d7 {weight:g}" for ds, weight in datasets)
        document = {f.name: getattr(first, f.name) for f in fields(Dataset) if f.name not in ("id", "folder")}
        document |= {
            "version": 1,
            "name": name,
            "source_name": title,
            "reason": f"A mixture: {weights}.",
            "format": "mixture",
            "sources": [],
        }
        document |= {"sha256": hashlib.sha256("".join(f"{ds.sha256}{w}" for ds, w in datasets).encode()).hexdigest(), "sample": False}
        document |= {"bytes": sum(ds.bytes for ds, _ in datasets), "created": datetime.now(UTC).isoformat(), "questions": [], "notes": []}
        document |= {"rows": tally.usable, "records": tally.records, "held_out": validation, "health": tally.health()}
        document |= {"problem_count": 0, "problems": [], "mix": [{"ref": ds.ref, "weight": weight} for ds, weight in datasets]}
        id = move_in(ws, folder, version, name, document)
    return get(ws, id)


def remap(
    ws: Workspace,
    ref: str,
    *,
    mapping: dict | None = None,
    kind: str | None = None,
    held_out: float | None = None,
    system: str | None = None,
    seed: int | None = None,
    encoding: str | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Dataset:
    """Import the source again as a new version with another mapping, kind, validation share, system prompt, seed or encoding.

    The old version stays unchanged. The encoding of the old version is used unless another one is given.
    """
    old = get(ws, ref)
    share = old.share if held_out is None else held_out
    _check_share(share)
    if old.mix:
        raise ConflictError(
            f"{old.name} is a mixture and has no file of its own to read again.",
            asked=old.ref,
            available=[part["ref"] for part in old.mix],
            remedy="Change its parts and mix them again.",
        )
    if not old.sources:
        raise ConflictError(
            f"{old.name} was made in the Label page and has no file to read again.",
            asked=old.ref,
            available="the label project it came from",
            remedy="Judge more pairs there and build a new version.",
        )
    root = ws.dataset(old.id)
    sweep(ws)
    with building(root / "versions") as folder:
        sources = [dict(s) for s in old.sources]
        reader = _open(sources, [find(s, root / "source") for s in sources], encoding)
        _note_encodings(sources, reader, encoding)
        recognition = recognize_with_choices(reader, kind, mapping)
        document = _import(
            reader,
            folder,
            recognition,
            share,
            old.seed if seed is None else seed,
            old.system if system is None else system,
            progress,
            cancelled,
        )
        document |= {f: getattr(old, f) for f in ("id", "name", "source_name", "sha256", "sample")} | {"sources": sources}
        if old.made_by:
            lost = f"The file was read again: the fixes and edits of version {old.version} are not included."
            document["notes"] = [*document["notes"], lost]
        number = publish(folder, root, document)
    return get(ws, f"{old.id}@{number}")


def publish(folder: Path, root: Path, document: dict) -> int:
    """Publish a finished folder as the next version of the dataset in `root` and return its number."""
    while True:
        number = max(versions(root)) + 1
        paths.write_json(folder / "dataset.json", document | {"version": number})
        try:
            os.rename(folder, root / "versions" / str(number))
            return number
        except OSError:
            if not (root / "versions" / str(number)).exists():
                raise


def _check_share(share: float) -> None:
    if not 0 <= share <= 0.5:
        raise SettingError(
            "The validation share is not between 0 and 0.5.", field="held_out", asked=share, available="0 to 0.5", remedy="Choose 0.05."
        )


def _import(
    reader: Reader | MultiFileReader,
    folder: Path,
    recognition: Recognition,
    share: float,
    seed: int,
    system: str,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> dict:
    """Write rows.parquet and return the fields of the Dataset that the file determines."""
    items = each_row(reader, recognition.kind, recognition.mapping, progress, cancelled, system.strip())
    divided = isinstance(reader, MultiFileReader) and bool(reader.validation_readers)
    if divided:
        items = ((number, text, reader.is_validation, tally) for number, text, tally in items)
    try:
        tally, validation = _fast(reader, recognition, folder, share, seed, system, progress, cancelled) or write(
            items, folder, None if divided else share, seed
        )
    except OSError as error:
        raise translate(error) or error from error
    if not tally.usable:
        message, count = next(iter(tally.common.most_common(1)), ("The file holds no records.", 0))
        raise DataError(
            f"No row of {reader.name} can be used. The most common problem ({count} of {tally.records} rows): {message}",
            asked=reader.name,
            available=reader.columns,
            remedy=NO_MEDIA[1] if message == NO_MEDIA[0] else "Check the column mapping, or choose another kind of data.",
        )
    return {
        "kind": recognition.kind,
        "format": reader.format,
        "mapping": recognition.mapping,
        "reason": recognition.reason,
        "questions": recognition.questions,
        "rows": tally.usable,
        "held_out": validation,
        "records": tally.records,
        "problem_count": tally.problem_count,
        "problems": tally.problems,
        "notes": tally.notes(reader),
        "columns": reader.columns,
        "bytes": reader.bytes,
        "encoding": reader.encoding or "",
        "created": datetime.now(UTC).isoformat(),
        "health": tally.health(),
        "share": share,
        "seed": seed,
        "system": system.strip() if recognition.kind in CONVERSATION_FIELDS else "",
    }


def _fast(reader, recognition: Recognition, folder: Path, share: float, seed: int, system: str, progress, cancelled) -> tuple | None:
    """Import a large file column by column and return (tally, number of validation rows); None when it must be read record by record."""
    if not arrow_import.supports(reader, recognition):
        return None
    try:
        return arrow_import.Import(reader, recognition, system.strip()).write(folder, share, seed, progress, cancelled)
    except arrow_import.Irregular:
        return None


# ---- reading and deleting


def get(ws: Workspace, ref: str) -> Dataset:
    """Return the dataset version "id@2", or the newest version of "id"; NotFoundError lists what exists."""
    id, _, number = str(ref).partition("@")
    if paths.ID.fullmatch(id) and re.fullmatch(r"[0-9]{0,9}", number):
        root = ws.dataset(id)
        existing = versions(root)
        wanted = int(number) if number else max(existing, default=0)
        if wanted in existing and (found := load(root / "versions" / str(wanted))):
            return found
        if existing:
            raise NotFoundError(
                f"The dataset {id} has no version {number or wanted} that can be read.",
                asked=str(ref),
                available=[f"{id}@{n}" for n in existing],
                remedy="Choose one of these versions.",
            )
    raise NotFoundError(
        f"There is no dataset {str(ref)[:80]!r}.",
        asked=str(ref)[:80],
        available=[d.id for d in listing(ws)],
        remedy="Choose one from the list, or import a file.",
    )


def listing(ws: Workspace) -> list[Dataset]:
    """Return the newest readable version of each dataset, newest first."""
    return [versions[0] for versions in histories(ws)]


def histories(ws: Workspace) -> list[list[Dataset]]:
    """Return all readable versions of each dataset from the index, newest first."""
    return index.listing(ws)


def history(ws: Workspace, id: str) -> list[Dataset]:
    """Return all readable versions of a dataset, newest first."""
    root = ws.dataset(id)
    return list(filter(None, (load(root / "versions" / str(n)) for n in reversed(versions(root)))))


def export(ds: Dataset, path: Path, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None) -> int:
    """Write all rows as JSONL in the canonical form of their kind and return their number. Importing the file gives the same rows."""
    n, partial = 0, path.with_name(f".{path.name}.part")
    try:
        with open(partial, "w", encoding="utf-8") as out:
            for row in iterate(ds):
                out.write(as_json(row["value"]) + "\n")
                n += 1
                if n % 200 == 0:
                    tick(progress, cancelled, n, ds.rows, n)
        os.replace(partial, path)
    except OSError as error:
        raise translate(error) or error from error
    finally:
        partial.unlink(missing_ok=True)
    return n


def delete(ws: Workspace, id: str, used_by: list[str] | tuple[str, ...] = ()) -> None:
    """Delete a dataset with all its versions; ConflictError while runs use it."""
    ds = get(ws, paths.checked_id(id, "dataset"))
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
