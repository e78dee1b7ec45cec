"""Convert multiple choice rows: the options follow the question, the right option is the answer."""

from string import ascii_uppercase
from typing import Any

from tuner.data.schema.cells import FROM_ONE, RowProblem, cell, option, plain, text_of, unpack

TEXTS, LABELS = ("text", "texts", "choices", "content"), ("label", "labels", "key")


def choice(value: dict, mapping: dict) -> tuple[str, str]:
    """Return (the question with its options, the right option)."""
    labels, texts = options(value, mapping["choices"])
    lines = [f"{label}. {text}" for label, text in zip(labels, texts, strict=True)]
    right = _right(value, mapping, labels, texts)
    return "\n".join([text_of(value, mapping, "prompt") + "\n", *lines]), lines[right]


def options(value: dict, columns: str | list[str]) -> tuple[list[str], list[str]]:
    """Return (labels, texts) of the options: one column each, a list, {"text": [...], "label": [...]} or {"A": ...}."""
    content: Any = [cell(value, c) for c in columns] if isinstance(columns, list) else unpack(cell(value, columns))
    labels: list = []
    if isinstance(content, dict):
        texts = next((content[k] for k in TEXTS if isinstance(content.get(k), list)), None)
        labels = next((content[k] for k in LABELS if isinstance(content.get(k), list)), []) if texts else list(content)
        content = texts or list(content.values())
    if not isinstance(content, list) or len(content) < 2:
        raise RowProblem("There are fewer than two options to choose from.", "Provide a list of options.", empty=not content)
    if all(isinstance(item, dict) for item in content):
        labels = [item.get("label") for item in content]
        content = [next((item[k] for k in TEXTS if k in item), None) for item in content]
    texts = [plain(item).strip() for item in content]
    named = [plain(label).strip() for label in labels] if len(labels) == len(texts) and all(labels) else []
    return named or _marked(texts) or list(ascii_uppercase[: len(texts)]), _bare(texts)


def _marked(texts: list[str]) -> list[str]:
    """Return the letters that the options already contain: "A) 21"."""
    fits = all(len(t) > 2 and t[0] == ascii_uppercase[i] and t[1] in ").:" for i, t in enumerate(texts[:26]))
    return [t[0] for t in texts] if fits else []


def _bare(texts: list[str]) -> list[str]:
    return [t[2:].strip() for t in texts] if _marked(texts) else texts


def _right(value: dict, mapping: dict, labels: list[str], texts: list[str]) -> int:
    column, one = option(mapping.get("answer"), FROM_ONE)
    answer = text_of(value, mapping | {"answer": column}, "answer").strip()
    by_label = {label.lower(): i for i, label in enumerate(labels)}
    if (found := by_label.get(answer.strip("().: ").lower())) is not None:
        return found
    if answer in texts:
        return texts.index(answer)
    if answer.isdecimal() and len(answer) < 10:
        number = int(answer) - (one is not None)
    else:
        number = ord(answer[0].upper()) - 65 if len(answer) == 1 else -1
    if 0 <= number < len(texts):
        return number
    raise RowProblem(
        f"The answer {answer[:40]!r} is none of the {len(texts)} options.", "Write its letter, its number counted from 0, or its text."
    )
