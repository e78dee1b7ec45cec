"""The rows of a run as its script reads them, with the tokens and labels that the run made of them."""

from collections.abc import Iterator
from typing import Any

from tuner.settings.run_config import Settings
from tuner.workers.tokenization import preference_rows, task_rows
from tuner.workers.tokenization.lm_rows import Prepared
from tuner.workers.tokenization.loss_mask import Encoded, Masker
from tuner.workers.tokenization.tokenized_rows import Rows, batched
from tuner.workers.training import sequence_classification, token_classification

Found = Iterator[
    tuple[dict[str, Any], dict[str, Any], float]
]  # row, its tokens and labels, its weight; none for a row that the run leaves out


def of_language(tokenizer, values: Iterator[dict], kind: str, settings: Settings, known: dict[str, Any]) -> Found:
    """Yield the rows of chats and texts: the text that the model reads, of a chat with the letters that are trained."""
    masker = Masker(tokenizer, kind=kind, objective=settings.objective, fold_system=settings.fold_system)
    for batch in masker.stream(values):
        for encoded in batch:
            made = Prepared()
            made.add(encoded, settings.max_length)
            if len(made):
                row = {"text": encoded.text} | ({"trained": letters(encoded)} if settings.objective == "chat" else {})
                yield row, {"input_ids": made.input_ids[0], "labels": made.labels[0]}, encoded.weight


def letters(encoded: Encoded) -> list[list[int]]:
    """Return the letters [begin, end) of the trained tokens."""
    places = encoded.encoding.offsets
    return [[places[first][0], places[last - 1][1]] for first, last in encoded.ranges]


def of_pairs(tokenizer, values: Iterator[dict], kind: str, settings: Settings, known: dict[str, Any]) -> Found:
    """Yield the rows of preferences: both conversations, with the letters of the last answers."""
    masker = Masker(tokenizer, kind="chat", objective="chat", fold_system=settings.fold_system)
    for batch in batched(values):
        sides = iter(masker.batch([preference_rows.conversation(v, side) for v in batch for side in ("chosen", "rejected")]))
        for value, better, worse in zip(batch, sides, sides, strict=True):
            made = Rows(preference_rows.RAGGED)
            preference_rows.add(made, value, [better, worse], settings.max_length, False)
            if len(made):
                row = {"chosen": better.text, "chosen_answer": letters(better), "rejected": worse.text, "rejected_answer": letters(worse)}
                yield row, {name: made[0][name] for name in ("input_ids", *preference_rows.RAGGED)}, 1.0


def of_tasks(tokenizer, values: Iterator[dict], kind: str, settings: Settings, known: dict[str, Any]) -> Found:
    """Yield the rows of texts that are labelled, scored or rewritten. `known`: the constants of the script, and `problem`."""
    for value in values:
        row, made = WRITERS[settings.objective](tokenizer, value, kind, settings.max_length, known)
        if len(made):
            yield row, {"input_ids": made[0]["input_ids"], "labels": made[0]["labels"]}, made[0]["weight"]


def _labelled(tokenizer, value: dict, kind: str, most: int, known: dict[str, Any]) -> tuple[dict[str, Any], Rows]:
    several, label = known["problem"] == sequence_classification.SEVERAL, value["label"]
    made = sequence_classification.numbered(
        task_rows.texts(tokenizer, [value], most), {"names": known["NAMES"], "problem": known["problem"]}
    )
    return {"text": value["text"], "label": [label] if several and not isinstance(label, list) else label}, made


def _number(tokenizer, value: dict, kind: str, most: int, known: dict[str, Any]) -> tuple[dict[str, Any], Rows]:
    about = {"names": ["number"], "problem": sequence_classification.NUMBER, "mean": known["MEAN"], "std": known["STD"]}
    made = sequence_classification.numbered(task_rows.texts(tokenizer, [value], most), about)
    return {"text": value["text"], "label": float(value["label"])}, made


def _words(tokenizer, value: dict, kind: str, most: int, known: dict[str, Any]) -> tuple[dict[str, Any], Rows]:
    made = token_classification.numbered(task_rows.words(tokenizer, [value], most), known["NAMES"])
    places, at = [], 0
    for word in value["tokens"]:
        places.append([at, at + len(word)])
        at += len(word) + 1
    return {"text": " ".join(value["tokens"]), "words": places, "tags": value["tags"]}, made


def _pair(tokenizer, value: dict, kind: str, most: int, known: dict[str, Any]) -> tuple[dict[str, Any], Rows]:
    source, target = task_rows.as_pair(value, kind)
    return {"source": source, "target": target}, task_rows.text_pairs(tokenizer, [value], kind, most)


WRITERS = {"classification": _labelled, "regression": _number, "tokens": _words, "seq2seq": _pair}
