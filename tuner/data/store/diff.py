"""What differs between two versions of a dataset: rows gone, come, changed, or moved to the other side of the split."""

from collections.abc import Iterator
from itertools import islice

from tuner.data.importing.parquet import Stored, iterate

SHOWN, MOST = 20, 50_000  # examples; rows of each version that are looked at
COUNTS = ("same", "gone", "new", "changed", "moved")


def compare(old: Stored, new: Stored, shown: int = SHOWN, most: int | None = MOST) -> dict:
    """{"same", "gone", "new", "changed", "moved": rows, "whole": all rows were looked at, "examples": the first differences, each
    {"row": record number, "what": one of the counts, "before", "after": canonical rows, None where there is none}}.

    A row is known by its record number; `most` bounds how many rows of each version are read. Both stay open row group by row group.
    """
    counts, examples = dict.fromkeys(COUNTS, 0), []
    a, b = _keyed(old, most), _keyed(new, most)
    x, y = next(a, None), next(b, None)
    while x or y:
        before = x if x and (not y or x[0] <= y[0]) else None
        after = y if y and (not x or y[0] <= x[0]) else None
        what = _what(before, after)
        counts[what] += 1
        if what != "same" and len(examples) < shown:
            sides = [pair[1]["value"] if pair else None for pair in (before, after)]
            examples.append({"row": (before or after)[0][0], "what": what, "before": sides[0], "after": sides[1]})
        x, y = next(a, None) if before else x, next(b, None) if after else y
    whole = most is None or max(old.rows, new.rows) <= most
    return counts | {"whole": whole, "examples": examples}


def _what(before, after) -> str:
    if not after:
        return "gone"
    if not before:
        return "new"
    if before[1]["value"] != after[1]["value"]:
        return "changed"
    return "moved" if before[1]["held_out"] != after[1]["held_out"] else "same"


def _keyed(ds: Stored, most: int | None) -> Iterator[tuple[tuple[int, int], dict]]:
    """((record number, how many rows of that number came before), row): one record of a file may be several rows."""
    last, n = None, 0
    for row in islice(iterate(ds), most):
        n = n + 1 if row["row"] == last else 0
        last = row["row"]
        yield (last, n), row
