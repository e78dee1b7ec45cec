"""How a labeller that is a model is called, so that its votes can be told from people's, and how far the two agree."""

import hashlib
from collections.abc import Iterable

from tuner.labels.judgments import Verdict, by_pair, majority

PREFIX = "judge:"


def named(model: str) -> str:
    """Of two models whose names end alike both are told apart."""
    if len(model) <= 34:
        return PREFIX + model
    return f"{PREFIX}{hashlib.sha256(model.encode()).hexdigest()[:6]}.{model[-27:]}"


def is_judge(labeller: str) -> bool:
    return labeller.startswith(PREFIX)


def agreement(given: Iterable[Verdict], judge: str) -> list[bool]:
    """For each pair that this judge and people decided, whether they say the same."""
    out = []
    for judged in by_pair(given).values():
        own = next((v.winner for v in judged if v.labeller == judge), None)
        people = [v for v in judged if not is_judge(v.labeller)]
        if own and people and not (together := majority(people)).disputed:
            out.append(own == together.winner)
    return out
