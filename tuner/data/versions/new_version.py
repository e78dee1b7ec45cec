"""Make a new version of a dataset from its own rows: apply fixes of the quality report, or edit and remove rows by hand.

The upload and all older versions stay unchanged; dataset.json records how each version was made from the previous one (`made_by`).
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from tuner.data.importing.import_pass import Progress, Tally, as_json, tick
from tuner.data.importing.parquet import iterate, write
from tuner.data.quality import finding, fixes
from tuner.data.schema.convert import RowProblem
from tuner.data.schema.role_order import check_order
from tuner.data.store import store
from tuner.data.store.atomic_dir import building
from tuner.errors import ConflictError, DataError, NotFoundError, RequestError
from tuner.paths import Workspace


def apply_fixes(
    ws: Workspace,
    ref: str,
    wishes: list[tuple[str, str]],
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> store.Dataset:
    """Make a new version with fixes applied in order: [("duplicates", "keep_first"), (finding's key, fix's key) ...].

    Raises ConflictError (no report yet), NotFoundError (no such finding), RequestError (fix not offered), DataError (no rows remain).
    """
    ds = store.get(ws, ref)
    findings = finding.load(ds.path)
    if findings is None:
        raise ConflictError(
            f"{ds.name} is still being checked.", asked=ref, available="a finished quality report", remedy="Wait until the report is done."
        )
    chosen = [fixes.make(_named(findings, key), fix) for key, fix in wishes]
    rows, applied = iterate(ds), []
    for fix in chosen:
        applied.append(fixes.Applied(rows, fix, findings, ds.kind))
        rows = applied[-1]
    return _version(ws, ds, rows, lambda: [fix | done.counts for fix, done in zip(chosen, applied, strict=True)], progress, cancelled)


def edit(
    ws: Workspace,
    ref: str,
    changes: dict[int, dict | None],
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> store.Dataset:
    """Make a new version with rows replaced ({12: canonical row}) or removed ({12: None}), by record number.

    Record numbers may be strings, as in a job's JSON.

    Raises NotFoundError (no such row), RequestError (a row that is not of the dataset's kind).
    """
    ds, changes = store.get(ws, ref), {int(number): value for number, value in changes.items()}
    for number, value in changes.items():
        if value is not None:
            _checked(value, ds.kind, number)
    seen: set[int] = set()

    def rows() -> Iterator[dict]:
        for row in iterate(ds):
            change = changes.get(row["row"], row["value"]) if row["row"] not in seen else row["value"]
            seen.update({row["row"]} & changes.keys())
            if change is not None:
                yield row | {"value": change}
        if missing := sorted(changes.keys() - seen):
            raise NotFoundError(
                f"There is no row {missing[0]} in {ds.ref}.",
                asked=missing[0],
                available="rows of this version",
                remedy="Look up the row number again.",
            )

    removed = sum(v is None for v in changes.values())
    counts = {"changed": len(changes) - removed, "dropped": removed, "moved": 0}
    return _version(ws, ds, rows(), lambda: [{"key": "edit", "rows": sorted(changes)} | counts], progress, cancelled)


def _named(findings: list, key: str):
    chosen = next((f for f in findings if f.key == key), None)
    if chosen is None:
        raise NotFoundError(
            f"The report has no finding {key!r}.",
            asked=key,
            available=[f.key for f in findings],
            remedy="Choose one of these.",
            field="remedy",
        )
    return chosen


def _checked(value: dict, kind: str, number: int) -> None:
    """Check that an edited row has the fields and turns of its kind. Raises RequestError."""
    required = {"chat": {"messages"}, "preference": {"prompt", "chosen", "rejected"}, "text": {"text"}, "seq2seq": {"source", "target"}}
    required |= {"classification": {"text", "label"}, "regression": {"text", "label"}, "rated": {"prompt", "answer", "label"}}
    lacks = sorted(required.get(kind, set()) - value.keys())
    try:
        for part in ("messages", "prompt", "chosen", "rejected", "answer"):
            turns = value.get(part, [])
            if not isinstance(turns, list) or not all(isinstance(t, dict) and {"role", "content"} <= t.keys() for t in turns):
                raise RowProblem(f"{part} is not a list of turns with role and content.", "Give each turn a role and content.")
        if kind == "chat" and not lacks:
            check_order(value["messages"])
    except RowProblem as problem:
        raise RequestError(
            f"Row {number}: {problem}",
            asked=value,
            available="alternating user and assistant turns",
            remedy="Correct the row.",
            field="row",
        ) from problem
    if lacks:
        raise RequestError(
            f"Row {number} lacks {' and '.join(lacks)}.",
            asked=sorted(value),
            available=sorted(required[kind]),
            remedy="Add what is missing.",
            field="row",
        )


def _version(ws: Workspace, ds: store.Dataset, rows, made_by: Callable[[], list], progress, cancelled) -> store.Dataset:
    root = ws.dataset(ds.id)
    with building(root / "versions") as folder:
        tally, validation = write(_items(rows, ds, progress, cancelled), folder, None)
        if not tally.usable:
            raise DataError(
                f"No rows of {ds.name} would remain.",
                asked=ds.ref,
                available=f"{ds.rows:,} rows",
                remedy="Choose a fix that keeps some rows.",
            )
        document = {k: v for k, v in asdict(ds).items() if k != "folder"}
        document |= {"rows": tally.usable, "held_out": validation, "health": tally.health(), "created": datetime.now(UTC).isoformat()}
        document |= {"made_by": [{"from": ds.version, **change} for change in made_by()]}
        number = store.publish(folder, root, document)
    return store.get(ws, f"{ds.id}@{number}")


def _items(rows, ds: store.Dataset, progress, cancelled) -> Iterator[tuple]:
    tally = Tally()
    for row in rows:
        tally.records += 1
        if tally.records % 200 == 0:
            tick(progress, cancelled, tally.records, ds.rows, tally.usable)
        text = as_json(row["value"])
        tally.keep(text, row["value"], ds.kind)
        yield row["row"], text, row["held_out"], tally
    yield None, None, None, tally
