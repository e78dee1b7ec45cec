"""AI judge (LLM-as-a-judge): a model that says which of two answers is better, by guidelines in words.

It is asked twice, with the answers in both orders, and only a consistent judgment counts, because models favor one side (Zheng et al.
2023, arXiv:2306.05685). A local model is asked through the serving worker, any other through an OpenAI-compatible endpoint, to which questions
and answers are sent: nothing leaves this computer unless you enter one.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from tuner.errors import NetworkError, RequestError
from tuner.models.chat_templates import THINKING
from tuner.network.retries import BUSY, with_retries
from tuner.paths import Workspace
from tuner.serving import chat_client

Query = Callable[[list[dict[str, Any]]], str]
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


def require(ws: Workspace, judge: Judge) -> None:
    """Raise RequestError for a judge without a name or with an address that is none; ModelError, NotFoundError for a local model that can't answer."""
    if not judge.model.strip():
        raise RequestError("No AI judge was chosen.", asked="", available="a model", remedy="Choose a model.", field="judge")
    if not judge.url:
        chat_client.serving_spec(ws, judge.model)
        return
    parts = urlsplit(judge.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise RequestError(
            "This is not the address of an OpenAI-compatible endpoint.",
            asked=judge.url,
            available="http://127.0.0.1:11434/v1, https://.../v1",
            remedy="Enter the address up to /v1, and the key in its own field.",
            field="url",
        )


def query(ws: Workspace, judge: Judge, cancelled: Callable[[], bool] | None = None) -> Query:
    """Return what asks the judge; an endpoint's key is taken from the environment of this process."""
    return endpoint(judge, cancelled) if judge.url else _local(ws, judge)


def compared(ask: Query, guidelines: str, conversation: str, first: str, second: str) -> tuple[str, str]:
    """Return (winner, reason) of two answers: "first", "second", "tie" or "skip"."""
    system = TASK.format(guidelines=guidelines)

    def asked(a: str, b: str) -> str:
        question = ASKED.format(prompt=conversation, first=a, second=b)
        return ask([{"role": "system", "content": system}, {"role": "user", "content": question}])

    return ask_both_orders(asked, first, second)


def ask_both_orders(query: Callable[[str, str], str], first: str, second: str) -> tuple[str, str]:
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


def _local(ws: Workspace, judge: Judge) -> Query:
    client, known = chat_client.Client(ws), chat_client.serving_spec(ws, judge.model)
    return lambda messages: client.answer(known, messages, temperature=0.0, max_tokens=judge.max_tokens).text


def endpoint(judge: Judge, cancelled: Callable[[], bool] | None = None) -> Query:
    """Return what asks a judge at an OpenAI-compatible endpoint; NetworkError when it does not answer."""
    key = os.environ.pop(KEY, "")
    client = httpx.Client(timeout=120, headers={"Authorization": f"Bearer {key}"} if key else {})

    def query(messages: list[dict[str, Any]]) -> str:
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
                remedy="Check the address, the key and the name of the model. What was judged so far is kept.",
                field="url",
            ) from error

    return query
