"""Inter-annotator agreement: raw, Cohen's kappa for two, Krippendorff's alpha for any number, with bootstrap intervals. numpy only.

Data are [labellers, items] of numbers with NaN where a labeller did not judge (`judgments.table`). Only items that two or more labellers
judged count. Intervals come from resampling items with replacement (percentile bootstrap, Efron 1979); when all draws are equal the
interval would have no width, and none is given. Items with the same answers are equal for every measure here: the draws are how often
each such pattern occurs, and all draws are computed as one matrix product.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

ENOUGH = 30  # items below which no conclusion should be drawn
LEVELS = ("nominal", "ordinal", "interval")
UNDEFINED = 0.05  # maximum share of undefined draws with which an interval is given
GRADES = ((0.0, "none"), (0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"))  # upper limits; Landis and Koch 1977


@dataclass(frozen=True)
class Measured:
    """A value with its interval, from `n` items; `enough`: at least ENOUGH of them. `value` is None where it is not defined, `low` and
    `high` are None where no interval can be given; `reason` says why."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    enough: bool
    reason: str = ""

    def as_text(self) -> str:
        """Return the value with its interval as text, or why there is none."""
        if not self.enough:
            return f"not enough data ({self.n} of {ENOUGH})"
        if self.value is None:
            return self.reason
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})" if self.low is not None else f"{self.value:.2f} ({self.reason})"


def grade(value: float) -> str:
    """Return the usual word for a kappa or an alpha (Landis and Koch 1977, https://doi.org/10.2307/2529310)."""
    return next((word for limit, word in GRADES if value <= limit), "almost perfect")


def raw(data: np.ndarray, *, resamples: int = 1000, seed: int = 0, confidence: float = 0.95) -> Measured:
    """Return the probability that two labellers of an item gave the same answer; all items have the same weight (Fleiss 1971)."""
    _, counts, times = _patterns(data)
    judged = counts.sum(axis=1)
    same = (counts * (counts - 1)).sum(axis=1) / (judged * (judged - 1))
    return _measured(lambda drawn: drawn @ same / drawn.sum(axis=1), times, resamples, seed, confidence)


def kappa(
    a: np.ndarray, b: np.ndarray, weights: str | None = None, *, resamples: int = 1000, seed: int = 0, confidence: float = 0.95
) -> Measured:
    """Return Cohen's kappa: agreement of two labellers beyond chance (Cohen 1960, https://doi.org/10.1177/001316446002000104).

    `weights` "linear" or "quadratic": the larger the difference of two answers, the worse (Cohen 1968); None: all differences are equal."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    both = ~(np.isnan(a) | np.isnan(b))
    values, codes = np.unique(np.concatenate([a[both], b[both]]), return_inverse=True)
    size = len(values)
    cells = np.bincount(codes[: both.sum()] * size + codes[both.sum() :], minlength=size * size)
    apart = np.abs(values[:, None] - values[None, :])
    cost = {None: (apart > 0).astype(float), "linear": apart, "quadratic": apart**2}[weights]

    def value(drawn: np.ndarray) -> np.ndarray:
        found = drawn.reshape(-1, size, size) / drawn.sum(axis=1)[:, None, None]
        expected = np.einsum("ri,rj,ij->r", found.sum(axis=2), found.sum(axis=1), cost)
        return 1 - _ratio((found * cost).sum(axis=(1, 2)), expected)

    return _measured(value, cells, resamples, seed, confidence)


def alpha(data: np.ndarray, level: str = "ordinal", *, resamples: int = 1000, seed: int = 0, confidence: float = 0.95) -> Measured:
    """Return Krippendorff's alpha, 1 - observed / expected disagreement: any number of labellers, with gaps (Krippendorff 2011, "Computing
    Krippendorff's alpha-reliability", https://repository.upenn.edu/asc_papers/43; Hayes and Krippendorff 2007)."""
    values, counts, times = _patterns(data)
    size = len(values)
    both = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(size)  # ordered pairs of answers within an item
    coincidences = (both / (counts.sum(axis=1) - 1)[:, None, None]).reshape(len(times), size * size)

    def value(drawn: np.ndarray) -> np.ndarray:
        found = (drawn @ coincidences).reshape(-1, size, size)
        margins = found.sum(axis=2)
        cost = _cost(margins, values, level)
        expected = ((margins[:, None, :] @ cost)[:, 0] * margins).sum(axis=1)
        return 1 - (margins.sum(axis=1) - 1) * _ratio((found * cost).sum(axis=(1, 2)), expected)

    return _measured(value, times, resamples, seed, confidence)


def _cost(margins: np.ndarray, values: np.ndarray, level: str) -> np.ndarray:
    """Return the cost of confusing two values, [draws, values, values]. Ordinal: the squared number of answers between them, with half of
    each end counted, which is the distance of their mid-ranks."""
    if level == "nominal":
        return np.broadcast_to(1 - np.eye(len(values)), (len(margins), len(values), len(values)))
    place = {"ordinal": margins.cumsum(axis=1) - margins / 2, "interval": np.broadcast_to(values, margins.shape)}[level]
    return (place[:, :, None] - place[:, None, :]) ** 2


def _patterns(data: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (distinct values, answer patterns of shared items as counts per value, number of items per pattern)."""
    data = np.atleast_2d(np.asarray(data, float))
    data = data[:, (~np.isnan(data)).sum(axis=0) > 1]
    values = np.unique(data[~np.isnan(data)])
    counts = np.stack([(data == v).sum(axis=0) for v in values], axis=1) if len(values) else np.zeros((0, 0), int)
    patterns, times = np.unique(counts, axis=0, return_counts=True)
    return values, patterns, times


def _ratio(observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return observed / expected, NaN where no disagreement is expected."""
    return np.divide(observed, expected, out=np.full(len(expected), np.nan), where=expected > 1e-12)


def _measured(value: Callable[[np.ndarray], np.ndarray], times: np.ndarray, resamples: int, seed: int, confidence: float) -> Measured:
    """Return `value` of the observed pattern counts with its interval from draws of the same number of items."""
    n = int(times.sum())
    if not n:
        return Measured(None, None, None, 0, False, "no item was judged by two labellers")
    enough, found = n >= ENOUGH, float(value(times[None].astype(float))[0])
    if np.isnan(found):
        return Measured(None, None, None, n, enough, "all answers are the same: agreement beyond chance is not defined")
    draws = value(np.random.default_rng(seed).multinomial(n, times / n, size=resamples).astype(float))
    if np.isnan(draws).mean() > UNDEFINED or np.nanmax(draws) - np.nanmin(draws) < 1e-12:
        return Measured(found, None, None, n, enough, "too little variation for an interval")
    low, high = np.nanquantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Measured(found, float(low), float(high), n, enough)
