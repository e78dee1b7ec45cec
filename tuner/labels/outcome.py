"""Outcome of each pair over all labellers: the judgments for the statistics, and the outcomes that become training data."""

import json
import sqlite3
from dataclasses import dataclass, field, replace
from typing import Any

from tuner.labels import db as files
from tuner.labels.judgments import Judgment, majority
from tuner.labels.pairs import Messages, text_of
from tuner.paths import Workspace

JUDGMENTS_SQL = """
SELECT e.id, e.labeller, e.winner, e.strength, e.edited, e.better, e.note, e.reason, e.seconds, e.guidelines, e.created,
  t.kind, t.side, t.pair, p.key, p.gold, p.first_by, p.second_by
FROM tasks t JOIN events e ON e.id = t.event JOIN pairs p ON p.id = t.pair ORDER BY e.id
"""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a pair. `winner` is the majority's, or the settled one; `strength` the mean of those who voted for it, None where
    none was recorded; `edited` the edited winner, `better` an answer written where both are bad; `votes` the events, for provenance."""

    pair: int
    prompt: Messages
    first: Messages
    second: Messages
    by: tuple[str, str]
    origin: dict[str, Any]
    winner: str
    disputed: bool
    settled: bool
    strength: float | None = None
    edited: str | None = None
    better: str | None = None
    votes: list[dict[str, Any]] = field(default_factory=list)


def judgments_of(ws: Workspace, project: str) -> list[Judgment]:
    """Return all judgments that were not undone, in the order in which they were given."""
    with files.reading(ws, project) as db:
        return [_judgment(r, *lengths) for r, lengths in _with_lengths(db)]


def _with_lengths(db: sqlite3.Connection) -> list[tuple[sqlite3.Row, tuple[int, int]]]:
    known: dict[int, tuple[int, int]] = {}
    for id, first, second in db.execute("SELECT id, first, second FROM pairs WHERE id IN (SELECT pair FROM tasks WHERE event IS NOT NULL)"):
        known[id] = (len(text_of(json.loads(first))), len(text_of(json.loads(second))))
    return [(r, known[r["pair"]]) for r in db.execute(JUDGMENTS_SQL)]


def _judgment(r: sqlite3.Row, first: int, second: int) -> Judgment:
    return Judgment(
        str(r["pair"]),
        r["labeller"],
        r["winner"],
        r["side"],
        r["strength"],
        r["kind"] == "repeat",
        first,
        second,
        r["first_by"],
        r["second_by"],
        r["gold"],
        r["seconds"],
        r["created"],
    )


def settled(ws: Workspace, project: str) -> dict[str, str]:
    """Return {pair: winner} of the settled pairs."""
    with files.reading(ws, project) as db:
        return {str(id): winner for id, winner in db.execute("SELECT id, settled FROM pairs WHERE settled IS NOT NULL")}


def as_settled(given: list[Judgment], winners: dict[str, str]) -> list[Judgment]:
    """Return the judgments, with a single one for each settled pair: its settled winner."""
    last = {v.pair: replace(v, winner=winners[v.pair], strength=None, repeat=False) for v in given if v.pair in winners}
    return [v for v in given if v.pair not in winners] + list(last.values())


def pair_of(ws: Workspace, project: str, pair: int) -> tuple[Messages, Messages, Messages] | None:
    """Return (prompt, first, second) of one pair; None when there is no such pair."""
    with files.reading(ws, project) as db:
        row = db.execute("SELECT prompt, first, second FROM pairs WHERE id = ?", (pair,)).fetchone()
    return tuple(json.loads(text) for text in row) if row else None


def outcomes(ws: Workspace, project: str, *, judges: bool = False) -> list[Outcome]:
    """Return the outcome of each judged or settled pair, in the order of the pairs. Hidden repeats and gold pairs don't count; votes of AI
    judges count only with `judges`."""
    with files.reading(ws, project) as db:
        votes: dict[int, list[sqlite3.Row]] = {}
        for r in db.execute(JUDGMENTS_SQL):
            if r["kind"] in ("ordinary", "extra", *(["judge"] if judges else [])):
                votes.setdefault(r["pair"], []).append(r)
        rows = db.execute("SELECT * FROM pairs WHERE gold IS NULL ORDER BY id").fetchall()
    return [_outcome(p, votes.get(p["id"], [])) for p in rows if votes.get(p["id"]) or p["settled"]]


def _outcome(p: sqlite3.Row, votes: list[sqlite3.Row]) -> Outcome:
    together = majority([_judgment(r, 0, 0) for r in votes])
    winner = p["settled"] or together.winner
    agreeing = [r for r in votes if r["winner"] == winner]
    strengths = [r["strength"] for r in agreeing if r["strength"]]
    return Outcome(
        p["id"],
        *(json.loads(p[name]) for name in ("prompt", "first", "second")),
        (p["first_by"], p["second_by"]),
        json.loads(p["origin"]),
        winner,
        together.disputed and not p["settled"],
        bool(p["settled"]),
        sum(strengths) / len(strengths) if strengths else None,
        next((r["edited"] for r in reversed(agreeing) if r["edited"]), None),
        next((r["better"] for r in reversed(agreeing) if r["better"]), None),
        [_vote(r) for r in votes],
    )


def _vote(r: sqlite3.Row) -> dict[str, Any]:
    kept = {k: r[k] for k in ("labeller", "winner", "strength", "edited", "better", "note", "reason", "seconds", "guidelines", "created")}
    return {"shown_left": r["side"], **{k: v for k, v in kept.items() if v is not None}}
