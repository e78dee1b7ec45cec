"""Remaining time of a run: the plan's estimate at first, then the measured times of steps, evaluations and saves. No torch."""

import math
from collections import deque
from statistics import fmean, median, stdev
from typing import Any, NamedTuple

from tuner.formatting import human_range, human_time
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


WIDE, ABSURD = 2.0, 4.0  # upper end over lower end: from here on the upper end alone is said, from there on nothing yet


class Left(NamedTuple):
    """The time left as one may say it: between `low` and `high` seconds, below `high` (`low` is None), or unknown as yet (both None)."""

    low: float | None
    high: float | None


def remaining(progress: Progress) -> Left | None:
    """Return what may be said of the time left of a run; None where there is no estimate at all.

    A range is no answer when it is so wide that it says nothing ("8 seconds to 3 minutes"): early on, few steps were measured.
    """
    middle = progress.eta_seconds
    if middle is None:
        return None
    low, high = (middle if bound is None else bound for bound in (progress.eta_low, progress.eta_high))
    if high <= WIDE * low or high < 1:
        return Left(low, high)
    return Left(None, high) if high <= ABSURD * low or high <= 60 else Left(None, None)


def describe(progress: Progress) -> str:
    """Return 'about 6 to 9 minutes left' for a run's progress, or 'estimating the time left'; empty when there is no estimate."""
    left = remaining(progress)
    if left is None:
        return ""
    if left.high is None:
        return "estimating the time left"
    if left.low is None:
        return f"up to {human_time(left.high)} left"
    text = human_range(left.low, left.high)
    return f"{'about ' if text[0].isdigit() else ''}{text} left"  # 'a moment', 'up to a minute' need no 'about'
