"""Judgments: one labeller's choice between the two answers of a pair, and the two scales it can be read on. No I/O.

"first" and "second" are the two answers of the pair, on whichever side they were shown. `left` records which one was on the left, so that
a position bias can be detected. An AI judge is a labeller like any other.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

WINNERS = ("first", "second", "tie", "both_bad", "skip")
DECIDED = ("first", "second")


@dataclass(frozen=True)
class Judgment:
    """A judgment of one labeller on one pair."""

    pair: str
    labeller: str
    winner: str  # one of WINNERS
    left: str  # "first" or "second": the answer shown on the left, as A
    strength: int | None = None  # 1 slightly, 2 clearly, 3 far better; None where strength is switched off
    repeat: bool = False  # a hidden repeat, sides swapped, of a pair that this labeller judged before
    first_length: int = 0  # characters
    second_length: int = 0
    first_by: str = ""  # the model that wrote the first answer
    second_by: str = ""
    gold: str | None = None  # the known right answer: "first" or "second"
    seconds: float | None = None  # how long it took
    when: float = 0.0  # seconds since 1970

    def __post_init__(self):
        if (
            self.winner not in WINNERS
            or self.left not in DECIDED
            or self.gold not in (None, *DECIDED)
            or self.strength not in (None, 1, 2, 3)
        ):
            raise ValueError(f"invalid judgment: {self}")

    @property
    def decided(self) -> bool:
        """Whether one of the two answers was preferred."""
        return self.winner in DECIDED

    @property
    def score(self) -> int | None:
        """From 3 (the first is far better) over 0 (a tie, or both bad) to -3 (the second is far better); None for a skip.

        Without a strength a preference counts as 1, the smallest one. Agreement on this scale is measured by ranks, so where nobody gave
        a strength the order is second, neither, first."""
        if self.winner == "skip":
            return None
        sign = {"first": 1, "second": -1}.get(self.winner, 0)
        return sign * (self.strength or 1)


def counted(verdicts: Iterable[Judgment]) -> list[Judgment]:
    """Return the latest judgment of each labeller on each pair, in order of time; without repeats, with skips."""
    last: dict[tuple[str, str], Judgment] = {}
    for v in in_order(verdicts):
        if not v.repeat:
            last[v.pair, v.labeller] = v
    return in_order(last.values())


def in_order(verdicts: Iterable[Judgment]) -> list[Judgment]:
    """Sort by time (stable)."""
    return sorted(verdicts, key=lambda v: v.when)


def by_pair(verdicts: Iterable[Judgment]) -> dict[str, list[Judgment]]:
    """Return the judgments that count for each pair, without skips; pairs in the order in which they were first judged."""
    out: dict[str, list[Judgment]] = {}
    for v in counted(verdicts):
        if v.winner != "skip":
            out.setdefault(v.pair, []).append(v)
    return out


def by_labeller(verdicts: Iterable[Judgment]) -> dict[str, list[Judgment]]:
    """Return all judgments of each labeller in order of time, including hidden repeats and skips; labellers sorted by name."""
    out: dict[str, list[Judgment]] = {}
    for v in in_order(verdicts):
        out.setdefault(v.labeller, []).append(v)
    return dict(sorted(out.items()))


@dataclass(frozen=True)
class Majority:
    """The majority vote on one pair: `share` of the votes went to `winner`; `disputed` when that is not more than half."""

    winner: str
    share: float
    disputed: bool


def majority(verdicts: Iterable[Judgment]) -> Majority:
    """Return the majority of the judgments on one pair, one vote per labeller. Equal votes are a disputed tie; without votes the pair is
    skipped."""
    votes = Counter(v.winner for v in counted(verdicts) if v.winner != "skip")
    if not votes:
        return Majority("skip", 0.0, False)
    most, total = max(votes.values()), votes.total()
    best = [winner for winner, n in votes.items() if n == most]
    return Majority(best[0] if len(best) == 1 else "tie", most / total, 2 * most <= total)


def table(verdicts: Iterable[Judgment], scale: str = "score") -> np.ndarray:
    """Return reliability data for `agreement`, [labellers, pairs]: `scale` "score" is ordinal, "winner" has an unordered number for each
    answer. NaN where a labeller did not judge. Labellers are sorted by name."""
    pairs = by_pair(verdicts)
    names = sorted({v.labeller for judged in pairs.values() for v in judged})
    row = {name: i for i, name in enumerate(names)}
    out = np.full((len(names), len(pairs)), np.nan)
    for column, judged in enumerate(pairs.values()):
        for v in judged:
            out[row[v.labeller], column] = v.score if scale == "score" else WINNERS.index(v.winner)
    return out
