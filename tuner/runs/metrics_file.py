"""metrics.db of a run: (step, key) -> value; steps that a resumed run repeats are overwritten, never duplicated."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from tuner import paths
from tuner.errors import RequestError
from tuner.formatting import csv_text
from tuner.runs.run_folder import Run

FILES = (".csv", ".jsonl")  # as which the metrics can be written


def metrics_db(folder: Path) -> sqlite3.Connection:
    """Open metrics.db for writing."""
    db = sqlite3.connect(folder / "metrics.db", timeout=10)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("CREATE TABLE IF NOT EXISTS metrics (step INTEGER, key TEXT, value REAL, PRIMARY KEY (step, key)) WITHOUT ROWID")
    return db


def write_metrics(db: sqlite3.Connection, step: int, values: dict[str, float]) -> None:
    """Write the values of a step; those that a resumed run writes again replace the old ones."""
    with db:
        db.executemany(
            "INSERT INTO metrics VALUES (?, ?, ?) ON CONFLICT (step, key) DO UPDATE SET value = excluded.value",
            [(step, k, None if v != v else v) for k, v in values.items()],
        )  # SQLite's NaN is NULL: a gap in the chart


def copy(run: Run, folder: Path, until: int) -> None:
    """Write the metrics of a run up to a step into another folder."""
    with closing(metrics_db(folder)) as db, db:
        db.executemany("INSERT INTO metrics VALUES (?, ?, ?)", (row for row in metrics(run) if row[0] <= until))


def metrics(run: Run, *, since: int = -1, keys: Sequence[str] = ()) -> list[tuple[int, str, float | None]]:
    """Return (step, key, value) in order of step, after step `since`; of some `keys` only, which is ten times as fast for a long run."""
    file = run.path / "metrics.db"
    if not file.exists():
        return []
    for how in ("mode=ro", "mode=ro&immutable=1"):  # on a read-only disk SQLite only opens files that are declared immutable
        try:
            with closing(sqlite3.connect(f"file:{quote(file.as_posix())}?{how}", uri=True, timeout=5)) as db:
                return read_metrics(db, since, keys)
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []  # the worker has opened the file but not created the table yet
            if paths.writable(run.path) or "immutable" in how:
                raise
    return []


def read_metrics(db: sqlite3.Connection, since: int = -1, keys: Sequence[str] = ()) -> list[tuple[int, str, float | None]]:
    chosen = f" AND key IN ({', '.join('?' * len(keys))})" if keys else ""
    return db.execute(f"SELECT step, key, value FROM metrics WHERE step > ?{chosen} ORDER BY step", (since, *keys)).fetchall()


def metrics_table(run: Run) -> dict[str, list]:
    """Return {"columns": ["step", ...], "rows": [[...], ...]}: one row per step, null where nothing was measured."""
    rows: dict[int, dict[str, float | None]] = {}
    keys: dict[str, None] = {}
    for step, key, value in metrics(run):
        rows.setdefault(step, {})[key] = int(value) if key.endswith("_bytes") and value is not None else value
        keys[key] = None
    return {"columns": ["step", *keys], "rows": [[step, *(values.get(k) for k in keys)] for step, values in rows.items()]}


def write_table(run: Run, file: Path) -> Path:
    """Write `metrics_table` as CSV or JSONL, as the name of the file says; RequestError for another ending."""
    if file.suffix not in FILES:
        raise RequestError(
            f"Metrics can't be written as {file.suffix or 'a file without an ending'}.",
            asked=file.name,
            available=" or ".join(FILES),
            remedy=f"Choose a name that ends in {' or '.join(FILES)}.",
        )
    table = metrics_table(run)
    columns, rows = table["columns"], table["rows"]
    lines = (json.dumps({k: v for k, v in zip(columns, row, strict=True) if v is not None}) + "\n" for row in rows)
    paths.write_text(file, csv_text(columns, rows) if file.suffix == ".csv" else "".join(lines))
    return file
