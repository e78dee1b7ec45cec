"""What is found in the metrics of a run: each finding with a run that has it, and one beside it that has not."""

import math
import random
import tracemalloc
from array import array

import pytest

from tuner import monitoring
from tuner.monitoring import Facts, History
from tuner.runs import run_warnings

FACTS = {"steps": 100, "learning_rate": 0.3, "rates": (1e-4, 1e-2)}


def history(n: int = 100, evaluations: dict | None = None, **series) -> History:
    """A history of `n` steps; a series is a function of the step, with some noise."""
    chance, found = random.Random(0), History()
    for step in range(1, n + 1):
        found.add(step, {key: value(step) * (1 + 0.05 * chance.uniform(-1, 1)) for key, value in series.items()})
    for step, value in (evaluations or {}).items():
        found.add(step, {"eval_loss": value})
    return found


def names(h: History, **facts) -> list[str]:
    found = monitoring.look(h, Facts(**{"step": 100} | FACTS | facts))
    assert all(set(f) == set(run_warnings.make("", "", "")) and f["message"].endswith((".", ")")) for f in found)
    assert all(f["step"] and f["remedy"][-1] in ".`" for f in found)
    return [f["name"] for f in found]


GOOD = {"loss": lambda s: 3 * math.exp(-s / 40) + 0.5, "grad_norm": lambda s: 1.0, "tokens_per_second": lambda s: 900.0}


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_found_in_a_good_run(seed):
    chance = random.Random(seed)
    noisy = GOOD | {"loss": lambda s: 3 * math.exp(-s / 40) + 0.5 + chance.uniform(-0.5, 0.5), "memory_bytes": lambda s: 2e9}
    tests = {s: 2 * math.exp(-s / 30) + 0.6 for s in range(10, 101, 10)}
    assert names(history(evaluations=tests, **noisy), baseline=3.4, best=0.7, ended=True, memory_free=10**10) == []
    assert names(History(), step=0) == [] == names(history(5, **noisy), step=5)


def test_a_run_that_ends_worse_than_its_baseline():
    assert names(history(**GOOD), baseline=9.9, best=99.5, ended=True) == ["worse_than_baseline"]
    assert names(history(**GOOD), baseline=9.9, best=99.5) == [], "it has not ended"
    assert names(history(**GOOD), baseline=9.9, best=9.91, ended=True) == [], "by chance"
    assert names(history(**GOOD), baseline=None, best=99.5, ended=True) == [], "nothing was measured before"


def test_a_loss_that_rises():
    rising = {"loss": lambda s: 9.9 + s}
    assert names(history(**rising)) == ["loss_rises"]
    (found,) = monitoring.look(history(**rising), Facts(step=100, **FACTS, ended=True))
    assert found["severity"] == "error" and "0.01" in found["remedy"], "no more than what works"
    (found,) = monitoring.look(history(loss=lambda s: 2 + s / 200), Facts(step=100, **FACTS, baseline=2.0, best=1.5, ended=True))
    assert found["severity"] == "warning", "the best checkpoint is better than before"
    shot = history(60, loss=lambda s: 1.8 if s < 3 else 150.0 if s < 20 else 5.0)
    assert names(shot, step=60) == ["loss_rises"] and "from 1." in monitoring.look(shot, Facts(step=60, **FACTS))[0]["message"]
    assert names(history(11, **rising), step=11) == [], "too few to tell"
    chance = random.Random(1)
    assert names(history(30, loss=lambda s: chance.uniform(1, 3)), step=30) == []


def test_a_loss_that_does_not_move():
    flat = {"loss": lambda s: 3.7}
    assert names(history(**flat)) == ["loss_flat"]
    assert "lower learning rate" in monitoring.look(history(**flat), Facts(step=100, **FACTS))[0]["remedy"]
    assert "higher" in monitoring.look(history(**flat), Facts(step=100, **FACTS | {"learning_rate": 1e-6}))[0]["remedy"]
    assert names(history(40, **flat), step=40) == [], "it may yet move"
    assert names(history(loss=lambda s: 0.01)) == [], "there is nothing left to be learned"
    assert names(history(evaluations={50: 2.0, 100: 1.5}, **flat), baseline=3.0) == [], "the validation rows show that it does"
    assert names(history(**flat), warmup=0.8) == [], "it has only warmed up"


def test_a_validation_loss_that_rises_and_rows_learned_by_heart():
    tests = {10: 2.0, 20: 1.5, 30: 1.6, 40: 1.7, 50: 1.8}
    assert names(history(50, tests, **GOOD), step=50) == ["validation_loss_rises"]
    assert names(history(50, {**tests, 50: 1.4}, **GOOD), step=50) == []
    heart = GOOD | {"loss": lambda s: 3 * math.exp(-s / 8)}
    assert names(history(50, tests, **heart), step=50) == ["memorized"], "one of the two is enough"


def test_spikes_of_the_gradient():
    assert names(history(**GOOD | {"grad_norm": lambda s: 80.0 if s in (60, 70) else 1.0})) == ["gradient_spikes"]
    (found,) = monitoring.look(history(**GOOD | {"grad_norm": lambda s: 80.0 if s == 60 else 1.0}), Facts(step=100, **FACTS))
    assert found["severity"] == "info" and found["step"] == 60
    assert names(history(**GOOD | {"grad_norm": lambda s: 50.0 if s < 5 else 1.0})) == [], "the start is no spike"
    long = history(400, **GOOD | {"grad_norm": lambda s: 300.0 if s == 390 else 1.0 + s / 100})
    assert names(long, step=400, steps=400) == ["gradient_spikes"]


def test_speed_memory_data_and_disk():
    assert names(history(**GOOD | {"tokens_per_second": lambda s: 900.0 if s < 70 else 300.0})) == ["slower_steps"]
    assert names(history(**GOOD), waited=0.5) == ["waits_for_data"]
    creeping = GOOD | {"memory_bytes": lambda s: 1e9 * (1 + 0.05 * s)}
    assert names(history(**creeping), steps=300, memory_free=8 * 10**9) == ["memory_grows"]
    assert names(history(**creeping), steps=300, memory_free=10**11) == [], "it suffices until the end"
    assert names(history(**GOOD), disk_free=10**9, disk_needed=2 * 10**9) == ["disk_will_fill"]
    assert names(history(**GOOD), disk_free=10**9, disk_needed=10**8) == []


def test_steps_that_an_earlier_attempt_wrote_beyond_the_present_one_do_not_count():
    h = history(**{"loss": lambda s: 3.0 if s <= 50 else 300.0})
    assert names(h, step=40) == [] and names(h) == ["loss_rises"]
    h.add(100, {"loss": None})
    assert h.series("loss")[0].tolist() == list(range(1, 100)), "what is no number does not count"


def test_a_million_steps_are_looked_at_within_their_own_size():
    h = History()
    for key in ("loss", "grad_norm"):
        h.kept[key] = (array("q", range(1, 200_001)), array("d", [1.0] * 200_000))
    h.kept["grad_norm"][1][150_000] = 99.0
    tracemalloc.start()
    assert "gradient_spikes" in names(h, step=200_000, steps=200_000)
    assert tracemalloc.get_traced_memory()[1] < 20 * 8 * 200_000, "a window of a hundred values each would be five times as much"
    tracemalloc.stop()


def test_steps_are_found_in_order_whatever_order_they_came_in():
    h = History([(3, "loss", 3.0), (1, "loss", 1.0), (0, "loss", 9.0), (3, "loss", None), (2, "loss", 2.0)])
    assert h.series("loss")[0].tolist() == [1, 2] and h.at("loss", 0) == 9.0 and h.at("loss", 3) is None is h.at("other", 1)
    assert h.last("loss", 9) == 2.0 and h.last("loss", 0) == 9.0 and h.last("other", 9) is None


def test_findings_replace_each_other_and_keep_the_step_at_which_they_were_first_made():
    other = run_warnings.make("rows_cut", "3 rows are cut.", "Raise it.")
    first = monitoring.merged([other], [run_warnings.make("loss_rises", "It rises.", "Stop.", step=20)])
    again = monitoring.merged(first, [run_warnings.make("loss_rises", "It rises more.", "Stop.", step=40)])
    assert [(w["name"], w["step"], w["message"]) for w in again] == [
        ("rows_cut", None, other["message"]),
        ("loss_rises", 20, "It rises more."),
    ]
    assert monitoring.merged(again, []) == [other], "what no longer holds is taken back"
