"""From the lengths of all rows and the ranges of tokens that are trained: what each maximum length costs, at once.

The arrays, one entry per row in the order of the file: `row` (record number), `held_out`, `length` in tokens (0: refused by the
template), `first` and `last` trained token (-1: none). And one entry per trained range: `begin`, `end` (tokens [begin, end) of its
row), `owner` (index of its row, ascending).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]


def arrays(rows: list[tuple[int, bool, int, list[tuple[int, int]]]]) -> dict[str, np.ndarray]:
    """From (record number, held out, tokens, trained ranges) of each row."""
    begin = [a for row in rows for a, _ in row[3]]
    end = [b for row in rows for _, b in row[3]]
    owner = np.repeat(np.arange(len(rows)), [len(row[3]) for row in rows]) if rows else []
    return {
        "row": np.array([r[0] for r in rows], np.int64),
        "held_out": np.array([r[1] for r in rows], bool),
        "length": np.array([r[2] for r in rows], np.int32),
        "first": np.array([r[3][0][0] if r[3] else -1 for r in rows], np.int32),
        "last": np.array([r[3][-1][1] - 1 if r[3] else -1 for r in rows], np.int32),
        "begin": np.array(begin, np.int32),
        "end": np.array(end, np.int32),
        "owner": np.array(owner, np.int64),
    }


def side(a: Arrays, held_out: bool | None) -> Arrays:
    """Only the rows that are held out, or only the others; None: all."""
    if held_out is None:
        return a
    keep = a["held_out"] == held_out
    of = keep[a["owner"]]
    rows = {k: a[k][keep] for k in ("row", "held_out", "length", "first", "last")}
    return rows | {"begin": a["begin"][of], "end": a["end"][of], "owner": (np.cumsum(keep) - 1)[a["owner"][of]]}


def trains(a: Arrays, limit: int) -> np.ndarray:
    """Per row: whether something is trained within the first `limit` tokens."""
    return (a["first"] >= 0) & (a["first"] < limit)


def costs(a: Arrays, max_length: int, micro_batch: int = 1, held_out: bool | None = None) -> dict[str, Any]:
    """{"max_length", "rows", "refused", "tokens", "trained_tokens": what is left, "cut_rows", "lost_tokens", "lost_trained": what the
    cut takes, "cut_median": tokens that the median cut row loses, "untrained_rows": without a trained token (refused ones too),
    "padding": share of padding in micro-batches without packing, "longest", "mean"}. Rows left out count in no sum of tokens kept."""
    a = side(a, held_out)
    length, keeps = a["length"], trains(a, max_length)
    over = np.maximum(length - max_length, 0)
    left = np.minimum(length, max_length)[keeps]
    whole, kept = int((a["end"] - a["begin"]).sum()), int(np.maximum(np.minimum(a["end"], max_length) - a["begin"], 0).sum())
    return {
        "max_length": int(max_length),
        "rows": len(length),
        "refused": int((length == 0).sum()),
        "tokens": int(left.sum()),
        "trained_tokens": kept,
        "cut_rows": int((over > 0).sum()),
        "lost_tokens": int(over.sum()),
        "lost_trained": whole - kept,
        "cut_median": int(np.median(over[over > 0])) if (over > 0).any() else 0,
        "untrained_rows": int((~keeps).sum()),
        "padding": padding(left, micro_batch),
        "longest": int(length.max(initial=0)),
        "mean": round(float(length.mean()), 1) if len(length) else 0.0,
    }


def padding(lengths: np.ndarray, micro_batch: int, seed: int = 0) -> float:
    """Share of padding when rows are drawn at random, as in training; an incomplete last batch is left out of the count."""
    whole = len(lengths) // max(1, micro_batch) * max(1, micro_batch)
    if micro_batch <= 1 or not whole:
        return 0.0
    batches = np.random.default_rng(seed).permutation(lengths)[:whole].reshape(-1, micro_batch).astype(np.int64)
    return round(float(1 - batches.sum() / (batches.max(axis=1).sum() * micro_batch)), 4)


def curve(a: Arrays, points: int = 200) -> dict[str, list[int]]:
    """{"limit", "cut_rows", "lost_tokens", "lost_trained", "untrained_rows"}: exact numbers at quantiles of the lengths, shortest first."""
    length = np.sort(a["length"])
    if not len(length):
        return {k: [] for k in ("limit", "cut_rows", "lost_tokens", "lost_trained", "untrained_rows")}
    limits = np.unique(np.quantile(length, np.linspace(0, 1, points), method="nearest"))
    limits = limits[limits > 0]
    first = np.sort(a["first"][a["first"] >= 0])
    some = len(first)
    longer = len(length) - np.searchsorted(length, limits, side="right")
    return {
        "limit": limits.tolist(),
        "cut_rows": longer.tolist(),
        "lost_tokens": _beyond(length, limits).tolist(),
        "lost_trained": (_beyond(np.sort(a["end"]), limits) - _beyond(np.sort(a["begin"]), limits)).tolist(),
        "untrained_rows": (len(length) - some + some - np.searchsorted(first, limits, side="left")).tolist(),
    }


def _beyond(ordered: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """The sum of max(0, x - limit) over ascending x, for each limit."""
    sums = np.concatenate([[0], np.cumsum(ordered, dtype=np.int64)])
    at = np.searchsorted(ordered, limits, side="right")
    return sums[-1] - sums[at] - limits.astype(np.int64) * (len(ordered) - at)


def histogram(a: Arrays, bins: int = 40) -> dict[str, list]:
    """{"edges", "counts"} of the lengths in tokens, refused rows left out."""
    length = a["length"][a["length"] > 0]
    counts, edges = np.histogram(length, bins=bins, range=(0, max(1, int(length.max(initial=1)))))
    return {"edges": [round(float(e), 1) for e in edges], "counts": counts.tolist()}


def untrained(a: Arrays, max_length: int, most: int | None = None) -> list[int]:
    """Record numbers of the rows in which nothing is trained at this length."""
    return a["row"][~trains(a, max_length)][:most].tolist()
