"""Sequence classification and regression: `python -m tuner.workers.training.sequence_classification RUN_DIR`. One label, several labels, or a number.

Encoders classify a text by its first token, decoders by its last. The loss is cross-entropy, binary cross-entropy per label, or the squared
error in units of the standard deviation. model/labels.json describes the outputs.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from tuner.errors import DataError
from tuner.evaluation import scoring
from tuner.settings import trainer_arguments
from tuner.workers.modelling.batches import Pad
from tuner.workers.tokenization.task_rows import texts
from tuner.workers.tokenization.tokenized_rows import UNKNOWN_LABEL, Rows
from tuner.workers.training import run_loop
from tuner.workers.training.callbacks import Reporter, guarded, leave
from tuner.workers.training.trainer import TaskTrainer

ONE, SEVERAL, NUMBER = "single_label_classification", "multi_label_classification", "regression"


class Classifier(TaskTrainer):
    """The trainer. `about` is the content of labels.json; `weights` [labels] are from `class_weights`, or None."""

    def __init__(self, job, model, train, validation, about: dict[str, Any], weights: torch.Tensor | None):
        super().__init__(job, model, train, validation, Pad(job.tokenizer, trainer_arguments.multiple(job.settings)))
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
    """Return the labels in the order of their ids: numbers by value, else alphabetically."""
    try:
        return sorted(names, key=lambda n: (float(n), n))
    except ValueError:
        return sorted(names)


def meaning(train: Rows, objective: str, before: dict[str, Any]) -> dict[str, Any]:
    """Return labels.json for these rows; values of the model to continue from (`before`) are kept."""
    labels = train.columns["labels"]
    if objective == "regression":
        known = {k: before[k] for k in ("mean", "std") if k in before}
        mean, std = float(np.mean(labels)), float(np.std(labels))
        return {"names": ["number"], "problem": NUMBER, "mean": mean, "std": std or 1.0} | known
    several = any(isinstance(label, list) for label in labels)
    names = {n for label in labels for n in (label if isinstance(label, list) else [label])}
    return {"names": settled(names, before), "problem": SEVERAL if several else before.get("problem", ONE)}


def settled(names: set[str], before: dict[str, Any]) -> list[str]:
    """Return the labels in order; those of the model to continue from, whose head can't get new ones. DataError for unknown labels, or fewer than
    two."""
    known = before.get("names")
    if known and not names <= set(known):
        raise DataError(
            f"The model to continue from has {len(known)} labels; these rows have others: {', '.join(sorted(names - set(known))[:10])}.",
            asked=in_order(names),
            available=known,
            remedy="Start from the base model instead, or leave these rows out.",
            field="model",
        )
    if not known and len(names) < 2:
        raise DataError(
            f"All rows have the same label ({', '.join(names) or 'none'}), so there is nothing to classify.",
            asked=sorted(names),
            available="rows of at least two labels",
            remedy="Add rows with other labels, or choose another column for the label.",
            field="data",
        )
    return known or in_order(names)


def numbered(rows: Rows, about: dict[str, Any]) -> Rows:
    """Return the rows with labels as the loss needs them: a class id, zeros and ones, or the distance from the mean in standard deviations.
    Rows with a label that does not occur in training are left out and counted."""
    ids, out = {n: i for i, n in enumerate(about["names"])}, Rows()
    out.cut, out.left_out = rows.cut, dict(rows.left_out)
    for i in range(len(rows)):
        row = rows[i]
        if (label := target(row["labels"], about, ids)) is None:
            out.leave_out(UNKNOWN_LABEL)
        else:
            out.add(**row | {"labels": label})
    return out


def target(label: Any, about: dict[str, Any], ids: dict[str, int]) -> Any:
    if about["problem"] == NUMBER:
        return (float(label) - about["mean"]) / about["std"]
    labels = label if isinstance(label, list) else [label]
    if any(n not in ids for n in labels):
        return None
    return [float(n in labels) for n in ids] if about["problem"] == SEVERAL else ids[labels[0]]


def class_weights(labels: list, about: dict[str, Any]) -> torch.Tensor:
    """Return weights [labels] inverse to the frequency of each label. One label: rows / (labels x count), with mean 1 over the rows; several:
    rows without a label / rows with it (`pos_weight`), at least 0.1."""
    k, n = len(about["names"]), len(labels)
    if about["problem"] == SEVERAL:
        count = torch.tensor(labels).sum(0).clamp(min=1)
        return ((n - count) / count).clamp(min=0.1)
    return n / (k * torch.bincount(torch.tensor(labels), minlength=k).clamp(min=1))


def work(r: Reporter) -> None:
    job = run_loop.begin(r)
    settings = job.settings
    train = texts(job.tokenizer, job.values(False), settings.max_length).needed(settings.max_length)
    about = meaning(train, settings.objective, job.before)
    train = numbered(train, about)
    validation = numbered(texts(job.tokenizer, job.values(True), settings.max_length), about)
    weights = class_weights(train.columns["labels"], about) if settings.class_weights and about["problem"] != NUMBER else None
    job.notes["labels.json"] = about | {"objective": settings.objective, "max_length": settings.max_length}
    model = run_loop.build(job, names=about["names"], problem=about["problem"])
    run_loop.train(job, Classifier(job, model, train, validation, about, weights), run_loop.summary(train, validation))


if __name__ == "__main__":
    leave(guarded(Path(sys.argv[1]).resolve(), work))
