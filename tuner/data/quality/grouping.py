"""Group rows by their digests with numpy: a million rows take about a second, without dictionaries."""

import numpy as np


def groups_of(keys) -> list[np.ndarray]:
    """Return groups of positions with equal keys: ascending, only groups of two or more, ordered by their first position."""
    keys = np.asarray(keys, np.uint64)
    order = np.argsort(keys, kind="stable")
    equal = keys[order][1:] == keys[order][:-1]
    order = order[np.append(equal, False) | np.insert(equal, 0, False)] if len(keys) else order
    cuts = np.flatnonzero(keys[order][1:] != keys[order][:-1]) + 1
    return sorted((g for g in np.split(order, cuts) if len(g)), key=lambda g: int(g[0]))


def disagreeing(asked, answered) -> list[np.ndarray]:
    """Return groups of positions with the same question and more than one answer."""
    answered = np.asarray(answered, np.uint64)
    return [g for g in groups_of(asked) if len(np.unique(answered[g])) > 1]


def straddling(groups: list[np.ndarray], held_out: np.ndarray) -> list[np.ndarray]:
    """Return the groups with both training and validation rows."""
    return [g for g in groups if 0 < held_out[g].sum() < len(g)]
