"""The queue of pairs to judge: the next pair, judgments, undo, and leases that expire.

A pair is assigned in one atomic statement (BEGIN IMMEDIATE; UPDATE ... RETURNING): a SELECT followed by an UPDATE gave 121 of 2,000 pairs
to two of 50 labellers. A lease ends with a judgment, by hand, or after twenty minutes; a labeller who returns in time gets the same pair.
"""

import hashlib
import json
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from tuner.errors import ConflictError, NotFoundError, RequestError
from tuner.labels import db as files
from tuner.labels.db import DONE, LEASED, OPEN
from tuner.labels.projects import Settings, labeller_name, settings_of, trim, wanted_of
from tuner.paths import Workspace

LEASE = 20 * 60.0  # seconds
APART = 10  # minimum number of judgments between a pair and its hidden repeat
CHOICES = ("a", "b", "tie", "both_bad", "skip")
TEXT = 20_000  # characters of a written answer; notes and reasons are cut at a tenth of it


@dataclass(frozen=True)
class Item:
    """A pair as a labeller sees it, without its authors: `a` is on the left. `before` is the judgment that was undone."""

    task: int
    pair: int
    prompt: list[dict[str, Any]]
    a: list[dict[str, Any]]
    b: list[dict[str, Any]]
    before: dict[str, Any] | None = None


@dataclass(frozen=True)
class Assignment:
    """The current assignment of a labeller: the item (None when nothing is left), the project's progress and their own."""

    item: Item | None
    done: int
    total: int
    mine: int
    waiting: int = 0  # open judgments that are assigned to others or that this labeller can't give
    per_minute: float | None = None
    seconds_left: float | None = None
    said: dict[str, Any] = field(default_factory=dict)  # the judgment just stored; empty when there is none
    unread: bool = False  # the guidelines have changed since this labeller read them


def side_of(key: str, labeller: str) -> str:
    """Return which answer is on the left, "first" or "second", by a hash of pair and labeller."""
    return ("first", "second")[hashlib.sha256(f"{key}\0{labeller}".encode()).digest()[0] & 1]


def other_side(side: str) -> str:
    """Return the other side."""
    return "second" if side == "first" else "first"


def next(ws: Workspace, project: str, labeller: str) -> Assignment:
    """Return the pair that this labeller was given before, or lease the next one."""
    labeller = labeller_name(labeller)
    with files.writing(ws, project) as db:
        return _assignment(db, labeller)


def judge(
    ws: Workspace,
    project: str,
    labeller: str,
    task: int,
    choice: str,
    *,
    strength: int | None = None,
    edited: str | None = None,
    better: str | None = None,
    note: str = "",
    reason: str = "",
    seconds: float | None = None,
) -> Assignment:
    """Store a judgment and assign the next pair, in one transaction. `edited` is the corrected chosen answer; `better` an answer written
    where both are bad. The same judgment sent twice counts once. Raises RequestError, NotFoundError."""
    labeller = labeller_name(labeller)
    _check(choice, strength, edited, better)
    with files.writing(ws, project) as db:
        row = db.execute(
            "SELECT t.*, p.key, p.first_by, p.second_by FROM tasks t JOIN pairs p ON p.id = t.pair WHERE t.id = ?", (task,)
        ).fetchone()
        if row is None:  # a repeat or gold pair whose lease was released: nothing depends on it
            return _assignment(db, labeller)
        if row["labeller"] == labeller and row["state"] == DONE:  # a second click, or a retry after a lost response
            return _assignment(db, labeller)
        side = row["side"] if row["labeller"] == labeller else side_of(row["key"], labeller)
        if row["labeller"] != labeller:
            task = _late(db, row, labeller, side)
            if task is None:
                return _assignment(db, labeller)
        winner = {"a": side, "b": other_side(side)}.get(choice, choice)
        event = _event(
            db,
            kind="verdict",
            task=task,
            pair=row["pair"],
            labeller=labeller,
            winner=winner,
            strength=strength if choice in ("a", "b") else None,
            edited=(edited or "").strip() or None,
            better=(better or "").strip() or None,
            note=note[: TEXT // 10].strip() or None,
            reason=reason[: TEXT // 10].strip() or None,
            seconds=seconds if seconds is not None else _seconds_since(row),
        )
        db.execute(
            "UPDATE tasks SET state = ?, event = ?, until = NULL, side = ?, labeller = ? WHERE id = ?", (DONE, event, side, labeller, task)
        )
        judged = {"pair": row["pair"], "winner": winner}  # not the authors: it can be taken back, and the next pair is of the same two
        return _assignment(db, labeller, judged)


def task_of(ws: Workspace, project: str, labeller: str, pair: int) -> int:
    """Return the task with which a labeller judges this pair: assigned to them, else an open one, else any. Raises NotFoundError."""
    with files.reading(ws, project) as db:
        row = db.execute(
            "SELECT id FROM tasks WHERE pair = ? ORDER BY (labeller IS ? AND state = ?) DESC, state LIMIT 1", (pair, labeller, LEASED)
        ).fetchone()
    if row is None:
        raise NotFoundError(
            f"There is no pair {pair} to judge.",
            asked=pair,
            available="a pair that `label next` shows",
            remedy="Get the next pair with `label next`.",
            field="pair",
        )
    return row[0]


def _check(choice: str, strength: Any, edited: str | None, better: str | None) -> None:
    rules = (
        ("choice", choice, choice in CHOICES, list(CHOICES), "Choose one of these."),
        ("strength", strength, strength in (None, 1, 2, 3), [1, 2, 3], "Choose 1 (slightly better), 2 (clearly better) or 3 (far better)."),
        ("edited", edited, not edited or choice in ("a", "b"), ["a", "b"], "Choose the answer that you edited."),
        ("better", better, not better or choice == "both_bad", ["both_bad"], "Choose both bad, then write a better answer."),
        ("text", None, len(edited or "") <= TEXT and len(better or "") <= TEXT, f"up to {TEXT} characters", "Shorten the text."),
    )
    for name, asked, valid, available, remedy in rules:
        if not valid:
            raise RequestError(f"The {name} of this judgment is not valid.", asked=asked, available=available, remedy=remedy, field=name)


def _seconds_since(row: sqlite3.Row) -> float | None:
    """Return the seconds since the pair was assigned; None after ten minutes, which can't be thinking time alone."""
    spent = files.now() - (row["since"] or 0)
    return round(spent, 2) if 0 <= spent < 600 else None


def _event(db: sqlite3.Connection, **values: Any) -> int:
    read, newest = _guidelines(db, values["labeller"])
    values |= {"created": files.now(), "guidelines": read or newest}
    names = ", ".join(values)
    return db.execute(f"INSERT INTO events ({names}) VALUES ({', '.join('?' * len(values))})", list(values.values())).lastrowid


def _guidelines(db: sqlite3.Connection, labeller: str) -> tuple[int | None, int]:
    """Return (the version that this labeller has read, the newest version)."""
    return tuple(
        db.execute("SELECT (SELECT version FROM readers WHERE labeller = ?), max(version) FROM guidelines", (labeller,)).fetchone()
    )


def _late(db: sqlite3.Connection, row: sqlite3.Row, labeller: str, side: str) -> int | None:
    """Return the task for a judgment that arrives after its lease expired: the same task while it is still open, else an extra one; None
    when this labeller has already judged the pair. A judgment is never thrown away."""
    known = db.execute("SELECT 1 FROM tasks WHERE pair = ? AND labeller = ? AND kind != 'repeat'", (row["pair"], labeller)).fetchone()
    if known:
        return None
    if row["state"] == OPEN and row["labeller"] is None:
        return row["id"]
    return _add_task(db, row["pair"], "extra", labeller, side, files.now())


def _add_task(db: sqlite3.Connection, pair: int, kind: str, labeller: str, side: str, now: float) -> int:
    """Insert a task that is not in the queue, leased to this labeller, and return its id."""
    return db.execute(
        "INSERT INTO tasks (pair, kind, slot, rank, state, labeller, side, since, until) VALUES (?, ?, "
        "(SELECT coalesce(max(slot), -1) + 1 FROM tasks WHERE pair = ? AND kind = ?), 0, ?, ?, ?, ?, ?) RETURNING id",
        (pair, kind, pair, kind, LEASED, labeller, side, now, now + LEASE),
    ).fetchone()[0]


def vote(ws: Workspace, project: str, labeller: str, pair: int, winner: str, reason: str = "") -> None:
    """Store the judgment of an AI judge, which needs no lease. It takes no pair from people and is stored separately (kind "judge")."""
    with files.writing(ws, project) as db:
        task = _add_task(db, pair, "judge", labeller, "first", files.now())
        event = _event(db, kind="verdict", task=task, pair=pair, labeller=labeller, winner=winner, reason=reason or None)
        db.execute("UPDATE tasks SET state = ?, event = ?, until = NULL WHERE id = ?", (DONE, event, task))


# --- the next pair --------------------------------------------------------------------------------------------------------------


def _assignment(db: sqlite3.Connection, labeller: str, judged: dict | None = None) -> Assignment:
    now = files.now()
    _free(db, "until < ? AND kind = 'ordinary'", now)
    mine = db.execute(
        "SELECT id FROM tasks WHERE labeller = ? AND state = ? ORDER BY since DESC, id DESC LIMIT 1", (labeller, LEASED)
    ).fetchone()
    task = mine[0] if mine else _inserted(db, labeller, now) or _lease(db, labeller, now)
    if mine:
        db.execute("UPDATE tasks SET until = ? WHERE id = ?", (now + LEASE, task))
    item = _item(db, task) if task else None
    return _with_progress(db, labeller, item, judged or {})


def _free(db: sqlite3.Connection, which: str, *values: Any) -> int:
    """Reopen the leased tasks that match the SQL condition `which`, as far as they are still wanted, and return how many there were."""
    freed = db.execute(
        f"UPDATE tasks SET state = ?, labeller = NULL, until = NULL WHERE state = ? AND {which} RETURNING pair", (OPEN, LEASED, *values)
    ).fetchall()
    settings = settings_of(db) if freed else None
    for (pair,) in freed:
        key = db.execute("SELECT key FROM pairs WHERE id = ?", (pair,)).fetchone()[0]
        trim(db, pair, wanted_of(key, settings))
    return len(freed)


def _lease(db: sqlite3.Connection, labeller: str, now: float) -> int | None:
    found = db.execute(
        """UPDATE tasks SET state = ?, labeller = ?, since = ?, until = ? WHERE id = (
             SELECT t.id FROM tasks t WHERE t.state = ? AND t.kind = 'ordinary' AND NOT EXISTS
               (SELECT 1 FROM tasks o INDEXED BY whose WHERE o.pair = t.pair AND o.labeller = ?) ORDER BY t.rank, t.slot LIMIT 1) RETURNING id, pair""",
        (LEASED, labeller, now, now + LEASE, OPEN, labeller),
    ).fetchall()
    if not found:
        return None
    key = db.execute("SELECT key FROM pairs WHERE id = ?", (found[0]["pair"],)).fetchone()[0]
    db.execute("UPDATE tasks SET side = ? WHERE id = ?", (side_of(key, labeller), found[0]["id"]))
    return found[0]["id"]


def _inserted(db: sqlite3.Connection, labeller: str, now: float) -> int | None:
    """Lease a hidden repeat or a gold pair when this labeller has had fewer of them than their share; None otherwise."""
    settings: Settings = settings_of(db)
    had = dict(db.execute("SELECT kind, count(*) FROM tasks WHERE labeller = ? AND state = ? GROUP BY kind", (labeller, DONE)).fetchall())
    base = had.get("ordinary", 0)
    if had.get("gold", 0) < int(base * settings.gold):
        found = db.execute(
            "SELECT id, key FROM pairs p WHERE gold IS NOT NULL AND NOT EXISTS (SELECT 1 FROM tasks WHERE pair = p.id AND labeller = ?) "
            "ORDER BY key LIMIT 1",
            (labeller,),
        ).fetchone()
        if found:
            return _add_task(db, found["id"], "gold", labeller, side_of(found["key"], labeller), now)
    if had.get("repeat", 0) < int(base * settings.repeats):
        found = db.execute(
            "SELECT t.pair, t.side FROM tasks t WHERE t.labeller = ? AND t.state = ? AND t.kind = 'ordinary' AND t.event <= "
            "(SELECT id FROM events WHERE labeller = ? AND kind = 'verdict' ORDER BY id DESC LIMIT 1 OFFSET ?) AND NOT EXISTS "
            "(SELECT 1 FROM tasks r WHERE r.pair = t.pair AND r.labeller = t.labeller AND r.kind = 'repeat') ORDER BY t.since LIMIT 1",
            (labeller, DONE, labeller, APART - 1),
        ).fetchone()
        if found:
            return _add_task(db, found["pair"], "repeat", labeller, other_side(found["side"]), now)
    return None


def _item(db: sqlite3.Connection, task: int) -> Item:
    row = db.execute(
        "SELECT t.id, t.pair, t.side, t.labeller, p.prompt, p.first, p.second FROM tasks t JOIN pairs p ON p.id = t.pair WHERE t.id = ?",
        (task,),
    ).fetchone()
    sides = {"first": json.loads(row["first"]), "second": json.loads(row["second"])}
    before = db.execute(
        "SELECT winner, strength, edited, better, note, reason FROM events WHERE task = ? AND labeller = ? AND kind = 'verdict' "
        "ORDER BY id DESC LIMIT 1",
        (task, row["labeller"]),
    ).fetchone()
    if before:
        letter = {row["side"]: "a", other_side(row["side"]): "b"}
        before = dict(before) | {"choice": letter.get(before["winner"], before["winner"])}
    return Item(row["id"], row["pair"], json.loads(row["prompt"]), sides[row["side"]], sides[other_side(row["side"])], before)


def _with_progress(db: sqlite3.Connection, labeller: str, item: Item | None, judged: dict) -> Assignment:
    counts = dict(db.execute("SELECT state, count(*) FROM tasks WHERE kind = 'ordinary' GROUP BY state").fetchall())
    total, done = sum(counts.values()), counts.get(DONE, 0)
    read, newest = _guidelines(db, labeller)
    mine = db.execute("SELECT count(*) FROM tasks WHERE labeller = ? AND state = ?", (labeller, DONE)).fetchone()[0]
    recent = [
        s
        for (s,) in db.execute(
            "SELECT seconds FROM events WHERE labeller = ? AND kind = 'verdict' AND seconds IS NOT NULL ORDER BY id DESC LIMIT 20",
            (labeller,),
        )
    ]
    median = sorted(recent)[len(recent) // 2] if len(recent) >= 3 else None
    seconds_left = (total - done) * median if median is not None else None
    per_minute = 60 / max(median, 0.1) if median is not None else None
    return Assignment(
        item, done, total, mine, 0 if item else total - done, per_minute, seconds_left, judged, unread=read is not None and read < newest
    )


# --- undo and release ------------------------------------------------------------------------------------------------------------------


def undo(ws: Workspace, project: str, labeller: str) -> Assignment:
    """Undo this labeller's last judgment and assign its pair to them again; can be repeated. ConflictError when there is none."""
    labeller = labeller_name(labeller)
    with files.writing(ws, project) as db:
        row = db.execute(
            "SELECT id, pair, event FROM tasks WHERE labeller = ? AND state = ? AND event IS NOT NULL ORDER BY event DESC LIMIT 1",
            (labeller, DONE),
        ).fetchone()
        if row is None:
            raise ConflictError(
                "There is no judgment to undo.",
                asked="undo",
                available="your own judgments",
                remedy="Judge the pair that is shown.",
                field="undo",
            )
        _event(db, kind="undo", task=row["id"], pair=row["pair"], labeller=labeller, undoes=row["event"])
        now = files.now()
        db.execute("UPDATE tasks SET state = ?, event = NULL, since = ?, until = ? WHERE id = ?", (LEASED, now, now + LEASE, row["id"]))
        return _assignment(db, labeller)


def release(ws: Workspace, project: str, labeller: str | None = None) -> int:
    """Release the pairs leased to a labeller, or to all labellers (None), and return how many there were."""
    with files.writing(ws, project) as db:
        db.execute(
            "DELETE FROM tasks WHERE state = ? AND kind != 'ordinary' AND event IS NULL AND (? IS NULL OR labeller = ?)",
            (LEASED, labeller, labeller),
        )
        return _free(db, "(? IS NULL OR labeller = ?)", labeller, labeller)


def reopen_skipped(ws: Workspace, project: str) -> int:
    """Reopen skipped pairs and return how many there were."""
    with files.writing(ws, project) as db:
        found = db.execute(
            "SELECT t.id, t.pair, t.labeller, t.event FROM tasks t JOIN events e ON e.id = t.event WHERE t.kind = 'ordinary' AND e.winner = 'skip'"
        ).fetchall()
        for row in found:
            _event(db, kind="undo", task=row["id"], pair=row["pair"], labeller=row["labeller"], undoes=row["event"], reason="offered again")
            db.execute("UPDATE tasks SET state = ?, labeller = NULL, event = NULL WHERE id = ?", (OPEN, row["id"]))
        return len(found)


def settle(ws: Workspace, project: str, pair: int, winner: str | None, by: str) -> None:
    """Set the final winner of a pair on which labellers disagree: "first", "second", "tie" or "both_bad"; None removes it."""
    if winner not in (None, "first", "second", "tie", "both_bad"):
        raise RequestError(
            "This winner is not valid.",
            asked=winner,
            available=["first", "second", "tie", "both_bad"],
            remedy="Choose one.",
            field="winner",
        )
    with files.writing(ws, project) as db:
        if not db.execute("UPDATE pairs SET settled = ? WHERE id = ?", (winner, pair)).rowcount:
            raise NotFoundError(
                f"There is no pair {pair}.", asked=pair, available="pairs of this project", remedy="Choose one.", field="pair"
            )
        _event(db, kind="settle", task=None, pair=pair, labeller=labeller_name(by), winner=winner)
