"""Two answers in one cell: a pair whose first is taken as the better one, and asked about."""

import json

import pytest

from tests.data.test_cases import read


def _greetings(two, **more):
    return [{"instruction": f"Greet guest {n}.", "input": "", "output": two(n)} | more for n in range(8)]


@pytest.mark.parametrize(
    "two",
    [
        lambda n: [f"Welcome, guest {n}!", f"Oh, guest {n}."],
        lambda n: json.dumps([f"Welcome, guest {n}!", f"Oh, guest {n}."]),
        lambda n: [{"role": "assistant", "content": f"Welcome, guest {n}!"}, {"role": "assistant", "content": f"Oh, guest {n}."}],
        lambda n: [{"from": "gpt", "value": f"Welcome, guest {n}!"}, {"from": "gpt", "value": f"Oh, guest {n}."}],
    ],
)
def test_two_answers_in_the_output_are_a_pair(tmp_path, two):
    (tmp_path / "a.json").write_text(json.dumps(_greetings(two)))
    found, rows, tally = read(tmp_path / "a.json")
    assert (found.kind, found.mapping["answers"]) == ("preference", "{output} best first") and tally.usable == 8
    assert found.confidence < 0.6 and "first of the two answers" in found.questions[0]
    assert [rows[3][side][0]["content"] for side in ("chosen", "rejected")] == ["Welcome, guest 3!", "Oh, guest 3."]
    mapping = found.mapping | {"answers": "{output} best last"}
    _, rows, _ = read(tmp_path / "a.json", mapping=mapping)
    assert rows[3]["chosen"][0]["content"] == "Oh, guest 3."


def test_a_row_with_one_answer_is_told_by_its_row(tmp_path):
    rows = _greetings(lambda n: [f"Welcome, guest {n}!", f"Oh, guest {n}."] if n != 5 else ["Welcome!"])
    (tmp_path / "a.json").write_text(json.dumps(rows))
    _, _, tally = read(tmp_path / "a.json")
    assert tally.usable == 7 and [p["row"] for p in tally.problems] == [6]


def test_other_lists_of_two_are_no_pairs(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(_greetings(lambda n: ["Welcome!", "Welcome!"])))
    assert read(tmp_path / "a.json")[0].kind == "chat"
    (tmp_path / "a.json").write_text(json.dumps(_greetings(lambda n: [["a", "b"], ["c", "d"]])))
    assert read(tmp_path / "a.json")[0].kind == "chat"
