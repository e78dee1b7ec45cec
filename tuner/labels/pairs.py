"""Pairs to judge: which answers make a pair, where pairs come from, and how they are added to a project."""

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
NEAR = 0.95  # similarity from which two answers are too similar to judge
WHOLE = 20_000  # characters of an answer that are compared
BATCH = 500  # pairs per transaction

IDENTICAL, NEARLY, EMPTY, CUT, FAILED, KNOWN = "identical", "nearly identical", "empty", "cut off", "error", "already there"
REASONS = {
    IDENTICAL: "both answers are the same",
    NEARLY: "the answers are 95% the same",
    EMPTY: "an answer is empty",
    CUT: "an answer was cut off at max new tokens",
    FAILED: "the model could not answer",
    KNOWN: "the project already has the pair",
}


@dataclass
class Candidate:
    """A pair to add. `first` and `second` are assistant turns by the authors `by`; `gold` is "first", "second" or None (unknown)."""

    prompt: Messages
    first: Messages
    second: Messages
    by: tuple[str, str] = ("data", "data")
    origin: dict[str, Any] = field(default_factory=dict)
    gold: str | None = None

    def key(self) -> str:
        """Return the key of the pair, the same for both orders of the answers."""
        sides = sorted(json.dumps(side, sort_keys=True, ensure_ascii=False) for side in (self.first, self.second))
        text = json.dumps([self.prompt, *sides], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass
class Added:
    """The result of adding pairs: how many are new, how many were dropped for which reason, and rows that could not be read."""

    added: int = 0
    dropped: Counter = field(default_factory=Counter)
    unread: list[dict] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {"added": self.added, "dropped": dict(self.dropped)}

    def as_text(self) -> str:
        """Return the result as sentences."""
        left_out = "".join(f" {n:,} left out: {REASONS[reason]}." for reason, n in self.dropped.items())
        alike = self.dropped[IDENTICAL] + self.dropped[NEARLY]
        hint = " A higher temperature or two different models give answers that differ more." if alike > max(3, self.added) else ""
        if self.unread:
            first = self.unread[0]
            left_out += f" {many(len(self.unread), '{n} row', '{n} rows')} could not be read; the first, row {first['row']}: {first['message']} {first['remedy']}"
        return f"{many(self.added, '{n} pair', '{n} pairs')} added.{left_out}{hint}"


def text_of(side: Messages) -> str:
    """Return the text of an answer; messages without text are written as JSON."""
    return "\n".join(m["content"] if isinstance(m.get("content"), str) else json.dumps(m, ensure_ascii=False) for m in side)


def rejection_reason(one: str, other: str) -> str | None:
    """Return why two answers make no pair, a key of REASONS; None when they make one."""
    one, other = " ".join(one.split()), " ".join(other.split())
    if not one or not other:
        return EMPTY
    if one == other:
        return IDENTICAL
    alike = Indel.normalized_similarity(one[:WHOLE], other[:WHOLE], score_cutoff=NEAR)
    return NEARLY if alike >= NEAR and abs(len(one) - len(other)) <= (1 - NEAR) * max(len(one), len(other)) * 2 else None


def add_pairs(ws: Workspace, project: str, candidates: Iterable[Candidate], tell: Callable[[int], None] | None = None) -> Added:
    """Add the candidates that make pairs, in transactions of a few hundred, so that labellers never wait.

    `tell` receives the number of candidates examined, and may raise to stop: pairs added before stay.
    """
    report, batch, seen = Added(), [], 0
    for candidate in candidates:
        seen += 1
        if reason := rejection_reason(text_of(candidate.first), text_of(candidate.second)):
            report.dropped[reason] += 1
        else:
            batch.append(candidate)
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
        projects.update_tasks(db, projects.settings_of(db), new)
    report.added += len(new)
    if known := len(batch) - len(new):
        report.dropped[KNOWN] += known


def insert(db: sqlite3.Connection, c: Candidate) -> int | None:
    """Insert a pair and return its id; None when the project already has it."""
    row = [json.dumps(v, ensure_ascii=False) for v in (c.prompt, c.first, c.second)]
    found = db.execute(
        "INSERT OR IGNORE INTO pairs (key, prompt, first, second, first_by, second_by, origin, gold, created) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (c.key(), *row, *c.by, json.dumps(c.origin, ensure_ascii=False), c.gold, files.now()),
    ).fetchone()
    return found[0] if found else None


def made_by(ws: Workspace, project: str, c: Candidate) -> str | None:
    """Return the id of the generation that wrote a pair of the project; None when it has no such pair or another origin."""
    with files.reading(ws, project) as db:
        found = db.execute("SELECT origin FROM pairs WHERE key = ?", (c.key(),)).fetchone()
    return json.loads(found[0]).get("generation") if found else None


# --- from data ------------------------------------------------------------------------------------------------------------------


def from_value(value: dict[str, Any], origin: dict[str, Any], gold: bool = False) -> Candidate:
    """Return the candidate of a canonical preference row.

    A hash draws the order of the answers; the preferred side is recorded in the origin and never shown to labellers.
    """
    chosen, rejected = value["chosen"], value["rejected"]
    swapped = hashlib.sha256(json.dumps([value["prompt"], chosen], sort_keys=True).encode()).digest()[0] & 1
    first, second = (rejected, chosen) if swapped else (chosen, rejected)
    better = "second" if swapped else "first"
    kept = origin | {"data_prefers": better} | ({"tools": value["tools"]} if value.get("tools") else {})
    return Candidate(value["prompt"], first, second, ("data", "data"), kept, better if gold else None)


def preferences(ds: store.Dataset) -> store.Dataset:
    """Return the dataset when it holds pairs; RequestError for other kinds."""
    if ds.kind != "preference":
        raise _no_pairs(ds.name, ds.kind)
    return ds


def from_dataset(
    ws: Workspace, project: str, ref: str, *, gold: bool = False, limit: int | None = None, progress=None, cancelled=None
) -> Added:
    """Add the pairs of a preference dataset. Raises RequestError for other kinds, Cancelled."""
    ds = preferences(store.get(ws, ref))
    total = ds.rows if limit is None else min(limit, ds.rows)

    def candidates() -> Iterator[Candidate]:
        for r in islice(store.iterate(ds), limit):
            yield from_value(r["value"], {"data": ds.ref, "row": r["row"]}, gold)

    return add_pairs(ws, project, candidates(), lambda seen: import_pass.tick(progress, cancelled, seen, total, seen))


def from_file(
    ws: Workspace, project: str, path: Path, *, mapping=None, gold: bool = False, progress=None, cancelled=None
) -> tuple[Added, list[dict]]:
    """Add the pairs of a file in any supported format; return (result, problems of rows that could not be read).

    It parses the file in the calling process: the page and the terminal use `pair_import`. Raises RequestError for a file without
    pairs, DataError for one without a usable row, Cancelled.
    """
    check_upload(path, LIMIT)
    reader = import_pass.Reader(path)
    found = import_pass.recognize_with_choices(reader, None, mapping)
    if found.kind != "preference":
        raise _no_pairs(reader.name, found.kind)
    last: list = [None]

    def candidates() -> Iterator[Candidate]:
        for number, text, tally in import_pass.each_row(reader, found.kind, found.mapping, progress, cancelled):
            last[0] = tally
            if number is not None:
                yield from_value(json.loads(text), {"file": reader.name, "row": number}, gold)

    added = add_pairs(ws, project, candidates())
    added.unread = problems = last[0].problems if last[0] else []
    if not added.added and not added.dropped:
        first = f" The first, row {problems[0]['row']}: {problems[0]['message']}" if problems else ""
        raise DataError(
            f"No row of {reader.name} can be used.{first}",
            asked=reader.name,
            available=reader.columns,
            remedy="Check it with `tunesmith data check` or in the Data page, which list all problems.",
        )
    return added, problems


def _no_pairs(name: str, kind: str) -> RequestError:
    return RequestError(
        f"{name} holds no pairs of answers: it was read as {kind}.",
        asked=kind,
        available="preference",
        remedy="Each row needs a question and two answers (columns such as prompt, chosen, rejected). If there are questions alone, or one "
        "answer to each, choose Generate with models.",
        field="data",
    )
