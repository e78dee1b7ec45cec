"""Tokenize preference data: pairs of a better and a worse answer, or single rated answers. No torch; batches are in `preference_batches`.

A side is the whole conversation, rendered with the model's chat template; only the tokens of the last answer have labels. Columns of a pair:
`input_ids`, `labels` (the better answer), `rejected_input_ids`, `rejected_labels`; of a rated answer `input_ids`, `labels`, `label`.
"""

from collections.abc import Iterable
from typing import Any

from tuner.runs.run_warnings import NO_TRAINED_TOKENS, SAME_ANSWERS
from tuner.workers.tokenization.lm_rows import IGNORED
from tuner.workers.tokenization.loss_mask import Encoded, Masker
from tuner.workers.tokenization.tokenized_rows import Rows, batched

SIDES = {"preference": ("chosen", "rejected"), "rated": ("answer",)}
RAGGED = ("labels", "rejected_input_ids", "rejected_labels")


def conversation(value: dict, side: str) -> dict[str, Any]:
    """Return a canonical chat row of one side; earlier assistant turns get weight 0 and are not trained."""
    before = [m | {"weight": 0} if m["role"] == "assistant" else m for m in value["prompt"]]
    return {"messages": before + value[side]} | ({"tools": value["tools"]} if value.get("tools") else {})


def tokenize(tokenizer, values: Iterable[dict], kind: str, max_length: int, *, unpaired: bool = False, fold_system: bool = False) -> Rows:
    """Return the tokenized rows; with `unpaired`, one answer per row (a pair becomes a good and a bad answer). Longer rows are truncated and counted;
    rows that the template refuses, and rows without any answer token left, are left out and counted."""
    masker, sides = Masker(tokenizer, kind="chat", objective="chat", fold_system=fold_system), SIDES[kind]
    rows = Rows(("labels",) if unpaired else RAGGED)
    for batch in batched(values):
        encoded = masker.batch([conversation(v, side) for v in batch for side in sides])
        for i, value in enumerate(batch):
            add(rows, value, encoded[i * len(sides) : (i + 1) * len(sides)], max_length, unpaired)
    rows.notes, rows.unseen = masker.notes(), dict(masker.unseen)
    return rows


def add(rows: Rows, value: dict, sides: list[Encoded], max_length: int, unpaired: bool) -> None:
    if refused := next((s.refused for s in sides if s.refused is not None), None):
        return rows.leave_out(refused)
    rows.cut += any(len(s.ids) > max_length for s in sides)
    found = [within(s, max_length) for s in sides]
    if None in found:
        return rows.leave_out(NO_TRAINED_TOKENS)
    if unpaired:
        for (ids, labels), good in zip(found, (True, False) if len(found) == 2 else (bool(value["label"]),), strict=True):
            rows.add(input_ids=ids, labels=labels, label=good)
        return None
    if found[0] == found[1]:
        return rows.leave_out(SAME_ANSWERS)
    (better, marks), (worse, others) = found
    margin = {"margin": float(value["margin"])} if value.get("margin") is not None else {}
    return rows.add(input_ids=better, labels=marks, rejected_input_ids=worse, rejected_labels=others, **margin)


def within(side: Encoded, max_length: int) -> tuple[list[int], list[int]] | None:
    """Return (ids, labels) within `max_length`; None when no token of the answer fits."""
    ids = list(side.ids[:max_length])
    labels = [IGNORED] * len(ids)
    for begin, end in side.ranges:
        labels[begin:end] = ids[begin:end]
    return (ids, labels) if any(label != IGNORED for label in labels) else None
