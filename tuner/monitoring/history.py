"""The metrics of a run in memory, by name and step, so that they are read from disk once."""

from collections.abc import Iterable

import numpy as np

Rows = Iterable[tuple[int, str, float | None]]  # (step, name, value) as from `runs.metrics`


class History:
    """Values by metric and step. A step that is added again replaces its values: a resumed run repeats steps."""

    def __init__(self, rows: Rows = ()):
        self.table: dict[str, dict[int, float | None]] = {}
        for step, key, value in rows:
            self.add(step, {key: value})

    def add(self, step: int, values: dict[str, float | None]) -> None:
        """Add the values of a step."""
        for key, value in values.items():
            self.table.setdefault(key, {})[step] = value

    def series(self, key: str, upto: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return (steps, values) of a metric: finite values after step 0, in order; `upto` leaves out what an earlier attempt wrote beyond it."""
        found = self.table.get(key, {})
        steps = np.fromiter(found.keys(), np.int64, len(found))
        values = np.array([np.nan if v is None else v for v in found.values()], np.float64)
        kept = np.isfinite(values) & (steps > 0) & (steps <= (upto if upto is not None else np.iinfo(np.int64).max))
        order = np.argsort(steps[kept], kind="stable")
        return steps[kept][order], values[kept][order]
