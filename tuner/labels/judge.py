"""AI judge (LLM-as-a-judge) as an additional labeller. Off by default; its votes are counted apart from people's. How it is asked: `serving.ai_judge`."""

import hashlib
import json
from collections import Counter
from dataclasses import asdict
from typing import Any

from tuner.data.importing.import_pass import Cancelled
from tuner.errors import ConflictError
from tuner.jobs import data_jobs
from tuner.labels import db as files
from tuner.labels import projects, queue
from tuner.labels.ai_labellers import named
from tuner.labels.generate import Made
from tuner.labels.pairs import Messages, text_of
from tuner.paths import Workspace
from tuner.serving import ai_judge, parallel
from tuner.serving.ai_judge import Judge


def ask(ws: Workspace, project: str, judge: Judge, *, key: str | None = None, limit: int | None = None) -> str:
    """Start a job in which the judge votes on all pairs it has not judged yet, and return its id. Raises RequestError, ConflictError."""
    files.file_of(ws, project)
    ai_judge.require(ws, judge)
    job = f"import-judge-{hashlib.sha256(f'{project} {named(judge.model)}'.encode()).hexdigest()[:16]}"
    if (ws.jobs / job / "job.json").exists():
        if data_jobs.progress(ws, job).running:
            raise ConflictError(
                f"{judge.model} is already judging these pairs.",
                asked=judge.model,
                available="the votes so far",
                remedy="Wait until it is done.",
            )
        data_jobs.forget(ws, job)
    hidden = {ai_judge.KEY: key} if key else None
    return data_jobs.begin(ws, "judge", job, hidden=hidden, project=project, judge=asdict(judge), limit=limit)


def run(ws: Workspace, *, project: str, judge: dict[str, Any], limit: int | None, progress, cancelled) -> Made:
    """Ask the judge about each pair and store its votes; called in a separate process (workers/data_tasks.py).

    Stored votes are not asked for again.
    """
    who = Judge(**judge)
    query, guidelines = ai_judge.query(ws, who, cancelled), projects.guidelines(ws, project)[1]
    waiting = open_pairs(ws, project, named(who.model))[:limit]
    votes: Counter = Counter()

    def judged(pair: tuple) -> tuple[str, str]:
        _, prompt, first, second = pair
        conversation = "\n".join(f"{m['role']}: {text_of([m])}" for m in prompt)
        return ai_judge.compared(query, guidelines, conversation, text_of(first), text_of(second))

    at_once = 1 if who.url else parallel.AT_ONCE  # somebody else's endpoint is not flooded
    for n, ((id, *_), (winner, reason)) in enumerate(parallel.completed(judged, waiting, cancelled=cancelled, at_once=at_once)):
        queue.vote(ws, project, named(who.model), id, winner, reason)
        votes[winner] += 1
        progress(n + 1, len(waiting), n + 1)
    if cancelled() and sum(votes.values()) < len(waiting):
        raise Cancelled
    return Made(project, len(waiting), dict(votes))


def open_pairs(ws: Workspace, project: str, labeller: str) -> list[tuple[int, Messages, Messages, Messages]]:
    """Return the pairs that this judge has not judged; those that people judged come first, to measure agreement."""
    with files.reading(ws, project) as db:
        rows = db.execute(
            "SELECT p.id, p.prompt, p.first, p.second FROM pairs p WHERE p.gold IS NULL AND NOT EXISTS "
            "(SELECT 1 FROM tasks t WHERE t.pair = p.id AND t.labeller = ?) ORDER BY NOT EXISTS "
            "(SELECT 1 FROM tasks t WHERE t.pair = p.id AND t.event IS NOT NULL), p.id",
            (labeller,),
        ).fetchall()
    return [(r["id"], *(json.loads(r[c]) for c in ("prompt", "first", "second"))) for r in rows]
