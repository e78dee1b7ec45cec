"""AI judge (LLM-as-a-judge): a model as an additional labeller. Off by default; its votes are counted apart from people's.

It is asked twice, with the answers in both orders, and only a consistent judgment counts, because models favor one side (Zheng et al.
2023, arXiv:2306.05685). A local model is asked through the serving worker, any other through an OpenAI-compatible endpoint, to which the
pairs are sent: nothing leaves this computer unless you enter one.
"""

import hashlib
import json
import os
import re
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from tuner.data.importing.import_pass import Cancelled
from tuner.errors import ConflictError, NetworkError, RequestError
from tuner.jobs import data_jobs
from tuner.labels import db as files
from tuner.labels import projects, queue
from tuner.labels.ai_labellers import named
from tuner.labels.generate import Made
from tuner.labels.pairs import Messages, text_of
from tuner.models.chat_templates import THINKING
from tuner.network.retries import BUSY, with_retries
from tuner.paths import Workspace
from tuner.serving import chat_client, parallel

KEY = "TUNESMITH_JUDGE_KEY"  # environment variable with the endpoint's API key, in the job's process only; never on disk
TASK = """You compare two answers to one question. These are the guidelines:

{guidelines}

Reply with 1 if the first answer is better, with 2 if the second is better, and with 0 if neither is. Reply with the number alone."""
ASKED = "The conversation:\n{prompt}\n\n--- Answer 1 ---\n{first}\n\n--- Answer 2 ---\n{second}\n\n--- Which is better: 1, 2 or 0? ---"


@dataclass(frozen=True)
class Judge:
    """An AI judge. `model` is a model as `tunesmith chat` takes it; with `url` it is the name of the model at that endpoint."""

    model: str
    url: str | None = None
    max_tokens: int = 1024

    @property
    def labeller(self) -> str:
        return named(self.model)


def ask(ws: Workspace, project: str, judge: Judge, *, key: str | None = None, limit: int | None = None) -> str:
    """Start a job in which the judge votes on all pairs it has not judged yet, and return its id. Raises RequestError, ConflictError."""
    files.file_of(ws, project)
    if not judge.model.strip():
        raise RequestError("No AI judge was chosen.", asked="", available="a model", remedy="Choose a model.", field="judge")
    if judge.url:
        parts = urlsplit(judge.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise RequestError(
                "This is not the address of an OpenAI-compatible endpoint.",
                asked=judge.url,
                available="http://127.0.0.1:11434/v1, https://.../v1",
                remedy="Enter the address up to /v1, and the key in its own field.",
                field="url",
            )
    else:
        chat_client.serving_spec(ws, judge.model)
    job = f"import-judge-{hashlib.sha256(f'{project} {judge.labeller}'.encode()).hexdigest()[:16]}"
    if (ws.jobs / job / "job.json").exists():
        if data_jobs.progress(ws, job).running:
            raise ConflictError(
                f"{judge.model} is already judging these pairs.",
                asked=judge.model,
                available="the votes so far",
                remedy="Wait until it is done.",
            )
        data_jobs.forget(ws, job)
    hidden = {KEY: key} if key else None
    return data_jobs.begin(ws, "judge", job, hidden=hidden, project=project, judge=asdict(judge), limit=limit)


def run(ws: Workspace, *, project: str, judge: dict[str, Any], limit: int | None, progress, cancelled) -> Made:
    """Ask the judge about each pair and store its votes; called in a separate process (workers/data_tasks.py).

    Stored votes are not asked for again.
    """
    ai_judge = Judge(**judge)
    query = _endpoint(ai_judge, cancelled) if ai_judge.url else _local(ws, ai_judge)
    system = TASK.format(guidelines=projects.guidelines(ws, project)[1])
    waiting = open_pairs(ws, project, ai_judge.labeller)[:limit]
    votes: Counter = Counter()

    def judged(pair: tuple) -> tuple[str, str]:
        _, prompt, first, second = pair
        return ask_both_orders(lambda a, b: query(_messages(system, prompt, a, b)), first, second)

    at_once = 1 if ai_judge.url else parallel.AT_ONCE  # somebody else's endpoint is not flooded
    for n, ((id, *_), (winner, reason)) in enumerate(parallel.completed(judged, waiting, cancelled=cancelled, at_once=at_once)):
        queue.vote(ws, project, ai_judge.labeller, id, winner, reason)
        votes[winner] += 1
        progress(n + 1, len(waiting), n + 1)
    if cancelled() and sum(votes.values()) < len(waiting):
        raise Cancelled
    return Made(project, len(waiting), dict(votes))


def ask_both_orders(query, first: Messages, second: Messages) -> tuple[str, str]:
    """Ask in both orders and return (winner, reason): different judgments are a tie, a reply without a judgment is a skip."""
    one, other = parse_reply(query(first, second)), parse_reply(query(second, first))
    if one is None or other is None:
        return "skip", "the judge gave no judgment"
    other = {"1": "2", "2": "1"}.get(other, other)
    if one != other:
        return "tie", "different judgments in the two orders"
    return {"1": "first", "2": "second", "0": "tie"}[one], ""


def parse_reply(text: str) -> str | None:
    """Return "1", "2" or "0" from a reply, ignoring its reasoning: a number alone on the first or last line, or the only number of the last
    line, at its end. None in doubt: a misread judgment is worse than none."""
    for _, end in THINKING:
        text = text.rpartition(end)[2] if end in text else text
    lines = [line.strip(" *`.:#") for line in text.strip().splitlines() if line.strip()]
    for line in (lines[:1] + lines[-1:])[::-1] if lines and lines[-1] in ("0", "1", "2") else lines[:1] + lines[-1:]:
        if line in ("0", "1", "2"):
            return line
    numbers = re.findall(r"[\d.]*\d", lines[-1]) if lines else []
    return numbers[0] if len(numbers) == 1 and numbers[0] in ("0", "1", "2") and lines[-1].endswith(numbers[0]) else None


def _messages(system: str, prompt: Messages, first: Messages, second: Messages) -> Messages:
    conversation = "\n".join(f"{m['role']}: {text_of([m])}" for m in prompt)
    asked = ASKED.format(prompt=conversation, first=text_of(first), second=text_of(second))
    return [{"role": "system", "content": system}, {"role": "user", "content": asked}]


def _local(ws: Workspace, judge: Judge):
    client, known = chat_client.Client(ws), chat_client.serving_spec(ws, judge.model)
    return lambda messages: client.answer(known, messages, temperature=0.0, max_tokens=judge.max_tokens).text


def _endpoint(judge: Judge, cancelled=None):
    key = os.environ.pop(KEY, "")
    client = httpx.Client(timeout=120, headers={"Authorization": f"Bearer {key}"} if key else {})

    def query(messages: Messages) -> str:
        document = {"model": judge.model, "messages": messages, "temperature": 0, "max_tokens": judge.max_tokens}

        def ask() -> httpx.Response:
            answer = client.post(judge.url.rstrip("/") + "/chat/completions", json=document)
            if answer.status_code in BUSY:
                answer.raise_for_status()
            return answer

        try:
            answer = with_retries(ask, tell=lambda why: print(why, flush=True), cancelled=cancelled)
            if 400 <= answer.status_code < 500 and answer.status_code not in (401, 403, 404, 429):
                return ""  # the endpoint rejects only this pair, which is skipped
            answer.raise_for_status()
            return answer.json()["choices"][0]["message"]["content"] or ""
        except (httpx.HTTPError, KeyError, IndexError, TypeError, ValueError) as error:
            raise NetworkError(
                f"The AI judge did not answer: {str(error)[:200] or type(error).__name__}.",
                asked=judge.url,
                available="an OpenAI-compatible endpoint",
                remedy="Check the address, the key and the name of the model. The votes so far are kept.",
                field="url",
            ) from error

    return query


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
