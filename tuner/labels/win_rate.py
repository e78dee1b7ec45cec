"""Win rates between models, and when to stop judging. Pure arithmetic on outcomes: 1 a win, 0.5 a tie, 0 a loss.

Two kinds of interval. `fixed`: the number of comparisons is fixed in advance, and the result is read once (Wilson 1927). `running`: the
result is read after each comparison, and judging stops when it is decided. An ordinary interval is wrong for that: with two equal models
it "decides" for one of them within 1,000 looks in a third of cases or more; the anytime-valid one does in at most 5%, for any number of
looks.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from tuner.errors import ConflictError
from tuner.labels.judgments import Judgment, by_pair, majority

CONFIDENCE = 0.95
BETS = np.array([0.1, 0.2, 0.4, 0.6])  # shares of the capital that are bet in parallel: small ones detect small differences
ROUNDS = 1000  # maximum iterations of the Bradley-Terry fit, which usually needs a few tens
OUTCOMES = {"first": 1.0, "second": 0.0, "tie": 0.5, "both_bad": 0.5}


# --- from judgments to outcomes


def comparisons(verdicts: Iterable[Judgment], vote: bool = True) -> list[tuple[str, str, float]]:
    """Return (model, model, outcome for the first model) of each pair, in the order in which pairs were first judged. Both bad is a tie.

    With several labellers of a pair: the majority (`vote`), for a number fixed in advance and for tables; else the earliest judgment, for
    `running`, because a result that was read must not change afterwards."""
    out = []
    for judged in by_pair(verdicts).values():
        winner = majority(judged).winner if vote else judged[0].winner
        out.append((judged[0].first_by, judged[0].second_by, OUTCOMES[winner]))
    return out


def outcomes(found: Iterable[tuple[str, str, float]], model: str, against: str) -> list[float]:
    """Return the outcomes of `model` against `against`."""
    return [x if a == model else 1 - x for a, b, x in found if a != b and {a, b} == {model, against}]


# --- a number of comparisons fixed in advance


def wilson(hits: Any, n: Any, confidence: float = CONFIDENCE) -> tuple[Any, Any]:
    """Return Wilson's interval of a share `hits / n` (Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953), numbers or arrays; 0 to
    1 for n = 0. Ties counted as halves make it slightly wider than necessary, never narrower."""
    z, n = NormalDist().inv_cdf((1 + confidence) / 2), np.asarray(n, float)
    share = np.divide(hits, n, out=np.full(np.broadcast(hits, n).shape, 0.5), where=n > 0)
    center = (share * n + z * z / 2) / (n + z * z)
    half = z * np.sqrt(share * (1 - share) * n + z * z / 4) / (n + z * z)
    low, high = np.maximum(center - half, 0), np.minimum(center + half, 1)
    return (low, high) if low.ndim else (float(low), float(high))


# --- read after each comparison


def capital(won: np.ndarray, tied: np.ndarray, lost: np.ndarray, mean: float) -> np.ndarray:
    """Return the log of the capital, starting at 1, of betting at fair odds under the assumed `mean` that the true mean is higher.

    A mixture of constant bets (betting on a grid: Waudby-Smith and Ramdas 2024, https://arxiv.org/abs/2010.09686), so only the counts so
    far are needed; bets on both sides share the risk, as in their hedged capital. If the mean is as assumed, the probability that the
    capital ever reaches c is at most 1 / c (Ville 1939). It decreases in `mean`, so the rejected means lie below one bound."""
    win, tie = np.log1p(BETS * (1 - mean) / mean), np.log1p(BETS * (0.5 - mean) / mean)
    each = np.multiply.outer(won, win) + np.multiply.outer(tied, tie) + np.multiply.outer(lost, np.log1p(-BETS))
    most = each.max(axis=-1)
    return most + np.log(np.exp(each - most[..., None]).mean(axis=-1))


def _counts(x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cumulative wins, ties and losses after each comparison, along the last axis."""
    x = np.asarray(x, float)
    return (x == 1).cumsum(axis=-1), (x == 0.5).cumsum(axis=-1), (x == 0).cumsum(axis=-1)


def decided(x: Any, confidence: float = CONFIDENCE) -> np.ndarray:
    """Return after each comparison whether a mean of 0.5 has been rejected, from above or from below. Once rejected, it stays rejected."""
    won, tied, lost = _counts(x)
    most = np.maximum(capital(won, tied, lost, 0.5), capital(lost, tied, won, 0.5))
    return np.logical_or.accumulate(most >= math.log(2 / (1 - confidence)), axis=-1)


def sequence(x: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the anytime-valid interval of the mean: all values that no look so far has rejected. It never grows."""
    won, tied, lost = _counts(x)
    need = math.log(2 / (1 - confidence))
    low, high = _rejected(won, tied, lost, need), 1 - _rejected(lost, tied, won, need)
    return (
        (low, high) if low <= high else (high, low)
    )  # every mean was rejected: models, prompts or labellers changed on the way, or bad luck


def _rejected(won: np.ndarray, tied: np.ndarray, lost: np.ndarray, need: float) -> float:
    """Return the bound below which every mean was rejected at some time, by bisection: to 1e-6, on the safe side."""
    low, high = 0.0, 1.0
    for _ in range(20 if len(won) else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if capital(won, tied, lost, middle).max() >= need else (low, middle)
    return low


# --- results


@dataclass(frozen=True)
class WinRate:
    """The win rate of `model` against `against`, ties as halves. `planned`: the number of comparisons fixed in advance, None where judging
    continues until it is decided."""

    model: str
    against: str
    wins: int
    ties: int
    losses: int
    low: float
    high: float
    planned: int | None = None

    @property
    def n(self) -> int:
        """The number of comparisons."""
        return self.wins + self.ties + self.losses

    @property
    def rate(self) -> float | None:
        """The win rate, 0 to 1; None without comparisons."""
        return (self.wins + self.ties / 2) / self.n if self.n else None

    @property
    def decided(self) -> bool:
        """Whether 50% lies outside the interval, once the planned number of comparisons is reached."""
        return self.n >= (self.planned or 1) and not self.low <= 0.5 <= self.high

    def sentence(self) -> str:
        """Return one sentence on the preferred model."""
        if not self.n:
            return f"{self.model} and {self.against} have not been compared yet."
        name, rate, low, high = self.model, self.rate, self.low, self.high
        if rate < 0.5:
            name, rate, low, high = self.against, 1 - rate, 1 - high, 1 - low
        share = f"{100 * rate:.0f}% ({100 * low:.0f} to {100 * high:.0f}%) of {self.n} comparison{'s' * (self.n != 1)}"
        ties = f"{self.ties or 'no'} tie{'s' * (self.ties != 1)}"
        return f"{name} is preferred in {share}, {ties}: {self._state()}."

    def _state(self) -> str:
        if self.decided:
            return "decided"
        if self.planned is None:
            return "not decided yet"
        return f"not decided yet ({self.n} of {self.planned})" if self.n < self.planned else "no difference shown"


def fixed(x: Sequence[float], model: str, against: str, planned: int) -> WinRate:
    """Return the win rate for `planned` comparisons, a number fixed in advance; only the first `planned` ones count."""
    x = list(x)[:planned]
    return _counted(x, model, against, wilson(sum(x), len(x)), planned)


def rate(x: Sequence[float], model: str, against: str, planned: int = 0) -> WinRate:
    """Return the win rate for a planned number of comparisons, or (0) for judging until it is decided."""
    return fixed(x, model, against, planned) if planned else running(x, model, against)


def running(x: Sequence[float], model: str, against: str) -> WinRate:
    """Return the win rate for judging until it is decided; can be read after each comparison."""
    return _counted(x, model, against, sequence(x), None)


def _counted(x: Sequence[float], model: str, against: str, interval: tuple[float, float], planned: int | None) -> WinRate:
    wins, ties, losses = (int((np.asarray(x) == result).sum()) for result in (1, 0.5, 0))
    return WinRate(model, against, wins, ties, losses, *interval, planned)


# --- more than two models


@dataclass(frozen=True)
class Standing:
    """A row of the table. `chance`: probability of being preferred to a random other model, with interval; `strength`: log-odds, mean 0."""

    model: str
    chance: float
    low: float
    high: float
    strength: float
    wins: int
    ties: int
    losses: int


def standings(
    found: Iterable[tuple[str, str, float]], *, prior: float = 1.0, resamples: int = 500, seed: int = 0, confidence: float = CONFIDENCE
) -> list[Standing]:
    """Return the Bradley-Terry table, best first; ties count as half a win for each. Intervals come from resampling (bootstrap).

    Each model is given `prior` (above 0) additional tied comparisons with the others, so that a model that never lost stays finite. They
    are resampled too, because nothing would vary where one side never lost."""
    cells = Counter((a, b, x) for a, b, x in found if a != b)
    names = _linked(cells)
    if not names:
        return []
    pseudo = prior / 2 / (len(names) - 1)
    softened = Counter({(a, b, 1.0): pseudo for a in names for b in names if a != b})
    softened.update(cells)
    times = np.array(list(softened.values()))
    draws = np.random.default_rng(seed).multinomial(round(times.sum()), times / times.sum(), size=resamples)
    won = _won(list(softened), names, np.vstack([times, draws]))
    won[1:] += pseudo
    strength = _strengths(won)
    chance = _chances(strength)
    low, high = np.quantile(chance[1:], [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    rows = zip(names, *(column.tolist() for column in (chance[0], low, high, strength[0])), strict=True)
    return sorted((Standing(*row, *_record(row[0], cells)) for row in rows), key=lambda s: -s.strength)


def _linked(cells: Iterable[tuple[str, str, float]]) -> list[str]:
    """Return the models, sorted by name. ConflictError unless comparisons link all of them."""
    parts = groups(cells)
    names = sorted(name for part in parts for name in part)
    if len(parts) > 1:
        raise ConflictError(
            "These models can't be ranked in one table: no comparison links them.",
            asked=f"one table of {', '.join(names)}",
            available=" | ".join(", ".join(part) for part in parts),
            remedy=f"Compare some answers of {parts[0][0]} with some of {parts[1][0]}.",
        )
    return names


def _won(cells: list[tuple[str, str, float]], names: list[str], times: np.ndarray) -> np.ndarray:
    """Return how often the row's model won against the column's, [draws, models, models], with the number of each cell in `times`."""
    out = np.zeros((len(times), len(names), len(names)))
    for (a, b, x), drawn in zip(cells, times.T, strict=True):
        i, j = names.index(a), names.index(b)
        out[:, i, j] += drawn * x
        out[:, j, i] += drawn * (1 - x)
    return out


def _record(name: str, cells: Counter) -> tuple[int, int, int]:
    """Return the wins, ties and losses of a model."""
    own = Counter()
    for (a, b, x), n in cells.items():
        if name in (a, b):
            own[x if a == name else 1 - x] += n
    return own[1], own[0.5], own[0]


def _strengths(won: np.ndarray) -> np.ndarray:
    """Return the maximum-likelihood strengths, [draws, models], from wins [draws, models, models]. One model is updated at a time (Newman
    2023, https://jmlr.org/papers/v24/22-1086.html): the same maximum as Hunter's MM algorithm (2004), which converges slowly for models
    that rarely lose."""
    odds = np.ones(won.shape[:2])
    for _ in range(ROUNDS):
        before = odds.copy()
        for i in range(won.shape[1]):
            both = odds + odds[:, i : i + 1]
            odds[:, i] = (won[:, i] * odds / both).sum(axis=1) / (won[:, :, i] / both).sum(axis=1)
        odds /= np.exp(np.log(odds).mean(axis=1, keepdims=True))
        if np.abs(np.log(odds / before)).max() < 1e-7:
            break
    return np.log(odds)


def _chances(strength: np.ndarray) -> np.ndarray:
    """Return the mean probability of each model to be preferred to another one."""
    against = 1 / (1 + np.exp(strength[:, None, :] - strength[:, :, None]))
    size = strength.shape[1]
    return (against.sum(axis=2) - 0.5) / (size - 1)


def groups(found: Iterable[tuple[str, str, float]]) -> list[list[str]]:
    """Return groups of models that comparisons link, directly or through others; the largest group first."""
    out: list[set[str]] = []
    for a, b, _ in found:
        linked = [g for g in out if a in g or b in g]
        out = [g for g in out if g not in linked] + [{a, b}.union(*linked)]
    return sorted((sorted(g) for g in out), key=lambda g: (-len(g), g))
