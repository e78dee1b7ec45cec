"""What the Label page says: numbers are said, and what brought nothing is no success."""

from collections import Counter
from types import SimpleNamespace

import pytest

from tuner.labels.pairs import CUT, EMPTY, IDENTICAL, KNOWN, NEARLY, Added
from tuner.labels.roster import Labeller
from ui.label_views import added_pairs, collect_view, drawn, results_view


def test_added_pairs_are_counted():
    said = added_pairs.report(Added(1200, Counter({IDENTICAL: 1, EMPTY: 34})))
    assert "1,200 pairs added." in said and "ts-good" in said
    assert "1 left out: both answers are the same." in said and "34 left out: an answer is empty." in said
    assert "1 pair added." in added_pairs.report(Added(1))


@pytest.mark.parametrize(
    ("dropped", "remedy"),
    [
        ({KNOWN: 200}, "choose another source"),
        ({IDENTICAL: 9, NEARLY: 3, KNOWN: 4}, "higher temperature"),
        ({CUT: 5}, "Max new tokens"),
        ({}, "Check the source"),
    ],
)
def test_no_pairs_are_a_warning_with_what_to_do(dropped, remedy):
    said = added_pairs.report(Added(0, Counter(dropped)))
    assert "0 pairs added." in said and "ts-state warning" in said and "ts-good" not in said and remedy in said


def test_nothing_released_is_no_success():
    assert "ts-good" not in results_view.counted("label-released", 0) and "No pair" in results_view.counted("label-released", 0)
    assert "1,234 pairs are free again." in results_view.counted("label-released", 1234)


def test_what_is_too_few_to_say_is_said_once():
    few = ["Chooses the left answer in 1 of 1: not enough data (1 of 30).", "Chooses the longer answer: not enough data (0 of 30)."]
    said = results_view.items(["1 judgment on 1 pair.", *few])
    assert said.count("<li>") == 2 and "too few judgments yet" in said


@pytest.mark.parametrize(
    ("pairs", "tasks", "done", "word"),
    [(0, 0, 0, "add pairs"), (12, 12, 0, "share the link"), (12, 14, 3, "remaining pairs"), (12, 14, 14, "then train")],
)
def test_the_next_step_is_always_said(pairs, tasks, done, word):
    assert word in drawn.next_step(SimpleNamespace(pairs=pairs, tasks=tasks, done=done))


def test_the_roster_says_who_is_here_and_escapes_names(monkeypatch):
    monkeypatch.setattr(collect_view.time, "time", lambda: 10_000.0)
    found = [Labeller("<b>Ann</b>", 1234, 9990.0, 2), Labeller("Ben", 0, 4000.0, 1), Labeller("Cid", 3, 10_000 - 86400 * 3, None)]
    said = collect_view.people(found, newest=2)
    assert "<b>Ann" not in said and "&lt;b&gt;Ann" in said and "1,234" in said and "Now" in said
    assert "Older version" in said and "2 h ago" in said
    assert "Not read" in said and "3 days ago" in said


def test_the_qr_code_is_dark_on_light_in_both_looks():
    code = collect_view.qr_code("http://192.168.1.20:7860/?label=sums")
    assert "<svg" in code and 'fill="#fff"' in code and 'stroke="#0f172a"' in code and "aria-label" in code
    assert code != collect_view.qr_code("http://192.168.1.21:7860/?label=sums")
