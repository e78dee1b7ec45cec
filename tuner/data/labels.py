"""Texts with labels, with several labels, or with a number."""

import math
from typing import Any

from tuner.data.cells import BY_POSITION, SPLIT, Column, RowProblem, cell, option, plain, text_of, unpack
from tuner.data.conversation import NO, YES
from tuner.data.label_lists import bracketed, parted
from tuner.data.positions import labels_at


def classified(value: dict, mapping: dict, notes: list[str]) -> dict:
    """{"text", "label"}: a list of labels when the cell holds several, a vector of 0 and 1, or when there is a column for each."""
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
    """The labels of a cell that holds a list: as JSON, as Python or a database writes it, or by names with 0 and 1; else None."""
    label = unpack(content)
    if isinstance(label, dict) and label and all(said in (0, 1) for said in label.values()):
        return [name for name, said in label.items() if said]
    if isinstance(label, list):
        return list(dict.fromkeys(plain(item) for item in label))
    return parted(content) if isinstance(content, str) and bracketed(content) is not None and not isinstance(label, dict) else None


def _split(content: Any, mark: str) -> list[str]:
    """The labels of a cell that are separated by a sign; a list stays the list it is."""
    label = unpack(content)
    return listed(content) or [] if isinstance(label, (list, dict)) else parted(plain(content), mark)


def _is_so(value: dict, column: str) -> bool:
    said = plain(cell(value, column)).strip().lower()
    if said in YES or said in NO or not said:
        return said in YES
    raise RowProblem(f"{column} is {said[:40]!r}, neither yes nor no.", "Use 1 and 0, or choose one column with the label.")


def measured(value: dict, mapping: dict, notes: list[str]) -> dict:
    """{"text", "label": a finite number}."""
    text, label = text_of(value, mapping, "text"), text_of(value, mapping, "label").strip()
    try:
        number = float(label.replace(",", ".") if label.count(",") == 1 and "." not in label else label)
    except ValueError:
        raise RowProblem(f"{label[:40]!r} is not a number.", "Write a number, or learn the column as a label.") from None
    if not math.isfinite(number):
        raise RowProblem("The value is infinite.", "Write a finite number.")
    return {"text": text, "label": number}


def row_weight(value: dict, column: Column) -> dict:
    """{"weight"} when the row has one."""
    text = plain(cell(value, column)).strip()
    if not text:
        return {}
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise RowProblem(f"The weight {text[:40]!r} is not a number from 0 up.", "Write a number such as 1 or 0.5.")
    return {"weight": number}
