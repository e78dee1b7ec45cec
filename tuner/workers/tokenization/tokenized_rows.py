"""Tokenized rows by column, and what became of those that can't be used. No torch: rows are counted with the same code as they are trained."""

from array import array
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tuner.errors import DataError
from tuner.runs import run_warnings

BATCH = 1000  # rows given to the tokenizer at once
STRANGE = "its label is in no row to learn from"
EMPTY = "it has no text"
NO_WORDS = "it has no words"
HALF_EMPTY = "its source or its target is empty"
NO_QUESTION = "it has no question, or no text"


class Ragged:
    """Lists of whole numbers of unlike length, end to end: four bytes a number."""

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
    """Tokenised rows by column, and what was cut or left out. `input_ids` and the columns named in `ragged` are lists of tokens."""

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
        """Some of the rows, as a copy."""
        out = Rows(tuple(k for k, column in self.columns.items() if isinstance(column, Ragged)))
        for i in places:
            out.add(**self[i])
        return out

    def longest(self, rows: int, *, test: bool = False) -> "Rows":
        """The longest rows, as a copy: by all that lies in them as lists of tokens (a target counts beside its source)."""
        sizes = sum(column.lengths() for column in self.columns.values() if isinstance(column, Ragged))
        return Rows.select(self, np.argsort(-sizes, kind="stable")[:rows].tolist())

    def summary(self) -> dict[str, Any]:
        n = self.lengths()
        told = {"rows": len(self), "tokens": int(n.sum()), "cut": self.cut, "left_out": self.left_out}
        return told | {"longest": int(n.max(initial=0)), "notes": self.notes, "unseen": self.unseen}

    def needed(self, max_length: int) -> "Rows":
        """Itself, or DataError when nothing is left to learn from."""
        if len(self):
            return self
        seen, why = sum(self.left_out.values()), max(self.left_out, key=self.left_out.get, default="there are none")
        raise DataError(
            f"None of the {seen} rows can be learnt from: {why}.",
            asked=f"{seen} rows",
            available=f"rows of up to {max_length} tokens",
            remedy=run_warnings.remedy_of(why),
            field="max_length" if "length" in why else "data",
        )


def batched(values: Iterable[dict], size: int = BATCH) -> Iterator[list[dict]]:
    """Lists of up to `size` rows: what the tokenizer's Rust core takes at once."""
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
