"""Convert texts with one label, with several labels, or with a number."""

from typing import Any

from tuner.data.schema.cells import BY_POSITION, COMMAS, SPLIT, Column, RowProblem, cell, option, plain, text_of, unpack
from tuner.data.schema.conversation import NO, YES
from tuner.data.schema.label_lists import bracketed, split_labels
from tuner.data.schema.multi_hot import labels_at
from tuner.data.schema.numbers import EITHER, finite, number_of


def classified(value: dict, mapping: dict, notes: list[str]) -> dict:
    """Return {"text", "label"}: a list of labels if the cell holds several, or a vector of 0 and 1, or if there is a column per label."""
    text, column = text_of(value, mapping, "text"), mapping.get("label")
    if isinstance(column, (list, tuple)) and len(column) > 1:
        return {"text": text, "label": [c for c in column if _is_so(value, c)]}
    column, mark = option(column, SPLIT)
    if mark is not None:
        return {"text": text, "label": _split(cell(value, column), mark.strip() or ",")}
    column, named = option(column, BY_POSITION)
    if named is not None:
        return {"text": text, "label": labels_at(value, column, named)}
    label = listed(cell(value, column))
    return {"text": text, "label": text_of(value, mapping, "label").strip() if label is None else label}


def listed(content: Any) -> list[str] | None:
    """Return the labels of a cell that holds a list: as JSON, in Python's or a database's notation, or as names with 0 and 1; else None."""
    label = unpack(content)
    if isinstance(label, dict) and label and all(flag in (0, 1) for flag in label.values()):
        return [name for name, flag in label.items() if flag]
    if isinstance(label, list):
        return list(dict.fromkeys(plain(item) for item in label))
    return split_labels(content) if isinstance(content, str) and bracketed(content) is not None and not isinstance(label, dict) else None


def _split(content: Any, mark: str) -> list[str]:
    """Return the labels of a cell that are separated by a mark; a list stays a list."""
    label = unpack(content)
    return listed(content) or [] if isinstance(label, (list, dict)) else split_labels(plain(content), mark)


def _is_so(value: dict, column: str) -> bool:
    flag = plain(cell(value, column)).strip().lower()
    if flag in YES or flag in NO or not flag:
        return flag in YES
    raise RowProblem(f"{column} is {flag[:40]!r}, neither yes nor no.", "Use 1 and 0, or choose one column with the label.")


def measured(value: dict, mapping: dict, notes: list[str]) -> dict:
    """Return {"text", "label": a finite number}."""
    text, column, commas = text_of(value, mapping, "text"), mapping.get("label"), None
    for meaning, mark in COMMAS.items():
        plain_column, rest = option(column, mark)
        column, commas = plain_column, meaning if rest is not None else commas
    if not finite(content := cell(value, column)):
        raise RowProblem(f"{column} is {str(content)[:40]}, which is not a finite number.", "Write a finite number, or leave the row out.")
    label = text_of(value, mapping | {"label": column}, "label").strip()
    number = number_of(label, commas)
    if number is None and EITHER.fullmatch(label):
        raise RowProblem(
            f"The comma in {label} can be a decimal comma or a thousands separator.",
            f"Write {label.replace(',', '.')} or {label.replace(',', '')}.",
        )
    if number is None:
        raise RowProblem(f"{label[:40]!r} is not a number.", "Write a number, or use the column as a label (classification).")
    return {"text": text, "label": number}


def row_weight(value: dict, column: Column) -> dict:
    """Return {"weight"} if the row has one, else {}."""
    content = cell(value, column)
    text = plain(content).strip()
    if not text and finite(content):
        return {}
    number = number_of(text)
    if number is None or number < 0:
        raise RowProblem(f"The weight {str(content)[:40]!r} is not a number of 0 or more.", "Write a number such as 1 or 0.5.")
    return {"weight": number}
