"""New versions of a dataset from its own rows: remedies of the health report, rows corrected or left out by hand.

The upload and all older versions stay as they are; dataset.json keeps what made each version from the last one (`made_by`).
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from tuner.data.importing.import_pass import Progress, Tally, as_json, beat
from tuner.data.importing.parquet import iterate, write
from tuner.data.quality import finding, fixes
from tuner.data.schema.convert import RowProblem
from tuner.data.schema.role_order import ordered
from tuner.data.store import store
from tuner.data.store.atomic_dir import building
from tuner.errors import ConflictError, DataError, NotFoundError, RequestError
from tuner.paths import Workspace


def mend(
    ws: Workspace,
    ref: str,
    wishes: list[tuple[str, str]],
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> store.Dataset:
    """A new version with remedies applied in turn: [("duplicates", "keep_first"), (finding's key, remedy's key) ...].

    Raises ConflictError (no report yet), NotFoundError (no such finding), RequestError (not offered), DataError (nothing is left).
    """
    ds = store.get(ws, ref)
    found = finding.load(ds.path)
    if found is None:
        raise ConflictError(
            f"{ds.name} is still being looked through.", asked=ref, available="a finished health report", remedy="Wait a moment."
        )
    chosen = [fixes.make(_named(found, key), remedy) for key, remedy in wishes]
    rows, applied = iterate(ds), []
    for remedy in chosen:
        applied.append(fixes.Applied(rows, remedy, found, ds.kind))
        rows = applied[-1]
    return _version(ws, ds, rows, lambda: [r | a.counts for r, a in zip(chosen, applied, strict=True)], progress, cancelled)


def edit(
    ws: Workspace,
    ref: str,
    changes: dict[int, dict | None],
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> store.Dataset:
    """A new version with rows corrected ({12: canonical row}) or left out ({12: None}), by record number (a job's JSON makes it text).

    Raises NotFoundError (no such row), RequestError (a row that is not of the dataset's kind).
    """
    ds, changes = store.get(ws, ref), {int(number): value for number, value in changes.items()}
    for number, value in changes.items():
        if value is not None:
            _checked(value, ds.kind, number)
    met: set[int] = set()

    def rows() -> Iterator[dict]:
        for row in iterate(ds):
            change = changes.get(row["row"], row["value"]) if row["row"] not in met else row["value"]
            met.update({row["row"]} & changes.keys())
            if change is not None:
                yield row | {"value": change}
        if missing := sorted(changes.keys() - met):
            raise NotFoundError(
                f"There is no row {missing[0]} in {ds.ref}.", asked=missing[0], available="rows of this version", remedy="Look it up again."
            )

    gone = sum(v is None for v in changes.values())
    counts = {"changed": len(changes) - gone, "dropped": gone, "moved": 0}
    return _version(ws, ds, rows(), lambda: [{"key": "edit", "rows": sorted(changes)} | counts], progress, cancelled)


def _named(found: list, key: str):
    chosen = next((f for f in found if f.key == key), None)
    if chosen is None:
        raise NotFoundError(
            f"The report has no finding {key!r}.",
            asked=key,
            available=[f.key for f in found],
            remedy="Choose one of these.",
            field="remedy",
        )
    return chosen


def _checked(value: dict, kind: str, number: int) -> None:
    """A row written by hand holds what its kind must."""
    example = {"chat": {"messages"}, "preference": {"prompt", "chosen", "rejected"}, "text": {"text"}, "seq2seq": {"source", "target"}}
    example |= {"classification": {"text", "label"}, "regression": {"text", "label"}, "rated": {"prompt", "answer", "label"}}
    lacks = sorted(example.get(kind, set()) - value.keys())
    try:
        for part in ("messages", "prompt", "chosen", "rejected", "answer"):
            turns = value.get(part, [])
            if not isinstance(turns, list) or not all(isinstance(t, dict) and {"role", "content"} <= t.keys() for t in turns):
                raise RowProblem(f"{part} is not a list of turns with role and content.", "Write it so.")
        if kind == "chat" and not lacks:
            ordered(value["messages"])
    except RowProblem as problem:
        raise RequestError(
            f"Row {number}: {problem}", asked=value, available="turns by user and assistant in turn", remedy="Correct the row.", field="row"
        ) from problem
    if lacks:
        raise RequestError(
            f"Row {number} lacks {' and '.join(lacks)}.",
            asked=sorted(value),
            available=sorted(example[kind]),
            remedy="Add it.",
            field="row",
        )


def _version(ws: Workspace, ds: store.Dataset, rows, made_by: Callable[[], list], progress, cancelled) -> store.Dataset:
    root = ws.dataset(ds.id)
    with building(root / "versions") as folder:
        tally, held = write(_items(rows, ds, progress, cancelled), folder, None)
        if not tally.usable:
            raise DataError(
                f"Nothing of {ds.name} would be left.", asked=ds.ref, available=f"{ds.rows:,} rows", remedy="Choose a milder remedy."
            )
        made = {k: v for k, v in asdict(ds).items() if k != "folder"}
        made |= {"rows": tally.usable, "held_out": held, "health": tally.health(), "created": datetime.now(UTC).isoformat()}
        made |= {"made_by": [{"from": ds.version, **m} for m in made_by()]}
        number = store.publish(folder, root, made)
    return store.get(ws, f"{ds.id}@{number}")


def _items(rows, ds: store.Dataset, progress, cancelled) -> Iterator[tuple]:
    tally = Tally()
    for row in rows:
        tally.records += 1
        if tally.records % 200 == 0:
            beat(progress, cancelled, tally.records, ds.rows, tally.usable)
        text = as_json(row["value"])
        tally.keep(text, row["value"], ds.kind)
        yield row["row"], text, row["held_out"], tally
    yield None, None, None, tally
