"""The train/validation split, decided by a hash of what each row is about, so that the same row is always on the same side.

Rows with the same question (or passage) stay together, so that no answer is both trained and evaluated; every label that has five
rows or more has at least one validation row.
"""

LEAST, MOST = 20, 1000  # validation rows: fewer say little, more cost time at every evaluation
FROM, PART = 10, 5  # fewer than ten rows have no validation rows; at most a fifth of the rows is used to reach LEAST


def split_key(row: dict, kind: str, text: str) -> str:
    """Return the text that must not be on both sides: the question, the passage, the labelled text, or the whole row."""
    if kind == "chat":
        return next((m["content"] for m in row["messages"] if m["role"] == "user"), text)
    if kind in ("preference", "rated"):
        return next((m["content"] for m in reversed(row["prompt"]) if m["role"] == "user"), text)
    return row.get({"qa": "context", "seq2seq": "source"}.get(kind, "text"), text)


def draw_split(keys, labels=None, share: float = 0.05, seed: int = 0):
    """Return a boolean array, True for validation rows. `keys`: a 64-bit hash of `about` per row; `labels`: a number per row, or None."""
    import numpy as np

    n = len(keys)
    if n < FROM or not share:
        return np.zeros(n, bool)
    mixed = _mix(np.asarray(keys, "<u8"), seed)
    groups, counts = np.unique(mixed, return_counts=True)  # sorted by hash
    rows = np.cumsum(counts)
    wanted = int(np.searchsorted(groups, np.uint64(min(share, 1) * (2**64 - 2048))))
    least, most = int(np.searchsorted(rows, min(LEAST, n // PART))) + 1, int(np.searchsorted(rows, MOST, "right"))
    taken = min(max(wanted, least), max(most, 1))
    if rows[min(taken, len(rows)) - 1] > 2 * max(share * n, n // PART):  # one group holds most of the data
        return np.zeros(n, bool) if len(groups) < FROM else draw_split(keys + np.arange(n, dtype="<u8"), labels, share, seed)
    side = mixed <= groups[taken - 1]
    return side if labels is None else _each_label(side, mixed, np.asarray(labels))


def _mix(keys, seed: int):
    """Mix the hashes with the seed (splitmix64's finalizer), so that another seed gives another order."""
    import numpy as np

    with np.errstate(over="ignore"):
        z = keys + np.uint64((seed * 0x9E3779B97F4A7C15) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _each_label(side, keys, labels):
    """Add a validation row for every label that has five or more rows and none yet."""
    import numpy as np

    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        if len(mine) >= 5 and not side[mine].any():
            first = keys[mine].min()
            side |= (keys == first) & (labels == label)
    return side
