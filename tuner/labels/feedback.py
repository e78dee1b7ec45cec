"""Feedback on answers in the chat, stored in a separate project and only while it is switched on: thumbs, a better wording, the better of
two answers to the same question. It becomes rated rows, pairs or chat rows (see export.py)."""

import hashlib
import json
from typing import Any

from tuner.errors import RequestError
from tuner.labels import db as files
from tuner.labels import pairs, projects, queue
from tuner.labels.pairs import Candidate, Messages
from tuner.paths import Workspace

PROJECT, TITLE = "from-the-chat", "From the chat"
SELF = "me"  # the labeller name of the person who chats on this computer


def enabled(ws: Workspace) -> bool:
    """Return whether collecting feedback is switched on."""
    if not (ws.label_project(PROJECT) / "labels.db").exists():
        return False
    with files.reading(ws, PROJECT) as db:
        return bool(files.get(db, "wanted", False))


def set_enabled(ws: Workspace, on: bool) -> None:
    """Switch collecting feedback on or off; stored feedback stays."""
    if not on and not (ws.label_project(PROJECT) / "labels.db").exists():
        return
    projects.ensure(ws, PROJECT, TITLE)
    with files.writing(ws, PROJECT) as db:
        files.put(db, "wanted", bool(on))


def rate(ws: Workspace, prompt: Messages, answer: str, good: bool | None, origin: dict[str, Any]) -> None:
    """Store thumbs up (True) or down (False), `origin` with the latest reason; None removes the rating."""
    _keep(ws, prompt, answer, "good", None if good is None else int(good), origin)


def save_correction(ws: Workspace, prompt: Messages, answer: str, better: str, origin: dict[str, Any]) -> None:
    """Store how the answer should have read. RequestError for an empty or unchanged wording."""
    if not better.strip() or better.strip() == answer.strip():
        raise RequestError(
            "The new wording is empty." if not better.strip() else "The wording is unchanged.",
            asked=better[:80],
            available="another wording",
            remedy="Write how the answer should read.",
            field="better",
        )
    _keep(ws, prompt, answer, "better", better.strip(), origin)


def _keep(ws: Workspace, prompt: Messages, answer: str, column: str, value: Any, origin: dict[str, Any]) -> None:
    row = [json.dumps(prompt, ensure_ascii=False), answer, json.dumps(origin, ensure_ascii=False)]
    key = hashlib.sha256(f"{row[0]}\0{answer}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    with files.writing(ws, PROJECT) as db:
        db.execute(
            f"INSERT INTO ratings (key, prompt, answer, origin, {column}, created) VALUES (?, ?, ?, ?, ?, ?) "
            f"ON CONFLICT (key) DO UPDATE SET {column} = excluded.{column}, created = excluded.created, origin = excluded.origin",
            (key, *row, value, files.now()),
        )
        db.execute("DELETE FROM ratings WHERE good IS NULL AND better IS NULL")


def prefer(ws: Workspace, prompt: Messages, chosen: str, rejected: str, origin: dict[str, Any]) -> bool:
    """Store the better of two answers to one question as a judged pair; False when they make no pair or were judged before."""
    if pairs.rejection_reason(chosen, rejected):
        return False
    model = str(origin.get("model", "model"))
    sides = ([{"role": "assistant", "content": text}] for text in (chosen, rejected))
    with files.writing(ws, PROJECT) as db:
        id = pairs.insert(db, Candidate(prompt, *sides, (model, model), origin))
        if id is None:
            return False
        projects.update_tasks(db, projects.Settings(), [id])
        task = db.execute("SELECT id FROM tasks WHERE pair = ?", (id,)).fetchone()[0]
        db.execute(
            "UPDATE tasks SET state = ?, labeller = ?, side = 'first', since = ? WHERE id = ?", (files.LEASED, SELF, files.now(), task)
        )
    queue.judge(ws, PROJECT, SELF, task, "a", note="chosen in the chat")
    return True


def kept(ws: Workspace) -> list[dict[str, Any]]:
    """Return all single answers as [{"prompt", "answer", "good", "better", "origin", "created"}], oldest first."""
    if not (ws.label_project(PROJECT) / "labels.db").exists():
        return []
    with files.reading(ws, PROJECT) as db:
        return ratings(db)


def ratings(db) -> list[dict[str, Any]]:
    """Return all rated answers, oldest first."""
    return [
        {
            "prompt": json.loads(r["prompt"]),
            "answer": r["answer"],
            "good": None if r["good"] is None else bool(r["good"]),
            "better": r["better"],
            "origin": json.loads(r["origin"]),
            "created": r["created"],
        }
        for r in db.execute("SELECT * FROM ratings ORDER BY id")
    ]
