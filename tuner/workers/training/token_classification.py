"""Token classification: `python -m tuner.workers.training.token_classification RUN_DIR`. Names, places, parts of speech: one tag per word of a row.

The words of a row are joined by spaces; a word's tag is trained at its first token, all other tokens have no label. Tags like B-PER and I-PER
are scored by whole entities, others word by word.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from tuner.evaluation import scoring
from tuner.settings import trainer_arguments
from tuner.workers.modelling.batches import Pad
from tuner.workers.tokenization.lm_rows import IGNORED
from tuner.workers.tokenization.task_rows import words
from tuner.workers.tokenization.tokenized_rows import UNKNOWN_LABEL, Rows
from tuner.workers.training import run_loop
from tuner.workers.training.callbacks import Reporter, guarded, leave
from tuner.workers.training.sequence_classification import class_weights, settled
from tuner.workers.training.trainer import TaskTrainer, token_losses


class Tagger(TaskTrainer):
    """The trainer. `names` of the tags; `weights` [tags] are from `class_weights`, or None."""

    def __init__(self, job, model, train, validation, names: list[str], weights: torch.Tensor | None):
        super().__init__(job, model, train, validation, Pad(job.tokenizer, trainer_arguments.multiple(job.settings), wide=("labels",)))
        self.names, self.weights = names, weights

    def losses(self, out, labels):
        weights = None if self.weights is None else self.weights.to(labels.device)
        return token_losses(out.logits, labels, weights)

    def guess(self, out, inputs):
        return out.logits.argmax(-1).masked_fill(inputs["labels"] == IGNORED, IGNORED)

    def measure(self, rows, guesses):
        """Return the metrics of the words within the maximum length."""
        gold = [[self.names[t] for t in labels if t != IGNORED] for labels in (rows[i]["labels"] for i in range(len(rows)))]
        predicted = [[self.names[t] for t in row if t != IGNORED] for row in guesses]
        return scoring.tagged(gold, predicted)


def numbered(rows: Rows, names: list[str]) -> Rows:
    """Return the rows with a tag's id at the first token of each word, and IGNORED elsewhere."""
    ids, out = {n: i for i, n in enumerate(names)}, Rows(("labels",))
    out.cut, out.left_out = rows.cut, dict(rows.left_out)
    for i in range(len(rows)):
        row = rows[i]
        pairs = row.pop("words")
        if any(tag not in ids for _, tag in pairs):
            out.leave_out(UNKNOWN_LABEL)
            continue
        labels = [IGNORED] * len(row["input_ids"])
        for token, tag in pairs:
            labels[token] = ids[tag]
        out.add(**row, labels=labels)
    return out


def tag_weights(rows: Rows, names: list[str]) -> torch.Tensor:
    """Return weights [tags] inverse to the number of words of each tag."""
    marks = np.frombuffer(rows.columns["labels"].flat, np.int32)
    return class_weights(marks[marks != IGNORED].tolist(), {"names": names, "problem": None})


def work(r: Reporter) -> None:
    job = run_loop.begin(r)
    settings = job.settings
    run_loop.require_offsets(job, "words can't be matched to tokens")
    rows = words(job.tokenizer, job.values(False), settings.max_length).needed(settings.max_length)
    names = settled({tag for pairs in rows.columns["words"] for _, tag in pairs}, job.before)
    train = numbered(rows, names)
    validation = numbered(words(job.tokenizer, job.values(True), settings.max_length), names)
    weights = tag_weights(train, names) if settings.class_weights else None
    job.notes["labels.json"] = {
        "names": names,
        "objective": "tokens",
        "spans": scoring.marks_spans(names),
        "max_length": settings.max_length,
    }
    model = run_loop.build(job, names=names)
    run_loop.train(job, Tagger(job, model, train, validation, names, weights), run_loop.summary(train, validation))


if __name__ == "__main__":
    leave(guarded(Path(sys.argv[1]).resolve(), work))
