"""Remaining time of a run: the plan's estimate at first, then the measured times of steps, evaluations and saves. No torch."""

import math
from collections import deque
from statistics import fmean, median, stdev
from typing import Any

from tuner.formatting import human_range
from tuner.runs import Progress

LAST = 50  # steps that are averaged
ODD = 5.0  # times the median: a longer step was disturbed by something else, and counts as this long


class Eta:
    """Measured seconds of steps, evaluations and saves, combined with `plan` (plan.json; older runs have no "pace" in it)."""

    def __init__(self, plan: dict[str, Any]):
        self.plan = plan.get("pace") or {}
        middle, low, high = (plan.get(k) or 0.0 for k in ("seconds", "seconds_low", "seconds_high"))
        self.doubt = (high - low) / 4 / middle if middle and high > low else 0.2  # a standard deviation, as a share
        self.steps: deque[float] = deque(maxlen=LAST)
        self.others: dict[str, list[float]] = {"test": [], "save": []}
        self.first: float | None = None  # the first step of a process also compiles and allocates, so it isn't averaged

    def step(self, seconds: float) -> None:
        if self.first is None:
            self.first = seconds
        else:
            self.steps.append(seconds)

    def other(self, what: str, seconds: float) -> None:
        """Record the seconds of a test (an evaluation) or a save; `what` is "test" or "save"."""
        self.others[what].append(seconds)

    def seen(self) -> dict[str, float | None]:
        """Return the mean measured seconds of one step, test and save."""
        means = {"step": fmean(self.steps) if self.steps else None} | {k: fmean(v) if v else None for k, v in self.others.items()}
        return {f"{k}_seconds": v if v is None else round(v, 4) for k, v in means.items()}

    def one(self) -> tuple[float, float] | None:
        """Return (seconds of a step, their standard error): planned and measured, weighted by the inverse of their variances."""
        planned, seen = self.plan.get("step"), self.measured()
        if not planned or not seen:
            return seen or ((planned, self.doubt * planned) if planned else None)
        error = max(self.doubt * planned, abs(planned - seen[0]))  # a plan that the measurements contradict gets little weight
        weights = [1 / max(e, 1e-9) ** 2 for e in (error, seen[1])]
        return (planned * weights[0] + seen[0] * weights[1]) / sum(weights), 1 / math.sqrt(sum(weights))

    def measured(self) -> tuple[float, float] | None:
        """Return (mean, its standard error) of the last steps; None before the second one."""
        if not (n := len(self.steps)):
            return None
        limit = ODD * median(self.steps)
        seen = [min(s, limit) for s in self.steps]
        spread = stdev(seen) / math.sqrt(n) if n > 1 else 0.0
        return fmean(seen), max(spread, 0.5 * fmean(seen) / n)  # the spread of few steps is unreliable

    def left(self, steps: int, tests: int = 0, saves: int = 0) -> tuple[float, float, float] | None:
        """Return (middle, low, high) seconds for this many more steps, tests and saves; None while nothing is known."""
        found = self.one()
        if found is None:
            return None
        one, error = found
        ratio = one / self.plan["step"] if self.plan.get("step") else 1.0
        middle, doubt = steps * one, steps * error
        for what, count in (("test", tests), ("save", saves)):
            seen, planned = self.others[what], self.plan.get(what) or 0.0
            each = fmean(seen) if seen else planned * (ratio if what == "test" else 1.0)
            middle, doubt = middle + count * each, doubt + count * each * (0.1 if seen else self.doubt)
        return middle, max(0.0, middle - 2 * doubt), middle + 2 * doubt


def describe(progress: Progress) -> str:
    """Return 'about 6 to 9 minutes left' for a run's progress; empty when it is unknown."""
    middle = progress.eta_seconds
    if middle is None:
        return ""
    low, high = (middle if bound is None else bound for bound in (progress.eta_low, progress.eta_high))
    text = human_range(low, high)
    return f"{'about ' if text[0].isdigit() else ''}{text} left"  # 'a moment', 'up to a minute' need no 'about'
