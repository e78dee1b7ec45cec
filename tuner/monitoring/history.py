"""The metrics of a run in memory, by name and step, so that they are read from disk once: 16 bytes a value, for runs of a million."""

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable

import numpy as np

Rows = Iterable[tuple[int, str, float | None]]  # (step, name, value) as from `runs.metrics`


class History:
    """Values by metric and step. A step that is added again replaces its values: a resumed run repeats steps."""

    def __init__(self, rows: Rows = ()):
        self.kept: dict[str, tuple[array, array]] = {}  # name -> (steps in order, values)
        for step, key, value in rows:
            self.add(step, {key: value})

    def add(self, step: int, values: dict[str, float | None]) -> None:
        """Add the values of a step; None for one that is no number."""
        for key, value in values.items():
            steps, found = self.kept.setdefault(key, (array("q"), array("d")))
            at = len(steps) if not steps or step > steps[-1] else bisect_left(steps, step)
            if at == len(steps) or steps[at] != step:
                steps.insert(at, step)
                found.insert(at, math.nan)
            found[at] = math.nan if value is None else value

    def series(self, key: str, upto: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return (steps, values) of a metric: finite values after step 0, in order; `upto` leaves out what an earlier attempt wrote beyond it."""
        steps, values = (np.array(part) for part in self.kept.get(key, (array("q"), array("d"))))
        wanted = np.isfinite(values) & (steps > 0)
        if upto is not None:
            wanted &= steps <= upto
        return steps[wanted], values[wanted]

    def at(self, key: str, step: int) -> float | None:
        """Return the value of a metric at a step; None without one."""
        steps, values = self.kept.get(key, ((), ()))
        place = bisect_left(steps, step)
        found = values[place] if place < len(steps) and steps[place] == step else math.nan
        return found if math.isfinite(found) else None

    def last(self, key: str, upto: int) -> float | None:
        """Return the newest value of a metric up to a step, that before the first step included; None without one."""
        steps, values = self.kept.get(key, ((), ()))
        return next((v for s, v in zip(reversed(steps), reversed(values), strict=True) if s <= upto and math.isfinite(v)), None)
