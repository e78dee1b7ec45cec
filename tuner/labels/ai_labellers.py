"""Names of AI judges as labellers, which keep their votes apart from people's, and their agreement with people."""

import hashlib
from collections.abc import Iterable

from tuner.labels.judgments import Judgment, by_pair, majority

PREFIX = "judge:"


def named(model: str) -> str:
    """Return the labeller name of a model; long names are shortened with a hash, so that models with the same ending stay distinct."""
    if len(model) <= 34:
        return PREFIX + model
    return f"{PREFIX}{hashlib.sha256(model.encode()).hexdigest()[:6]}.{model[-27:]}"


def is_judge(labeller: str) -> bool:
    """Return whether a labeller is an AI judge."""
    return labeller.startswith(PREFIX)


def agreement(given: Iterable[Judgment], judge: str) -> list[bool]:
    """Return for each pair that both this judge and people judged whether they agree; pairs that people dispute are left out."""
    out = []
    for judged in by_pair(given).values():
        own = next((v.winner for v in judged if v.labeller == judge), None)
        people = [v for v in judged if not is_judge(v.labeller)]
        if own and people and not (together := majority(people)).disputed:
            out.append(own == together.winner)
    return out
