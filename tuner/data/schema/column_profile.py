"""The first records as a table: columns under their bare names, and what some rows hold in them."""

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
    """A column's name without case, accents, spaces and punctuation."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", name.lower()) if not "\u0300" <= c <= "\u036f")
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", letters))


@cache
def names_of(role: str) -> tuple[str, ...]:
    """The bare names a role's column may have, the likeliest first."""
    return tuple(dict.fromkeys(map(bare, SYNONYMS[role].split())))


class Table:
    """Columns under their bare names, with what some rows hold in them."""

    def __init__(self, columns: list[str], records: list[dict]):
        self.columns, self.records = [c for c in columns if c], records[:200]
        self.bare = {c: bare(c) for c in self.columns}
        self._values: dict[str, list] = {}

    def find(self, role: str, taken: tuple = (), sure: bool = False, empty: bool = False) -> str | None:
        """The column that bears a name of the role, else (unless `sure`) one that has such a word in its name."""
        names = names_of(role)
        free = [c for c in self.columns if c not in taken and (empty or self.values(c))]
        whole = next((c for name in names for c in free if self.bare[c] == name), None)
        if whole or sure:
            return whole
        words = {c: [bare(w) for w in re.findall(r"[^\W\d_]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", c))] for c in free if self.wordy(c)}
        return next((c for name in names if len(name) > 3 for c, has in words.items() if name in has), None)

    def named(self, *names: str) -> str | None:
        """The first column with one of these bare names that isn't empty."""
        return next((c for name in names for c in self.columns if self.bare[c] == name and self.values(c)), None)

    def values(self, column: str) -> list:
        """What stands in the column, without empty cells."""
        if column not in self._values:
            self._values[column] = [v for v in (cell(r, column) for r in self.records) if raw(v).strip()]
        return self._values[column]

    def wordy(self, column: str) -> bool:
        """Texts stand in it, not numbers, ids or links."""
        values = self.values(column)[:50]
        return (
            bool(values)
            and not ASIDE.search(re.sub(r"[_\W]+", " ", re.sub(r"([a-z])([A-Z])", r"\1 \2", column)))
            and all(isinstance(v, str) for v in values)
            and not all(number_of(v) is not None or v.startswith(("http://", "https://")) for v in values)
        )

    def length(self, column: str) -> float:
        """How many characters its cells have on average."""
        values = self.values(column)
        return sum(len(raw(v)) for v in values) / len(values) if values else 0

    def repeated(self, column: str) -> bool:
        """Short and few: what a label looks like."""
        values = [raw(v).strip() for v in self.values(column)]
        return self.length(column) <= 40 and len(set(values)) < len(values) and len(set(values)) <= max(2, min(len(values) // 2, 100))

    def distinct(self, column: str) -> int:
        """How many different cells it has."""
        return len({raw(v).strip() for v in self.values(column)})

    def numbers(self, column: str) -> list[float] | None:
        """Its cells as numbers, or None when some are none. NaN and the infinite are problems of their rows, not of the column."""
        commas, _ = self.commas(column)
        found = [number_of(v, commas) for v in self.values(column) if finite(v)]
        return found if found and None not in found else None

    def commas(self, column: str) -> tuple[Commas, bool]:
        """What a comma is in its numbers, and whether that is certain."""
        return commas_of(self.values(column))

    def turned(self, column: str) -> bool:
        """Most of its values are conversations."""
        return most(is_turns, self.values(column)[:50])

    def listed(self, column: str) -> bool:
        """Most of its values are lists or objects."""
        return most(lambda v: isinstance(unpack(v), (list, dict)), self.values(column)[:50])

    def objects(self, column: str) -> list[dict]:
        """The objects in its first lists."""
        return [o for v in self.values(column)[:20] if isinstance(items := unpack(v), list) for o in items if isinstance(o, dict)]


def raw(value) -> str:
    """A cell as text for measuring; never refuses, whatever it holds."""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (list, dict)) and value else plain(value)


def most(test: Callable, values: list) -> bool:
    """The test holds for three fifths of the values."""
    return bool(values) and sum(map(bool, map(test, values))) >= 0.6 * len(values)


def is_turns(value) -> bool:
    """It is a list of turns, be it one with a role that nobody knows."""
    value = unpack(value)
    try:
        return isinstance(value, (list, dict)) and turns(value) is not None
    except RowProblem:
        return True


def verdicts(values: list) -> bool:
    """Every value says yes or no."""
    return bool(values) and all(raw(v).strip().lower() in YES | NO for v in values)


def quoted(columns) -> str:
    """Column names for a sentence."""
    return " + ".join(f"`{c}`" for c in ([columns] if isinstance(columns, str) else columns))
