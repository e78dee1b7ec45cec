"""metrics.db of a run: (step, key) -> value; what a resumed run writes again is never doubled."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from tuner import paths
from tuner.runs.run_folder import Run


def metrics_db(folder: Path) -> sqlite3.Connection:
    db = sqlite3.connect(folder / "metrics.db", timeout=10)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("CREATE TABLE IF NOT EXISTS metrics (step INTEGER, key TEXT, value REAL, PRIMARY KEY (step, key)) WITHOUT ROWID")
    return db


def write_metrics(db: sqlite3.Connection, step: int, values: dict[str, float]) -> None:
    """UPSERT: a resumed run writes its steps again and doubles none."""
    with db:
        db.executemany(
            "INSERT INTO metrics VALUES (?, ?, ?) ON CONFLICT (step, key) DO UPDATE SET value = excluded.value",
            [(step, k, None if v != v else v) for k, v in values.items()],
        )  # SQLite's NaN is NULL: a gap in the chart


def metrics(run: Run, *, since: int = -1) -> list[tuple[int, str, float | None]]:
    """(step, key, value) in order of step, after step `since`."""
    file = run.path / "metrics.db"
    if not file.exists():
        return []
    for how in ("mode=ro", "mode=ro&immutable=1"):  # where nothing can be written SQLite reads only what it may take for unchanging
        try:
            with closing(sqlite3.connect(f"file:{quote(file.as_posix())}?{how}", uri=True, timeout=5)) as db:
                return read_metrics(db, since)
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []  # the worker has opened the file and not yet made the table
            if paths.writable(run.path) or "immutable" in how:
                raise
    return []


def read_metrics(db: sqlite3.Connection, since: int = -1) -> list[tuple[int, str, float | None]]:
    return db.execute("SELECT step, key, value FROM metrics WHERE step > ? ORDER BY step", (since,)).fetchall()


def metrics_table(run: Run) -> dict[str, list]:
    """{"columns": ["step", ...], "rows": [[...], ...]}: one row a step, null where nothing was measured."""
    rows: dict[int, dict[str, float | None]] = {}
    keys: dict[str, None] = {}
    for step, key, value in metrics(run):
        rows.setdefault(step, {})[key] = int(value) if key.endswith("_bytes") and value is not None else value
        keys[key] = None
    return {"columns": ["step", *keys], "rows": [[step, *(values.get(k) for k in keys)] for step, values in rows.items()]}
