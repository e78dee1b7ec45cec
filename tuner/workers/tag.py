"""Labels for words: `python -m tuner.workers.tag RUN_DIR`. Names, places, parts of speech: one tag for each word of a row.

The words of a row are written with spaces between them, as a text is; a word's tag is learnt at the first sub-word that touches it,
all other tokens are read only. Tags like B-PER and I-PER are judged by whole entities, others word by word.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from tuner import scoring
from tuner.workers import learn
from tuner.workers.classify import STRANGE, class_weights, settled
from tuner.workers.learner import Learner, Pad, Rows, batched, token_losses, weight_of
from tuner.workers.prepare import IGNORED
from tuner.workers.report import Reporter, guarded, leave


class Tagger(Learner):
    """`names` of the tags; `weights` [tags] are those of class_weights, or None."""

    def __init__(self, job, model, train, held, names: list[str], weights: torch.Tensor | None):
        super().__init__(job, model, train, held, Pad(job.tokenizer, learn.multiple(job.settings), wide=("labels",)))
        self.names, self.weights = names, weights

    def losses(self, out, labels):
        weights = None if self.weights is None else self.weights.to(labels.device)
        return token_losses(out.logits, labels, weights)

    def guess(self, out, inputs):
        return out.logits.argmax(-1).masked_fill(inputs["labels"] == IGNORED, IGNORED)

    def measure(self, rows, guesses):
        """Of the words within the maximum length."""
        gold = [[self.names[t] for t in labels if t != IGNORED] for labels in (rows[i]["labels"] for i in range(len(rows)))]
        said = [[self.names[t] for t in row if t != IGNORED] for row in guesses]
        return scoring.tagged(gold, said)


def first_tokens(words: list[str], offsets: list[tuple[int, int]]) -> list[int | None]:
    """For each word the token that it begins in; None for a word that has no token of its own (it was cut off, or holds no letter).

    `offsets`: where each token stands in the words joined by spaces; an empty one (0, 0) is a special token.
    """
    out, at, token = [], 0, 0
    for word in words:
        while token < len(offsets) and (offsets[token][1] <= at or offsets[token][0] == offsets[token][1]):
            token += 1
        inside = token < len(offsets) and offsets[token][0] < at + len(word)
        out.append(token if inside else None)
        token += inside  # a token that two words share belongs to the first
        at += len(word) + 1
    return out


def tokenised(tokenizer, values, max_length: int) -> Rows:
    """`words`: the tags of a row by token, as (token, tag) pairs, until it is known which tags there are."""
    rows = Rows()
    for batch in batched(values):
        encoded = tokenizer([" ".join(v["tokens"]) for v in batch], truncation=True, max_length=max_length, return_offsets_mapping=True)
        for value, ids, offsets in zip(batch, encoded["input_ids"], encoded["offset_mapping"], strict=True):
            firsts = first_tokens(value["tokens"], offsets)
            pairs = [(token, tag) for token, tag in zip(firsts, value["tags"], strict=True) if token is not None]
            if not pairs:
                rows.leave_out("it has no words")
                continue
            rows.cut += firsts[-1] is None and len(ids) == max_length
            rows.add(input_ids=ids, words=pairs, weight=weight_of(value))
    return rows


def numbered(rows: Rows, names: list[str]) -> Rows:
    """The rows with a tag's number at the first token of each word, and IGNORED elsewhere."""
    place, out = {n: i for i, n in enumerate(names)}, Rows(("labels",))
    out.cut, out.left_out, out.notes = rows.cut, dict(rows.left_out), rows.notes
    for i in range(len(rows)):
        row = rows[i]
        pairs = row.pop("words")
        if any(tag not in place for _, tag in pairs):
            out.leave_out(STRANGE)
            continue
        labels = [IGNORED] * len(row["input_ids"])
        for token, tag in pairs:
            labels[token] = place[tag]
        out.add(**row, labels=labels)
    return out


def tag_weights(rows: Rows, names: list[str]) -> torch.Tensor:
    """[tags] inverse to how many words have each."""
    marks = np.frombuffer(rows.columns["labels"].flat, np.int32)
    return class_weights(marks[marks != IGNORED].tolist(), {"names": names, "problem": None})


def work(r: Reporter) -> None:
    job = learn.begin(r)
    s = job.settings
    learn.needs_places(job, "words can't be matched to tokens")
    rows = tokenised(job.tokenizer, job.values(False), s["max_length"]).needed(s["max_length"])
    names = settled({tag for pairs in rows.columns["words"] for _, tag in pairs}, job.before)
    train = numbered(rows, names)
    held = numbered(tokenised(job.tokenizer, job.values(True), s["max_length"]), names)
    weights = tag_weights(train, names) if s.get("class_weights") else None
    job.notes["labels.json"] = {"names": names, "objective": "tokens", "spans": scoring.marks_spans(names), "max_length": s["max_length"]}
    model = learn.build(job, names=names)
    learn.train(job, Tagger(job, model, train, held, names, weights), learn.summary(train, held))


if __name__ == "__main__":
    leave(guarded(Path(sys.argv[1]).resolve(), work))
