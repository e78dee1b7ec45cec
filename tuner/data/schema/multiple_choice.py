"""Multiple choice: the options under the question, and the right one as the answer."""

from string import ascii_uppercase
from typing import Any

from tuner.data.schema.cells import FROM_ONE, RowProblem, cell, option, plain, text_of, unpack

TEXTS, LABELS = ("text", "texts", "choices", "content"), ("label", "labels", "key")


def choice(value: dict, mapping: dict) -> tuple[str, str]:
    """(the question with its options, the right option)."""
    labels, texts = options(value, mapping["choices"])
    lines = [f"{label}. {text}" for label, text in zip(labels, texts, strict=True)]
    right = _right(value, mapping, labels, texts)
    return "\n".join([text_of(value, mapping, "prompt") + "\n", *lines]), lines[right]


def options(value: dict, columns: str | list[str]) -> tuple[list[str], list[str]]:
    """(labels, texts) of the options: a column for each, a list, {"text": [...], "label": [...]} or {"A": ...}."""
    content: Any = [cell(value, c) for c in columns] if isinstance(columns, list) else unpack(cell(value, columns))
    labels: list = []
    if isinstance(content, dict):
        texts = next((content[k] for k in TEXTS if isinstance(content.get(k), list)), None)
        labels = next((content[k] for k in LABELS if isinstance(content.get(k), list)), []) if texts else list(content)
        content = texts or list(content.values())
    if not isinstance(content, list) or len(content) < 2:
        raise RowProblem("There are not two options to choose from.", "Give a list of options.", empty=not content)
    if all(isinstance(item, dict) for item in content):
        labels = [item.get("label") for item in content]
        content = [next((item[k] for k in TEXTS if k in item), None) for item in content]
    texts = [plain(item).strip() for item in content]
    named = [plain(label).strip() for label in labels] if len(labels) == len(texts) and all(labels) else []
    return named or _marked(texts) or list(ascii_uppercase[: len(texts)]), _bare(texts)


def _marked(texts: list[str]) -> list[str]:
    """Letters that the options bring themselves: "A) 21"."""
    fits = all(len(t) > 2 and t[0] == ascii_uppercase[i] and t[1] in ").:" for i, t in enumerate(texts[:26]))
    return [t[0] for t in texts] if fits else []


def _bare(texts: list[str]) -> list[str]:
    return [t[2:].strip() for t in texts] if _marked(texts) else texts


def _right(value: dict, mapping: dict, labels: list[str], texts: list[str]) -> int:
    column, one = option(mapping.get("answer"), FROM_ONE)
    said = text_of(value, mapping | {"answer": column}, "answer").strip()
    by_label = {label.lower(): i for i, label in enumerate(labels)}
    if (found := by_label.get(said.strip("().: ").lower())) is not None:
        return found
    if said in texts:
        return texts.index(said)
    number = int(said) - (one is not None) if said.isdecimal() and len(said) < 10 else ord(said[0].upper()) - 65 if len(said) == 1 else -1
    if 0 <= number < len(texts):
        return number
    raise RowProblem(f"The answer {said[:40]!r} is none of the {len(texts)} options.", "Give its letter, its number from 0, or its text.")
