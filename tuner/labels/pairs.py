"""Pairs to judge: what is one and what is not, where they come from, and how they enter a project."""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Indel

from tuner.data.importing import import_pass
from tuner.data.importing.sources import LIMIT, check_upload
from tuner.data.quality.finding import many
from tuner.data.store import store
from tuner.errors import DataError, RequestError
from tuner.labels import db as files
from tuner.labels import projects
from tuner.paths import Workspace

Messages = list[dict[str, Any]]
NEAR = 0.95  # similarity from which two answers teach nothing
WHOLE = 20_000  # characters that are compared letter by letter
BATCH = 500  # pairs a transaction

IDENTICAL, NEARLY, EMPTY, CUT, FAILED, KNOWN = "identical", "nearly identical", "empty", "cut off", "error", "already there"
REASONS = {
    IDENTICAL: "both answers are the same",
    NEARLY: "the answers are 95% the same",
    EMPTY: "an answer is empty",
    CUT: "an answer was cut off at its longest length",
    FAILED: "the model could not answer",
    KNOWN: "the pair is in the project already",
}


@dataclass
class Candidate:
    """`first` and `second` are turns of the assistant; `by` who wrote each; `gold` is "first" or "second" where the right one is known."""

    prompt: Messages
    first: Messages
    second: Messages
    by: tuple[str, str] = ("data", "data")
    origin: dict[str, Any] = field(default_factory=dict)
    gold: str | None = None

    def key(self) -> str:
        """The same for the same answers in another order."""
        sides = sorted(json.dumps(side, sort_keys=True, ensure_ascii=False) for side in (self.first, self.second))
        text = json.dumps([self.prompt, *sides], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass
class Added:
    """What became of candidates: how many are new, how many were dropped for which reason, and rows that could not be read."""

    added: int = 0
    dropped: Counter = field(default_factory=Counter)
    unread: list[dict] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {"added": self.added, "dropped": dict(self.dropped)}

    def said(self) -> str:
        left = "".join(f" {n:,} left out: {REASONS[why]}." for why, n in self.dropped.items())
        alike = self.dropped[IDENTICAL] + self.dropped[NEARLY]
        hint = " A higher temperature, or two models, give answers that differ more." if alike > max(3, self.added) else ""
        if self.unread:
            first = self.unread[0]
            left += f" {many(len(self.unread), '{n} row', '{n} rows')} could not be read; the first, row {first['row']}: {first['message']} {first['remedy']}"
        return f"{many(self.added, '{n} pair', '{n} pairs')} added.{left}{hint}"


def text_of(side: Messages) -> str:
    return "\n".join(m["content"] if isinstance(m.get("content"), str) else json.dumps(m, ensure_ascii=False) for m in side)


def unfit(one: str, other: str) -> str | None:
    """Why two answers make no pair, a key of REASONS; None when they do."""
    one, other = " ".join(one.split()), " ".join(other.split())
    if not one or not other:
        return EMPTY
    if one == other:
        return IDENTICAL
    alike = Indel.normalized_similarity(one[:WHOLE], other[:WHOLE], score_cutoff=NEAR)
    return NEARLY if alike >= NEAR and abs(len(one) - len(other)) <= (1 - NEAR) * max(len(one), len(other)) * 2 else None


def put_in(ws: Workspace, project: str, candidates: Iterable[Candidate], tell: Callable[[int], None] | None = None) -> Added:
    """Add what makes pairs, in transactions of some hundred, so that labellers are never kept waiting.

    `tell` hears how many were looked at, and may raise to end the work: what was added before stays.
    """
    report, batch, seen = Added(), [], 0
    for c in candidates:
        seen += 1
        if why := unfit(text_of(c.first), text_of(c.second)):
            report.dropped[why] += 1
        else:
            batch.append(c)
        if len(batch) == BATCH:
            _write(ws, project, batch, report)
            batch = []
        if tell:
            tell(seen)
    _write(ws, project, batch, report)
    return report


def _write(ws: Workspace, project: str, batch: list[Candidate], report: Added) -> None:
    if not batch:
        return
    with files.writing(ws, project) as db:
        new = [id for c in batch if (id := insert(db, c)) is not None]
        projects.spread(db, projects.settings_of(db), new)
    report.added += len(new)
    if again := len(batch) - len(new):
        report.dropped[KNOWN] += again


def insert(db: sqlite3.Connection, c: Candidate) -> int | None:
    """The id of the new pair; None when the project has it."""
    row = [json.dumps(v, ensure_ascii=False) for v in (c.prompt, c.first, c.second)]
    found = db.execute(
        "INSERT OR IGNORE INTO pairs (key, prompt, first, second, first_by, second_by, origin, gold, created) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (c.key(), *row, *c.by, json.dumps(c.origin, ensure_ascii=False), c.gold, files.now()),
    ).fetchone()
    return found[0] if found else None


def made_by(ws: Workspace, project: str, c: Candidate) -> str | None:
    """The generation that wrote the pair that is in the project already."""
    with files.reading(ws, project) as db:
        found = db.execute("SELECT origin FROM pairs WHERE key = ?", (c.key(),)).fetchone()
    return json.loads(found[0]).get("generation") if found else None


# --- from data ------------------------------------------------------------------------------------------------------------------


def from_value(value: dict[str, Any], origin: dict[str, Any], gold: bool = False) -> Candidate:
    """Of a canonical preference row. Which side the data prefers is kept aside, and shown to nobody: the order is drawn by hash."""
    chosen, rejected = value["chosen"], value["rejected"]
    swapped = hashlib.sha256(json.dumps([value["prompt"], chosen], sort_keys=True).encode()).digest()[0] & 1
    first, second = (rejected, chosen) if swapped else (chosen, rejected)
    better = "second" if swapped else "first"
    kept = origin | {"data_prefers": better} | ({"tools": value["tools"]} if value.get("tools") else {})
    return Candidate(value["prompt"], first, second, ("data", "data"), kept, better if gold else None)


def preferences(ds: store.Dataset) -> store.Dataset:
    """The dataset itself when it holds pairs; RequestError for other kinds."""
    if ds.kind != "preference":
        raise _no_pairs(ds.name, ds.kind)
    return ds


def from_dataset(
    ws: Workspace, project: str, ref: str, *, gold: bool = False, limit: int | None = None, progress=None, cancelled=None
) -> Added:
    """The pairs of a dataset of the kind preference. Raises RequestError for other kinds, Cancelled."""
    ds = preferences(store.get(ws, ref))
    total = ds.rows if limit is None else min(limit, ds.rows)

    def candidates() -> Iterator[Candidate]:
        for r in islice(store.iterate(ds), limit):
            yield from_value(r["value"], {"data": ds.ref, "row": r["row"]}, gold)

    return put_in(ws, project, candidates(), lambda seen: import_pass.beat(progress, cancelled, seen, total, seen))


def from_file(
    ws: Workspace, project: str, path: Path, *, mapping=None, gold: bool = False, progress=None, cancelled=None
) -> tuple[Added, list[dict]]:
    """(what became of the rows, problems of rows that could not be read) of a file in any format that data is read in.

    It parses the file in the process that calls it: the page and the terminal go through `taking`. Raises RequestError for a file
    without pairs, DataError for one without a usable row, Cancelled.
    """
    check_upload(path, LIMIT)
    reader = import_pass.Reader(path)
    found = import_pass.settled(reader, None, mapping)
    if found.kind != "preference":
        raise _no_pairs(reader.name, found.kind)
    last: list = [None]

    def candidates() -> Iterator[Candidate]:
        for number, text, tally in import_pass.each_row(reader, found.kind, found.mapping, progress, cancelled):
            last[0] = tally
            if number is not None:
                yield from_value(json.loads(text), {"file": reader.name, "row": number}, gold)

    added = put_in(ws, project, candidates())
    added.unread = problems = last[0].problems if last[0] else []
    if not added.added and not added.dropped:
        first = f" The first, row {problems[0]['row']}: {problems[0]['message']}" if problems else ""
        raise DataError(
            f"No row of {reader.name} can be used.{first}",
            asked=reader.name,
            available=reader.columns,
            remedy="Look at it with `tunesmith data check`, or in the Data tab: there each row is told with its problem.",
        )
    return added, problems


def _no_pairs(name: str, kind: str) -> RequestError:
    return RequestError(
        f"{name} holds no pairs of answers: it was read as {kind}.",
        asked=kind,
        available="preference",
        remedy="Each row needs a question, a better and a worse answer (columns such as prompt, chosen, rejected). To answers that stand alone "
        "a model writes the second one: see Written by models.",
        field="data",
    )
