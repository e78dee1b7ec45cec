"""Inputs of kinds that were read wrongly: each is recognised, or refused with what to do, and nothing is dropped in silence."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.test_arrow_import import both, lines
from tuner.data.importing.import_pass import each_row, recognize_with_choices
from tuner.data.readers.reader import Reader
from tuner.data.schema.convert import RowProblem, convert
from tuner.data.store import store
from tuner.errors import DataError

ASKS, SAYS = {"role": "user", "content": "Weather?"}, {"role": "assistant", "content": "Sunny."}
CALL = {"type": "function", "function": {"name": "w", "arguments": {"c": 1}}}
M = {"messages": "messages"}


def read(path, **options):
    """(recognition, canonical rows, tally) of a file."""
    reader = Reader(path)
    found = recognize_with_choices(reader, options.get("kind"), options.get("mapping"))
    *rows, (_, _, tally) = each_row(reader, found.kind, found.mapping, None, None)
    return found, [json.loads(text) for _, text, _ in rows], tally


def talk(*turns):
    return convert({"messages": list(turns)}, "chat", M)["messages"]


# ---- typed parts


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "value": "Sunny."},
        {"type": "text", "text": "Sunny."},
        {"type": "text", "text": {"value": "Sunny.", "annotations": []}},
        {"type": "text", "text": None, "value": "Sunny.", "image_url": None},
        {"type": "output_text", "output_text": "Sunny."},
        {"type": "TEXT", "content": "Sunny."},
        {"text": "Sunny."},
        "Sunny.",
    ],
)
def test_the_text_of_a_part_stands_under_many_names(part):
    assert talk(
        {"role": "user", "content": [{"type": "text", "value": "Weather?"}]}, {"role": "assistant", "content": [{"text": ""}, part]}
    ) == [
        ASKS,
        {"role": "assistant", "content": "\nSunny."} | {},
    ]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "reasoning", "value": "hm"},
        {"type": "reasoning", "text": "hm"},
        {"type": "reasoning", "reasoning": "hm"},
        {"type": "thinking", "thinking": "hm", "signature": "x"},
    ],
)
def test_thoughts_of_a_part(part):
    answer = {"role": "assistant", "content": [part, {"type": "text", "value": "Sunny."}]}
    assert talk(ASKS, answer)[1] == SAYS | {"reasoning_content": "hm"}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "tool_call", "value": json.dumps({"name": "w", "arguments": {"c": 1}})},
        {"type": "tool_call", "value": json.dumps({"function": {"name": "w", "arguments": '{"c": 1}'}})},
        {"type": "tool_call", "tool_call": {"name": "w", "arguments": {"c": 1}}},
        {"type": "tool-call", "toolName": "w", "args": {"c": 1}},
        {"type": "tool-call", "toolName": "w", "input": {"c": 1}},
        {"type": "tool_use", "name": "w", "input": {"c": 1}},
        {"type": "function_call", "name": "w", "arguments": '{"c": 1}'},
        {"functionCall": {"name": "w", "args": {"c": 1}}},
    ],
)
def test_calls_among_the_parts(part):
    called = {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}, part]}
    result = {"role": "tool", "content": [{"type": "text", "value": "5"}]}
    got = talk(ASKS, called, result, SAYS)
    assert got[1] == {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL]}
    assert got[2] == {"role": "tool", "content": "5"}


def test_anthropics_blocks_are_calls_results_and_turns():
    called = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "w", "input": {"c": 1}}]}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "5"}]}]}
    assert talk(ASKS, called, result, SAYS) == [
        ASKS,
        {"role": "assistant", "content": "", "tool_calls": [{"id": "t1"} | CALL]},
        {"role": "tool", "content": "5", "tool_call_id": "t1"},
        SAYS,
    ]
    vercel = {
        "role": "tool",
        "content": [{"type": "tool-result", "toolCallId": "t1", "toolName": "w", "output": {"type": "text", "value": "5"}}],
    }
    assert talk(ASKS, called, vercel, SAYS)[2] == {"role": "tool", "content": "5", "name": "w", "tool_call_id": "t1"}
    tools = [{"name": "w", "description": "d", "input_schema": {"type": "object", "properties": {"c": {"type": "integer"}}}}]
    row = convert({"messages": [ASKS, SAYS], "tools": tools}, "chat", M | {"tools": "tools"})
    assert row["tools"][0]["function"]["parameters"] == tools[0]["input_schema"]


def test_typed_pairs_are_preferences(tmp_path):
    def side(text):
        return [
            {"role": "user", "content": [{"type": "text", "value": "Name it."}]},
            {"role": "assistant", "content": [{"type": "text", "value": text}]},
        ]

    file = lines(tmp_path / "a.jsonl", [{"chosen_messages": side(f"Shade {n}."), "rejected_messages": side("No.")} for n in range(6)])
    found, rows, tally = read(file)
    assert found.kind == "preference" and tally.usable == 6 and rows[0]["chosen"] == [{"role": "assistant", "content": "Shade 0."}]


# ---- nulls that Arrow fills in


def called(name, arguments):
    return [
        ASKS,
        {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": {"name": name, "arguments": arguments}}]},
    ]


def offer(name, properties):
    return [{"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": properties}}}]


CALLED = [
    {"messages": called("stock", {"ticker": "A", "city": None}), "tools": offer("stock", {"ticker": {"type": "string"}, "city": None})},
    {
        "messages": called("weather", {"ticker": None, "city": "Rome"}),
        "tools": offer("weather", {"ticker": None, "city": {"type": "string"}}),
    },
]


@pytest.mark.parametrize("tools", [True, False])
def test_no_null_of_another_function_is_trained(tmp_path, tools, ws, monkeypatch):
    rows = [row if tools else {"messages": row["messages"]} for row in CALLED] * 3
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    _, got, _ = read(tmp_path / "a.parquet")
    assert got[1]["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"city": "Rome"} and "null" not in json.dumps(got)
    slow, fast, _ = both(ws, tmp_path / "a.parquet", monkeypatch)
    assert slow == fast and "ticker': None" not in str(fast)


def test_in_json_a_null_for_a_field_the_function_has_is_data(tmp_path):
    row = json.loads(json.dumps(CALLED[1]))
    row["messages"][1]["tool_calls"][0]["function"]["arguments"]["city"] = None
    row["tools"][0]["function"]["parameters"]["properties"]["city"] |= {"default": None, "enum": None}
    _, got, _ = read(lines(tmp_path / "a.jsonl", [row]))
    assert got[0]["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"city": None}
    assert got[0]["tools"][0]["function"]["parameters"]["properties"] == {"city": {"type": "string", "default": None}}


def test_a_null_elsewhere_in_arrow_stays(tmp_path):
    pq.write_table(pa.Table.from_pylist([{"prompt": "p", "answer": {"arguments": {"pro": "x", "con": None}}}]), tmp_path / "a.parquet")
    assert next(iter(Reader(tmp_path / "a.parquet"))).value["answer"] == {"arguments": {"pro": "x", "con": None}}


# ---- calls that are written into a text


@pytest.mark.parametrize(
    ("text", "rest", "thoughts"),
    [
        ('<think>need it</think>\n{"name": "w", "arguments": {"c": 1}}', "", "need it"),
        ('I will look.\n{"name": "w", "arguments": {"c": 1}}\nOne moment.', "I will look.\n\nOne moment.", None),
        ('<think>a {b} c</think>```json\n[{"name": "w", "arguments": "{\\"c\\": 1}"}]\n```', "", "a {b} c"),
        ('<tool_call>\n{"name": "w", "arguments": {"c": 1}}\n</tool_call>', "", None),
        ('Set {x}: {"name": "w", "parameters": {"c": 1}}', "Set {x}:", None),
    ],
)
def test_a_call_with_thoughts_or_words_around_it(text, rest, thoughts):
    turns = [{"from": "human", "value": "Weather?"}, {"from": "function_call", "value": text}, {"from": "observation", "value": "5"}]
    got = talk(*turns, {"from": "gpt", "value": "Sunny."})[1]
    assert got == {"role": "assistant", "content": rest, "tool_calls": [CALL]} | ({"reasoning_content": thoughts} if thoughts else {})


def test_tags_make_a_call_of_an_answer_and_talk_about_json_does_not(ws, tmp_path, monkeypatch):
    hermes = '<think>hm</think>\n<tool_call>\n{"name": "w", "arguments": {"c": 1}}\n</tool_call>\n<tool_call>{"name": "w", "arguments": {"c": 1}}</tool_call>'
    got = talk(ASKS, {"role": "assistant", "content": hermes})[1]
    assert got == {"role": "assistant", "content": "", "tool_calls": [CALL, CALL], "reasoning_content": "hm"}
    plain = {"role": "assistant", "content": 'Write {"name": "w", "arguments": {"c": 1}} or <tool_call> with more.'}
    assert talk(ASKS, plain)[1]["content"] == "Write  or  with more." or talk(ASKS, plain)[1] == plain
    file = lines(tmp_path / "a.jsonl", [{"messages": [ASKS, {"role": "assistant", "content": t}]} for t in (hermes, "Sunny.", "a < b")])
    slow, fast, gone = both(ws, file, monkeypatch)
    assert slow == fast and gone == 1 and fast[1][0]["value"]["messages"][1]["tool_calls"]


# ---- pictures, sound and video


def seen(question, **more):
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": "2 jars."}]} | more


@pytest.mark.parametrize(
    "row",
    [
        seen("<image>What is it?", images=["shelf/0.jpg"]),
        seen("What is it?", images=[{"bytes": None, "path": "a.png"}]),
        seen("What is said?", audio={"path": "a.wav", "array": [0.1], "sampling_rate": 16000}),
        seen("What is it?", image="https://example.org/a.jpg?w=3"),
        seen("What is it?\n<image>"),
        seen("<video>\nWhat is it?"),
        seen("Look: <|image_pad|> so?"),
        seen("<image_1> or <image_2>?"),
        seen([{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "x"}}]),
        seen([{"type": "input_audio", "input_audio": {"data": "x"}}, {"type": "text", "text": "What?"}]),
    ],
)
def test_a_row_with_media_is_left_out_and_told(tmp_path, row, ws):
    words = [seen(f"How many are {n}?", **{k: type(row[k])() for k in row if k != "messages"}) for n in range(30)]
    file = lines(tmp_path / "a.jsonl", words + [row, row])
    ds = store.add(ws, file)
    assert ds.rows == 30 and ds.problem_count == 2 and "without media" in ds.problems[0]["remedy"]
    assert any(note.startswith("2 rows refer to images") for note in ds.notes)
    with pytest.raises(DataError) as caught:
        store.add(ws, lines(tmp_path / "b.jsonl", [row] * 3))
    assert "without media" in caught.value.remedy
    assert read(tmp_path / "b.jsonl")[0].confidence <= 0.5


@pytest.mark.parametrize(
    "text", ["Is <video> an HTML tag?", "<image>\n <url>x</url>\n</image>", "a < image > b", "the images folder", "```\n<image>\n```"]
)
def test_words_about_media_are_words(text):
    assert convert(seen(text, images=[], video=None), "chat", M)["messages"][0]["content"] == text


def test_a_link_beside_a_labelled_text_is_told_and_no_hindrance(tmp_path):
    rows = [{"text": f"nice chair {n}", "image": "https://a.b/c.jpg", "label": "ab"[n % 2]} for n in range(20)]
    found, got, tally = read(lines(tmp_path / "a.jsonl", rows))
    assert found.kind == "classification" and len(got) == 20 and "not trained" in str(tally.fixed)


def test_the_fast_way_sees_media_as_well(ws, tmp_path, monkeypatch):
    rows = [{"prompt": f"<image>What is {n}?" if n % 9 == 0 else f"a < {n}", "answer": f"It is {n}."} for n in range(90)]
    slow, fast, gone = both(ws, lines(tmp_path / "a.jsonl", rows), monkeypatch)
    assert slow == fast and gone == 1 and fast[0]["problem_count"] == 10
    with pytest.raises(RowProblem):
        convert(rows[0], "chat", {"prompt": "prompt", "answer": "answer"})
