"""Count the tokens of each row of a dataset for a model, for the plan: `python -m tuner.workers.count_tokens` (no torch).

A line of JSON on standard input is a question; a line on standard output is its progress or its result. The rows are tokenized by the same
functions that training calls, without a maximum length; per row the file keeps the length and how many tokens must remain for the row to be
trained. Counting a large dataset is interrupted for small ones that are asked for meanwhile. See tuner/planning/token_counts.py.
"""

import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tuner.data.store import store
from tuner.errors import ModelError, TunerError, translate
from tuner.paths import Workspace
from tuner.settings import objectives
from tuner.workers.tokenization import preference_rows, reward_text, task_rows, text_coverage, tokenizer_loader
from tuner.workers.tokenization.loss_mask import Masker
from tuner.workers.tokenization.tokenized_rows import NO_QUESTION, UNKNOWN_LABEL, batched

EVERY, IDLE = 0.2, 120.0  # seconds between progress reports; seconds without a question after which the process ends
LABELLED = ("classification", "tokens")  # objectives whose validation rows need a label that occurs in the training rows
SMALL, SAMPLE, BLOCKS = 20_000, 1000, 20  # rows: up to `SMALL` are counted at once; larger datasets are sampled first


# --- one side of a dataset ------------------------------------------------------------------------------------------------------


class Side:
    """Training rows or validation rows: columns of numbers with one entry per row, the rows that are left out at any length, and the labels."""

    def __init__(self, tokenizer, ask: dict[str, Any], kind: str):
        self.tokenizer, self.ask, self.kind = tokenizer, ask, kind
        self.columns: dict[str, list] = {}
        self.left_out: dict[str, int] = {}
        self.labels: set[str] = set()
        objective = ask["objective"]
        templated = objective in objectives.PAIRED and bool(tokenizer.chat_template)
        self.masker = None
        if objective in ("chat", "text") or templated:
            about = ("chat", "chat") if templated else (kind, objective)
            self.masker = Masker(tokenizer, kind=about[0], objective=about[1], fold_system=ask["fold_system"])
        self.add = self._of(objective, templated)

    def _of(self, objective: str, templated: bool):
        if objective in objectives.PAIRED:
            return self._preferences if templated else self._plain_preferences
        ways = {"tokens": self._words, "qa": self._questions, "seq2seq": self._text_pairs}
        return self._conversations if objective in ("chat", "text") else ways.get(objective, self._texts)

    def put(self, **numbers: int) -> None:
        for name, number in numbers.items():
            self.columns.setdefault(name, []).append(number)

    def leave_out(self, why: str, rows: int = 1) -> None:
        self.left_out[why] = self.left_out.get(why, 0) + rows

    def _conversations(self, values: list[dict]) -> None:
        for row in self.masker.batch(values):
            if row.refused is not None:
                self.leave_out(row.refused)
            else:
                self.put(length=len(row.ids), first=row.ranges[0][0] if row.ranges else len(row.ids))

    def _preferences(self, values: list[dict]) -> None:
        sides = preference_rows.SIDES[self.kind if self.kind == "rated" else "preference"]
        encoded = self.masker.batch([preference_rows.conversation(v, side) for v in values for side in sides])
        for i in range(0, len(encoded), len(sides)):
            found = encoded[i : i + len(sides)]
            if refused := next((s.refused for s in found if s.refused is not None), None):
                self.leave_out(refused)
                continue
            first = max(s.ranges[0][0] if s.ranges else len(s.ids) for s in found)
            differs = 0 if self.ask["unpaired"] or len(found) == 1 else _differs(found[0].ids, found[1].ids)
            self._pair(max(len(s.ids) for s in found), first, differs)

    def _plain_preferences(self, values: list[dict]) -> None:
        texts = [reward_text.as_plain_text(v["prompt"] + v[side]) for v in values for side in preference_rows.SIDES["preference"]]
        found = self.tokenizer(texts)["input_ids"]
        for a, b in zip(found[::2], found[1::2], strict=True):
            differs = _differs(a, b)
            self._pair(max(len(a), len(b)), 0, differs if differs is None else differs + 1)  # the separator at the end stays

    def _pair(self, length: int, first: int, differs: int | None) -> None:
        if differs is None:
            return self.leave_out(preference_rows.SAME_ANSWERS)
        return self.put(length=length, first=first, differs=differs)

    def _texts(self, values: list[dict]) -> None:
        self.labels |= {n for v in values for n in labels_of(v)} if self.ask["objective"] in LABELLED else set()
        self._rows(task_rows.texts(self.tokenizer, values, None))

    def _words(self, values: list[dict]) -> None:
        self.labels |= {n for v in values for n in labels_of(v)}
        self._rows(task_rows.words(self.tokenizer, values, None))

    def _text_pairs(self, values: list[dict]) -> None:
        rows = task_rows.text_pairs(self.tokenizer, values, self.kind, None)
        self._rows(rows, np.maximum(rows.lengths(), rows.columns["labels"].lengths()))

    def _rows(self, rows, lengths=None) -> None:
        for why, n in rows.left_out.items():
            self.leave_out(why, n)
        for n in (rows.lengths() if lengths is None else lengths).tolist():
            self.put(length=n, first=0)

    def _questions(self, values: list[dict]) -> None:
        """Count question and text apart: a long text is read in several windows, whose number follows from both lengths."""
        usable = [v for v in values if v["question"].strip() and v["context"].strip()]
        if len(usable) < len(values):
            self.leave_out(NO_QUESTION, len(values) - len(usable))
        if not usable:
            return
        questions = self.tokenizer([v["question"] for v in usable], add_special_tokens=False)["input_ids"]
        contexts = self.tokenizer([v["context"] for v in usable], add_special_tokens=False)["input_ids"]
        special = self.tokenizer.num_special_tokens_to_add(pair=True)
        for question, context in zip(questions, contexts, strict=True):
            self.put(length=len(question) + len(context) + special, first=0, question=len(question), context=len(context))

    def known(self, values: Iterable[dict], labels: set[str]) -> Iterator[dict]:
        """Yield the validation rows whose labels occur in the training rows; the others are left out."""
        for value in values:
            if labels_of(value) <= labels:
                yield value
            else:
                self.leave_out(UNKNOWN_LABEL)

    def document(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return (columns, {"left_out", "labels", "unseen", "notes"})."""
        unseen = dict(self.masker.unseen) if self.masker else {}
        about = {
            "left_out": self.left_out,
            "labels": len(self.labels),
            "unseen": unseen,
            "notes": self.masker.notes() if self.masker else [],
        }
        return {k: np.array(v, np.int32) for k, v in self.columns.items()}, about


def _differs(a: list[int], b: list[int]) -> int | None:
    """Return the position of the first token in which two answers differ; None when they don't."""
    if a == b:
        return None
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def labels_of(value: dict) -> set[str]:
    found = value["tags"] if "tags" in value else value["label"]
    return set(found) if isinstance(found, list) else {found}


# --- a question -----------------------------------------------------------------------------------------------------------------


class Counting:
    """One question being counted. `step(rows, total)` is called between batches to report progress."""

    def __init__(self, ask: dict[str, Any], step):
        self.ask, self.step = ask, step
        self.ds = store.get(Workspace(Path(ask["home"]), ask["owner"]), ask["data"])
        self.tokenizer = tokenizer_loader.tokenizer(Path(ask["folder"]), ask["template"])

    @cached_property
    def coverage(self) -> dict[str, Any]:
        return text_coverage.measure(self.tokenizer, self.ds)

    def whole(self) -> None:
        """Count every row and write the result file."""
        train = self._side(r["value"] for r in store.iterate(self.ds, held_out=False))
        validation = Side(self.tokenizer, self.ask, self.ds.kind)
        values = (r["value"] for r in store.iterate(self.ds, held_out=True))
        self._fill(validation, validation.known(values, train.labels) if self.ask["objective"] in LABELLED else values)
        self._write({"train": train, "held": validation}, sample=False)

    def sample(self) -> None:
        """Count a sample of rows from all parts of a large dataset."""
        each, n = SAMPLE // BLOCKS, self.ds.rows
        values = (r["value"] for i in range(BLOCKS) for r in store.rows(self.ds, i * (n - each) // (BLOCKS - 1), each))
        self._write({"train": self._side(values, report=False), "held": self._side(())}, sample=True)

    def _side(self, values: Iterable[dict], report: bool = True) -> Side:
        return self._fill(Side(self.tokenizer, self.ask, self.ds.kind), values, report)

    def _fill(self, side: Side, values: Iterable[dict], report: bool = True) -> Side:
        for batch in batched(values):
            side.add(batch)
            self.step(len(batch) if report else 0, self.ds.rows)
        return side

    def _write(self, sides: dict[str, Side], sample: bool) -> None:
        """Write the result file atomically: a reader finds it complete or not at all."""
        arrays, about = {}, {"sample": sample, "rows": self.ds.rows, "coverage": self.coverage}
        for name, side in sides.items():
            columns, about[name] = side.document()
            arrays |= {f"{name}_{k}": v for k, v in columns.items()}
        path = Path(self.ask["sample" if sample else "file"])
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{os.getpid()}-{path.name}")
        with open(new, "wb") as file:
            np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)
        os.replace(new, path)


# --- the process ----------------------------------------------------------------------------------------------------------------


class Server:
    """Answers questions of the process that started it, the smallest dataset first; exits with that process, or after `IDLE` seconds without one."""

    def __init__(self):
        self.lines: queue.Queue = queue.Queue()
        self.waiting: dict[str, dict] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            self.lines.put(json.loads(line))
        os._exit(0)  # the parent process is gone

    def hear(self, seconds: float = 0.0) -> None:
        """Read the questions that arrived meanwhile, waiting up to `seconds` for the first."""
        try:
            while True:
                question = self.lines.get(timeout=seconds) if seconds else self.lines.get_nowait()
                seconds = 0.0
                self.waiting[question["id"]] = question
        except queue.Empty:
            return

    def serve(self) -> None:
        last = time.monotonic()
        while time.monotonic() - last < IDLE:
            self.hear(0 if self.waiting else 1.0)
            if self.waiting:
                self.answer(min(self.waiting.values(), key=lambda a: a["rows"]))
                last = time.monotonic()

    def answer(self, ask: dict[str, Any]) -> None:
        self.waiting.pop(ask["id"], None)
        try:
            counting = Counting(ask, self._stepper(ask))
            if ask["rows"] > SMALL:
                counting.sample()
                tell(ask, state="sample")
            counting.whole()
            tell(ask, state="done")
        except Exception as error:  # one question must not end the others
            traceback.print_exc()
            tell(ask, state="failed", errors=errors_of(error))

    def _stepper(self, ask: dict[str, Any]):
        done, reported = 0, time.monotonic()

        def step(rows: int, total: int) -> None:
            nonlocal done, reported
            done += rows
            if time.monotonic() - reported < EVERY:
                return
            reported = time.monotonic()
            tell(ask, state="running", done=done, total=total)
            self.hear()
            if ask["rows"] > SMALL:
                for small in [a for a in self.waiting.values() if a["rows"] <= SMALL]:
                    self.answer(small)

        return step


def errors_of(error: Exception) -> list[dict]:
    known = error if isinstance(error, TunerError) else translate(error)
    message = f"The tokens can't be counted: {type(error).__name__}: {error}"[:300]
    return (known or ModelError(message, asked="the tokens of all rows", available="see the log", remedy="Choose another model.")).as_list()


def tell(ask: dict[str, Any], **what: Any) -> None:
    print(json.dumps({"id": ask["id"]} | what), file=ANSWERS, flush=True)


ANSWERS: Any = sys.stdout


def main() -> None:
    global ANSWERS
    ANSWERS = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of libraries must not mix with the answers
    Server().serve()


if __name__ == "__main__":
    sys.modules.setdefault("torch", None)  # transformers works without torch, and starts three times as fast
    main()
    os._exit(0)  # a hanging tokenizer thread must not keep this process alive
