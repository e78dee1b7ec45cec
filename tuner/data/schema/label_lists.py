"""Detect several labels in one cell, in brackets or with a separator, and distinguish them from one label of several words.

Separate labels recombine: "red" occurs in "red blue" and "green red", and sometimes alone. The words of one label don't: "York"
never occurs without "New".
"""

import re
from collections import Counter

BRACKETS = {"[": "]", "{": "}", "(": ")"}
SPELLED = {"space": " ", "tab": "\t", "line break": "\n"}  # names of invisible separators in a mapping
LISTS = ("labels", "tags", "genres", "topics", "themes", "categories", "emotions", "intents", "classes", "keywords")
STRONG = (";", "|", "；", "\n", "•")  # seldom part of a label
LIKELY = (",", "、", "，", "#")
WEAK = (
    "/",
    "&",
    "+",
    "·",
    "~",
    "\\",
    "\t",
    " - ",
    " and ",
    " or ",
    "::",
    ":",
    ">",
    "-",
    "_",
    " ",
)  # as often part of a label as between two
SILENT = ("-", " and ", " or ", "::", ":", ">", "_")  # so often part of a label that only certain cases count
WORDS = frozenset("very not no non slightly somewhat highly extremely strongly mostly rather other".split())
QUOTED = re.compile(r"""\s*(?:"((?:[^"\\]|\\.|"")*)"|'((?:[^'\\]|\\.|'')*)')\s*""")
LONGEST = 40


def bracketed(text: str, kinds: str = "[{") -> str | None:
    """Return the content of brackets that enclose the whole cell; None if there are none."""
    text = text.strip()
    inside = text[:1] and text[0] in kinds and text[-1:] == BRACKETS.get(text[0]) and len(text) > 1
    return text[1:-1].strip() if inside else None


def split_labels(text: str, mark: str | None = None) -> list[str]:
    """Return the labels of a cell, each once, without brackets and quotes. Without a `mark`, the first separator found of , ; | applies."""
    inner = bracketed(text, "[{(")
    text = text.strip() if inner is None else inner
    mark = SPELLED.get(mark, mark) or next((sign for sign in ",;|" if sign in text), ",")
    return list(dict.fromkeys(part for piece in _pieces(text, mark) if (part := piece.strip())))


def _pieces(text: str, mark: str) -> list[str]:
    """Split at the mark, but not inside quotes that enclose one label."""
    if '"' not in text and "'" not in text:
        return text.split(mark)
    pieces, at = [], 0
    while at <= len(text):
        quoted = QUOTED.match(text, at)
        if quoted and (quoted.end() == len(text) or text.startswith(mark, quoted.end()) or mark == " "):
            pieces.append(quoted[1] if quoted[1] is not None else quoted[2])
            at = quoted.end() + len(mark) * text.startswith(mark, quoted.end())
            if at == len(text):
                break
            continue
        end = text.find(mark, at)
        end = len(text) if end < 0 else end
        pieces.append(text[at:end])
        at = end + len(mark)
    return pieces


def spelled(mark: str) -> str:
    """Return a separator as a mapping spells it."""
    return next((name for name, sign in SPELLED.items() if sign == mark), mark.strip())


def mark_of(cells: list[str], column: str) -> tuple[str | None, bool]:
    """Return (the separator of several labels in these cells, or None for one label each; whether it is certain).

    `column` is the bare name of the column: "tags" suggests several labels.
    """
    inner = [bracketed(text, "[{(") for text in cells]
    if cells and sum(text is not None for text in inner) >= 0.9 * len(cells):
        mark, _ = _best([text for text in inner if text], column)
        return mark or ",", True
    return _best(cells, column)


def _best(cells: list[str], column: str) -> tuple[str | None, bool]:
    uncertain = None
    for mark in (*STRONG, *LIKELY, *WEAK):
        if not any(mark in text for text in cells):
            continue
        found, sure = _judged(cells, mark, column)
        if found:
            return found, sure
        uncertain = uncertain or (None if sure else (None, False))
    return uncertain or (None, True)


def _judged(cells: list[str], mark: str, column: str) -> tuple[str | None, bool]:
    """Return (mark or None, certain): whether this mark separates labels; (None, False) if unclear and one label is more likely."""
    all_parts = [tuple(split_labels(text, mark)) for text in cells]
    several = [parts for parts in all_parts if len(parts) > 1]
    again, free = _recombined(set(all_parts))
    if not several or any(len(part) > LONGEST for parts in all_parts for part in parts):
        return None, True
    alone = {parts[0] for parts in all_parts if len(parts) == 1}
    known = all(part in alone for parts in several for part in parts)
    if len(several) < 0.2 * len(cells) and not known:
        return None, True
    if mark in STRONG:
        return mark, again > 0.2 or known or mark == "|"
    if mark in LIKELY:
        return _likely(cells, mark, column, again)
    return _weak(several, mark, column, again, free)


def _likely(cells: list[str], mark: str, column: str, again: float) -> tuple[str | None, bool]:
    if again >= 0.5:
        return mark, True
    if mark == "#":
        return (mark, False) if all(text.lstrip().startswith("#") for text in cells) else (None, True)
    return (None, True) if len(set(cells)) <= max(2, len(cells) // 2) and column not in LISTS else (mark, False)


def _weak(several: list[tuple], mark: str, column: str, again: float, free: float) -> tuple[str | None, bool]:
    """Judge a mark that also occurs within labels: accepted if most parts recombine, uncertain if half do or the name suggests several."""
    if mark == " " and WORDS & {part.lower() for parts in several for part in parts}:
        return None, True
    if again >= (0.75 if mark == " " else 0.5) and free >= 0.6:
        return mark, column in LISTS and len(set(several)) > 2
    if mark in SILENT:
        return None, True
    either = column in LISTS or mark == "/" and again < 0.2 and ("N", "A") not in {tuple(map(str.upper, parts)) for parts in several}
    return None, not either and (again < 0.5 or free < 0.5)


def _recombined(combinations: set[tuple]) -> tuple[float, float]:
    """Return (share of parts that occur in several combinations, share that occur alone, or both first and later)."""
    across = Counter(part for parts in combinations for part in parts)
    if not across:
        return 0.0, 0.0
    first = {parts[0] for parts in combinations if len(parts) > 1}
    later = {part for parts in combinations for part in parts[1:]}
    alone = {parts[0] for parts in combinations if len(parts) == 1}
    free = sum(part in alone or part in first and part in later for part in across)
    return sum(n > 1 for n in across.values()) / len(across), free / len(across)
