"""Two to four models answer the same questions: runs, their checkpoints and base models, models in folders."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from tuner import runs
from tuner.errors import RequestError
from tuner.formatting import csv_text
from tuner.paths import Workspace
from tuner.serving import parallel
from tuner.serving.chat_client import Client, Piece
from tuner.serving.served_models import Served, is_run, named
from tuner.settings import objectives

MOST = 4  # models


def require(ws: Workspace, names: list[str]) -> list[Served]:
    """Return what the names mean. RequestError for fewer than two models, more than four, one twice, or one that does not write text."""
    if not 2 <= len(set(names)) == len(names) <= MOST:
        raise RequestError(
            "One model was named twice."
            if len(set(names)) < len(names)
            else f"{len(names)} model{'s were' if len(names) > 1 else ' was'} named.",
            asked=names,
            available=f"2 to {MOST} different models: a run, RUN/base, RUN@STEP, starter, a folder",
            remedy="Name two, three or four.",
            field="models",
        )
    found = [named(ws, name) for name in names]
    for served in found:
        objective = served.spec(ws).get("objective", "chat")
        if objective not in objectives.GENERATIVE:
            raise RequestError(
                f"{served.name} does not write text: its objective is {objective}.",
                asked=served.name,
                available="models that chat or continue a text",
                remedy="`tunesmith evaluate` compares models that label, score or rewrite.",
                field="models",
            )
    return found


def answers(
    ws: Workspace,
    models: list[Served],
    questions: list[str],
    *,
    system: str | None = None,
    heard: Callable[[int, int, list[list[str | None]]], None] = lambda done, total, texts: None,
    cancelled: Callable[[], bool] = lambda: False,
    waiting: Callable[[float], None] | None = None,
    **sampling: Any,
) -> dict[str, Any]:
    """Return {"models": [{"model", "tokens_per_second", "first_token_seconds", "tokens", "cut"}], "answers": [{"question", "answers": [text of each]}]}.

    One model after another, its questions together. `system`: for all of them; None: to each run its own. `cut`: how many answers reached the
    limit. A model that was not asked to its end, since it was `cancelled`, is left out. `heard(done, total, texts)` is called after each answer; `texts` has a list for each question, with None for what is still to come.
    """
    client, total, done = Client(ws, waiting=waiting), len(models) * len(questions), 0
    texts: list[list[str | None]] = [[None] * len(models) for _ in questions]
    found: list[list[Piece]] = []
    seconds: list[float] = []
    for number, served in enumerate(models):
        spec = served.spec(ws)
        client.answer(
            spec, [{"role": "user", "content": questions[0]}], temperature=0.0, max_tokens=1
        )  # loads it, which is no part of its speed
        begun = time.monotonic()
        before = [{"role": "system", "content": said}] if (said := _system(ws, served) if system is None else system) else []
        mine: list[Piece] = [Piece()] * len(questions)

        def ask(item: tuple[int, str], spec=spec, before=before) -> Piece:
            return client.answer(spec, [*before, {"role": "user", "content": item[1]}], leave=cancelled, **sampling)

        for (i, _), piece in parallel.completed(ask, list(enumerate(questions)), cancelled=cancelled):
            mine[i], texts[i][number], done = piece, piece.text, done + 1
            heard(done, total, texts)
        if cancelled():
            break
        found.append(mine)
        seconds.append(time.monotonic() - begun)
    shown = [{"question": q, "answers": [mine[i].text for mine in found]} for i, q in enumerate(questions)]
    return {"models": [_figures(*each) for each in zip(models, found, seconds, strict=False)], "answers": shown}


def as_csv(found: dict[str, Any]) -> str:
    """Return what `answers` found as CSV: a row for each question, a column for each model."""
    rows = ([row["question"], *row["answers"]] for row in found["answers"])
    return csv_text(["question", *(m["model"] for m in found["models"])], rows)


def _system(ws: Workspace, served: Served) -> str:
    return runs.get(ws, served.ref).system if is_run(ws, served.ref) else ""


def _figures(served: Served, mine: list[Piece], seconds: float) -> dict[str, Any]:
    tokens = sum(piece.completion_tokens for piece in mine)
    first = [piece.first_token_seconds for piece in mine if piece.first_token_seconds is not None]
    return {
        "model": served.name,
        "tokens_per_second": round(tokens / seconds, 1) if seconds else None,
        "first_token_seconds": round(statistics.median(first), 3) if first else None,
        "tokens": tokens,
        "cut": sum(piece.stop_reason == "length" for piece in mine),
    }
