"""Tokenize a prompt with its answer for reward models: with the chat template, or as plain text for models without one."""

from collections.abc import Iterable
from typing import Any

from tuner.workers.tokenization import preference_rows
from tuner.workers.tokenization.lm_rows import IGNORED
from tuner.workers.tokenization.tokenized_rows import Rows, batched

ANSWERED = "Assistant: "


def has_chat_template(tokenizer) -> bool:
    """Return whether the model has a chat template; encoders have none."""
    return bool(tokenizer.chat_template)


def as_plain_text(messages: list[dict[str, Any]]) -> str:
    """Return the conversation as 'User: ...' and 'Assistant: ...', one turn per line."""
    return "\n".join(f"{m['role'].capitalize()}: {m.get('content') or ''}" for m in messages)


def ids_of(tokenizer, messages: list[dict[str, Any]], max_length: int) -> list[int]:
    """Return the tokens of a conversation as in training (`tokenize`, `preference_rows.tokenize`), to score it with the trained model."""
    if has_chat_template(tokenizer):
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        return tokenizer(text, add_special_tokens=False, truncation=True, max_length=max_length)["input_ids"]
    return tokenizer(as_plain_text(messages), truncation=True, max_length=max_length)["input_ids"]


def tokenize(tokenizer, values: Iterable[dict], max_length: int) -> Rows:
    """Return tokenized pairs like `preference_rows.tokenize`, for models without a chat template; longer conversations are truncated at the end."""
    rows = Rows(preference_rows.RAGGED)
    for batch in batched(values):
        texts = [as_plain_text(v["prompt"] + v[side]) for v in batch for side in preference_rows.SIDES["preference"]]
        found = tokenizer(texts)["input_ids"]
        for i, value in enumerate(batch):
            sides = found[2 * i : 2 * i + 2]
            rows.cut += any(len(ids) > max_length for ids in sides)
            ends = [ids[-1:] if len(ids) > max_length else [] for ids in sides]  # keep the separator at the end of every text
            better, worse = (ids[: max_length - len(end)] + end for ids, end in zip(sides, ends, strict=True))
            if better == worse:
                rows.leave_out(preference_rows.SAME_ANSWERS)
                continue
            margin = {"margin": float(value["margin"])} if value.get("margin") is not None else {}
            unlabelled = {"labels": [IGNORED] * len(better), "rejected_labels": [IGNORED] * len(worse)}
            rows.add(input_ids=better, rejected_input_ids=worse, **unlabelled, **margin)
    return rows
