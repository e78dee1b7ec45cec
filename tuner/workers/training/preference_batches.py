"""Tokenized answers (`preference_rows`) in the format of TRL's trainers: datasets, KTO's columns, padded batches."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset

from tuner.workers.tokenization.lm_rows import IGNORED
from tuner.workers.tokenization.tokenized_rows import Ragged, Rows


def shuffled(rows: Rows, seed: int) -> Rows:
    """Shuffle the rows: KTO reads them in their given order."""
    out = rows.select(np.random.default_rng(seed).permutation(len(rows)).tolist())
    out.cut, out.left_out, out.notes, out.unseen = rows.cut, rows.left_out, rows.notes, rows.unseen
    return out


def as_dataset(rows: Rows) -> Dataset:
    """Return the rows as a `datasets.Dataset` for TRL, without copying the tokens."""
    columns = {}
    for name, column in rows.columns.items():
        if isinstance(column, Ragged):
            ends = pa.array(np.frombuffer(column.ends, np.int64))
            columns[name] = pa.LargeListArray.from_arrays(ends, pa.array(np.frombuffer(column.flat, np.int32)))
        else:
            columns[name] = pa.array(column)
    return Dataset(pa.table(columns))


def with_others(dataset: Dataset, batch: int) -> Dataset:
    """Add KTO's columns `other_ids` and `other_labels`: each prompt with the answer of the previous row in its batch of `batch` rows, from which
    the KL divergence from the reference is estimated (Ethayarajh et al. 2024, arXiv:2402.01306, section 4.1)."""

    def other(i: int) -> int:
        first = i // batch * batch
        last = min(first + batch, len(dataset)) - 1
        return i - 1 if i > first or first == last else last  # a row alone in its batch takes the last row before it

    def made() -> Iterator[tuple[list[int], list[int]]]:
        for i, row in enumerate(dataset):
            begin, neighbor = begins(row["labels"]), dataset[other(i)]
            answer = neighbor["input_ids"][begins(neighbor["labels"]) :]
            yield row["input_ids"][:begin] + answer, [IGNORED] * begin + answer

    ids, labels = zip(*made(), strict=True)
    return dataset.add_column("other_ids", list(ids)).add_column("other_labels", list(labels))


def begins(labels: list[int]) -> int:
    """Return the position of the first answer token."""
    return next(i for i, label in enumerate(labels) if label != IGNORED)


class Batch:
    """A collator for TRL's trainer `kind` (dpo, kto, cpo, orpo, reward); rows are right-padded to multiples of `multiple`."""

    def __init__(self, pad: int, kind: str, multiple: int | None = None):
        self.pad, self.kind, self.multiple = pad, kind, multiple or 1

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        more = {n: torch.tensor([r[n] for r in rows]) for n in rows[0] if n.startswith("ref_") or n in ("label", "margin")}
        if self.kind == "kto":
            out = self.sides(rows, ("input_ids", "labels"))
            if "other_ids" in rows[0]:
                out |= {f"KL_{k}": v for k, v in self.sides(rows, ("other_ids", "other_labels")).items()}
            return out | more
        rejected = [r | {"input_ids": r["rejected_input_ids"], "labels": r["rejected_labels"]} for r in rows]
        if self.kind in ("cpo", "orpo"):
            return self.apart(rows, "chosen") | self.apart(rejected, "rejected")
        out = self.sides([*rows, *rejected], ("input_ids", "labels"))
        if self.kind == "reward":
            del out["completion_mask"]
        return out | more

    def sides(self, rows: list[dict], names: tuple[str, str]) -> dict[str, torch.Tensor]:
        """Return {"input_ids", "attention_mask", "completion_mask"}: [rows, length]."""
        ids, labels = ([r[n] for r in rows] for n in names)
        marks = [[int(label != IGNORED) for label in row] for row in labels]
        out = {"input_ids": self.even(ids, self.pad), "attention_mask": self.even([[1] * len(r) for r in ids], 0)}
        return out | {"completion_mask": self.even(marks, 0)}

    def apart(self, rows: list[dict], side: str) -> dict[str, torch.Tensor]:
        found = self.sides(rows, ("input_ids", "labels"))
        labels = found["input_ids"].masked_fill(found.pop("completion_mask") == 0, IGNORED)
        return {f"{side}_{k}": v for k, v in (found | {"labels": labels}).items()}

    def even(self, values: list[list[int]], fill: int) -> torch.Tensor:
        length = -(-max(map(len, values)) // self.multiple) * self.multiple
        return torch.tensor([v + [fill] * (length - len(v)) for v in values])
