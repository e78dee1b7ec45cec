"""How well the judging goes: pace, habits, consistency and agreement, from verdicts alone, and in plain words for the panel.

Habits are shares with Wilson's interval. They tell a labeller who looks at the side or the length from one who looks at the answers; a
preference for longer answers may also be right, so that one is only said. Sides are drawn anew for each labeller, so all verdicts count
for the side; lengths are those of the pair, so each pair counts once, as the majority has it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from tuner.labels import agreement
from tuner.labels.agreement import ENOUGH, Measured
from tuner.labels.judgments import DECIDED, Verdict, by_labeller, by_pair, counted, in_order, majority, table
from tuner.labels.win_rate import wilson

PAUSE = 300  # s without a verdict that are no work
LONGER = 1.1  # times as long, to count as the longer one


@dataclass(frozen=True)
class Report:
    """Of one labeller, or of all of them (`labeller` ""). `left`, `longer`: the share of preferences for what stood left, for the longer
    one; `same`: of hidden repeats, those answered as before; `gold`: of known answers, those found."""

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

    def said(self) -> list[str]:
        lines = [
            f"{self._progress()}.",
            sentence("Chooses the left one", self.left, ("looks biased", "looks biased", "no sign of a bias")),
            sentence("Chooses the longer one", self.longer, ("leans to short answers", "leans to long answers", "no sign of a bias")),
        ]
        for start, share in (("Says the same again", self.same), ("Finds the known answer", self.gold)):
            if share.n:  # neither repeats nor known answers need be there
                lines.append(sentence(start, share))
        return lines

    def _progress(self) -> str:
        out = f"{_many(self.verdicts, 'verdict')} on {_many(self.pairs, 'pair')}"
        out += f", {self.skipped} skipped" if self.skipped else ""
        out += f"; {self.per_minute:.1f} a minute" if self.per_minute else ""
        return out + (f"; half of them within {self.seconds:.0f} s" if self.seconds is not None else "")


@dataclass(frozen=True)
class Disagreement:
    """A pair to settle: who said what, how far apart the scores lie (0 to 6), and how the vote stands."""

    pair: str
    votes: dict[str, str]
    apart: int
    winner: str
    share: float


@dataclass(frozen=True)
class Panel:
    """`raw`, and `beyond` chance: `measure` "kappa" (two labellers, which answer) or "alpha" (more, ordinal), None with one."""

    overall: Report
    labellers: list[Report]
    raw: Measured
    beyond: Measured | None
    measure: str | None
    disagreements: list[Disagreement]

    def said(self) -> list[str]:
        """On all labellers together; each has sentences of its own."""
        out = self.overall.said()
        if self.beyond is None:
            return [*out, "Agreement: nobody to compare with yet."]
        start = "Two labellers of a pair say the same"
        out.append(sentence(start, self.raw) if self.raw.enough else f"{start}: {self.raw.said()}.")
        name = {"kappa": "Cohen's kappa", "alpha": "Krippendorff's alpha"}[self.measure]
        word = f": {agreement.grade(self.beyond.value)}" if self.beyond.enough and self.beyond.value is not None else ""
        out.append(f"Agreement beyond chance, {name}: {self.beyond.said()}{word}.")
        return [*out, f"{_many(len(self.disagreements), 'pair')} to settle."] if self.disagreements else out


def panel(verdicts: Iterable[Verdict], seed: int = 0) -> Panel:
    """All that the quality panel shows."""
    verdicts = list(verdicts)
    reports = [report(mine, name) for name, mine in by_labeller(verdicts).items()]
    asked = [v for v in verdicts if not v.gold]  # what is known beforehand tells of a labeller, not of agreement
    answers, beyond, measure = table(asked, "winner"), None, None
    if len(answers) == 2:
        beyond, measure = agreement.kappa(*answers, seed=seed), "kappa"
    elif len(answers) > 2:
        beyond, measure = agreement.alpha(table(asked), seed=seed), "alpha"
    return Panel(report(verdicts), reports, agreement.raw(answers, seed=seed), beyond, measure, disagreements(asked))


def report(verdicts: Iterable[Verdict], labeller: str = "") -> Report:
    """Of these verdicts, whoever gave them. The hand's habit shows in repeats, too, so `left` counts them."""
    verdicts = list(verdicts)
    final = counted(verdicts)
    took = [v.seconds for v in verdicts if v.seconds is not None]
    known = [v for v in final if v.gold and v.winner != "skip"]
    return Report(
        labeller,
        verdicts=len(verdicts),
        pairs=len(by_pair(verdicts)),
        skipped=sum(v.winner == "skip" for v in final),
        per_minute=per_minute(verdicts),
        seconds=median(took) if took else None,
        left=share([v.winner == v.left for v in verdicts if v.decided]),
        longer=share(_long(verdicts)),
        same=share(repeated(verdicts)),
        gold=share([v.winner == v.gold for v in known]),
    )


def share(hits: list[bool]) -> Measured:
    low, high = wilson(sum(hits), len(hits))
    if not hits:
        return Measured(None, None, None, 0, False, "nothing to count yet")
    return Measured(sum(hits) / len(hits), low, high, len(hits), len(hits) >= ENOUGH)


def per_minute(verdicts: Iterable[Verdict]) -> float | None:
    """Verdicts a minute of one person at work: from one verdict to the next, pauses left out. None before there are two."""
    gaps = [b.when - a.when for mine in by_labeller(verdicts).values() for a, b in pairwise(mine)]
    work = [gap for gap in gaps if 0 < gap <= PAUSE]
    return 60 * len(work) / sum(work) if work else None


def longer(v: Verdict) -> str | None:
    """Which answer is the longer one by more than a tenth."""
    short, long = sorted((v.first_length, v.second_length))
    if long <= LONGER * short:
        return None
    return "first" if v.first_length == long else "second"


def _long(verdicts: Iterable[Verdict]) -> list[bool]:
    """For each pair that was decided, once for all labellers, whether the longer answer won; pairs of like length are left out."""
    found = [(majority(judged).winner, longer(judged[0])) for judged in by_pair(verdicts).values()]
    return [winner == long for winner, long in found if long and winner in DECIDED]


def repeated(verdicts: Iterable[Verdict]) -> list[bool]:
    """For each hidden repeat, whether the answer is that of the time before; where either was skipped it is left out."""
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


def disagreements(verdicts: Iterable[Verdict]) -> list[Disagreement]:
    """Pairs on which labellers said different things, the furthest apart first, then those with the most even vote."""
    out = []
    for pair, judged in by_pair(verdicts).items():
        if len(Counter(v.winner for v in judged)) > 1:
            scores, vote = [v.score for v in judged], majority(judged)
            out.append(Disagreement(pair, {v.labeller: v.winner for v in judged}, max(scores) - min(scores), vote.winner, vote.share))
    return sorted(out, key=lambda d: (-d.apart, d.share, -len(d.votes), d.pair))


def sentence(start: str, share: Measured, judgement: tuple[str, str, str] | None = None) -> str:
    """ "Chooses the left one in 71% (62 to 79%) of 104: looks biased." `judgement`: what to say where the interval lies below 50%, above
    it, and around it."""
    if not share.n:
        return f"{start}: {share.said()}."
    if not share.enough:
        return f"{start} in {share.value * share.n:.0f} of {share.n}: {share.said()}."
    between = f" ({100 * share.low:.0f} to {100 * share.high:.0f}%)" if share.low is not None else ""
    words = f"{start} in {100 * share.value:.0f}%{between} of {share.n}"
    if judgement:
        words += f": {judgement[0] if share.high < 0.5 else judgement[1] if share.low > 0.5 else judgement[2]}"
    return f"{words}."


def _many(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"
