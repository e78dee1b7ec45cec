"""Read multi-hot vectors: lists of 0 and 1 with one position per label."""

import re
from typing import Any

from tuner.data.schema.cells import RowProblem, cell, plain, template_columns, unpack

SAID = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
WRITTEN = re.compile(r"\s*[01](?:\.0*)?(?:[\s,;|]+[01](?:\.0*)?){2,}\s*")


def vector(content: Any) -> list[bool] | None:
    """Return the positions of a vector of 0 and 1 (numbers, texts or booleans); None for anything else, or for fewer than two."""
    content = unpack(content)
    if isinstance(content, str) and WRITTEN.fullmatch(content):
        content = re.split(r"[\s,;|]+", content.strip())
    if not isinstance(content, list) or len(content) < 2:
        return None
    found = [SAID.get(_normalized(item)) for item in content]
    return None if None in found else found


def _normalized(item: Any) -> str:
    text = plain(item).strip().lower()
    return text + "0" if text.endswith(".") else text


def width(values: list) -> int | None:
    """Return the length of a column's vectors; None for other columns, such as lists of label numbers.

    A label number occurs once per list: only lists with repeated values, or with both orders, are vectors.
    """
    found = [v for v in map(vector, values) if v]
    if not found or len(found) < 0.9 * len(values):
        return None
    n = max({len(v) for v in found}, key=[len(v) for v in found].count)
    alike = [v for v in found if len(v) == n]
    texts = any(isinstance(item, str) for value in values if isinstance(value, list) for item in value)
    certain = n > 2 or [True, True] in alike or [False, False] in alike or not texts and [True, False] in alike and [False, True] in alike
    return n if certain and len(alike) >= 0.9 * len(found) else None


def names_beside(records: list[dict], columns: list[str], n: int) -> str | None:
    """Return the column with the same list of `n` names in every row, or None."""
    for column in columns:
        lists = [unpack(cell(record, column)) for record in records]
        first = lists[0] if lists else None
        if isinstance(first, list) and len(first) == n == len(set(map(plain, first))) and all(one == first for one in lists):
            if all(isinstance(name, str) and name not in SAID for name in first):
                return column
    return None


def labels_at(value: dict, column: str, named: str) -> list[str]:
    """Return the names of the positions with a 1. `named`: "" (numbered from 1), " of {column}" or ": joy, anger". Raises RowProblem."""
    content = cell(value, column)
    found = vector(content)
    if found is None:
        raise RowProblem(
            f"{column} is {plain(content)[:40]!r}, not a list of 0 and 1.", "Write one 0 or 1 for each label, such as [0, 1, 1]."
        )
    names = _names(value, named)
    if names and len(names) != len(found):
        raise RowProblem(f"{column} has {len(found)} positions, but there are {len(names)} labels.", "Give each label one 0 or 1.")
    return [names[i] if names else str(i + 1) for i, flag in enumerate(found) if flag]


def _names(value: dict, named: str) -> list[str]:
    if beside := template_columns(named):
        listed = unpack(cell(value, beside[0]))
        return [plain(name) for name in listed] if isinstance(listed, list) else []
    return [name for part in named.lstrip(" :").split(",") if (name := part.strip())]
