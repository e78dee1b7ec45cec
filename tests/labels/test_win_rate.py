"""Win rates against published examples, the likelihood written out, and simulations of people who look too early."""

import math
from collections import Counter

import numpy as np
import pytest

from tests.labels.test_quality import verdict
from tuner.errors import ConflictError
from tuner.labels import win_rate

TEAMS = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
BASEBALL = [  # Agresti 2002, Categorical Data Analysis, section 10.6: the American League in 1987, wins of the row over the column
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
]


def drawn(p, tie, shape, seed=0):
    """Outcomes: ties with the chance `tie`, of the rest `p` won."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < tie, 0.5, (rng.random(shape) < p).astype(float))


# --- a number fixed beforehand


@pytest.mark.parametrize(
    "hits, n, low, high",  # Newcombe 1998, table I, method 3; and what the panel's example says
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718), (74, 104, 0.6182, 0.7898)],
)
def test_wilson(hits, n, low, high):
    assert win_rate.wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_arrays_of_all_and_of_nothing():
    low, high = win_rate.wilson(np.array([81, 0, 20]), np.array([263, 0, 20]))
    assert low == pytest.approx([0.2553, 0, 0.8389], abs=5e-5) and high == pytest.approx([0.3662, 1, 1], abs=5e-5)
    assert win_rate.wilson(0, 0) == (0.0, 1.0)
    narrow, wide = win_rate.wilson(50, 100, 0.8), win_rate.wilson(50, 100, 0.99)
    assert wide[0] < narrow[0] < 0.5 < narrow[1] < wide[1]


def test_sentences():
    x = [1.0] * 70 + [0.5] * 14 + [0.0] * 36
    rate = win_rate.fixed(x, "B", "A", 120)
    assert (rate.wins, rate.ties, rate.losses, rate.rate) == (70, 14, 36, pytest.approx(77 / 120))
    assert rate.sentence() == "B is preferred in 64% (55 to 72%) of 120 comparisons, 14 ties: decided."
    assert win_rate.fixed([1 - v for v in x], "B", "A", 120).sentence() == rate.sentence().replace("B is", "A is")
    assert win_rate.fixed(x, "B", "A", 200).sentence().endswith("14 ties: not decided yet (120 of 200).")
    assert win_rate.fixed(x, "B", "A", 60).n == 60  # the others were not planned
    assert (
        win_rate.fixed([1.0, 0.0], "B", "A", 2).sentence()
        == "B is preferred in 50% (9 to 91%) of 2 comparisons, no ties: no difference shown."
    )
    assert win_rate.running([1.0, 0.5], "B", "A").sentence().endswith("of 2 comparisons, 1 tie: not decided yet.")
    assert win_rate.running([1.0] * 30, "B", "A").sentence().endswith("%) of 30 comparisons, no ties: decided.")
    assert (
        win_rate.running([], "B", "A").sentence() == "B and A have not been compared yet." and not win_rate.fixed([], "B", "A", 9).decided
    )


def test_from_verdicts_to_outcomes():
    ours, theirs = {"first_by": "B", "second_by": "A"}, {"first_by": "A", "second_by": "B"}
    said = [
        verdict(1, "ann", "first", when=1, **ours), verdict(1, "bob", "second", when=7, **ours), verdict(1, "cy", "second", when=8, **ours),
        verdict(2, "ann", "second", when=2, **theirs),
        verdict(3, "ann", "both_bad", when=3, **ours), verdict(4, "ann", "skip", when=4, **ours),
        verdict(5, "ann", "first", when=5, first_by="B", second_by="C"), verdict(6, "ann", "first", when=6, first_by="B", second_by="B"),
    ]  # fmt: skip
    found = win_rate.comparisons(said)
    assert found == [("B", "A", 0.0), ("A", "B", 0.0), ("B", "A", 0.5), ("B", "C", 1.0), ("B", "B", 1.0)]
    assert win_rate.outcomes(found, "B", "A") == [0.0, 1.0, 0.5] and win_rate.outcomes(found, "A", "B") == [1.0, 0.0, 0.5]
    assert win_rate.outcomes(found, "B", "B") == []
    assert win_rate.outcomes(win_rate.comparisons(said, vote=False), "B", "A") == [
        1.0,
        1.0,
        0.5,
    ]  # the earliest stands, whoever comes later


# --- looked at after each comparison


def test_who_looks_after_each_verdict_is_deceived_by_wilson_but_not_by_the_sequence():
    x = drawn(0.5, 0.2, (500, 1000))
    low, high = win_rate.wilson(x.cumsum(axis=1), np.arange(1, 1001))
    by_wilson = ((low > 0.5) | (high < 0.5)).any(axis=1).mean()
    by_sequence = win_rate.decided(x)[:, -1].mean()
    slack = 2.33 * np.sqrt(0.05 * 0.95 / 500)  # 1 in 100 by chance, were it 5%
    assert by_sequence <= 0.05 + slack
    assert by_wilson > 0.20


@pytest.mark.parametrize("p, tie, most_within", [(0.7, 0.0, 110), (0.7, 0.2, 160), (0.6, 0.2, 700)])
def test_a_difference_is_found_soon(p, tie, most_within):
    """Nine of ten by then, half of them in half that time."""
    x = drawn(p, tie, (300, 1000), seed=1)
    found = win_rate.decided(x)
    when = np.where(found[:, -1], found.argmax(axis=1) + 1, 1001)
    assert np.quantile(when, 0.9) <= most_within and np.median(when) <= most_within / 2
    up = x.cumsum(axis=1)[np.arange(300), np.minimum(when, 1000) - 1] / when > 0.5
    assert up.mean() > 0.97  # and it is the right one


@pytest.mark.parametrize("mean", [0.2, 0.5, 0.8])
def test_the_capital_stays_fair_and_ties_cost_nothing_at_one_half(mean):
    """After 10 comparisons of all kinds with this mean the expected capital is 1: all 11 numbers of wins, weighed by their chance."""
    won = np.arange(11)
    chance = np.array([math.comb(10, k) * mean**k * (1 - mean) ** (10 - k) for k in range(11)])
    assert (chance * np.exp(win_rate.capital(won, 0 * won, 10 - won, mean))).sum() == pytest.approx(1)
    assert win_rate.capital(3, 1000, 2, 0.5) == pytest.approx(win_rate.capital(3, 0, 2, 0.5))


def sequence_on_a_grid(x, confidence=0.95):
    """Each mean of a fine grid with its own bets, step by step, as in the paper's definition."""
    left = []
    for m in np.arange(1, 1000) / 1000:
        up = np.ones(len(win_rate.BETS))
        down = np.ones(len(win_rate.BETS))
        most = 0.0
        for v in x:
            up *= 1 + win_rate.BETS / m * (v - m)
            down *= 1 - win_rate.BETS / (1 - m) * (v - m)
            most = max(most, up.mean() / 2, down.mean() / 2)
        if most < 1 / (1 - confidence):
            left.append(m)
    return left[0], left[-1]


@pytest.mark.parametrize("p, tie, n", [(0.7, 0.2, 60), (0.4, 0.5, 40), (0.5, 0.0, 3)])
def test_the_sequence_is_its_definition_on_a_grid(p, tie, n):
    x = drawn(p, tie, n, seed=3)
    assert win_rate.sequence(x) == pytest.approx(sequence_on_a_grid(x), abs=0.0011)


def test_the_sequence_never_grows_and_agrees_with_what_is_decided():
    for seed in range(5):
        x = drawn(0.65, 0.2, 150, seed)
        each = [win_rate.sequence(x[:n]) for n in range(0, 151, 5)]
        assert all(a[0] <= b[0] and b[1] <= a[1] for a, b in zip(each, each[1:], strict=False))
        assert [not low <= 0.5 <= high for low, high in each[1:]] == list(win_rate.decided(x)[4::5])
        assert win_rate.sequence(1 - x) == pytest.approx((1 - each[-1][1], 1 - each[-1][0]), abs=2e-6)
    assert win_rate.sequence([]) == (0.0, 1.0)


def test_the_sequence_holds_the_true_mean_at_all_times():
    held = [win_rate.sequence(drawn(0.7, 0.2, 400, seed)) for seed in range(200)]
    assert sum(low <= 0.5 * 0.2 + 0.7 * 0.8 <= high for low, high in held) >= 182  # 95%, less 2.6 standard deviations
    assert np.mean([high - low for low, high in held]) < 0.25


def test_a_sequence_that_refutes_everything_stays_an_interval():
    low, high = win_rate.sequence([1.0] * 60 + [0.0] * 200)
    assert 0 < low < high < 1


# --- more than two models


def games(table, names):
    return [(names[i], names[j], 1.0) for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]


def strengths(found, **more):
    return {s.model: s.strength for s in win_rate.standings(found, **more)}


def test_baseball():
    got = strengths(games(BASEBALL, TEAMS), prior=1e-6)
    published = dict(zip(TEAMS, (1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0.0), strict=True))
    assert {t: v - got["Baltimore"] for t, v in got.items()} == pytest.approx(published, abs=0.006)
    top = win_rate.standings(games(BASEBALL, TEAMS))[0]
    assert (top.model, top.wins, top.ties, top.losses) == ("Milwaukee", 50, 0, 28) and top.low < top.chance < top.high


def fitted_by_hunter(found, prior):
    """Hunter's MM algorithm (2004, equation 3) on the comparisons one by one, ties half to each, many rounds."""
    names = sorted({m for a, b, _ in found for m in (a, b)})
    won, met = Counter(), Counter()
    for a, b, x in found:
        won[a] += x
        won[b] += 1 - x
        met[a, b] += 1
        met[b, a] += 1
    for a in names:
        won[a] += prior / 2
        for b in names:
            met[a, b] += prior / (len(names) - 1) * (a != b)
    odds = dict.fromkeys(names, 1.0)
    for _ in range(5000):
        odds = {a: won[a] / sum(met[a, b] / (odds[a] + odds[b]) for b in names if b != a) for a in names}
        middle = np.exp(np.mean(np.log(list(odds.values()))))
        odds = {a: v / middle for a, v in odds.items()}
    return {a: float(np.log(v)) for a, v in odds.items()}


def test_it_finds_the_maximum_that_hunters_algorithm_finds():
    rng = np.random.default_rng(0)
    found = [(*rng.choice(list("abcd"), 2, replace=False).tolist(), float(rng.choice([0, 0.5, 1]))) for _ in range(60)]
    found += [("a", "e", 1.0)] * 4  # e never won
    assert strengths(found) == pytest.approx(fitted_by_hunter(found, 1.0), abs=1e-4)


def test_ties_count_half_and_two_models_have_their_win_rate():
    found = [("a", "b", 1.0)] * 5 + [("a", "b", 0.5)] * 4 + [("b", "a", 1.0)] * 3
    best, other = win_rate.standings(found, prior=1e-9)
    assert (best.model, best.wins, best.ties, best.losses) == ("a", 5, 4, 3) and (other.wins, other.losses) == (3, 5)
    assert best.chance == pytest.approx(7 / 12) and best.chance + other.chance == pytest.approx(1)
    assert win_rate.standings(found)[0].chance == pytest.approx(7.5 / 13)  # one tie besides


def test_the_undefeated_stay_finite_with_an_interval_worth_the_name():
    best, *_ = win_rate.standings([("a", "b", 1.0)] * 10 + [("b", "c", 1.0)] * 5 + [("c", "b", 1.0)] * 5)
    assert best.model == "a" and np.isfinite(best.strength) and 0.9 < best.chance < 1 and best.low < best.chance - 0.05


def test_intervals_hold_the_truth():
    """Four models of known strength, 150 comparisons, 60 times: about 95% of 240 intervals hold the true chance."""
    truth, rng, held = np.array([0.9, 0.3, -0.3, -0.9]), np.random.default_rng(0), 0
    against = 1 / (1 + np.exp(truth[None, :] - truth[:, None]))
    chance = (against.sum(axis=1) - 0.5) / 3
    for _ in range(60):
        pairs = [rng.choice(4, 2, replace=False) for _ in range(150)]
        found = [(str(a), str(b), float(rng.random() < against[a, b])) for a, b in pairs]
        held += sum(s.low <= chance[int(s.model)] <= s.high for s in win_rate.standings(found, resamples=200))
    assert 214 <= held <= 239


def test_models_that_nothing_links_are_told_apart():
    found = [("a", "b", 1.0), ("c", "d", 0.0), ("e", "b", 0.5), ("d", "c", 1.0)]
    assert win_rate.groups(found) == [["a", "b", "e"], ["c", "d"]]
    with pytest.raises(ConflictError) as error:
        win_rate.standings(found)
    assert error.value.available == "a, b, e | c, d" and error.value.remedy == "Compare some answers of a with some of c."
    assert len(win_rate.standings([*found, ("c", "a", 0.5)])) == 5
    assert win_rate.standings([]) == [] == win_rate.standings([("a", "a", 1.0)])
