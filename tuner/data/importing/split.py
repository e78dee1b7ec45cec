"""Which rows are held out to test with: decided by a hash of what the row is about, so the same row lands on the same side each time.

Rows with the same question (or passage) stay together, so that no answer is learnt that is tested afterwards; of every label at
least one row is tested.
"""

LEAST, MOST = 20, 1000  # rows: fewer say little, more cost time at every test
FROM, PART = 10, 5  # below ten rows none is held out; never more than a fifth to reach LEAST


def about(row: dict, kind: str, text: str) -> str:
    """What must not stand on both sides: the first question, the passage, the text that is labelled, or the whole row."""
    if kind == "chat":
        return next((m["content"] for m in row["messages"] if m["role"] == "user"), text)
    if kind in ("preference", "rated"):
        return next((m["content"] for m in reversed(row["prompt"]) if m["role"] == "user"), text)
    return row.get({"qa": "context", "seq2seq": "source"}.get(kind, "text"), text)


def sides(keys, labels=None, share: float = 0.05, seed: int = 0):
    """True for each row that is held out. `keys`: a 64-bit hash of `about` for each row; `labels`: a number for each row, or None."""
    import numpy as np

    n = len(keys)
    if n < FROM or not share:
        return np.zeros(n, bool)
    mixed = _mix(np.asarray(keys, "<u8"), seed)
    groups, counts = np.unique(mixed, return_counts=True)  # in the order of their hash
    rows = np.cumsum(counts)
    wanted = int(np.searchsorted(groups, np.uint64(min(share, 1) * (2**64 - 2048))))
    least, most = int(np.searchsorted(rows, min(LEAST, n // PART))) + 1, int(np.searchsorted(rows, MOST, "right"))
    taken = min(max(wanted, least), max(most, 1))
    if rows[min(taken, len(rows)) - 1] > 2 * max(share * n, n // PART):  # one group is most of the data
        return np.zeros(n, bool) if len(groups) < FROM else sides(keys + np.arange(n, dtype="<u8"), labels, share, seed)
    side = mixed <= groups[taken - 1]
    return side if labels is None else _each_label(side, mixed, np.asarray(labels))


def _mix(keys, seed: int):
    """splitmix64's finaliser: another seed, another order."""
    import numpy as np

    with np.errstate(over="ignore"):
        z = keys + np.uint64((seed * 0x9E3779B97F4A7C15) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _each_label(side, keys, labels):
    """At least one held-out row of every label that has five and more."""
    import numpy as np

    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        if len(mine) >= 5 and not side[mine].any():
            first = keys[mine].min()
            side |= (keys == first) & (labels == label)
    return side
