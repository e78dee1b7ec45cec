"""Judged answers as tokens: pairs of a better and a worse one, or single ones that were rated; and the batches that TRL's trainers take.

A side is the whole conversation, written with the model's chat template; the tokens of the last answer alone have labels. Columns of a
pair: `input_ids`, `labels` (the better), `rejected_input_ids`, `rejected_labels`; of a rated answer `input_ids`, `labels`, `label`.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset

from tuner.workers.learner import Ragged, Rows, batched
from tuner.workers.masks import Encoded, Masker
from tuner.workers.prepare import IGNORED, NOTHING

SIDES = {"preference": ("chosen", "rejected"), "rated": ("answer",)}
RAGGED = ("labels", "rejected_input_ids", "rejected_labels")
SAME = "nothing of the difference between both answers is left within the maximum length"


def talk(value: dict, side: str) -> dict[str, Any]:
    """A canonical chat row of one side; what was said before is read and not learnt."""
    before = [m | {"weight": 0} if m["role"] == "assistant" else m for m in value["prompt"]]
    return {"messages": before + value[side]} | ({"tools": value["tools"]} if value.get("tools") else {})


def tokenised(tokenizer, values: Iterable[dict], kind: str, max_length: int, *, singly: bool = False) -> Rows:
    """Rows of answers, `singly` one by one (pairs become a good and a bad answer). What is longer is cut at its end and counted; rows that
    the template refuses, and those of which no answer is left, are left out and counted."""
    masker, sides = Masker(tokenizer, kind="chat", objective="chat"), SIDES[kind]
    rows = Rows(("labels",) if singly else RAGGED)
    for batch in batched(values):
        encoded = masker.batch([talk(v, side) for v in batch for side in sides])
        for i, value in enumerate(batch):
            add(rows, value, encoded[i * len(sides) : (i + 1) * len(sides)], max_length, singly)
    rows.notes = masker.notes()
    return rows


def add(rows: Rows, value: dict, sides: list[Encoded], max_length: int, singly: bool) -> None:
    if refused := next((s.refused for s in sides if s.refused is not None), None):
        return rows.leave_out(refused)
    rows.cut += any(len(s.ids) > max_length for s in sides)
    found = [within(s, max_length) for s in sides]
    if None in found:
        return rows.leave_out(NOTHING)
    if singly:
        for (ids, labels), good in zip(found, (True, False) if len(found) == 2 else (bool(value["label"]),), strict=True):
            rows.add(input_ids=ids, labels=labels, label=good)
        return None
    if found[0] == found[1]:
        return rows.leave_out(SAME)
    (better, marks), (worse, others) = found
    margin = {"margin": float(value["margin"])} if value.get("margin") is not None else {}
    return rows.add(input_ids=better, labels=marks, rejected_input_ids=worse, rejected_labels=others, **margin)


def within(side: Encoded, max_length: int) -> tuple[list[int], list[int]] | None:
    """(ids, labels) of what fits; None when no token of the answer does."""
    ids = list(side.ids[:max_length])
    labels = [IGNORED] * len(ids)
    for begin, end in side.ranges:
        labels[begin:end] = ids[begin:end]
    return (ids, labels) if any(label != IGNORED for label in labels) else None


def shuffled(rows: Rows, seed: int) -> Rows:
    """In an order of chance: KTO reads rows in the order in which they lie."""
    return rows.select(np.random.default_rng(seed).permutation(len(rows)).tolist())


def as_dataset(rows: Rows) -> Dataset:
    """For TRL, without a copy of the tokens."""
    columns = {}
    for name, column in rows.columns.items():
        if isinstance(column, Ragged):
            ends = pa.array(np.frombuffer(column.ends, np.int64))
            columns[name] = pa.LargeListArray.from_arrays(ends, pa.array(np.frombuffer(column.flat, np.int32)))
        else:
            columns[name] = pa.array(column)
    return Dataset(pa.table(columns))


def with_others(dataset: Dataset, batch: int) -> Dataset:
    """KTO's columns `other_ids` and `other_labels`: each question with the answer of the row before it in its batch of `batch` rows, from
    which the divergence from the reference is estimated (Ethayarajh et al. 2024, arXiv:2402.01306, section 4.1)."""

    def other(i: int) -> int:
        first = i // batch * batch
        last = min(first + batch, len(dataset)) - 1
        return i - 1 if i > first or first == last else last  # one that is left alone takes the last of the batch before

    def made() -> Iterator[tuple[list[int], list[int]]]:
        for i, row in enumerate(dataset):
            begin, its = begins(row["labels"]), dataset[other(i)]
            answer = its["input_ids"][begins(its["labels"]) :]
            yield row["input_ids"][:begin] + answer, [IGNORED] * begin + answer

    ids, labels = zip(*made(), strict=True)
    return dataset.add_column("other_ids", list(ids)).add_column("other_labels", list(labels))


def begins(labels: list[int]) -> int:
    """Where the answer begins."""
    return next(i for i, label in enumerate(labels) if label != IGNORED)


class Batch:
    """Rows as TRL's trainer `kind` (dpo, kto, cpo, orpo, reward) takes them, padded at their ends to multiples of `multiple`."""

    def __init__(self, pad: int, kind: str, multiple: int | None = None):
        self.pad, self.kind, self.multiple = pad, kind, multiple or 1

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        more = {n: torch.tensor([r[n] for r in rows]) for n in rows[0] if n.startswith("ref_") or n in ("label", "margin")}
        if self.kind == "kto":
            out = self.sides(rows, ("input_ids", "labels"))
            if "other_ids" in rows[0]:
                out |= {f"KL_{k}": v for k, v in self.sides(rows, ("other_ids", "other_labels")).items()}
            return out | more
        both = [r | {"input_ids": r["rejected_input_ids"], "labels": r["rejected_labels"]} for r in rows]
        if self.kind in ("cpo", "orpo"):
            return self.apart(rows, "chosen") | self.apart(both, "rejected")
        out = self.sides([*rows, *both], ("input_ids", "labels"))
        if self.kind == "reward":
            del out["completion_mask"]
        return out | more

    def sides(self, rows: list[dict], names: tuple[str, str]) -> dict[str, torch.Tensor]:
        """{"input_ids", "attention_mask", "completion_mask"}: [rows, length]"""
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
