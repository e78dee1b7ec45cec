"""Find the header of a table below titles, notes and blank lines."""

import csv
from collections import Counter
from functools import cache
from itertools import islice

from tuner.data.schema.column_aliases import SYNONYMS
from tuner.data.schema.column_profile import bare

LOOKED_AT, ABOVE = 60, 20
Row = tuple[int, list[str]]  # (row number in the file, cells)
FURTHER = "id name date number nr url source author index comment notes rows"  # names of columns without a role


def above(rows: list[Row], sheet: bool = False) -> int:
    """Return how many of these non-empty rows are above the header. `sheet`: the cells are certain, not guessed from a delimiter."""
    extents = Counter(_extent(cells) for _, cells in rows)
    width = max(extents, key=lambda n: (extents[n], n), default=0)
    at = next((i for i, (_, cells) in enumerate(rows[:ABOVE]) if len(cells) >= width and all(map(str.strip, cells[:width]))), 0)
    if width < 2 or not at or not _is_header(rows[at][1][:width]):
        return _below_pairs(rows, width)
    known = [_known(cells) for _, cells in rows[: at + 1]]
    if max(known[:-1]) and known[-1] <= max(known[:-1]):
        return 0
    number, cells = rows[at - 1]
    alone = all(_filled(cells) == 1 for _, cells in rows[:at]) and (sheet or len(cells) >= width and bool(cells[0].strip()))
    return at if alone or rows[at][0] - number > 1 or known[-1] else 0


def _below_pairs(rows: list[Row], width: int) -> int:
    """Handle notes as wide as the table ("Exported on", "2024-01-01"): the header is the first row of known names after a gap or a #."""
    for at, (number, cells) in enumerate(rows[:ABOVE]):
        apart = at and (number - rows[at - 1][0] > 1 or all(before[0].lstrip().startswith("#") for _, before in rows[:at]))
        if apart and len(cells) == width > 1 and _known(cells) > 1 and _is_header(cells):
            return 0 if any(_known(before) or len(before) > width for _, before in rows[:at]) else at
    return 0


def _extent(cells: list[str]) -> int:
    return max((i for i, text in enumerate(cells, 1) if text.strip()), default=0)


def _filled(cells: list[str]) -> int:
    return sum(bool(text.strip()) for text in cells)


def _is_header(cells: list[str]) -> bool:
    """Return whether the cells are short and distinct names, none of which is a number."""
    names = [text.strip() for text in cells]
    return len(set(names)) == len(names) and all(len(n) <= 60 and "\n" not in n and not n.replace(".", "").isdigit() for n in names)


def _known(cells: list[str]) -> int:
    return sum(bare(text) in _names() for text in cells if text.strip())


@cache
def _names() -> frozenset[str]:
    """Return every known column name, in its bare form."""
    return frozenset(bare(name) for names in (*SYNONYMS.values(), FURTHER) for name in names.split() if len(name) > 1)


def above_csv(text: str, delimiter: str) -> int:
    """Return how many records are above the header of a CSV file, from its beginning. Rows of empty cells count, blank lines don't."""
    lines = text.splitlines(True)
    lines = lines[1:] if lines and lines[0].startswith("sep=") else lines
    try:
        read = list(islice(enumerate(csv.reader(lines, delimiter=delimiter), 1), 4 * LOOKED_AT))
    except csv.Error:
        return 0
    records = [(i, cells) for i, cells in read if cells]
    filled = [(i, cells) for i, cells in records if any(map(str.strip, cells))][:LOOKED_AT]
    at = above(filled)
    if not filled or not at and not (_known(filled[0][1]) and _is_header(filled[0][1])):
        return 0
    return records.index(filled[at])


def below(rows, count: int):
    """Return (texts above the header, the header, its row number) of an iterator of rows, which then continues below the header."""
    skipped = list(islice(rows, count))
    number, header = next(rows, (0, []))
    return [text.strip() for _, cells in skipped for text in cells if text.strip()], header, number


def note(skipped: list[str], number: int, unit: str) -> str:
    """Return a sentence that names the skipped texts."""
    texts = ", ".join(repr(text[:60]) for text in skipped[:3]) + (f" and {len(skipped) - 3} more" if len(skipped) > 3 else "")
    return f"The header is {unit} {number}; the text above it was skipped: {texts}. Rows are counted from the row below the header."
