"""How far labellers agree: raw, Cohen's kappa for two, Krippendorff's alpha for any number, with bootstrap intervals. numpy only.

Data are [labellers, items] of numbers with NaN where somebody did not judge (`verdicts.table`). Only items that two or more judged count.
An interval comes from drawing items again with replacement (percentile bootstrap, Efron 1979); where no draw differs from another it
would have no width, and none is given. Items on which the same answers were given are alike to every measure here: what is drawn is how
often each such pattern comes, and all draws are one product of matrices.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

ENOUGH = 30  # items below which nothing should be concluded
LEVELS = ("nominal", "ordinal", "interval")
UNDEFINED = 0.05  # the share of draws without variety from which on no interval is given
GRADES = ((0.0, "none"), (0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"))  # up to it; Landis and Koch 1977


@dataclass(frozen=True)
class Measured:
    """A value with its interval, from `n` items; `enough` of them to conclude something. `value` is None where it is not defined, `low`
    and `high` are None where no interval can be given: `reason` says why."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    enough: bool
    reason: str = ""

    def said(self) -> str:
        if not self.enough:
            return f"too few to say ({self.n} of {ENOUGH})"
        if self.value is None:
            return self.reason
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})" if self.low is not None else f"{self.value:.2f} ({self.reason})"


def grade(value: float) -> str:
    """The usual word for a kappa or an alpha (Landis and Koch 1977, https://doi.org/10.2307/2529310)."""
    return next((word for limit, word in GRADES if value <= limit), "almost perfect")


def raw(data: np.ndarray, *, resamples: int = 1000, seed: int = 0, confidence: float = 0.95) -> Measured:
    """The chance that two of those who judged an item gave the same answer; each item counts alike (Fleiss 1971)."""
    _, counts, times = _patterns(data)
    judged = counts.sum(axis=1)
    same = (counts * (counts - 1)).sum(axis=1) / (judged * (judged - 1))
    return _measured(lambda drawn: drawn @ same / drawn.sum(axis=1), times, resamples, seed, confidence)


def kappa(
    a: np.ndarray, b: np.ndarray, weights: str | None = None, *, resamples: int = 1000, seed: int = 0, confidence: float = 0.95
) -> Measured:
    """Agreement of two labellers beyond what their habits alone would give (Cohen 1960, https://doi.org/10.1177/001316446002000104).

    `weights` "linear" or "quadratic": the further apart two answers, as numbers, the worse (Cohen 1968); None: other is other."""
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
        return 1 - _over((found * cost).sum(axis=(1, 2)), expected)

    return _measured(value, cells, resamples, seed, confidence)


def alpha(data: np.ndarray, level: str = "ordinal", *, resamples: int = 1000, seed: int = 0, confidence: float = 0.95) -> Measured:
    """Krippendorff's alpha, 1 - observed / expected disagreement: any number of labellers, with gaps (Krippendorff 2011, "Computing
    Krippendorff's alpha-reliability", https://repository.upenn.edu/asc_papers/43; Hayes and Krippendorff 2007)."""
    values, counts, times = _patterns(data)
    size = len(values)
    both = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(size)  # ordered pairs of answers within an item
    coincidences = (both / (counts.sum(axis=1) - 1)[:, None, None]).reshape(len(times), size * size)

    def value(drawn: np.ndarray) -> np.ndarray:
        found = (drawn @ coincidences).reshape(-1, size, size)
        margins = found.sum(axis=2)
        cost = _apart(margins, values, level)
        expected = ((margins[:, None, :] @ cost)[:, 0] * margins).sum(axis=1)
        return 1 - (margins.sum(axis=1) - 1) * _over((found * cost).sum(axis=(1, 2)), expected)

    return _measured(value, times, resamples, seed, confidence)


def _apart(margins: np.ndarray, values: np.ndarray, level: str) -> np.ndarray:
    """How bad it is to take one value for another, [draws, values, values]. Ordinal: the square of how many answers lie from one to the
    other, half of each end counted, which is the distance of their middle ranks."""
    if level == "nominal":
        return np.broadcast_to(1 - np.eye(len(values)), (len(margins), len(values), len(values)))
    place = {"ordinal": margins.cumsum(axis=1) - margins / 2, "interval": np.broadcast_to(values, margins.shape)}[level]
    return (place[:, :, None] - place[:, None, :]) ** 2


def _patterns(data: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The values there are; each way in which a shared item was answered, as how often each value was given; how many items were."""
    data = np.atleast_2d(np.asarray(data, float))
    data = data[:, (~np.isnan(data)).sum(axis=0) > 1]
    values = np.unique(data[~np.isnan(data)])
    counts = np.stack([(data == v).sum(axis=0) for v in values], axis=1) if len(values) else np.zeros((0, 0), int)
    patterns, times = np.unique(counts, axis=0, return_counts=True)
    return values, patterns, times


def _over(observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Their quotient, NaN where no disagreement could be expected."""
    return np.divide(observed, expected, out=np.full(len(expected), np.nan), where=expected > 1e-12)


def _measured(value: Callable[[np.ndarray], np.ndarray], times: np.ndarray, resamples: int, seed: int, confidence: float) -> Measured:
    """`value` of the patterns as often as they came, and of draws of as many items."""
    n = int(times.sum())
    if not n:
        return Measured(None, None, None, 0, False, "no item was judged by two")
    enough, found = n >= ENOUGH, float(value(times[None].astype(float))[0])
    if np.isnan(found):
        return Measured(None, None, None, n, enough, "all answers are the same: agreement beyond chance is not defined")
    draws = value(np.random.default_rng(seed).multinomial(n, times / n, size=resamples).astype(float))
    if np.isnan(draws).mean() > UNDEFINED or np.nanmax(draws) - np.nanmin(draws) < 1e-12:
        return Measured(found, None, None, n, enough, "too little variety for an interval")
    low, high = np.nanquantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Measured(found, float(low), float(high), n, enough)
