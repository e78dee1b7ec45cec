"""Intervals of metrics, and whether a difference is real: paired bootstrap over rows (Efron & Tibshirani 1993; Koehn 2004, aclanthology.org/W04-3250).

A metric is a function of row numbers, so that metrics of a whole corpus (F1, chrF, a loss per token) are resampled like means of rows. No torch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Metric = Callable[[np.ndarray], float]  # of the rows with these numbers
FEWEST = 10  # rows below which nothing is called a difference: on four rows, all signs agree one time in eight
TIMES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A metric, with the interval that holds its true value in 95 of 100 samples of rows."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Interval):
    """How much larger a metric is than another on the same rows; `real` when the interval does not contain 0."""

    @property
    def real(self) -> bool:
        return self.low > 0 or self.high < 0


def samples(rows: int, seed: int = 0, times: int = TIMES) -> np.ndarray:
    """Return `times` samples of row numbers, [times, rows], with replacement; the same for each metric, which makes them paired."""
    return np.random.default_rng(seed).integers(0, rows, (times, rows))


def interval(metric: Metric, drawn: np.ndarray) -> Interval:
    """Return a metric with its interval."""
    return Interval(metric(np.arange(drawn.shape[1])), *_bounds(np.array([metric(rows) for rows in drawn])))


def difference(one: Metric, other: Metric, drawn: np.ndarray) -> Difference:
    """Return `one` minus `other` with its interval, both on the same rows in each sample."""
    every = np.arange(drawn.shape[1])
    return Difference(one(every) - other(every), *_bounds(np.array([one(rows) - other(rows) for rows in drawn])))


def _bounds(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
