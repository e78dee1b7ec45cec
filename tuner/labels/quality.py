"""Quality of the judgments: speed, biases, consistency and agreement, computed from judgments alone, with sentences for the panel.

Biases are shares with Wilson's interval. They show whether a labeller goes by position or length instead of content; a preference for
longer answers may also be right, so it is only reported. Sides are drawn for each labeller, so all judgments count for the position bias;
lengths belong to the pair, so each pair counts once, by majority.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from tuner.labels import agreement
from tuner.labels.agreement import ENOUGH, Measured
from tuner.labels.judgments import DECIDED, Judgment, by_labeller, by_pair, counted, in_order, majority, table
from tuner.labels.win_rate import wilson

PAUSE = 300  # seconds between two judgments above which the time counts as a break
LONGER = 1.1  # an answer this many times as long counts as the longer one


@dataclass(frozen=True)
class Report:
    """Report on one labeller, or on all of them (`labeller` ""). `left`, `longer`: the share of preferences for the left answer, for the
    longer one; `same`: the share of hidden repeats judged as before; `gold`: the share of gold pairs judged correctly."""

    labeller: str
    verdicts: int
    pairs: int
    skipped: int
    per_minute: float | None
    seconds: float | None
    left: Measured
    longer: Measured
    same: Measured
    gold: Measured

    def sentences(self) -> list[str]:
        """Return the report as sentences."""
        lines = [
            f"{self._progress()}.",
            sentence("Chooses the left answer", self.left, ("looks biased", "looks biased", "no sign of a bias")),
            sentence("Chooses the longer answer", self.longer, ("prefers short answers", "prefers long answers", "no sign of a bias")),
        ]
        for start, share in (("Judges hidden repeats the same way", self.same), ("Judges gold pairs correctly", self.gold)):
            if share.n:  # repeats and gold pairs are optional
                lines.append(sentence(start, share))
        return lines

    def _progress(self) -> str:
        out = f"{_many(self.verdicts, 'judgment')} on {_many(self.pairs, 'pair')}"
        out += f", {self.skipped} skipped" if self.skipped else ""
        out += f"; {self.per_minute:.1f} per minute" if self.per_minute else ""
        return out + (f"; median {self.seconds:.0f} s" if self.seconds is not None else "")


@dataclass(frozen=True)
class Disagreement:
    """A pair to settle: the votes, how far apart the scores are (0 to 6), and the majority."""

    pair: str
    votes: dict[str, str]
    apart: int
    winner: str
    share: float


@dataclass(frozen=True)
class Panel:
    """The quality panel: `raw` agreement, and `beyond` chance, by `measure` "kappa" (two labellers), "alpha" (more) or None (one)."""

    overall: Report
    labellers: list[Report]
    raw: Measured
    beyond: Measured | None
    measure: str | None
    disagreements: list[Disagreement]

    def sentences(self) -> list[str]:
        """Return sentences on all labellers together; each labeller's report has its own."""
        out = self.overall.sentences()
        if self.beyond is None:
            return [*out, "Agreement: no second labeller to compare with yet."]
        start = "Two labellers of a pair agree"
        out.append(sentence(start, self.raw) if self.raw.enough else f"{start}: {self.raw.as_text()}.")
        name = {"kappa": "Cohen's kappa", "alpha": "Krippendorff's alpha"}[self.measure]
        word = f": {agreement.grade(self.beyond.value)}" if self.beyond.enough and self.beyond.value is not None else ""
        out.append(f"Agreement beyond chance, {name}: {self.beyond.as_text()}{word}.")
        return [*out, f"{_many(len(self.disagreements), 'pair')} to settle."] if self.disagreements else out


def panel(verdicts: Iterable[Judgment], seed: int = 0) -> Panel:
    """Return everything that the quality panel shows."""
    verdicts = list(verdicts)
    reports = [report(mine, name) for name, mine in by_labeller(verdicts).items()]
    without_gold = [v for v in verdicts if not v.gold]  # gold pairs measure a labeller, not agreement
    answers, beyond, measure = table(without_gold, "winner"), None, None
    if len(answers) == 2:
        beyond, measure = agreement.kappa(*answers, seed=seed), "kappa"
    elif len(answers) > 2:
        beyond, measure = agreement.alpha(table(without_gold), seed=seed), "alpha"
    return Panel(report(verdicts), reports, agreement.raw(answers, seed=seed), beyond, measure, disagreements(without_gold))


def report(verdicts: Iterable[Judgment], labeller: str = "") -> Report:
    """Return the report on these judgments. Position bias also shows in repeats, so `left` counts them."""
    verdicts = list(verdicts)
    final = counted(verdicts)
    seconds = [v.seconds for v in verdicts if v.seconds is not None]
    known = [v for v in final if v.gold and v.winner != "skip"]
    return Report(
        labeller,
        verdicts=len(verdicts),
        pairs=len(by_pair(verdicts)),
        skipped=sum(v.winner == "skip" for v in final),
        per_minute=per_minute(verdicts),
        seconds=median(seconds) if seconds else None,
        left=share([v.winner == v.left for v in verdicts if v.decided]),
        longer=share(_long(verdicts)),
        same=share(repeated(verdicts)),
        gold=share([v.winner == v.gold for v in known]),
    )


def share(hits: list[bool]) -> Measured:
    """Return the share of hits with Wilson's interval."""
    low, high = wilson(sum(hits), len(hits))
    if not hits:
        return Measured(None, None, None, 0, False, "nothing to count yet")
    return Measured(sum(hits) / len(hits), low, high, len(hits), len(hits) >= ENOUGH)


def per_minute(verdicts: Iterable[Judgment]) -> float | None:
    """Return the judgments per minute of one person, without breaks. None before there are two judgments."""
    gaps = [b.when - a.when for mine in by_labeller(verdicts).values() for a, b in pairwise(mine)]
    work = [gap for gap in gaps if 0 < gap <= PAUSE]
    return 60 * len(work) / sum(work) if work else None


def longer(v: Judgment) -> str | None:
    """Return which answer is longer by more than a tenth; None when neither is."""
    short, long = sorted((v.first_length, v.second_length))
    if long <= LONGER * short:
        return None
    return "first" if v.first_length == long else "second"


def _long(verdicts: Iterable[Judgment]) -> list[bool]:
    """Return for each decided pair whether the longer answer won, by majority; pairs of similar length are left out."""
    found = [(majority(judged).winner, longer(judged[0])) for judged in by_pair(verdicts).values()]
    return [winner == long for winner, long in found if long and winner in DECIDED]


def repeated(verdicts: Iterable[Judgment]) -> list[bool]:
    """Return for each hidden repeat whether the judgment is the same as before; repeats with a skip are left out."""
    before: dict[tuple[str, str], str] = {}
    out = []
    for v in in_order(verdicts):
        if v.winner == "skip":
            continue
        if not v.repeat:
            before[v.pair, v.labeller] = v.winner
        elif (v.pair, v.labeller) in before:
            out.append(before[v.pair, v.labeller] == v.winner)
    return out


def disagreements(verdicts: Iterable[Judgment]) -> list[Disagreement]:
    """Return the pairs that labellers judged differently: the furthest apart first, then those with the most even vote."""
    out = []
    for pair, judged in by_pair(verdicts).items():
        if len(Counter(v.winner for v in judged)) > 1:
            scores, vote = [v.score for v in judged], majority(judged)
            out.append(Disagreement(pair, {v.labeller: v.winner for v in judged}, max(scores) - min(scores), vote.winner, vote.share))
    return sorted(out, key=lambda d: (-d.apart, d.share, -len(d.votes), d.pair))


def sentence(start: str, share: Measured, conclusions: tuple[str, str, str] | None = None) -> str:
    """Return a sentence such as "Chooses the left answer in 71% (62 to 79%) of 104: looks biased." `conclusions`: the texts for an interval
    below 50%, above it, and around it."""
    if not share.n:
        return f"{start}: {share.as_text()}."
    if not share.enough:
        return f"{start} in {share.value * share.n:.0f} of {share.n}: {share.as_text()}."
    between = f" ({100 * share.low:.0f} to {100 * share.high:.0f}%)" if share.low is not None else ""
    text = f"{start} in {100 * share.value:.0f}%{between} of {share.n}"
    if conclusions:
        text += f": {conclusions[0] if share.high < 0.5 else conclusions[1] if share.low > 0.5 else conclusions[2]}"
    return f"{text}."


def _many(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"
