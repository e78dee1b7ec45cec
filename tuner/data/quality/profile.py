"""First pass of the quality report: reads each row once and keeps about 60 bytes per row."""

import json
from array import array
from collections import Counter
from collections.abc import Callable

from tuner.data.importing.parquet import iterate
from tuner.data.quality import heuristics
from tuner.data.schema.fields import Parts, bare, digest, labels, parts, prose

SPELLINGS, OPENINGS = 10_000, 50_000
ANSWERED = ("chat", "seq2seq", "preference", "rated")  # kinds whose answers are sentences


class Survey:
    """Statistics of all rows. Arrays have one entry per row, in file order."""

    def __init__(self, kind: str):
        self.kind = kind
        self.row, self.held_out, self.lengths = array("q"), bytearray(), array("Q")
        self.whole, self.asked, self.answered = array("Q"), array("Q"), array("Q")
        self.answer_sizes, self.worse_sizes = array("Q"), array("Q")
        self.flags: dict[str, array] = {}
        self.labels, self.label_ids = Counter(), {}
        self.labelled, self.label_of = array("q"), array("I")
        self.openings, self.opened = Counter(), 0

    def see(self, row: dict) -> None:
        """Add a row to the statistics."""
        value, number = row["value"], row["row"]
        part = parts(value, self.kind)
        self.row.append(number)
        self.held_out.append(row["held_out"])
        self.lengths.append(part.characters)
        self.whole.append(digest(json.dumps({k: v for k, v in value.items() if k != "weight"}, ensure_ascii=False, sort_keys=True)))
        asked, answered = exchange(part, self.kind)
        self.asked.append(asked)
        self.answered.append(answered)
        self.answer_sizes.append(len(part.answer))
        self.worse_sizes.append(len(part.worse))
        for key in flags(value, part, self.kind):
            self.flags.setdefault(key, array("q")).append(number)
        for label in labels(value, self.kind):
            self._label(number, label)
        if self.kind in ANSWERED and part.label != "bad":
            self._opening(part.answer)

    def _label(self, number: int, label: str) -> None:
        if label in self.label_ids or len(self.label_ids) < SPELLINGS:
            self.labels[label] += 1
            self.labelled.append(number)
            self.label_of.append(self.label_ids.setdefault(label, len(self.label_ids)))

    def _opening(self, answer: str) -> None:
        self.opened += 1
        if found := heuristics.opening(answer):
            self.openings[found] += 1
            if len(self.openings) > OPENINGS:  # an opening seen once in so many rows is not boilerplate
                self.openings = Counter({k: n for k, n in self.openings.items() if n > 1})


def exchange(part: Parts, kind: str) -> tuple[int, int]:
    """Return (digest of the question, digest of the answer): rows with equal questions and different answers contradict each other.

    For a preference, the question includes both answers, and the answer is which of them is better.
    """
    question = bare(part.question) or part.question
    if kind == "preference":
        better, worse = bare(part.answer), bare(part.worse)
        return digest(question, *sorted((better, worse))), digest(better, worse)
    if kind == "rated":
        return digest(question, bare(part.answer)), digest(part.label)
    return digest(bare(part.context), question), digest(bare(part.answer) or part.answer, part.label.casefold().strip())


def flags(value: dict, part: Parts, kind: str) -> list[str]:
    """Return the keys of the problems found in one row."""
    text = prose(value, kind)
    keys = []
    if not text.isascii():
        keys += ["lost_letters"] * (heuristics.LOST in text) + ["garbled"] * heuristics.garbled(text)
    if heuristics.CONTROLS.search(text):
        keys.append("invisible")
    if heuristics.marked_up(text):
        keys.append("markup")
    if heuristics.disordered(value, kind):
        keys.append("turns")
    if kind != "qa" and heuristics.is_empty_answer(part.answer or part.question):
        keys.append("hollow")
    if kind == "classification" and not any(label.strip() for label in labels(value, kind)):
        keys.append("unlabelled")
    if kind in ANSWERED and part.label != "bad":
        keys += ["refusals"] * heuristics.refuses(part.answer) + ["machine_talk"] * heuristics.describes_itself_as_ai(part.answer)
    return keys


def survey(ds, tick: Callable[[int], None]) -> Survey:
    """Read all rows once and return their statistics. `tick` receives the number of rows read and may raise to stop."""
    seen = Survey(ds.kind)
    for n, row in enumerate(iterate(ds)):
        if n % 200 == 0:
            tick(n)
        seen.see(row)
    return seen


def charts(ds, beat: Callable[[int], None] = lambda done: None) -> dict:
    """Return {"lengths": [{"label", "count"}], "labels": [...]}: rows by characters and by label (at most 30, most common first)."""
    lengths, names = array("Q"), Counter()
    for n, row in enumerate(iterate(ds)):
        if n % 1000 == 0:
            beat(n)
        lengths.append(parts(row["value"], ds.kind).characters)
        if len(names) < SPELLINGS:
            names.update(labels(row["value"], ds.kind))
    return {"lengths": histogram(lengths), "labels": bars(names)}


def histogram(lengths, most: int = 20) -> list[dict]:
    """Return at most 20 bins of a round width up to the 99th percentile; longer rows are in the last bin."""
    import numpy as np

    sizes = np.asarray(lengths, np.int64)
    if not len(sizes):
        return []
    top = int(np.quantile(sizes, 0.99)) + 1
    step = next(s for e in range(19) for s in (10**e, 2 * 10**e, 5 * 10**e) if s * (most - 1) >= top)
    bins = -(-top // step)
    counts = np.bincount(np.minimum(sizes // step, bins), minlength=bins)
    names = [f"{i * step:,}–{(i + 1) * step - 1:,}" if step > 1 else f"{i}" for i in range(bins)] + [f"{bins * step:,} or more"]
    return [{"label": name, "count": int(n)} for name, n in zip(names, counts, strict=False)]


def bars(names: Counter, most: int = 30) -> list[dict]:
    """Return the most common names with their counts, and the rest as one bar."""
    shown = [{"label": name, "count": n} for name, n in names.most_common(most)]
    rest = names.total() - sum(bar["count"] for bar in shown)
    return shown + [{"label": f"{len(names) - most:,} others", "count": rest}] * (rest > 0)
