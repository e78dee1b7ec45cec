"""The split: enough rows to mean something, nothing on both sides, every label tested, the same each time."""

import json
from collections import Counter

import numpy as np
import pytest

from tuner.data.importing.split import draw_split
from tuner.data.store import store


def keys(n, seed=0):
    return np.random.default_rng(seed).integers(0, 2**64, n, dtype="u8")


@pytest.mark.parametrize(
    ("n", "share", "low", "high"),
    [
        (9, 0.05, 0, 0),
        (10, 0.05, 2, 3),
        (60, 0.05, 12, 13),
        (300, 0.05, 20, 25),
        (1000, 0.05, 35, 65),
        (1000, 0.3, 250, 350),
        (10**6, 0.05, 990, 1000),
        (10**6, 0, 0, 0),
    ],
)
def test_how_many(n, share, low, high):
    assert low <= draw_split(keys(n), share=share).sum() <= high


def test_a_seed_draws_anew_and_the_same_seed_the_same():
    k = keys(2000)
    assert (draw_split(k, seed=1) == draw_split(k, seed=1)).all() and (draw_split(k, seed=1) != draw_split(k, seed=2)).any()


def test_more_rows_move_few_from_one_side_to_the_other():
    k = keys(4000)
    before, after = draw_split(k[:2000]), draw_split(k)[:2000]
    assert (before == after).all()


def test_rows_about_the_same_thing_stand_on_one_side():
    k = np.repeat(keys(500), 4)
    side = draw_split(k).reshape(500, 4)
    assert (side.all(axis=1) == side.any(axis=1)).all() and 60 < side.sum() < 160


def test_one_question_that_is_most_of_the_data_does_not_empty_a_side():
    k = np.concatenate([np.repeat(keys(1), 900), keys(100, 5)])
    assert 20 <= draw_split(k).sum() <= 120


def test_every_label_is_tested():
    labels = np.array([0] * 970 + [1] * 25 + [2] * 5)
    side = draw_split(keys(1000), labels)
    assert set(labels[side]) == {0, 1, 2}


def test_the_same_question_with_two_answers_is_not_learnt_and_tested(ws, tmp_path):
    rows = [{"prompt": f"question {i // 2}", "answer": f"answer {i}"} for i in range(400)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    ds = store.add(ws, tmp_path / "a.jsonl")
    held = {r["value"]["messages"][0]["content"] for r in store.iterate(ds, held_out=True)}
    learnt = {r["value"]["messages"][0]["content"] for r in store.iterate(ds, held_out=False)}
    assert held and not held & learnt


def test_labels_of_a_file_are_tested(ws, tmp_path):
    rows = [{"text": f"text number {i}", "label": "rare" if i < 6 else f"common {i % 2}"} for i in range(600)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    ds = store.add(ws, tmp_path / "a.jsonl", kind="classification")
    held = Counter(r["value"]["label"] for r in store.iterate(ds, held_out=True))
    assert set(held) == {"rare", "common 0", "common 1"} and held["rare"] < 6
