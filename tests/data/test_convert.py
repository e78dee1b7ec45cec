"""Cells of every sort become canonical rows, or problems with a remedy."""

import pytest

from tests.data.shapes import CALL, MENDED
from tuner.data.schema.convert import RowProblem, as_messages, as_text, convert, plain, question_of, template_columns, turns, unpack
from tuner.errors import RequestError

PA = {"prompt": "p", "answer": "a"}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text} | more


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        ("NaN", ""),
        (3, "3"),
        (3.0, "3"),
        (2.5, "2.5"),
        (True, "true"),
        ("a\r\nb", "a\nb"),
        ({"a": 1}, '{"a": 1}'),
        ([], ""),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
        (b"x", "x"),
    ],
)
def test_cells_as_text(content, text):
    assert plain(content) == text


def test_chat_from_columns():
    assert convert({"p": "Hi", "a": 7}, "chat", PA) == {"messages": [user("Hi"), assistant("7")]}
    mapping = {"prompt": ["i", "x"], "answer": "a", "system": "s", "history": "h"}
    row = {"i": "Add", "x": "1 and 2", "a": "3", "s": "Be brief.", "h": [["Hi", "Hello"]]}
    assert convert(row, "chat", mapping)["messages"] == [
        {"role": "system", "content": "Be brief."},
        user("Hi"),
        assistant("Hello"),
        user("Add\n\n1 and 2"),
        assistant("3"),
    ]
    assert convert(row | {"x": None, "h": "", "s": float("nan")}, "chat", mapping)["messages"] == [user("Add"), assistant("3")]


@pytest.mark.parametrize(
    "content",
    [
        [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo"}],
        [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "bot", "content": "Yo"}],
        '[{"role": "User", "content": "Hi"}, {"role": "Assistant", "content": "Yo"}]',
        [{"human": "Hi", "assistant": "Yo"}],
        [["Hi", "Yo"]],
        ["Hi", "Yo"],
        {"messages": [user("Hi"), assistant("Yo")]},
    ],
)
def test_notations_of_turns(content):
    assert convert({"m": content}, "chat", {"messages": "m"})["messages"] == [user("Hi"), assistant("Yo")]


def test_tool_turns():
    share = [{"from": f, "value": "x"} for f in ("human", "function_call", "observation", "gpt")]
    assert [m["role"] for m in turns(share)] == ["user", "assistant", "tool", "assistant"]
    call = [
        user("Hi"),
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "content": "4"},
        assistant("4"),
    ]
    assert convert({"m": call}, "chat", {"messages": "m"})["messages"][1] == {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "1"}],
    }


def test_a_last_turn_by_the_user_is_dropped_with_a_note():
    notes = []
    row = convert({"m": [user("Hi"), assistant("Yo"), user("And?")]}, "chat", {"messages": "m"}, notes)
    assert row["messages"] == [user("Hi"), assistant("Yo")] and len(notes) == 1


@pytest.mark.parametrize(("messages", "becomes", "word"), [case[1:] for case in MENDED], ids=[case[0] for case in MENDED])
def test_what_can_be_mended_is_mended_with_a_note(messages, becomes, word):
    notes = []
    before = [dict(m) for m in messages]
    assert convert({"m": messages}, "chat", {"messages": "m"}, notes)["messages"] == becomes
    assert len(notes) == 1 and word in notes[0] and messages == before


@pytest.mark.parametrize(
    ("messages", "word", "empty"),
    [
        ([], "empty", True),
        ("", "empty", True),
        (None, "empty", True),
        ([user("Hi")], "no assistant answer", True),
        ([user("Hi"), assistant("  ")], "no assistant answer", True),
        ([user("a"), assistant("b", weight=1), assistant("c", weight=0)], "different weights", False),
        ([assistant("a")], "begins with the assistant", False),
        ([user("a"), assistant("b", weight=0)], "weight 0", False),
        ([user("a"), assistant("b", weight=0.5)], "weight", False),
        ([user("a"), assistant("b"), {"role": "system", "content": "s"}, user("c"), assistant("d")], "may only come first", False),
        ([{"role": "alien", "content": "a"}], "unknown role", False),
        ("just words", "not a list of turns", False),
        ([1, 2], "not a list of turns", False),
        ([user(""), assistant("a")], "is empty", True),
        ([user([{"type": "image_url", "image_url": "x"}]), assistant("a")], "only text", False),
        ([user("a"), {"role": "tool", "content": "x"}, assistant("b")], "without a tool call", False),
    ],
)
def test_conversations_that_cannot_be_learnt(messages, word, empty):
    with pytest.raises(RowProblem, match=word) as caught:
        convert({"m": messages}, "chat", {"messages": "m"})
    assert caught.value.remedy and caught.value.empty == empty


@pytest.mark.parametrize(
    ("row", "mapping"),
    [
        ({"p": "Q", "c": "Y", "r": "N"}, {"prompt": "p", "chosen": "c", "rejected": "r"}),
        ({"p": [user("Q")], "c": [assistant("Y")], "r": [assistant("N")]}, {"prompt": "p", "chosen": "c", "rejected": "r"}),
        ({"p": "Q", "c": [user("Q"), assistant("Y")], "r": [user("Q"), assistant("N")]}, {"prompt": "p", "chosen": "c", "rejected": "r"}),
        (
            {"m": [{"from": "human", "value": "Q"}], "c": {"from": "gpt", "value": "Y"}, "r": {"from": "gpt", "value": "N"}},
            {"messages": "m", "chosen": "c", "rejected": "r"},
        ),
        ({"c": "\n\nHuman: Q\n\nAssistant: Y", "r": "\n\nHuman: Q\n\nAssistant: N"}, {"chosen": "c", "rejected": "r"}),
        ({"c": [user("Q"), assistant("Y")], "r": [user("Q"), assistant("N")]}, {"chosen": "c", "rejected": "r"}),
    ],
)
def test_preferences(row, mapping):
    assert convert(row, "preference", mapping) == {"prompt": [user("Q")], "chosen": [assistant("Y")], "rejected": [assistant("N")]}


@pytest.mark.parametrize("row", [{"p": "Q", "c": "Y", "r": "Y"}, {"p": "", "c": "Y", "r": "N"}, {"p": "Q", "c": "Y", "r": None}])
def test_preferences_that_teach_nothing(row):
    with pytest.raises(RowProblem):
        convert(row, "preference", {"prompt": "p", "chosen": "c", "rejected": "r"})


@pytest.mark.parametrize(
    ("label", "verdict"), [(True, True), (0, False), ("yes", True), ("thumbs_down", False), ("-1", False), (1.0, True)]
)
def test_rated(label, verdict):
    row = convert({"p": "Q", "a": "A", "l": label}, "rated", PA | {"label": "l"})
    assert row == {"prompt": [user("Q")], "answer": [assistant("A")], "label": verdict}


def test_ratings_in_numbers():
    mapping = PA | {"rating": "l"}
    assert [convert({"p": "Q", "a": "A", "l": n}, "rated", mapping)["label"] for n in (1, 2, 4, "5", 8)] == [False, False, True, True, True]
    for n in (3, "x", None):
        with pytest.raises(RowProblem):
            convert({"p": "Q", "a": "A", "l": n}, "rated", mapping)


def test_the_other_kinds():
    assert convert({"t": "x", "l": 1}, "classification", {"text": "t", "label": "l"}) == {"text": "x", "label": "1"}
    assert convert({"t": "x", "l": ["a", "b"]}, "classification", {"text": "t", "label": "l"})["label"] == ["a", "b"]
    assert convert({"t": "x", "l": "1,5"}, "regression", {"text": "t", "label": "l"}) == {"text": "x", "label": 1.5}
    assert convert({"x": {"en": "a", "de": "b"}}, "seq2seq", {"source": "x.en", "target": "x.de"}) == {"source": "a", "target": "b"}
    assert convert({"w": "A b", "g": '["O", "P"]'}, "tokens", {"tokens": "w", "tags": "g"}) == {"tokens": ["A", "b"], "tags": ["O", "P"]}
    mapping = {"context": "c", "question": "q", "answers": "a"}
    expected = {"context": "In Paris", "question": "Where?", "answers": {"text": ["Paris"], "answer_start": [3]}}
    for answer in (
        "Paris",
        ["Paris"],
        {"text": ["Paris"], "answer_start": [3]},
        [{"text": "Paris", "answer_start": 9}],
        {"text": "Paris", "answer_start": 3},
    ):
        assert convert({"c": "In Paris", "q": "Where?", "a": answer}, "qa", mapping) == expected
    assert convert({"c": "In Paris", "q": "Where?", "a": {"text": [], "answer_start": []}}, "qa", mapping)["answers"]["text"] == []
    for kind, row, m in (
        ("regression", {"t": "x", "l": "much"}, {"text": "t", "label": "l"}),
        ("qa", {"c": "In Rome", "q": "W?", "a": "Paris"}, mapping),
        ("tokens", {"w": ["a"], "g": ["O", "O"]}, {"tokens": "w", "tags": "g"}),
        ("classification", {"t": "x"}, {"text": "t"}),
    ):
        with pytest.raises(RowProblem):
            convert(row, kind, m)


ROWS = {
    "chat": {"messages": [user("Q"), assistant("A")]},
    "preference": {"prompt": [user("Q")], "chosen": [assistant("A")], "rejected": [assistant("N")]},
    "rated": {"prompt": [user("Q")], "answer": [assistant("A")], "label": True},
    "classification": {"text": "Q", "label": "A"},
    "seq2seq": {"source": "Q", "target": "A"},
}


@pytest.mark.parametrize("kind", ROWS)
def test_every_kind_with_an_answer_can_be_a_chat(kind):
    assert as_messages(ROWS[kind], kind) == [user("Q"), assistant("A")]
    assert as_messages(ROWS[kind], kind, "Be.")[0] == {"role": "system", "content": "Be."}
    assert question_of(ROWS[kind], kind) == "Q"


def test_what_makes_no_sense_is_refused():
    qa = {"context": "In Paris", "question": "Where?", "answers": {"text": ["Paris"], "answer_start": [3]}}
    assert as_messages(qa, "qa") == [user("In Paris\n\nWhere?"), assistant("Paris")]
    assert as_text({"text": "Once"}, "text") == "Once" and as_text(ROWS["chat"], "chat") == "Q\n\nA"
    assert question_of({"text": "Once upon a time there was a small red fox."}, "text") == "Once upon a time there was a small"
    for call, kind in ((as_messages, "text"), (as_messages, "tokens"), (as_text, "preference"), (as_text, "rated")):
        with pytest.raises(RequestError):
            call({"text": "x"}, kind)


@pytest.mark.parametrize(
    ("kind", "role", "mapping"),
    [
        ("text", "text", {}),
        ("seq2seq", "source", {"target": "b"}),
        ("classification", "text", {"label": "b"}),
        ("chat", "prompt", {"answer": "b"}),
        ("qa", "question", {"context": "b", "answers": "b"}),
    ],
)
def test_a_template_of_several_columns(kind, role, mapping):
    record = {"title": "Lamp", "x": {"body": "It is broken."}, "b": "So"}
    row = convert(record, kind, mapping | {role: "{title}: {x.body}"})
    assert "Lamp: It is broken." in str(row)
    with pytest.raises(RowProblem, match="empty"):
        convert({"title": "", "b": "So"}, kind, mapping | {role: "{title}: {x.body}"})


def test_what_a_template_names():
    assert template_columns("{title}: {x.body}") == ["title", "x.body"]
    assert template_columns("{tags} split at ;") == ["tags"]
    assert template_columns("title") is template_columns("{}") is template_columns(["{a}"]) is None
    assert convert({"{odd}": "kept"}, "text", {"text": "{odd}"}) == {"text": "kept"}


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("['a', 'b']", ["a", "b"]),
        ("['a' 'b']", ["a", "b"]),
        ("[3 0]", [3, 0]),
        ("[{'a': 1}\n {'a': 2}]", [{"a": 1}, {"a": 2}]),
        ("[INST] Hi", "[INST] Hi"),
        ("{broken}", "{broken}"),
        ("[__import__('os')]", "[__import__('os')]"),
    ],
)
def test_cells_that_pandas_wrote(content, value):
    assert unpack(content) == value


def test_a_call_in_sharegpt_becomes_a_tool_call():
    share = [{"from": "human", "value": "1+1?"}, {"from": "function_call", "value": str(CALL).replace("'", '"')}]
    assert turns(share)[1] == assistant("", tool_calls=[{"type": "function", "function": CALL}])


def test_a_call_needs_no_text_beside_it():
    """OpenAI's files leave `content` out of a turn that is a call."""
    calls = [{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}]
    said = turns(
        [{"role": "user", "content": "1+1?"}, {"role": "assistant", "tool_calls": calls}, {"role": "assistant", "function_call": CALL}]
    )
    assert said[1]["tool_calls"][0]["function"] == {"name": "add", "arguments": {"a": 1}} and said[1]["content"] == ""
    assert said[2] == assistant("", tool_calls=[{"type": "function", "function": CALL}])


@pytest.mark.parametrize("weight", ["x", -1, "inf"])
def test_weights_of_rows_are_numbers(weight):
    assert convert({"t": "x", "w": "2"}, "text", {"text": "t", "weight": "w"}) == {"text": "x", "weight": 2.0}
    assert convert({"t": "x", "w": None}, "text", {"text": "t", "weight": "w"}) == {"text": "x"}
    with pytest.raises(RowProblem, match="weight"):
        convert({"t": "x", "w": weight}, "text", {"text": "t", "weight": "w"})


@pytest.mark.parametrize(
    ("record", "mapping", "word"),
    [
        ({"p": "Q", "a": "Y", "b": "N", "w": "tie"}, {"answers": ["a", "b"], "label": "w"}, "Neither"),
        ({"p": "Q", "a": "Y", "b": "N", "w": "5"}, {"answers": ["a", "b"], "label": "w"}, "which answer"),
        ({"p": "Q", "l": ["Y", "N"], "s": [1, 1]}, {"answers": "l", "rating": "s"}, "same score"),
        ({"p": "Q", "l": ["Y", "N"], "s": [1]}, {"answers": "l", "rating": "s"}, "score"),
        ({"p": "Q", "l": ["Y"], "s": [1]}, {"answers": "l", "rating": "s"}, "two answers"),
    ],
)
def test_comparisons_that_teach_nothing(record, mapping, word):
    with pytest.raises(RowProblem, match=word) as caught:
        convert(record, "preference", mapping | {"prompt": "p"})
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("kind", "record", "mapping", "word"),
    [
        ("chat", {"q": "Q", "c": ["k", "l"], "a": "E"}, {"prompt": "q", "choices": "c", "answer": "a"}, "none of the 2"),
        ("chat", {"q": "Q", "c": ["k"], "a": "A"}, {"prompt": "q", "choices": "c", "answer": "a"}, "two options"),
        ("chat", {"q": "Q", "a": "A", "t": "no"}, {"prompt": "q", "answer": "a", "tools": "t"}, "tools"),
        ("chat", {"q": "Q", "a": ["x", "y"]}, {"prompt": "q", "answer": "a"}, "several answers"),
        ("classification", {"t": "x", "a": 1, "b": 7}, {"text": "t", "label": ["a", "b"]}, "neither yes nor no"),
        ("tokens", {"t": "x", "e": [[0, 9, "A"]]}, {"tokens": "t", "tags": "e"}, "does not lie"),
    ],
)
def test_other_rows_that_cannot_be_used(kind, record, mapping, word):
    with pytest.raises(RowProblem, match=word) as caught:
        convert(record, kind, mapping)
    assert caught.value.remedy
