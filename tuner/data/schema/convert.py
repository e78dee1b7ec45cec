"""Convert a record of any shape to the canonical row of its kind, and a canonical row to messages or text."""

from tuner.data.schema import media
from tuner.data.schema.cells import RowProblem, cell, plain, template_columns, text_of, unpack
from tuner.data.schema.conversation import NO, YES, chat, rated
from tuner.data.schema.labels import classified, measured, row_weight
from tuner.data.schema.preferences import preference
from tuner.data.schema.spans import qa, tokens
from tuner.data.schema.turns import ROLE_NAMES, Messages, role_of, turns
from tuner.errors import RequestError

__all__ = [
    "NO",
    "ROLE_NAMES",
    "YES",
    "RowProblem",
    "as_messages",
    "as_text",
    "cell",
    "convert",
    "plain",
    "question_of",
    "role_of",
    "template_columns",
    "turns",
    "unpack",
]
CONVERTERS = {
    "chat": chat,
    "preference": preference,
    "rated": rated,
    "classification": classified,
    "regression": measured,
    "qa": qa,
    "tokens": tokens,
    "text": lambda value, mapping, notes: {"text": text_of(value, mapping, "text")},
    "seq2seq": lambda value, mapping, notes: {"source": text_of(value, mapping, "source"), "target": text_of(value, mapping, "target")},
}


def convert(value: dict, kind: str, mapping: dict[str, str | list[str]], notes: list[str] | None = None) -> dict:
    """Return the canonical row of `kind`; RowProblem if the record can't become one. Automatic fixes are appended to `notes`.

    chat {"messages"}; text {"text"}; preference {"prompt", "chosen", "rejected"} (lists of messages); rated {"prompt", "answer"
    (lists of messages), "label": bool}; classification {"text", "label": str or list}; regression {"text", "label": float};
    seq2seq {"source", "target"}; qa {"context", "question", "answers": {"text", "answer_start"}}; tokens {"tokens", "tags"}.
    Any row may have a "weight" (a number from 0); rows with turns may have "tools" (function schemas). A message is {"role",
    "content"}; assistant turns may have "tool_calls", "reasoning_content" and "weight" (0 or 1), tool turns "name" and "tool_call_id".
    """
    notes = [] if notes is None else notes
    media.refuse_columns(value, kind, notes)
    row = CONVERTERS[kind](value, mapping, notes)
    media.refuse_markers(row)
    return row | row_weight(value, mapping["weight"]) if mapping.get("weight") else row


def as_messages(row: dict, kind: str, system: str | None = None) -> Messages:
    """Return a canonical row as a conversation to train on; RequestError for kinds that have no conversation."""
    if kind == "chat":
        messages = row["messages"]
    elif kind in ("preference", "rated"):
        messages = row["prompt"] + row["chosen" if kind == "preference" else "answer"]
    elif kind in ("classification", "regression", "seq2seq", "qa"):
        messages = [{"role": role, "content": text} for role, text in zip(("user", "assistant"), _pair(row, kind), strict=True)]
    else:
        raise _not_possible(kind, "a conversation", "text, or the task the data was made for")
    if system and messages[0]["role"] != "system":
        messages = [{"role": "system", "content": system}, *messages]
    return messages


def _pair(row: dict, kind: str) -> tuple[str, str]:
    if kind == "seq2seq":
        return row["source"], row["target"]
    if kind == "qa":
        return f"{row['context']}\n\n{row['question']}", (row["answers"]["text"] or ["unanswerable"])[0]
    return row["text"], ", ".join(row["label"]) if isinstance(row["label"], list) else plain(row["label"])


def as_text(row: dict, kind: str) -> str:
    """Return a canonical row as one text for continued pre-training; RequestError for preference pairs and rated answers."""
    if kind in ("text", "classification", "regression"):
        return row["text"]
    if kind == "tokens":
        return " ".join(row["tokens"])
    if kind in ("preference", "rated"):
        raise _not_possible(kind, "plain text", kind)
    return "\n\n".join(m["content"] for m in as_messages(row, kind) if m["content"])


def question_of(row: dict, kind: str) -> str:
    """Return the text of the last user turn, or the first words of a plain text."""
    if kind in ("text", "tokens"):
        return " ".join(as_text(row, kind).split()[:8])
    return next((m["content"] for m in reversed(as_messages(row, kind)) if m["role"] == "user"), "")


def _not_possible(kind: str, what: str, instead: str) -> RequestError:
    return RequestError(
        f"Data of the kind {kind} can't be trained as {what}.",
        asked=what,
        available=instead,
        field="objective",
        remedy=f"Choose the objective {instead}, or other data.",
    )
