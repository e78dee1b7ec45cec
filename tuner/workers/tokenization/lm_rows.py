"""Tokenize rows for language modeling, with labels on the trained tokens. The preview uses the same code as training."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tuner.errors import DataError
from tuner.runs import run_warnings
from tuner.runs.run_warnings import NO_TRAINED_TOKENS
from tuner.workers.tokenization import timeout
from tuner.workers.tokenization.loss_mask import Encoded, Masker, TemplateRefusal
from tuner.workers.tokenization.template_sandbox import training_template

__all__ = ["IGNORED", "NO_TRAINED_TOKENS", "Prepared", "TemplateRefusal", "prepare", "training_template"]
IGNORED = -100  # the label of a token without a loss
UNTRAINED = array("i", [IGNORED])


@dataclass
class Prepared:
    """Rows that can be trained on, end to end in two flat arrays; which rows were truncated or left out, and why."""

    ids: array = field(default_factory=lambda: array("i"))
    marks: array = field(default_factory=lambda: array("i"))  # the labels
    ends: array = field(default_factory=lambda: array("q", [0]))  # row i is [ends[i], ends[i + 1])
    weights: array = field(default_factory=lambda: array("f"))  # how much each row counts
    learnt: int = 0
    longest: int = 0
    cut: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unseen: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ends) - 1

    @property
    def weighted(self) -> bool:
        return any(w != 1.0 for w in self.weights)

    @property
    def input_ids(self) -> list[list[int]]:
        return self._rows(self.ids)

    @property
    def labels(self) -> list[list[int]]:
        return self._rows(self.marks)

    def _rows(self, flat: array) -> list[list[int]]:
        return [flat[a:b].tolist() for a, b in zip(self.ends, self.ends[1:], strict=False)]

    def add(self, row: Encoded, max_length: int) -> None:
        """Truncate the row at `max_length` tokens and add it; a row without any trained token left is counted and left out."""
        if row.refused is not None:
            return self.leave_out(row.refused)
        ids, ranges = row.ids, row.ranges
        if len(ids) > max_length:
            self.cut += 1
            ids, ranges = ids[:max_length], [(a, min(b, max_length)) for a, b in ranges if a < max_length]
        if not ranges:
            return self.leave_out(NO_TRAINED_TOKENS)
        tokens = array("i", ids)
        labels = UNTRAINED * len(tokens)
        for a, b in ranges:
            labels[a:b] = tokens[a:b]
            self.learnt += b - a
        self.ids.extend(tokens)
        self.marks.extend(labels)
        self.ends.append(len(self.ids))
        self.weights.append(row.weight)
        self.longest = max(self.longest, len(ids))

    def leave_out(self, why: str) -> None:
        self.left_out[why] = self.left_out.get(why, 0) + 1

    def summary(self) -> dict[str, Any]:
        return {
            "rows": len(self),
            "tokens": len(self.ids),
            "learnt_tokens": self.learnt,
            "cut": self.cut,
            "left_out": self.left_out,
            "longest": self.longest,
            "notes": self.notes,
            "unseen": self.unseen,
        }


def prepare(
    tokenizer,
    rows: Iterable[dict],
    *,
    kind: str,
    objective: str,
    max_length: int,
    needed: bool = True,
    fold_system: bool = False,
    limit: float = timeout.SECONDS,
) -> Prepared:
    """Tokenize canonical rows. DataError when no row is left although rows are `needed`, ModelError when a batch takes over `limit` seconds."""
    out, seen = Prepared(), 0
    masker = Masker(tokenizer, kind=kind, objective=objective, fold_system=fold_system)
    for batch in masker.stream(rows, limit=limit):
        seen += len(batch)
        for row in batch:
            out.add(row, max_length)
    out.notes, out.unseen = masker.notes(), dict(masker.unseen)
    if seen and not len(out) and needed:
        why = max(out.left_out, key=out.left_out.get)
        raise DataError(
            f"None of the {seen} rows can be trained on: {why}.",
            asked=f"{seen} rows",
            available=f"rows of up to {max_length} tokens that the model's chat template accepts",
            remedy=run_warnings.remedy_of(why),
            field="max_length" if why == NO_TRAINED_TOKENS else "data",
        )
    return out
