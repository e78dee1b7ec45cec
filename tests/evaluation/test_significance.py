"""Bootstrap intervals: as often right as they say, paired where they should be."""

import numpy as np
import pytest

from tuner.evaluation.significance import difference, interval, samples


def mean(values: np.ndarray):
    return lambda rows: float(values[rows].mean())


def test_an_interval_holds_the_truth_as_often_as_it_says():
    chance = np.random.default_rng(1)
    held = []
    for n in range(200):
        found = interval(mean(chance.normal(3.0, 1.0, 60)), samples(60, n, times=400))
        held.append(found.low <= 3.0 <= found.high)
        assert found.low <= found.value <= found.high
    assert 0.88 <= np.mean(held) <= 0.99


def test_a_difference_is_paired():
    """Rows differ by 100, the models by 1: unpaired nothing could be seen."""
    chance = np.random.default_rng(2)
    rows = chance.normal(0, 100, 80)
    one, other = rows + 1 + chance.normal(0, 0.5, 80), rows
    found = difference(mean(one), mean(other), samples(80))
    assert found.real and 0.7 < found.low < 1 < found.high < 1.3
    assert not difference(mean(one), mean(one), samples(80)).real


def test_nothing_is_found_where_nothing_is():
    chance = np.random.default_rng(3)
    false = [difference(mean(chance.normal(0, 1, 60)), mean(chance.normal(0, 1, 60)), samples(60, n, times=300)).real for n in range(200)]
    assert np.mean(false) < 0.12


def test_a_metric_of_a_corpus_is_drawn_as_such():
    nll, tokens = np.array([10.0, 1.0]), np.array([100, 1])
    found = interval(lambda rows: float(nll[rows].sum() / tokens[rows].sum()), samples(2))
    assert found.value == pytest.approx(11 / 101) and found.low == pytest.approx(0.1) and found.high == pytest.approx(1.0)


def test_one_row_has_an_interval_without_width():
    found = interval(mean(np.array([5.0])), samples(1))
    assert (found.value, found.low, found.high) == (5.0, 5.0, 5.0)
