"""Labels or a number for texts: `python -m tuner.workers.training.sequence_classification RUN_DIR`. One label, several labels, or regression.

Encoders judge a text by its first token, decoders by its last. The loss is cross-entropy, binary cross-entropy for each label, or the
squared distance to the number in units of its spread. model/labels.json says what the outputs mean.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from tuner.errors import DataError
from tuner.evaluation import scoring
from tuner.workers.modelling.batches import Pad
from tuner.workers.tokenization.task_rows import texts
from tuner.workers.tokenization.tokenized_rows import STRANGE, Rows
from tuner.workers.training import run_loop
from tuner.workers.training.callbacks import Reporter, guarded, leave
from tuner.workers.training.trainer import Learner

ONE, SEVERAL, NUMBER = "single_label_classification", "multi_label_classification", "regression"


class Classifier(Learner):
    """`about` is the document of labels.json; `weights` [labels] are those of class_weights, or None."""

    def __init__(self, job, model, train, held, about: dict[str, Any], weights: torch.Tensor | None):
        super().__init__(job, model, train, held, Pad(job.tokenizer, run_loop.multiple(job.settings)))
        self.about, self.weights = about, weights

    def losses(self, out, labels):
        logits = out.logits.float()
        weights = None if self.weights is None else self.weights.to(logits.device)
        if self.about["problem"] == SEVERAL:
            return F.binary_cross_entropy_with_logits(logits, labels.float(), pos_weight=weights, reduction="none")
        if self.about["problem"] == NUMBER:
            return F.mse_loss(logits.squeeze(-1), labels.float(), reduction="none")
        return F.cross_entropy(logits, labels, weight=weights, reduction="none")

    def guess(self, out, inputs):
        if self.about["problem"] == SEVERAL:
            return out.logits > 0
        return out.logits.float().squeeze(-1) if self.about["problem"] == NUMBER else out.logits.argmax(-1)

    def measure(self, rows, guesses):
        gold = np.asarray(rows.columns["labels"])
        if self.about["problem"] == SEVERAL:
            return scoring.label_sets(gold, guesses)
        if self.about["problem"] == NUMBER:
            return scoring.numbers(*(v * self.about["std"] + self.about["mean"] for v in (gold, guesses)))
        return scoring.labels(gold, guesses)


def in_order(names: set[str]) -> list[str]:
    """Labels as they are numbered: numbers by their value, else by the alphabet."""
    try:
        return sorted(names, key=lambda n: (float(n), n))
    except ValueError:
        return sorted(names)


def meaning(train: Rows, objective: str, before: dict[str, Any]) -> dict[str, Any]:
    """labels.json of these rows, or that of the model they go on from (`before`) when it fits."""
    labels = train.columns["labels"]
    if objective == "regression":
        known = {k: before[k] for k in ("mean", "std") if k in before}
        mean, std = float(np.mean(labels)), float(np.std(labels))
        return {"names": ["number"], "problem": NUMBER, "mean": mean, "std": std or 1.0} | known
    several = any(isinstance(label, list) for label in labels)
    names = {n for label in labels for n in (label if isinstance(label, list) else [label])}
    return {"names": settled(names, before), "problem": SEVERAL if several else before.get("problem", ONE)}


def settled(names: set[str], before: dict[str, Any]) -> list[str]:
    """The labels in their order; those of the model to go on from, which can't learn further ones."""
    known = before.get("names")
    if known and not names <= set(known):
        raise DataError(
            f"The model to go on from knows {len(known)} labels; these rows have others: {', '.join(sorted(names - set(known))[:10])}.",
            asked=in_order(names),
            available=known,
            remedy="Start from the base model instead, or leave these rows out.",
            field="model",
        )
    if not known and len(names) < 2:
        raise DataError(
            f"All rows have the same label ({', '.join(names) or 'none'}), so there is nothing to tell apart.",
            asked=sorted(names),
            available="rows of at least two labels",
            remedy="Add rows with other labels, or choose another column for the label.",
            field="data",
        )
    return known or in_order(names)


def numbered(rows: Rows, about: dict[str, Any]) -> Rows:
    """The rows with labels as the loss takes them: a place, zeros and ones, or a distance from the mean in units of the spread.
    Those with a label that was never learnt are left out and counted."""
    place, out = {n: i for i, n in enumerate(about["names"])}, Rows()
    out.cut, out.left_out = rows.cut, dict(rows.left_out)
    for i in range(len(rows)):
        row = rows[i]
        if (label := target(row["labels"], about, place)) is None:
            out.leave_out(STRANGE)
        else:
            out.add(**row | {"labels": label})
    return out


def target(label: Any, about: dict[str, Any], place: dict[str, int]) -> Any:
    if about["problem"] == NUMBER:
        return (float(label) - about["mean"]) / about["std"]
    said = label if isinstance(label, list) else [label]
    if any(n not in place for n in said):
        return None
    return [float(n in said) for n in place] if about["problem"] == SEVERAL else place[said[0]]


def class_weights(labels: list, about: dict[str, Any]) -> torch.Tensor:
    """[labels] inverse to how often each is learnt. One label: rows / (labels x count), whose mean over the rows is 1; several: how
    many rows lack a label for each that has it (`pos_weight`), at least 0.1."""
    k, n = len(about["names"]), len(labels)
    if about["problem"] == SEVERAL:
        count = torch.tensor(labels).sum(0).clamp(min=1)
        return ((n - count) / count).clamp(min=0.1)
    return n / (k * torch.bincount(torch.tensor(labels), minlength=k).clamp(min=1))


def work(r: Reporter) -> None:
    job = run_loop.begin(r)
    s = job.settings
    train = texts(job.tokenizer, job.values(False), s["max_length"]).needed(s["max_length"])
    about = meaning(train, s["objective"], job.before)
    train = numbered(train, about)
    held = numbered(texts(job.tokenizer, job.values(True), s["max_length"]), about)
    weights = class_weights(train.columns["labels"], about) if s.get("class_weights") and about["problem"] != NUMBER else None
    job.notes["labels.json"] = about | {"objective": s["objective"], "max_length": s["max_length"]}
    model = run_loop.build(job, names=about["names"], problem=about["problem"])
    run_loop.train(job, Classifier(job, model, train, held, about, weights), run_loop.summary(train, held))


if __name__ == "__main__":
    leave(guarded(Path(sys.argv[1]).resolve(), work))
