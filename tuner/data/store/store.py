"""The dataset store: check a file, import it as a version that never changes, list, page through, remap, delete.

datasets/<id>/source/data-1.*                the upload as it came, unless it was only referred to
datasets/<id>/versions/<n>/dataset.json      what is known about it (a `Dataset`)
datasets/<id>/versions/<n>/rows.parquet      row (record number), value (the canonical row as JSON)
datasets/<id>/versions/<n>/held_out.npy      for each of these rows whether it tests the model
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
from tuner.data.importing.import_pass import TALKS, Cancelled, Progress, as_json, beat, check, each_row, settled
from tuner.data.importing.parquet import iterate, row, rows, write
from tuner.data.importing.sources import LIMIT, Hashes, check_upload, digest, find, take
from tuner.data.readers.multi_file import Several, open_all
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
    """Bring a file (or several, as one dataset) into the workspace and import it. Whole or not at all: a killed import leaves nothing.

    With `reference` the files stay where they are and are known by their hash. `system` goes before each conversation that has
    none of its own. All rows of `test_file` are held out, and no others; else `seed` draws which. Raises RequestError (too large), SettingError (mapping, kind), NotFoundError, DataError (no usable row), Cancelled.
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
        found = [take(p, folder / "source", n, reference, progress, cancelled) for n, p in enumerate(paths_, 1)]
        found[-1] |= {"side": "test"} if test_file else {}
        version = folder / "versions" / "1"
        version.mkdir(parents=True)
        files = [find(s, folder / "source") for s in found]
        with Hashes(files) as hashes:
            reader = _opened(found, files, encoding)
            _remember(found, reader, encoding)
            made = _import(reader, version, settled(reader, kind, mapping), held_out, seed, system, progress, cancelled)
            for source, digest_ in zip(found, hashes.wait(cancelled), strict=True):
                source["sha256"] = digest_
                find(source, folder / "source")  # not changed while it was read
        made |= {"version": 1, "name": name, "source_name": reader.name, "sha256": digest(found), "sources": found, "sample": sample}
        id = move_in(ws, folder, version, name, made)
    return get(ws, id)


def _opened(sources: list[dict], files: list[Path], encoding: str | None = None) -> Reader | Several:
    tests = sum(s.get("side") == "test" for s in sources)
    return open_all(files, encoding or [s.get("encoding") for s in sources], [s["name"] for s in sources], tests)


def _remember(sources: list[dict], reader: Reader | Several, asked: str | None) -> None:
    """Note what each file was read as where it was chosen or guessed, so that it is read alike for other columns."""
    for source, one in zip(sources, getattr(reader, "readers", [reader]), strict=True):
        if one.encoding and (asked or not one.encoding.startswith("utf-8")):
            source["encoding"] = one.encoding


def move_in(ws: Workspace, folder: Path, version: Path, name: str, made: dict) -> str:
    """The id under which a finished folder now stands."""
    while True:
        id = paths.new_id(name, ws.datasets)
        paths.write_json(version / "dataset.json", {"id": id} | made)
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
    """A new dataset from several of one kind: [("id@2", 1.0), ("other", 0.5)]. Held-out rows stay held out, once each.

    Raises NotFoundError, SettingError (a weight), RequestError (kinds that differ).
    """
    found = [(get(ws, ref), weight) for ref, weight in parts]
    check_parts(found, [ds.kind for ds, _ in found])
    first, title = found[0][0], " + ".join(ds.name for ds, _ in found)
    name = (name or title).strip()
    ws.prepare()
    with building(ws.datasets) as folder:
        version = folder / "versions" / "1"
        version.mkdir(parents=True)
        tally, held = write(mixed(found, progress, cancelled), version, None)
        words = ", ".join(f"{ds.name} \u00d7 {weight:g}" for ds, weight in found)
        made = {f.name: getattr(first, f.name) for f in fields(Dataset) if f.name not in ("id", "folder")}
        made |= {"version": 1, "name": name, "source_name": title, "reason": f"A mixture: {words}.", "format": "mixture", "sources": []}
        made |= {"sha256": hashlib.sha256("".join(f"{ds.sha256}{w}" for ds, w in found).encode()).hexdigest(), "sample": False}
        made |= {"bytes": sum(ds.bytes for ds, _ in found), "created": datetime.now(UTC).isoformat(), "questions": [], "notes": []}
        made |= {"rows": tally.usable, "records": tally.records, "held_out": held, "health": tally.health()}
        made |= {"problem_count": 0, "problems": [], "mix": [{"ref": ds.ref, "weight": weight} for ds, weight in found]}
        id = move_in(ws, folder, version, name, made)
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
    """A new version from the source with other columns, another kind, share, system prompt or encoding; the old one stays as it is.

    Text is read in the encoding in which it was read before, unless another one is given.
    """
    old = get(ws, ref)
    share = old.share if held_out is None else held_out
    _check_share(share)
    if old.mix:
        raise ConflictError(
            f"{old.name} is a mixture: it has no file of its own to read anew.",
            asked=old.ref,
            available=[part["ref"] for part in old.mix],
            remedy="Change its parts and mix them again.",
        )
    if not old.sources:
        raise ConflictError(
            f"{old.name} was made in the Label tab: it has no file to read anew.",
            asked=old.ref,
            available="the label project it came from",
            remedy="Judge more pairs there and make a new version.",
        )
    root = ws.dataset(old.id)
    sweep(ws)
    with building(root / "versions") as folder:
        sources = [dict(s) for s in old.sources]
        reader = _opened(sources, [find(s, root / "source") for s in sources], encoding)
        _remember(sources, reader, encoding)
        found = settled(reader, kind, mapping)
        made = _import(
            reader, folder, found, share, old.seed if seed is None else seed, old.system if system is None else system, progress, cancelled
        )
        made |= {f: getattr(old, f) for f in ("id", "name", "source_name", "sha256", "sample")} | {"sources": sources}
        if old.made_by:
            lost = f"It was read anew from the file: what was mended or corrected in version {old.version} is not in it."
            made["notes"] = [*made["notes"], lost]
        number = publish(folder, root, made)
    return get(ws, f"{old.id}@{number}")


def publish(folder: Path, root: Path, made: dict) -> int:
    """The number under which a finished folder now stands among the versions of the dataset in `root`."""
    while True:
        number = max(versions(root)) + 1
        paths.write_json(folder / "dataset.json", made | {"version": number})
        try:
            os.rename(folder, root / "versions" / str(number))
            return number
        except OSError:
            if not (root / "versions" / str(number)).exists():
                raise


def _check_share(share: float) -> None:
    if not 0 <= share <= 0.5:
        raise SettingError(
            "The held-out share is not between 0 and 0.5.", field="held_out", asked=share, available="0 to 0.5", remedy="Choose 0.05."
        )


def _import(
    reader: Reader | Several,
    folder: Path,
    found: Recognition,
    share: float,
    seed: int,
    system: str,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> dict:
    """Write rows.parquet and return the fields of the Dataset that the file decides."""
    items = each_row(reader, found.kind, found.mapping, progress, cancelled, system.strip())
    tests = getattr(reader, "tests", None)
    if tests:
        items = ((number, text, reader.testing, tally) for number, text, tally in items)
    try:
        tally, held = _fast(reader, found, folder, share, seed, system, progress, cancelled) or write(
            items, folder, None if tests else share, seed
        )
    except OSError as error:
        raise translate(error) or error from error
    if not tally.usable:
        message, count = next(iter(tally.common.most_common(1)), ("It holds no records.", 0))
        raise DataError(
            f"No row of {reader.name} can be used. The commonest problem ({count} of {tally.records} rows): {message}",
            asked=reader.name,
            available=reader.columns,
            remedy=NO_MEDIA[1] if message == NO_MEDIA[0] else "Check which column is what, or choose another kind of data.",
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
        "encoding": reader.encoding or "",
        "created": datetime.now(UTC).isoformat(),
        "health": tally.health(),
        "share": share,
        "seed": seed,
        "system": system.strip() if found.kind in TALKS else "",
    }


def _fast(reader, found: Recognition, folder: Path, share: float, seed: int, system: str, progress, cancelled) -> tuple | None:
    """(tally, held out) of a large file that can be read a column at a time; None for any other."""
    if not arrow_import.suits(reader, found):
        return None
    try:
        return arrow_import.Import(reader, found, system.strip()).write(folder, share, seed, progress, cancelled)
    except arrow_import.Irregular:
        return None


# ---- looking things up


def get(ws: Workspace, ref: str) -> Dataset:
    """The dataset "id" (newest version) or "id@2"; NotFoundError lists what there is."""
    id, _, number = str(ref).partition("@")
    if paths.ID.fullmatch(id) and re.fullmatch(r"[0-9]{0,9}", number):
        root = ws.dataset(id)
        have = versions(root)
        wanted = int(number) if number else max(have, default=0)
        if wanted in have and (found := load(root / "versions" / str(wanted))):
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
    return [versions[0] for versions in histories(ws)]


def histories(ws: Workspace) -> list[list[Dataset]]:
    """All readable versions of each dataset, the newest first, out of the index."""
    return index.listing(ws)


def history(ws: Workspace, id: str) -> list[Dataset]:
    """All readable versions of a dataset, the newest first."""
    root = ws.dataset(id)
    return list(filter(None, (load(root / "versions" / str(n)) for n in reversed(versions(root)))))


def export(ds: Dataset, path: Path, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None) -> int:
    """Write all rows as JSONL in the canonical form of their kind; returns how many. Read again, they are the same rows."""
    n, partial = 0, path.with_name(f".{path.name}.part")
    try:
        with open(partial, "w", encoding="utf-8") as out:
            for row in iterate(ds):
                out.write(as_json(row["value"]) + "\n")
                n += 1
                if n % 200 == 0:
                    beat(progress, cancelled, n, ds.rows, n)
        os.replace(partial, path)
    except OSError as error:
        raise translate(error) or error from error
    finally:
        partial.unlink(missing_ok=True)
    return n


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
