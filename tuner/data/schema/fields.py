"""Split a canonical row into question, answer, label and context, so that every check can handle all kinds alike."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

QUIET = re.compile(r"[\s.,!?;:\"'`´‘’“”„«»…()\[\]]+")
NAMES = frozenset({"role", "type", "id", "tool_call_id", "name", "label", "tags", "weight"})  # not prose: never searched or edited


class Parts(NamedTuple):
    """`question` is the input, `answer` is trained (`worse` is the rejected one), `label` is its label, `context` is the passage."""

    question: str = ""
    answer: str = ""
    label: str = ""
    worse: str = ""
    context: str = ""

    @property
    def characters(self) -> int:
        """Characters of all parts except the label."""
        return len(self.question) + len(self.answer) + len(self.worse) + len(self.context)


def parts(value: dict, kind: str) -> Parts:
    """Return the parts of a canonical row. In a conversation, the last turn is the answer and everything before it the question."""
    if kind == "chat":
        return Parts(_text(value["messages"][:-1]), _text(value["messages"][-1:]))
    if kind == "preference":
        return Parts(_text(value["prompt"]), _text(value["chosen"]), worse=_text(value["rejected"]))
    if kind == "rated":
        return Parts(_text(value["prompt"]), _text(value["answer"]), "good" if value["label"] else "bad")
    if kind in ("classification", "regression"):
        return Parts(value["text"], label=" + ".join(sorted(labels(value, kind))) if kind == "classification" else str(value["label"]))
    if kind == "seq2seq":
        return Parts(value["source"], value["target"])
    if kind == "qa":
        return Parts(value["question"], "\n".join(value["answers"]["text"]), context=value["context"])
    if kind == "tokens":
        return Parts(" ".join(value["tokens"]), label=" ".join(value["tags"]))
    return Parts(answer=value["text"])


def _text(messages: list[dict]) -> str:
    """Return the text of the turns, without the system turn, which is usually the same in all rows."""
    return "\n\n".join(_turn(m) for m in messages if m.get("role") != "system")


def _turn(message: dict) -> str:
    calls = message.get("tool_calls")
    return message["content"] + (json.dumps(calls, ensure_ascii=False) if calls else "")


def labels(value: dict, kind: str) -> list[str]:
    """Return the labels of a classification or rated row, as spelled; an empty list for other kinds."""
    if kind == "classification":
        return value["label"] if isinstance(value["label"], list) else [value["label"]]
    return ["good" if value["label"] else "bad"] if kind == "rated" else []


def bare(text: str) -> str:
    """Return the text without case, punctuation and line breaks. Arithmetic signs stay: "3 + 4" is not "3 - 4"."""
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return QUIET.sub(" ", text.casefold()).strip()


def digest(*texts: str) -> int:
    """Return a 64-bit hash of these texts."""
    return xxh3_64_intdigest("\x1f".join(texts).encode("utf-8", "surrogatepass"))


def strings(value) -> Iterator[str]:
    """Yield every text in a row, without names, roles and labels."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in NAMES:
                yield from strings(item)


def prose(value: dict, kind: str) -> str:
    """Return all texts of a row, one per line; a row of words becomes its sentence."""
    return " ".join(value["tokens"]) if kind == "tokens" else "\n".join(strings(value))


def edited(value, edit: Callable[[str], str]):
    """Return a copy of the row with every text edited; names, roles and labels stay unchanged."""
    if isinstance(value, str):
        return edit(value)
    if isinstance(value, list):
        return [edited(item, edit) for item in value]
    if isinstance(value, dict):
        return {key: item if key in NAMES else edited(item, edit) for key, item in value.items()}
    return value
