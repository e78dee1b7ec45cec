"""Guess the lengths of rows in tokens for a model whose tokenizer is not on this computer yet: a token is about four characters."""

from tuner.data.schema import convert

SAMPLE = 400  # rows
PER_TURN = 6  # tokens that the chat template adds around one message
LETTERS = 4  # characters of a token, the usual figure for English


def guess(values: list[dict], kind: str, family: str) -> list[int]:
    """Return the approximate number of tokens of each row, ascending.

    An encoder-decoder reads one text and writes the other, so the longer of the two counts.
    """
    template, whole = (PER_TURN if family == "decoder" else 1), max if family == "encoder-decoder" else sum
    turns = [_parts(value, kind, family) for value in values[:SAMPLE]]
    return sorted(whole(len(text) // LETTERS + 1 + template for text in t) if t else 0 for t in turns)


def _parts(value: dict, kind: str, family: str) -> list[str]:
    if kind in ("text", "tokens"):
        return [convert.as_text(value, kind)]
    if kind in ("classification", "regression") and family != "decoder":
        return [value["text"]]
    if kind == "qa" and family == "encoder":
        return [value["context"], value["question"]]
    if kind == "preference":  # the longer of both answers sets how long the row is
        value = value | {"chosen": max(value["chosen"], value["rejected"], key=lambda side: sum(len(m.get("content") or "") for m in side))}
    tools = [str(value.get("tools") or "")] if value.get("tools") else []
    return tools + ["".join(_text_parts(m)) for m in convert.as_messages(value, kind)]


def _text_parts(message: dict) -> list[str]:
    return [str(message[k]) for k in ("reasoning_content", "content", "tool_calls") if message.get(k)]
