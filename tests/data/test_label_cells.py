"""Several labels in a cell, by whatever sign, in brackets, by position; and one label that only looks like several."""

import json

import pytest

from tests.data.test_cases import read
from tuner.data.schema.convert import convert
from tuner.data.schema.label_lists import mark_of, split_labels
from tuner.data.store import store

RED, BLUE, GREEN = ["red"], ["red", "blue"], ["green", "blue"]
SEVERAL = [RED, BLUE, GREEN, ["green"], ["red", "green"]] * 4


def table(tmp_path, write, column="labels"):
    rows = [json.dumps({"text": f"This is sample number {n} and more", column: write(labels)}) for n, labels in enumerate(SEVERAL)]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    return read(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    "write",
    [
        lambda labels: f"[{', '.join(labels)}]",
        lambda labels: f"[{' '.join(labels)}]",
        lambda labels: str(labels),
        lambda labels: json.dumps(labels),
        lambda labels: f"['{labels[0]}'" + "".join(f', "{name}"' for name in labels[1:]) + "]",
        lambda labels: "{" + ",".join(labels) + "}",
        lambda labels: str(set(labels)) if len(labels) == 1 else "{'" + "', '".join(labels) + "'}",
        lambda labels: f"({'; '.join(labels)})",
        lambda labels: "#" + " #".join(labels),
        lambda labels: {name: int(name in labels) for name in ("red", "green", "blue")},
        *(lambda labels, mark=mark: mark.join(labels) for mark in ("#", "|", ";", ",", ", ", "、", "；", "\n")),
    ],
)
@pytest.mark.parametrize("column", ["labels", "label", "tags"])
def test_several_labels(tmp_path, write, column):
    found, rows, tally = table(tmp_path, write, column)
    assert found.kind == "classification" and tally.usable == 20, found
    assert [sorted(row["label"]) for row in rows] == [sorted(labels) for labels in SEVERAL]
    assert not found.questions


@pytest.mark.parametrize("mark", ["/", " ", "&", " & ", "+", "·", "\\", "-", " - ", "\t", " and ", " or ", ":", "::", ">", "_"])
def test_signs_that_labels_hold_themselves_are_asked_about(tmp_path, mark):
    found, rows, _ = table(tmp_path, mark.join, "label")
    assert found.questions and found.confidence < 0.6 and [row["label"] for row in rows] == SEVERAL


@pytest.mark.parametrize(
    "cells",
    [
        ["New York", "Los Angeles", "San Francisco"],
        ["New York", "New Jersey", "Boston"],
        ["very positive", "positive", "neutral", "negative", "very negative"],
        ["cancel order", "track order", "change order", "cancel subscription", "change subscription"],
        ["sports/football", "sports/tennis", "news/world"],
        ["B-PER", "I-PER", "B-LOC", "I-LOC", "O"],
        ["N/A", "yes", "no"],
        ["C#", "F#", "Java"],
        ["card_arrival", "card_lost", "pin_blocked", "pin_lost"],
        ["transport:taxi", "transport:bus", "food:order"],
        ["Sales, Europe", "Law"],
        ["R&D", "Sales"],
        ["spam", "ham"],
    ],
)
def test_one_label_of_several_words_is_not_asked_about(cells):
    assert mark_of(cells * 5, "label") == (None, True)


def test_what_can_be_either_is_asked_about():
    assert mark_of(["and", "or", "and/or"] * 4, "label") == ("/", False)
    assert mark_of(["and/or", "neither", "both"] * 4, "label") == (None, False) == mark_of(["New York", "red blue", "Boston"] * 4, "labels")
    assert mark_of(["red", "blue", "green"] * 20 + ["red/blue"], "label") == ("/", False)


def test_a_label_in_quotes_keeps_the_sign():
    assert (
        split_labels("['a, b', \"c\"]") == ["a, b", "c"] and split_labels("O'Neil, b", ",") == ["O'Neil", "b"] and split_labels("[]") == []
    )
    assert split_labels("a;a; b", ";") == ["a", "b"]


def test_brackets_are_no_part_of_a_label_whatever_the_mapping():
    row = {"t": "x", "l": "[red, blue]"}
    assert convert(row, "classification", {"text": "t", "label": "l"})["label"] == ["red", "blue"]
    assert convert(row | {"l": "[red]"}, "classification", {"text": "t", "label": "{l} split at ,"})["label"] == ["red"]


# ---- vectors of 0 and 1


HOT = [[0, 1, 1.0], [1, 0, 0], [0, 0, 0], [1, 1, 0]] * 4
NAMED = [["2", "3"], ["1"], [], ["1", "2"]] * 4


@pytest.mark.parametrize(
    "write",
    [
        lambda v: v,
        json.dumps,
        lambda v: [str(said) for said in v],
        lambda v: [bool(said) for said in v],
        lambda v: " ".join(map(str, v)),
        lambda v: f"[{' '.join(f'{said:.0f}.' for said in v)}]",
        lambda v: ",".join(f"{said:.0f}" for said in v),
    ],
)
def test_a_position_of_a_vector_is_a_label(tmp_path, write):
    rows = [json.dumps({"text": f"some words {n}", "labels": write(v)}) for n, v in enumerate(HOT)]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    found, rows, tally = read(tmp_path / "a.jsonl")
    assert found.kind == "classification" and not found.questions and tally.usable == 16, found
    assert [row["label"] for row in rows] == NAMED


def test_positions_are_named_by_the_list_beside_them(tmp_path):
    rows = [json.dumps({"text": f"some words {n}", "labels": v, "label_names": ["joy", "fear", "rage"]}) for n, v in enumerate(HOT)]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    assert [row["label"] for row in read(tmp_path / "a.jsonl")[1]][:2] == [["fear", "rage"], ["joy"]]
    mapping = {"text": "text", "label": "{labels} by position: a, b, c"}
    assert [row["label"] for row in read(tmp_path / "a.jsonl", mapping=mapping)[1]][:2] == [["b", "c"], ["a"]]


def test_long_vectors_and_rows_that_are_none(tmp_path):
    rows = [{"text": f"some words {n}", "labels": [int(i in (n, n + 1)) for i in range(60)]} for n in range(40)]
    rows += [{"text": "one more", "labels": [0, 1, 2]}, {"text": "one less", "labels": "none"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    _, rows, tally = read(tmp_path / "a.jsonl")
    assert rows[3]["label"] == ["4", "5"] and tally.usable == 40 and [p["row"] for p in tally.problems] == [41, 42]
    assert "0 and 1" in tally.problems[0]["message"]


def test_numbers_of_labels_are_no_positions(tmp_path):
    rows = [{"text": f"some words {n}", "labels": labels} for n, labels in enumerate([[0], [1], [0, 1], [0, 1]] * 3)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert [row["label"] for row in read(tmp_path / "a.jsonl")[1]][:3] == [["0"], ["1"], ["0", "1"]]
    rows = [{"text": f"some words {n}", "labels": ["0", "1"]} for n in range(9)]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert read(tmp_path / "b.jsonl")[1][0]["label"] == ["0", "1"]


def test_a_column_of_0_and_1_for_each_label(tmp_path):
    (tmp_path / "a.csv").write_text(
        "text,price,priority,topic\n" + "".join(f"words {n},{n % 2},{1 - n % 2}.0,{n % 3 // 2}\n" for n in range(9))
    )
    assert [row["label"] for row in read(tmp_path / "a.csv")[1]][:3] == [["priority"], ["price"], ["priority", "topic"]]


def test_a_column_that_is_chosen_is_read_by_position_as_well(tmp_path):
    rows = [json.dumps({"t": f"some words {n}", "marks": v, "other": "a"}) for n, v in enumerate(HOT)]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    found, rows, _ = read(tmp_path / "a.jsonl", kind="classification", mapping={"text": "t", "label": "marks"})
    assert found.mapping["label"] == "{marks} by position" and [row["label"] for row in rows] == NAMED


@pytest.mark.parametrize("write", [json.dumps, lambda labels: f"[{', '.join(labels)}]", " ".join, lambda v: [0, 1, len(v) % 2]])
def test_labels_are_the_same_when_they_are_exported_and_read_again(ws, tmp_path, write):
    rows = [json.dumps({"text": f"This is sample number {n}", "labels": write(labels)}) for n, labels in enumerate(SEVERAL)]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    first = store.add(ws, tmp_path / "a.jsonl")
    assert store.export(first, tmp_path / "b.jsonl") == 20
    again = store.add(ws, tmp_path / "b.jsonl")
    assert again.kind == "classification" and [r["value"] for r in store.rows(again)] == [r["value"] for r in store.rows(first)]
    assert all(isinstance(r["value"]["label"], list) for r in store.rows(again))
