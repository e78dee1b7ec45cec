"""From a record of any shape to the one canonical row of its kind, and from there to messages or text."""

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
    """The canonical row of `kind`; RowProblem when the record can't be one. What was mended is appended to `notes`.

    chat {"messages"}; text {"text"}; preference {"prompt", "chosen", "rejected"} (lists of messages); rated {"prompt", "answer"
    (lists of messages), "label": bool}; classification {"text", "label": str or list}; regression {"text", "label": float};
    seq2seq {"source", "target"}; qa {"context", "question", "answers": {"text", "answer_start"}}; tokens {"tokens", "tags"}.
    Any row may have a "weight" (a number from 0); rows with turns may have "tools" (function schemas). A message is {"role",
    "content"} and may have "tool_calls", "reasoning_content" and "weight" (0 or 1) of the assistant, "name" and "tool_call_id" of a tool.
    """
    notes = [] if notes is None else notes
    media.refuse_columns(value, kind, notes)
    row = CONVERTERS[kind](value, mapping, notes)
    media.refuse_markers(row)
    return row | row_weight(value, mapping["weight"]) if mapping.get("weight") else row


def as_messages(row: dict, kind: str, system: str | None = None) -> Messages:
    """A canonical row as a conversation to learn from; RequestError for kinds without turns."""
    if kind == "chat":
        messages = row["messages"]
    elif kind in ("preference", "rated"):
        messages = row["prompt"] + row["chosen" if kind == "preference" else "answer"]
    elif kind in ("classification", "regression", "seq2seq", "qa"):
        messages = [{"role": role, "content": text} for role, text in zip(("user", "assistant"), _pair(row, kind), strict=True)]
    else:
        raise _senseless(kind, "a conversation", "text, or the task the data was made for")
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
    """A canonical row as one text for continued pre-training; RequestError for pairs of answers."""
    if kind in ("text", "classification", "regression"):
        return row["text"]
    if kind == "tokens":
        return " ".join(row["tokens"])
    if kind in ("preference", "rated"):
        raise _senseless(kind, "plain text", kind)
    return "\n\n".join(m["content"] for m in as_messages(row, kind) if m["content"])


def question_of(row: dict, kind: str) -> str:
    """The text of the last user turn; of a plain text, its first words."""
    if kind in ("text", "tokens"):
        return " ".join(as_text(row, kind).split()[:8])
    return next((m["content"] for m in reversed(as_messages(row, kind)) if m["role"] == "user"), "")


def _senseless(kind: str, what: str, instead: str) -> RequestError:
    return RequestError(
        f"Data of the kind {kind} can't be learnt as {what}.",
        asked=what,
        available=instead,
        field="objective",
        remedy=f"Choose the objective {instead}, or other data.",
    )
