"""The first records as a table: columns with their bare names, and their first values."""

import json
import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache

from tuner.data.schema.cells import RowProblem, cell, plain, unpack
from tuner.data.schema.column_aliases import SYNONYMS
from tuner.data.schema.conversation import NO, YES
from tuner.data.schema.numbers import Commas, commas_of, finite, number_of
from tuner.data.schema.turns import turns

ASIDE = re.compile(
    r"\b(ids?|idx|index|uuid|guid|url|uri|link|date|datum|fecha|time|timestamp|created|updated|length|count|num|tokens|author|autor|name|hash|lang|split|"
    r"version|email address|phone|path|file|filename|dump|md5|sha\d*)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def bare(name: str) -> str:
    """Return a column name without case, accents, spaces and punctuation."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", name.lower()) if not "\u0300" <= c <= "\u036f")
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", letters))


@cache
def names_of(role: str) -> tuple[str, ...]:
    """Return the bare names that a role's column may have, the most likely first."""
    return tuple(dict.fromkeys(map(bare, SYNONYMS[role].split())))


class Table:
    """Columns with their bare names and the values of the first 200 records."""

    def __init__(self, columns: list[str], records: list[dict]):
        self.columns, self.records = [c for c in columns if c], records[:200]
        self.bare = {c: bare(c) for c in self.columns}
        self._values: dict[str, list] = {}

    def find(self, role: str, taken: tuple = (), sure: bool = False, empty: bool = False) -> str | None:
        """Return the column with a name of the role, else (unless `sure`) one with such a word in its name."""
        names = names_of(role)
        free = [c for c in self.columns if c not in taken and (empty or self.values(c))]
        whole = next((c for name in names for c in free if self.bare[c] == name), None)
        if whole or sure:
            return whole
        words_of = {c: [bare(w) for w in re.findall(r"[^\W\d_]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", c))] for c in free if self.wordy(c)}
        return next((c for name in names if len(name) > 3 for c, words in words_of.items() if name in words), None)

    def named(self, *names: str) -> str | None:
        """Return the first non-empty column with one of these bare names."""
        return next((c for name in names for c in self.columns if self.bare[c] == name and self.values(c)), None)

    def values(self, column: str) -> list:
        """Return the non-empty values of a column."""
        if column not in self._values:
            self._values[column] = [v for v in (cell(r, column) for r in self.records) if raw(v).strip()]
        return self._values[column]

    def wordy(self, column: str) -> bool:
        """Return whether a column holds texts, not numbers, ids or links."""
        values = self.values(column)[:50]
        return (
            bool(values)
            and not ASIDE.search(re.sub(r"[_\W]+", " ", re.sub(r"([a-z])([A-Z])", r"\1 \2", column)))
            and all(isinstance(v, str) for v in values)
            and not all(number_of(v) is not None or v.startswith(("http://", "https://")) for v in values)
        )

    def length(self, column: str) -> float:
        """Return the average number of characters per cell."""
        values = self.values(column)
        return sum(len(raw(v)) for v in values) / len(values) if values else 0

    def repeated(self, column: str) -> bool:
        """Return whether the values are short and few, like labels."""
        values = [raw(v).strip() for v in self.values(column)]
        return self.length(column) <= 40 and len(set(values)) < len(values) and len(set(values)) <= max(2, min(len(values) // 2, 100))

    def distinct(self, column: str) -> int:
        """Return the number of different values."""
        return len({raw(v).strip() for v in self.values(column)})

    def numbers(self, column: str) -> list[float] | None:
        """Return the cells as numbers, or None if some are not numbers. NaN and infinity are problems of their rows, not of the column."""
        commas, _ = self.commas(column)
        found = [number_of(v, commas) for v in self.values(column) if finite(v)]
        return found if found and None not in found else None

    def commas(self, column: str) -> tuple[Commas, bool]:
        """Return what a comma means in the column's numbers, and whether that is certain."""
        return commas_of(self.values(column))

    def turned(self, column: str) -> bool:
        """Return whether most values are conversations."""
        return most(is_turns, self.values(column)[:50])

    def listed(self, column: str) -> bool:
        """Return whether most values are lists or objects."""
        return most(lambda v: isinstance(unpack(v), (list, dict)), self.values(column)[:50])

    def objects(self, column: str) -> list[dict]:
        """Return the objects in the column's first lists."""
        return [o for v in self.values(column)[:20] if isinstance(items := unpack(v), list) for o in items if isinstance(o, dict)]


def raw(value) -> str:
    """Return a cell as text for measuring; never raises."""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (list, dict)) and value else plain(value)


def most(test: Callable, values: list) -> bool:
    """Return whether the test holds for at least 60% of the values."""
    return bool(values) and sum(map(bool, map(test, values))) >= 0.6 * len(values)


def is_turns(value) -> bool:
    """Return whether the value is a list of turns; an unknown role is allowed."""
    value = unpack(value)
    try:
        return isinstance(value, (list, dict)) and turns(value) is not None
    except RowProblem:
        return True


def all_yes_or_no(values: list) -> bool:
    """Return whether every value means yes or no."""
    return bool(values) and all(raw(v).strip().lower() in YES | NO for v in values)


def quoted(columns) -> str:
    """Return column names in backticks, for a sentence."""
    return " + ".join(f"`{c}`" for c in ([columns] if isinstance(columns, str) else columns))
