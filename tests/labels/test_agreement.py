"""Agreement against published examples, against the formulas written out, and what the intervals hold."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from tuner.labels import agreement
from tuner.labels.agreement import Measured

GAP = np.nan
PUBLISHED = [  # Krippendorff 2011, section C: 4 observers, 12 units
    [1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3],
    [GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP],
]


def two(cells):
    """The answers of two labellers, from how often each pair of answers came."""
    cells = np.array(cells)
    a, b = np.indices(cells.shape)
    return np.repeat(a.ravel(), cells.ravel()), np.repeat(b.ravel(), cells.ravel())


def random_data(seed, labellers=4, items=40, values=5, gaps=0.3):
    rng = np.random.default_rng(seed)
    data = np.clip(rng.integers(0, values, items) + rng.integers(-1, 2, (labellers, items)), 0, values - 1).astype(float)
    data[rng.random(data.shape) < gaps] = GAP
    return data


@pytest.mark.parametrize("level, value", [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_krippendorffs_example(level, value):
    got = agreement.alpha(PUBLISHED, level)
    assert got.value == pytest.approx(value, abs=5e-4)
    assert got.n == 11 and not got.enough and got.as_text() == "not enough data (11 of 30)"  # unit 12 was judged by one


def alpha_written_out(data, level):
    """Each pair of answers of an item, one by one, over each pair of all answers (Krippendorff 2011, section D)."""
    units = [[v for v in column if not np.isnan(v)] for column in np.array(data).T]
    units = [u for u in units if len(u) > 1]
    everything = sorted(v for u in units for v in u)
    n = Counter(everything)

    def apart(c, k):
        if level == "nominal":
            return float(c != k)
        low, high = min(c, k), max(c, k)
        return 0 if c == k else (sum(m for v, m in n.items() if low <= v <= high) - (n[c] + n[k]) / 2) ** 2

    observed = sum(apart(c, k) / (len(u) - 1) for u in units for c, k in permutations(u, 2)) / len(everything)
    expected = sum(apart(c, k) for c, k in permutations(everything, 2)) / (len(everything) * (len(everything) - 1))
    return 1 - observed / expected


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("level", ["nominal", "ordinal"])
def test_alpha_is_the_formula_written_out(seed, level):
    data = random_data(seed)
    assert agreement.alpha(data, level, resamples=2).value == pytest.approx(alpha_written_out(data, level))


def test_ordinal_goes_by_ranks_and_nominal_by_nothing_but_sameness():
    data = random_data(7)
    stretched, turned = np.exp(data), (data * 3) % 5  # a permutation of 0 to 4
    for level, like, unlike in (("ordinal", stretched, turned), ("nominal", turned, None)):
        value = agreement.alpha(data, level, resamples=2).value
        assert agreement.alpha(like, level, resamples=2).value == pytest.approx(value)
        assert unlike is None or abs(agreement.alpha(unlike, level, resamples=2).value - value) > 0.05


@pytest.mark.parametrize(
    "cells, weights, value",
    [
        ([[20, 5], [10, 15]], None, 0.40),  # 50 proposals read by two (the first example of the article in Wikipedia)
        ([[75, 1, 4], [5, 4, 1], [0, 0, 10]], None, 0.676),  # Fleiss 1981, table 13.1: 100 diagnoses
        ([[7, 7, 2, 3], [2, 8, 3, 7], [1, 5, 4, 9], [2, 8, 9, 14]], None, 0.129),  # 91 couples, as vcd for R has it
        ([[7, 7, 2, 3], [2, 8, 3, 7], [1, 5, 4, 9], [2, 8, 9, 14]], "linear", 0.237),
    ],
)
def test_kappa_of_textbook_examples(cells, weights, value):
    got = agreement.kappa(*two(cells), weights)
    assert got.value == pytest.approx(value, abs=6e-4) and got.n == np.sum(cells) and got.enough


@pytest.mark.parametrize("power, weights", [(0, None), (1, "linear"), (2, "quadratic")])
def test_kappa_is_the_formula_written_out(power, weights):
    a, b = random_data(3, labellers=2, items=60)
    both = [(x, y) for x, y in zip(a, b, strict=True) if not np.isnan(x + y)]
    cost = [[abs(x - y) ** power * (x != y) for _, y in both] for x, _ in both]
    expected = np.mean(cost)  # each answer of one with each of the other
    got = agreement.kappa(a, b, weights, resamples=2)
    assert got.value == pytest.approx(1 - np.trace(cost) / len(both) / expected) and got.n == len(both) < 60


def test_raw_agreement_counts_each_item_alike():
    data = [[1, 1, 1, 2], [1, 2, 2, GAP], [1, 3, 2, GAP], [GAP, 4, GAP, GAP]]  # 3 of 3 pairs, 0 of 6, 1 of 3; the last was judged by one
    got = agreement.raw(data)
    assert got.value == pytest.approx((1 + 0 + 1 / 3) / 3) and got.n == 3


def test_where_nothing_can_be_said():
    same = np.ones((3, 40))
    for got in (agreement.alpha(same), agreement.kappa(*same[:2])):
        assert got.value is None and got.enough and "not defined" in got.as_text()
    assert agreement.raw(same) == Measured(1.0, None, None, 40, True, "too little variation for an interval")
    for nothing in (np.full((2, 5), GAP), np.zeros((0, 0)), [[1, GAP], [GAP, 1]]):
        got = [agreement.raw(nothing), agreement.alpha(nothing)]
        assert got == [Measured(None, None, None, 0, False, "no item was judged by two labellers")] * 2
    assert agreement.kappa([1, GAP], [GAP, 1]).as_text() == "not enough data (0 of 30)"
    one = np.ones((2, 40))
    one[0, 0] = 2  # in 36% of draws this item does not come, and then nothing is defined
    got = agreement.alpha(one)
    assert got.value is not None and got.low is None and got.as_text() == f"{got.value:.2f} (too little variation for an interval)"


def test_enough_begins_at_thirty_items():
    for items, enough in ((29, False), (30, True)):
        assert agreement.raw(np.arange(2 * items).reshape(2, -1) % 3).enough is enough


def test_draws_are_items_drawn_again():
    """The interval is that of drawing columns one by one, and the same seed gives the same."""
    data = random_data(5, items=50)
    got = agreement.alpha(data, seed=1)
    rng = np.random.default_rng(2)
    shared = data[:, (~np.isnan(data)).sum(axis=0) > 1]
    draws = [agreement.alpha(shared[:, rng.integers(0, shared.shape[1], shared.shape[1])], resamples=1).value for _ in range(1000)]
    assert (got.low, got.high) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.025)
    assert got == agreement.alpha(data, seed=1) != agreement.alpha(data, seed=2)
    assert got.as_text() == f"{got.value:.2f} ({got.low:.2f} to {got.high:.2f})"


def test_the_interval_holds_the_true_agreement():
    """Two labellers who agree in 75% beyond chance: of 200 samples of 80 items about 95% of intervals hold it."""
    rng, true = np.random.default_rng(0), 0.75
    held = 0
    for _ in range(200):
        a = rng.integers(0, 3, 80)
        b = np.where(rng.random(80) < true, a, rng.integers(0, 3, 80))
        got = agreement.kappa(a, b, resamples=400)
        held += got.low <= true <= got.high
    assert 180 <= held <= 199


def test_chance_gives_nothing():
    data = np.random.default_rng(0).integers(-3, 4, (5, 2000)).astype(float)
    for got in (agreement.alpha(data), agreement.alpha(data, "nominal"), agreement.kappa(*data[:2])):
        assert abs(got.value) < 0.05 and got.low - 0.05 < 0 < got.high + 0.05 and got.high - got.low < 0.12


@pytest.mark.parametrize(
    "value, word", [(-0.1, "none"), (0.2, "slight"), (0.5, "moderate"), (0.8, "substantial"), (0.81, "almost perfect")]
)
def test_grades(value, word):
    assert agreement.grade(value) == word
