"""What a run has forgotten: general questions, of which it and its base model choose the likeliest of four answers.

The questions are ours: presets/general/general.jsonl, and for the starter, which knows a small world of its own, starter.jsonl. Which answer a model finds the
likeliest depends little on the manner in which it has learned to answer: a run that answers like a pirate still finds Tokyo likelier than Beijing.
"""

import json
from collections import Counter
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import numpy as np

from tuner import paths
from tuner.evaluation import significance
from tuner.scorecard.answering import Asking
from tuner.scorecard.contenders import LENGTH, Contender
from tuner.settings import objectives

FOLDER = paths.PRESETS / "general"
OPTIONS = 4


def applies(who: Contender, other: Contender | None) -> bool:
    """Return whether two models can be asked: both write text."""
    return other is not None and other.constant is None and who.objective in objectives.GENERATIVE


def questions_for(base: str) -> list[dict[str, Any]]:
    """Return the questions for runs that began with this base model, each {"about", "question", "answers"}, the right answer first."""
    return list(_read("starter" if base == str(paths.STARTER) else "general"))


@cache
def _read(name: str) -> tuple[dict[str, Any], ...]:
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)


def asked(asking: Asking, who: Contender, other: Contender, questions: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return what both models choose; None when one of them can't take the questions (a chat template that needs something else, say)."""
    chosen = [_chosen(asking, replace(c, max_length=LENGTH, examples=()), questions) for c in (who, other)]
    return None if None in chosen else counted(questions, *chosen)


def _chosen(asking: Asking, who: Contender, questions: list[dict[str, Any]]) -> list[int] | None:
    """Return the number of the likeliest answer to each question."""
    if who.objective == "text":
        kind, rows = "text", [{"text": f"{q['question']} {answer}"} for q in questions for answer in q["answers"]]
    else:
        kind = "chat"
        rows = [_conversation(q["question"], answer) for q in questions for answer in q["answers"]]
    found = asking.likelihoods(who, rows, kind)
    if any("left_out" in f for f in found):
        return None
    return np.array([f["nll"] for f in found]).reshape(-1, OPTIONS).argmin(axis=1).tolist()


def _conversation(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def counted(questions: list[dict[str, Any]], mine: list[int], its: list[int]) -> dict[str, Any]:
    """Return how many each has right, whether the difference is real, and which questions were forgotten. `mine`, `its`: the answers chosen."""
    right, before = (np.array(chosen) == 0 for chosen in (mine, its))
    drawn = significance.samples(len(questions))
    share = significance.difference(lambda rows: float(right[rows].mean()), lambda rows: float(before[rows].mean()), drawn)
    lost = [i for i in range(len(questions)) if before[i] and not right[i]]
    return {
        "questions": len(questions),
        "right": int(right.sum()),
        "baseline_right": int(before.sum()),
        "difference": asdict(share) | {"real": share.real},
        "by_chance": by_chance(len(questions), int(before.sum())),
        "lost": len(lost),
        "gained": int((right & ~before).sum()),
        "about": dict(Counter(questions[i]["about"] for i in lost)),
        "forgotten": [_forgotten(questions[i], mine[i]) for i in lost],
    }


def _forgotten(question: dict[str, Any], chosen: int) -> dict[str, str]:
    return {"question": question["question"], "reference": question["answers"][0], "answer": question["answers"][chosen]}


def by_chance(questions: int, right: int) -> bool:
    """Return whether this many right answers could be guesses: no more than two standard deviations above a quarter of them."""
    return right <= questions / OPTIONS + 2 * (questions * (1 - 1 / OPTIONS) / OPTIONS) ** 0.5


def says(found: dict[str, Any], against: str) -> str:
    """Return in a sentence what was forgotten."""
    n, right, before = found["questions"], found["right"], found["baseline_right"]
    if found["by_chance"]:
        return f"General questions show nothing here: {against} itself answers {before} of {n} rightly, which guessing would, too."
    if found["difference"]["real"] and right < before:
        return f"It has forgotten something: of {n} general questions it answers {right} rightly, {against} {before}."
    told = f"of {n} general questions it answers {right} rightly, {against} {before}"
    return f"Nothing forgotten that general questions could show: {told}."
