"""What an AI judge finds of the answers of a run beside those of the model it is compared with; see `serving.ai_judge`."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from tuner.evaluation import significance
from tuner.scorecard.answering import Row
from tuner.serving import ai_judge, parallel
from tuner.serving.ai_judge import Judge

RUBRIC = "The better answer is right, does what was asked, and is clear and no longer than it needs to be. Its manner is like that of the reference answer."
POINTS = {"first": 1.0, "tie": 0.5, "second": 0.0}
Tell = Callable[[int], None]


def asked(
    query: ai_judge.Query, judge: Judge, rubric: str, mine: list[Row], its: list[Row], *, tell: Tell, cancelled: Callable[[], bool]
) -> dict[str, Any]:
    """Return how often the judge finds the answers of one model better than those of the other. Rows are compared where both have answered; the same
    answer twice is a tie that nobody is asked about. `mine`, `its`: results of `answering`."""
    rows = [(a, b) for a, b in zip(mine, its, strict=True) if "left_out" not in a and "left_out" not in b]
    tell(len(mine) - len(rows))
    found: list[str] = ["skip"] * len(rows)

    def compare(item: tuple) -> str:
        _, (a, b) = item
        if a["answer"].strip() == b["answer"].strip():
            return "tie"
        conversation = f"user: {a['question']}\n\nA reference answer: {a['reference']}"
        return ai_judge.compared(query, rubric or RUBRIC, conversation, a["answer"], b["answer"])[0]

    at_once = 1 if judge.url else parallel.AT_ONCE  # somebody else's endpoint is not flooded
    for (i, _), winner in parallel.completed(compare, list(enumerate(rows)), cancelled=cancelled, at_once=at_once):
        found[i] = winner
        tell(1)
    return counted(judge, rubric, found)


def counted(judge: Judge, rubric: str, found: list[str]) -> dict[str, Any]:
    """Return the document of these judgments: "first" (the run), "second", "tie" or "skip" (no judgment)."""
    count, points = Counter(found), np.array([POINTS[w] for w in found if w != "skip"])
    share = significance.interval(lambda rows: float(points[rows].mean()), significance.samples(len(points))) if len(points) else None
    enough = share is not None and len(points) >= significance.FEWEST
    return {
        "model": judge.model,
        "endpoint": urlsplit(judge.url).hostname if judge.url else None,
        "rubric": rubric or RUBRIC,
        "rows": len(points),
        "better": count["first"],
        "worse": count["second"],
        "ties": count["tie"],
        "skipped": count["skip"],
        "share": asdict(share) if share else None,
        "real": bool(enough and (share.low > 0.5 or share.high < 0.5)),
    }


def says(found: dict[str, Any], against: str) -> str:
    """Return in a sentence what the judge finds."""
    if found.get("error"):
        return f"{found['error']} Everything else was measured."
    if not found["rows"]:
        return f"The AI judge {found['model']} gave no judgment that can be read: {found['skipped']} replies without a number."
    counts = f"better than those of {against} on {found['better']} of {found['rows']} rows, worse on {found['worse']}, as good on {found['ties']}"
    chance = "" if found["real"] else "; that may be chance"
    return f"The AI judge {found['model']} finds its answers {counts}{chance}."
