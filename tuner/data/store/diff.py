"""Compare two versions of a dataset: rows removed, added, changed, or moved to the other side of the split."""

from collections.abc import Iterator
from itertools import islice

from tuner.data.importing.parquet import Stored, iterate

SHOWN, MOST = 20, 50_000  # examples; rows of each version that are compared
COUNTS = ("same", "gone", "new", "changed", "moved")


def compare(old: Stored, new: Stored, shown: int = SHOWN, most: int | None = MOST) -> dict:
    """Count the differences between two versions and return the first ones.

    Returns {"same", "gone", "new", "changed", "moved": rows, "whole": all rows were compared, "examples": the first differences, each
    {"row": record number, "what": one of the counts, "before", "after": canonical rows, None where there is none}}.

    Rows are matched by record number; `most` limits how many rows of each version are read. Both are read row group by row group.
    """
    counts, examples = dict.fromkeys(COUNTS, 0), []
    old_rows, new_rows = _keyed(old, most), _keyed(new, most)
    left, right = next(old_rows, None), next(new_rows, None)
    while left or right:
        before = left if left and (not right or left[0] <= right[0]) else None
        after = right if right and (not left or right[0] <= left[0]) else None
        what = _what(before, after)
        counts[what] += 1
        if what != "same" and len(examples) < shown:
            sides = [pair[1]["value"] if pair else None for pair in (before, after)]
            examples.append({"row": (before or after)[0][0], "what": what, "before": sides[0], "after": sides[1]})
        left, right = next(old_rows, None) if before else left, next(new_rows, None) if after else right
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
    """Yield ((record number, index among the rows of that record), row): one record of a file may give several rows."""
    last, n = None, 0
    for row in islice(iterate(ds), most):
        n = n + 1 if row["row"] == last else 0
        last = row["row"]
        yield (last, n), row
