"""Tokenized rows by column, and the counts of rows that can't be used. No torch: counting uses the same code as training."""

from array import array
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tuner.errors import DataError
from tuner.runs import run_warnings

BATCH = 1000  # rows given to the tokenizer at once
UNKNOWN_LABEL = "its label occurs in no training row"
EMPTY = "it has no text"
NO_WORDS = "it has no words"
HALF_EMPTY = "its source or its target is empty"
NO_QUESTION = "it has no question, or no text"


class Ragged:
    """Lists of integers of different lengths, stored end to end with four bytes per number."""

    def __init__(self):
        self.flat, self.ends = array("i"), array("q", [0])

    def append(self, values: Iterable[int]) -> None:
        self.flat.extend(values)
        self.ends.append(len(self.flat))

    def __getitem__(self, i: int) -> list[int]:
        return self.flat[self.ends[i] : self.ends[i + 1]].tolist()

    def lengths(self) -> np.ndarray:
        return np.diff(np.frombuffer(self.ends, np.int64))


class Rows:
    """Tokenized rows by column, and the counts of truncated and left-out rows. `input_ids` and the columns in `ragged` are lists of tokens."""

    def __init__(self, ragged: tuple[str, ...] = ()):
        self.columns: dict[str, Any] = {name: Ragged() for name in ("input_ids", *ragged)}
        self.cut, self.left_out, self.notes, self.unseen = 0, {}, [], {}

    def add(self, **values: Any) -> None:
        for name, value in values.items():
            self.columns.setdefault(name, []).append(value)

    def leave_out(self, why: str) -> None:
        self.left_out[why] = self.left_out.get(why, 0) + 1

    def __len__(self) -> int:
        return len(self.columns["input_ids"].ends) - 1

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {name: column[i] for name, column in self.columns.items()}

    def lengths(self) -> np.ndarray:
        return self.columns["input_ids"].lengths()

    def select(self, places: Iterable[int]) -> "Rows":
        """Return a copy of some of the rows."""
        out = Rows(tuple(k for k, column in self.columns.items() if isinstance(column, Ragged)))
        for i in places:
            out.add(**self[i])
        return out

    def longest(self, rows: int, *, test: bool = False) -> "Rows":
        """Return a copy of the longest rows, by the tokens of all their columns (a target counts with its source)."""
        sizes = sum(column.lengths() for column in self.columns.values() if isinstance(column, Ragged))
        return Rows.select(self, np.argsort(-sizes, kind="stable")[:rows].tolist())

    def summary(self) -> dict[str, Any]:
        lengths = self.lengths()
        counts = {"rows": len(self), "tokens": int(lengths.sum()), "cut": self.cut, "left_out": self.left_out}
        return counts | {"longest": int(lengths.max(initial=0)), "notes": self.notes, "unseen": self.unseen}

    def needed(self, max_length: int) -> "Rows":
        """Return the rows themselves; DataError when there is none to train on."""
        if len(self):
            return self
        seen, why = sum(self.left_out.values()), max(self.left_out, key=self.left_out.get, default="there are none")
        raise DataError(
            f"None of the {seen} rows can be trained on: {why}.",
            asked=f"{seen} rows",
            available=f"rows of up to {max_length} tokens",
            remedy=run_warnings.remedy_of(why),
            field="max_length" if "length" in why else "data",
        )


def batched(values: Iterable[dict], size: int = BATCH) -> Iterator[list[dict]]:
    """Yield lists of up to `size` rows, for the tokenizer's Rust core."""
    batch: list[dict] = []
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def weight_of(value: dict) -> float:
    return float(value.get("weight", 1.0))
