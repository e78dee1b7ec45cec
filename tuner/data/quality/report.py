"""Create the quality report of a dataset version: problems of its rows, why they matter, and one-click fixes.

Three passes, the cheapest first: single rows and exact repeats (profile, rules), personal data (pii), near-duplicates and leaks
(near_duplicates). After each pass, `each` receives all findings so far. Memory stays at about 200 bytes per row; texts are spooled to disk.
"""

from array import array
from collections.abc import Callable

import numpy as np

from tuner.data.importing.import_pass import Progress, tick
from tuner.data.importing.parquet import iterate
from tuner.data.quality import pii
from tuner.data.quality.finding import Finding, as_dict, finding, from_dict, load, many, save
from tuner.data.quality.grouping import straddling
from tuner.data.quality.near_duplicates import Index
from tuner.data.quality.profile import charts, survey
from tuner.data.quality.rules import checks, grouped, leak
from tuner.data.schema.fields import bare, digest, parts, prose

__all__ = ["Finding", "as_dict", "charts", "from_dict", "load", "report", "save", "score"]
DISTINCT, EXAMPLES, PASSES = 1000, 20, 4
Tick = Callable[[int], None]


def report(
    ds,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    each: Callable[[list[Finding]], None] | None = None,
) -> list[Finding]:
    """Return all findings, those that need a decision first. `progress` receives (rows done, rows of all passes, rows of the dataset).

    Raises Cancelled within a second of the request, DataError for a damaged version.
    """

    def at(number: int) -> Tick:
        return lambda done: tick(progress, cancelled, number * ds.rows + done, PASSES * ds.rows, ds.rows)

    found: list[Finding] = []
    for number, stage in enumerate((first, personal, similar_rows)):
        found = sorted(found + stage(ds, at(number), found), key=lambda f: f.severity != "decide")
        if each:
            each(found)
    at(PASSES)(0)
    return found


def score(findings: list[Finding], ds=None) -> str:
    """Return "Ready", "Ready, with 3 remarks" or "Needs a decision". The dataset itself is not read."""
    if any(f.severity == "decide" for f in findings):
        return "Needs a decision"
    n = len(findings)
    return f"Ready, with {n} remark{'s' * (n > 1)}" if n else "Ready"


def first(ds, tick: Tick, found: list[Finding]) -> list[Finding]:
    """Find problems of single rows and exact repeats."""
    return checks(survey(ds, tick))


def personal(ds, tick: Tick, found: list[Finding]) -> list[Finding]:
    """Return one finding for each type of personal data or secret."""
    seen = {key: _Seen() for key in pii.TYPES}
    for n, row in enumerate(iterate(ds)):
        if n % 200 == 0:
            tick(n)
        for match in pii.find(prose(row["value"], ds.kind)):
            seen[match.type].add(row["row"], match)
    return [_of_type(key, one) for key, one in seen.items() if one.rows]


class _Seen:
    """Matches of one type; the values themselves are kept as digests only."""

    def __init__(self):
        self.rows: list[int] = []
        self.examples: list[dict] = []
        self.distinct: set[int] = set()
        self.matches = 0

    def add(self, row: int, match: pii.Match) -> None:
        self.matches += 1
        if not self.rows or self.rows[-1] != row:
            self.rows.append(row)
        if (value := digest(match.text)) not in self.distinct and len(self.distinct) < DISTINCT:
            self.distinct.add(value)
            if len(self.examples) < EXAMPLES:
                self.examples.append({"row": row, "shown": match.masked})


def _of_type(key: str, seen: _Seen) -> Finding:
    """Make the finding of one type. A single value in all rows is most likely there on purpose, so it is only a remark."""
    kind, n = pii.TYPES[key], len(seen.rows)
    intended = not kind.secret and len(seen.distinct) == 1 and n > 1
    title = many(
        n,
        f"1 row contains what looks like {kind.title[0]}",
        f"{{n}} rows contain what looks like {kind.title[1]}",
    )
    why = "The model can reveal it to anyone who asks." + (
        " It is the same in all rows, so it may be there on purpose." if intended else ""
    )
    details = {"type": key, "matches": seen.matches, "distinct": len(seen.distinct), "examples": seen.examples}
    return finding(f"privacy_{key}", title, why, seen.rows, ("mask", "drop"), severity="remark" if intended else "decide", details=details)


def similar_rows(ds, tick: Tick, found: list[Finding]) -> list[Finding]:
    """Find near-duplicates of earlier rows, and validation rows that are near-duplicates of a training row (unless `found` has them)."""
    numbers, validation, exact = array("q"), bytearray(), array("Q")
    with Index(ds.rows) as index:
        for n, row in enumerate(iterate(ds)):
            if n % 200 == 0:
                tick(n)
            part = parts(row["value"], ds.kind)
            index.add(
                [bare(text) or text for text in (part.question, part.answer, part.worse) if text],
                part.label.casefold() + bare(part.context),
            )
            numbers.append(row["row"])
            validation.append(row["held_out"])
            exact.append(digest(*part))
        groups = index.groups(lambda done: tick(ds.rows + done))
    row, side = np.asarray(numbers, np.int64), np.frombuffer(bytes(validation), bool)
    known = {x for f in found if f.key == "leaks" for x in f.members}
    new = [np.array([x for x in g if not side[x] or numbers[x] not in known]) for g in groups]
    leaks = straddling(new, side)
    leaked = leak("near_leaks", "the same or nearly the same text as a training row", leaks, row, side) if leaks else None
    return [f for f in (_near(groups, exact, row), leaked) if f]


def _near(groups: list[list[int]], exact: array, row: np.ndarray) -> Finding | None:
    """Make the finding of near-duplicates, without exact repeats, which have their own finding."""
    distinct = [sorted({exact[x]: x for x in reversed(group)}.values()) for group in groups]
    distinct = [g for g in distinct if len(g) > 1]
    n = sum(len(g) - 1 for g in distinct)
    title = many(n, "1 row is nearly the same as an earlier row", "{n} rows are nearly the same as an earlier row")
    why = "Repeated content counts more than the rest, and makes the dataset look larger than it is."
    severity = "decide" if n > len(row) / 5 else "remark"
    more = {"remedies": ["keep_first"], "count": n, "severity": severity}
    return finding("near_duplicates", title, why, **grouped(distinct, row), **more) if n else None
