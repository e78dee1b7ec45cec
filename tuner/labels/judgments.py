"""One person's answer on one pair of answers, and the two scales it can be read on. No files, no I/O.

A verdict speaks of the content: "first" and "second" are the two answers of the pair, wherever they stood. `left` keeps what stood at the
left, so that a habit of the hand can be told from a judgement. A judge model is a labeller like any other.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

WINNERS = ("first", "second", "tie", "both_bad", "skip")
DECIDED = ("first", "second")


@dataclass(frozen=True)
class Verdict:
    pair: str
    labeller: str
    winner: str  # one of WINNERS
    left: str  # "first" or "second": what was shown at the left, as A
    strength: int | None = None  # 1 slightly, 2 clearly, 3 by far; None where strength is switched off
    repeat: bool = False  # a hidden repeat, sides swapped, of a pair that this labeller judged before
    first_length: int = 0  # characters
    second_length: int = 0
    first_by: str = ""  # the model that wrote it
    second_by: str = ""
    gold: str | None = None  # the answer known to be right: "first" or "second"
    seconds: float | None = None  # how long it took
    when: float = 0.0  # seconds since 1970

    def __post_init__(self):
        if (
            self.winner not in WINNERS
            or self.left not in DECIDED
            or self.gold not in (None, *DECIDED)
            or self.strength not in (None, 1, 2, 3)
        ):
            raise ValueError(f"no such verdict: {self}")

    @property
    def decided(self) -> bool:
        return self.winner in DECIDED

    @property
    def score(self) -> int | None:
        """From 3 (the first by far) over 0 (a tie, or both bad) to -3 (the second by far); None where it was skipped.

        Without a strength a preference counts 1, the smallest there is: that somebody prefers is known, how much is not. The measure of
        agreement on this scale goes by ranks, so where nobody gave a strength it reads second, neither, first, in this order."""
        if self.winner == "skip":
            return None
        sign = {"first": 1, "second": -1}.get(self.winner, 0)
        return sign * (self.strength or 1)


def counted(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """What each labeller says of each pair in the end, in order of time: the latest verdict; without repeats, with skips."""
    last: dict[tuple[str, str], Verdict] = {}
    for v in in_order(verdicts):
        if not v.repeat:
            last[v.pair, v.labeller] = v
    return in_order(last.values())


def in_order(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """By time; what came at the same time stays as it is."""
    return sorted(verdicts, key=lambda v: v.when)


def by_pair(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """The verdicts that count on each pair, without skips; pairs in the order in which they were first judged."""
    out: dict[str, list[Verdict]] = {}
    for v in counted(verdicts):
        if v.winner != "skip":
            out.setdefault(v.pair, []).append(v)
    return out


def by_labeller(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """All verdicts of each labeller in order of time, hidden repeats and skips as well; labellers by name."""
    out: dict[str, list[Verdict]] = {}
    for v in in_order(verdicts):
        out.setdefault(v.labeller, []).append(v)
    return dict(sorted(out.items()))


@dataclass(frozen=True)
class Majority:
    """What the labellers of one pair say together: `share` of their votes went to `winner`; `disputed` where it is not more than half."""

    winner: str
    share: float
    disputed: bool


def majority(verdicts: Iterable[Verdict]) -> Majority:
    """Of the verdicts on one pair, one vote a labeller. Where two answers have as many votes nobody won: a tie, disputed. Without any
    vote the pair is skipped."""
    votes = Counter(v.winner for v in counted(verdicts) if v.winner != "skip")
    if not votes:
        return Majority("skip", 0.0, False)
    most, total = max(votes.values()), votes.total()
    best = [winner for winner, n in votes.items() if n == most]
    return Majority(best[0] if len(best) == 1 else "tie", most / total, 2 * most <= total)


def table(verdicts: Iterable[Verdict], scale: str = "score") -> np.ndarray:
    """Reliability data as `agreement` reads them, [labellers, pairs]: `scale` "score" is ordinal, "winner" has a number for each answer
    without an order. NaN where somebody did not judge. Labellers by name."""
    pairs = by_pair(verdicts)
    names = sorted({v.labeller for judged in pairs.values() for v in judged})
    row = {name: i for i, name in enumerate(names)}
    out = np.full((len(names), len(pairs)), np.nan)
    for column, judged in enumerate(pairs.values()):
        for v in judged:
            out[row[v.labeller], column] = v.score if scale == "score" else WINNERS.index(v.winner)
    return out
