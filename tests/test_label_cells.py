"""Several labels in a cell, by whatever sign, in brackets, by position; and one label that only looks like several."""

import json

import pytest

from tests.test_cases import read
from tuner.data.convert import convert
from tuner.data.label_lists import mark_of, parted

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


@pytest.mark.parametrize("mark", ["/", " ", "&", " & ", "+", "·", "\\", "-", " - ", "\t", " and "])
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
        ["Sales, Europe", "Law"],
        ["R&D", "Sales"],
        ["spam", "ham"],
    ],
)
def test_one_label_of_several_words_is_not_asked_about(cells):
    assert mark_of(cells * 5, "label") == (None, True)


def test_what_can_be_either_is_asked_about():
    assert mark_of(["and", "or", "and/or"] * 4, "label") == ("/", False)
    assert mark_of(["red", "blue", "green"] * 20 + ["red/blue"], "label") == ("/", False)


def test_a_label_in_quotes_keeps_the_sign():
    assert parted("['a, b', \"c\"]") == ["a, b", "c"] and parted("O'Neil, b", ",") == ["O'Neil", "b"] and parted("[]") == []
    assert parted("a;a; b", ";") == ["a", "b"]


def test_brackets_are_no_part_of_a_label_whatever_the_mapping():
    row = {"t": "x", "l": "[red, blue]"}
    assert convert(row, "classification", {"text": "t", "label": "l"})["label"] == ["red", "blue"]
    assert convert(row | {"l": "[red]"}, "classification", {"text": "t", "label": "{l} split at ,"})["label"] == ["red"]
