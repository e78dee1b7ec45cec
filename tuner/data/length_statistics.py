"""What each maximum length truncates, computed from the lengths of all rows and their ranges of trained tokens.

Arrays with one entry per row, in the order of the file: `row` (record number), `held_out` (validation row), `length` in tokens
(0: rejected by the chat template), `first` and `last` trained token (-1: none). Arrays with one entry per trained range: `begin`,
`end` (tokens [begin, end) of its row), `owner` (index of its row, ascending).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]


def arrays(rows: list[tuple[int, bool, int, list[tuple[int, int]]]]) -> dict[str, np.ndarray]:
    """Build the arrays from (record number, whether it is a validation row, tokens, trained ranges) of each row."""
    begin = [start for row in rows for start, _ in row[3]]
    end = [stop for row in rows for _, stop in row[3]]
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


def select(lengths: Arrays, held_out: bool | None) -> Arrays:
    """Select the validation rows (True), the training rows (False) or all rows (None)."""
    if held_out is None:
        return lengths
    keep = lengths["held_out"] == held_out
    ranges = keep[lengths["owner"]]
    rows = {k: lengths[k][keep] for k in ("row", "held_out", "length", "first", "last")}
    owner = (np.cumsum(keep) - 1)[lengths["owner"][ranges]]
    return rows | {"begin": lengths["begin"][ranges], "end": lengths["end"][ranges], "owner": owner}


def has_trained_tokens(lengths: Arrays, limit: int) -> np.ndarray:
    """Return for each row whether any of its first `limit` tokens is trained."""
    return (lengths["first"] >= 0) & (lengths["first"] < limit)


def truncation(lengths: Arrays, max_length: int, micro_batch: int = 1, held_out: bool | None = None) -> dict[str, Any]:
    """Return what one maximum length keeps and truncates.

    {"max_length", "rows", "refused", "tokens", "trained_tokens": what is kept, "cut_rows", "lost_tokens", "lost_trained": what is
    truncated, "cut_median": tokens that the median truncated row loses, "untrained_rows": rows without a trained token (including
    rejected ones), "padding": share of padding in micro-batches without packing, "longest", "mean"}. The sums of kept tokens
    don't include untrained rows.
    """
    lengths = select(lengths, held_out)
    length, trained = lengths["length"], has_trained_tokens(lengths, max_length)
    over = np.maximum(length - max_length, 0)
    kept_lengths = np.minimum(length, max_length)[trained]
    begin, end = lengths["begin"], lengths["end"]
    all_trained, kept_trained = int((end - begin).sum()), int(np.maximum(np.minimum(end, max_length) - begin, 0).sum())
    return {
        "max_length": int(max_length),
        "rows": len(length),
        "refused": int((length == 0).sum()),
        "tokens": int(kept_lengths.sum()),
        "trained_tokens": kept_trained,
        "cut_rows": int((over > 0).sum()),
        "lost_tokens": int(over.sum()),
        "lost_trained": all_trained - kept_trained,
        "cut_median": int(np.median(over[over > 0])) if (over > 0).any() else 0,
        "untrained_rows": int((~trained).sum()),
        "padding": padding(kept_lengths, micro_batch),
        "longest": int(length.max(initial=0)),
        "mean": round(float(length.mean()), 1) if len(length) else 0.0,
    }


def padding(lengths: np.ndarray, micro_batch: int, seed: int = 0) -> float:
    """Return the share of padding in randomly drawn micro-batches, as in training; an incomplete last batch doesn't count."""
    whole = len(lengths) // max(1, micro_batch) * max(1, micro_batch)
    if micro_batch <= 1 or not whole:
        return 0.0
    batches = np.random.default_rng(seed).permutation(lengths)[:whole].reshape(-1, micro_batch).astype(np.int64)
    return round(float(1 - batches.sum() / (batches.max(axis=1).sum() * micro_batch)), 4)


def curve(lengths: Arrays, points: int = 200) -> dict[str, list[int]]:
    """Return exact counts at quantiles of the lengths, shortest first: {"limit", "cut_rows", "lost_tokens", "lost_trained", "untrained_rows"}."""
    length = np.sort(lengths["length"])
    if not len(length):
        return {k: [] for k in ("limit", "cut_rows", "lost_tokens", "lost_trained", "untrained_rows")}
    limits = np.unique(np.quantile(length, np.linspace(0, 1, points), method="nearest"))
    limits = limits[limits > 0]
    first = np.sort(lengths["first"][lengths["first"] >= 0])
    longer = len(length) - np.searchsorted(length, limits, side="right")
    return {
        "limit": limits.tolist(),
        "cut_rows": longer.tolist(),
        "lost_tokens": _beyond(length, limits).tolist(),
        "lost_trained": (_beyond(np.sort(lengths["end"]), limits) - _beyond(np.sort(lengths["begin"]), limits)).tolist(),
        "untrained_rows": (len(length) - np.searchsorted(first, limits, side="left")).tolist(),
    }


def _beyond(ordered: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return the sum of max(0, x - limit) over ascending x, for each limit."""
    sums = np.concatenate([[0], np.cumsum(ordered, dtype=np.int64)])
    at = np.searchsorted(ordered, limits, side="right")
    return sums[-1] - sums[at] - limits.astype(np.int64) * (len(ordered) - at)


def histogram(lengths: Arrays, bins: int = 40) -> dict[str, list]:
    """Return {"edges", "counts"} of the lengths in tokens, without rejected rows."""
    length = lengths["length"][lengths["length"] > 0]
    counts, edges = np.histogram(length, bins=bins, range=(0, max(1, int(length.max(initial=1)))))
    return {"edges": [round(float(e), 1) for e in edges], "counts": counts.tolist()}


def untrained(lengths: Arrays, max_length: int, most: int | None = None) -> list[int]:
    """Return the record numbers of the rows without a trained token at this maximum length."""
    return lengths["row"][~has_trained_tokens(lengths, max_length)][:most].tolist()
