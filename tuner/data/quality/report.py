"""The health report of a dataset version: what is wrong with its rows, why it matters, and what can be done with a click.

Three passes, the cheap one first: what each row shows by itself (survey, checks), personal data (privacy), near-duplicates and
leaks (similar). After each, `each` hears all findings so far. Memory stays at about 200 bytes a row; texts wait on the disk.
"""

from array import array
from collections.abc import Callable

import numpy as np

from tuner.data.importing.import_pass import Progress, beat
from tuner.data.importing.parquet import iterate
from tuner.data.quality import pii
from tuner.data.quality.finding import Finding, as_dict, finding, from_dict, load, many, save
from tuner.data.quality.grouping import straddling
from tuner.data.quality.near_duplicates import Index
from tuner.data.quality.profile import charts, survey
from tuner.data.quality.rules import checks, grouped, leak
from tuner.data.quality.size_guidance import teaches
from tuner.data.schema.fields import bare, digest, parts, prose

__all__ = ["Finding", "as_dict", "charts", "from_dict", "load", "report", "save", "score", "teaches"]
DISTINCT, EXAMPLES, PASSES = 1000, 20, 4
Beat = Callable[[int], None]


def report(
    ds,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    each: Callable[[list[Finding]], None] | None = None,
) -> list[Finding]:
    """All findings, those that need a decision first. `progress` hears (rows done of all passes, of how many, rows of the dataset).

    Raises Cancelled within a second of the wish, DataError for a damaged version.
    """

    def at(number: int) -> Beat:
        return lambda done: beat(progress, cancelled, number * ds.rows + done, PASSES * ds.rows, ds.rows)

    found: list[Finding] = []
    for number, stage in enumerate((first, personal, alike)):
        found = sorted(found + stage(ds, at(number), found), key=lambda f: f.severity != "decide")
        if each:
            each(found)
    at(PASSES)(0)
    return found


def score(findings: list[Finding], ds=None) -> str:
    """ "Ready", "Ready, with 3 remarks" or "Needs a decision"; the dataset itself is not asked."""
    if any(f.severity == "decide" for f in findings):
        return "Needs a decision"
    n = len(findings)
    return f"Ready, with {n} remark{'s' * (n > 1)}" if n else "Ready"


def first(ds, hear: Beat, found: list[Finding]) -> list[Finding]:
    """What each row shows by itself, and what repeats exactly."""
    return checks(survey(ds, hear))


def personal(ds, hear: Beat, found: list[Finding]) -> list[Finding]:
    """One finding for each type of personal data or secret."""
    seen = {key: _Seen() for key in pii.TYPES}
    for n, row in enumerate(iterate(ds)):
        if n % 200 == 0:
            hear(n)
        for match in pii.find(prose(row["value"], ds.kind)):
            seen[match.type].add(row["row"], match)
    return [_of_type(key, one) for key, one in seen.items() if one.rows]


class _Seen:
    """What was found of one type; the values themselves are kept as digests only."""

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
    """A single address in all rows is most likely the sender's own, put there on purpose."""
    kind, n = pii.TYPES[key], len(seen.rows)
    own = not kind.secret and len(seen.distinct) == 1 and n > 1
    title = many(
        n,
        f"1 row holds what looks like {kind.title[0]}",
        f"{{n}} rows hold what looks like {kind.title[1]}",
    )
    why = "The model can give it away to anyone who asks." + (
        " It is the same one in all rows, so it may be meant to be there." if own else ""
    )
    details = {"type": key, "matches": seen.matches, "distinct": len(seen.distinct), "examples": seen.examples}
    return finding(f"privacy_{key}", title, why, seen.rows, ("mask", "drop"), severity="remark" if own else "decide", details=details)


def alike(ds, hear: Beat, found: list[Finding]) -> list[Finding]:
    """Rows that say nearly the same as an earlier one, and held-out rows that do so with a training row (unless `found` has them)."""
    numbers, held, exact = array("q"), bytearray(), array("Q")
    with Index(ds.rows) as index:
        for n, row in enumerate(iterate(ds)):
            if n % 200 == 0:
                hear(n)
            part = parts(row["value"], ds.kind)
            index.add(
                [bare(text) or text for text in (part.question, part.answer, part.worse) if text],
                part.label.casefold() + bare(part.context),
            )
            numbers.append(row["row"])
            held.append(row["held_out"])
            exact.append(digest(*part))
        groups = index.groups(lambda done: hear(ds.rows + done))
    row, side = np.asarray(numbers, np.int64), np.frombuffer(bytes(held), bool)
    told = {x for f in found if f.key == "leaks" for x in f.members}
    untold = [np.array([x for x in g if not side[x] or numbers[x] not in told]) for g in groups]
    leaks = straddling(untold, side)
    leaked = leak("near_leaks", "the same, or nearly the same, as a training row", leaks, row, side) if leaks else None
    return [f for f in (_near(groups, exact, row), leaked) if f]


def _near(groups: list[list[int]], exact: array, row: np.ndarray) -> Finding | None:
    """Without rows that repeat one exactly: those are a finding of their own."""
    distinct = [sorted({exact[x]: x for x in reversed(group)}.values()) for group in groups]
    distinct = [g for g in distinct if len(g) > 1]
    n = sum(len(g) - 1 for g in distinct)
    title = many(n, "1 row says nearly the same as an earlier row", "{n} rows say nearly the same as an earlier row")
    why = "What is said many times counts more than the rest, and hides how little there is."
    severity = "decide" if n > len(row) / 5 else "remark"
    more = {"remedies": ["keep_first"], "count": n, "severity": severity}
    return finding("near_duplicates", title, why, **grouped(distinct, row), **more) if n else None
