"""Collate rows into batches for a model with an output head, and find the best answer spans in its output. Used by training and serving."""

from typing import Any

import torch

from tuner.workers.tokenization.lm_rows import IGNORED
from tuner.workers.tokenization.task_rows import NOTHING

CANDIDATES = 20  # start and end tokens that are combined


class Pad:
    """A collator that pads rows to the longest (or the next `multiple`). `wide`: columns that are padded like input_ids.

    Returns {"input_ids", "attention_mask", "labels", "weight", ...}: [rows, length] or [rows].
    """

    FILL = {"labels": IGNORED}

    def __init__(self, tokenizer, multiple: int | None, wide: tuple[str, ...] = ()):
        tokenizer.padding_side = "right"  # classification heads find the last token of a text themselves
        self.multiple, self.wide = multiple or 1, ("input_ids", *wide)
        self.fill = {"input_ids": tokenizer.pad_token_id} | self.FILL

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        out = {name: torch.tensor(self.column(name, [r[name] for r in rows])) for name in rows[0]}
        out["attention_mask"] = torch.tensor(self.even([[1] * len(r["input_ids"]) for r in rows], 0))
        return out

    def column(self, name: str, values: list) -> list:
        return self.even(values, self.fill.get(name, 0)) if name in self.wide else values

    def even(self, values: list[list[int]], fill: int) -> list[list[int]]:
        length = -(-max(map(len, values)) // self.multiple) * self.multiple
        return [v + [fill] * (length - len(v)) for v in values]


def best_spans(start: torch.Tensor, end: torch.Tensor, text: torch.Tensor, longest: int) -> torch.Tensor:
    """Return [windows, 4]: first token, last token and score of the best span inside `text` [windows, 2] (from, to), and the no-answer score."""
    positions = torch.arange(start.shape[1], device=start.device)
    outside = (positions < text[:, :1]) | (positions >= text[:, 1:])
    tops = [x.masked_fill(outside, -1e4).topk(min(CANDIDATES, x.shape[1])) for x in (start, end)]
    (a, b), (i, j) = (tops[0].values, tops[1].values), (tops[0].indices, tops[1].indices)
    gap = j[:, None, :] - i[:, :, None]
    scores = (a[:, :, None] + b[:, None, :]).masked_fill((gap < 0) | (gap >= longest), -1e5).flatten(1)
    best, k = scores.max(1)
    rows = torch.arange(len(best), device=best.device)
    return torch.stack([i[rows, k // j.shape[1]], j[rows, k % j.shape[1]], best, start[:, NOTHING] + end[:, NOTHING]], 1)
