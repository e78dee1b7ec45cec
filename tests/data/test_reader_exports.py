"""Exports of other programs: read as what they are, or refused with the export to take."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.data.test_cases import read
from tuner.data.readers.exports import whatsapp
from tuner.data.readers.reader import Reader
from tuner.errors import DataError


def saved(tmp_path, content, name="a.json"):
    (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return tmp_path / name


def talk(row):
    return [(m["role"], m["content"]) for m in row["messages"]]


# ---- ChatGPT


def node(id, parent, role=None, text="", children=(), **more):
    content = more.pop("content", {"content_type": "text", "parts": [text]})
    message = role and {"author": {"role": role, "name": more.pop("name", None)}, "content": content, **more}
    return {id: {"id": id, "message": message, "parent": parent, "children": list(children)}}


def chatgpt(*nodes, current="z", **more):
    mapping = {k: dict(v) for one in nodes for k, v in one.items()}
    for id, one in mapping.items():
        one["children"] = one["children"] or [k for k, v in mapping.items() if v["parent"] == id]
    return {"title": "A title that is no text", "mapping": mapping, "current_node": current, **more}


BEGIN = [node("r", None), node("s", "r", "system"), node("u", "s", "user", "hi")]


def test_the_current_branch_of_chatgpt(tmp_path):
    hidden = node("h", "u", "system", "secret", metadata={"is_visually_hidden_from_conversation": True})
    ends = [node("old", "h", "assistant", "first"), node("z", "h", "assistant", "second"), node("later", "old", "user", "no")]
    found, rows, tally = read(saved(tmp_path, [chatgpt(*BEGIN, hidden, *ends)] * 2))
    assert found.kind == "chat" and not found.questions and tally.usable == 2
    assert talk(rows[0]) == [("user", "hi"), ("assistant", "second")]
    assert "ChatGPT" in Reader(tmp_path / "a.json").note


@pytest.mark.parametrize("current", [None, "gone"])
def test_without_a_current_node_the_last_branch_counts(tmp_path, current):
    record = chatgpt(*BEGIN, node("a", "u", "assistant", "first"), node("z", "u", "assistant", "second"), current=current)
    assert talk(read(saved(tmp_path, [record]))[1][0]) == [("user", "hi"), ("assistant", "second")]
    record["mapping"]["r"]["parent"] = "z"  # a ring
    assert read(saved(tmp_path, [record | {"current_node": "z"}]))[1]
    assert talk(read(saved(tmp_path, chatgpt(*BEGIN, node("z", "u", "assistant", "one"))))[1][0])[1] == ("assistant", "one")


def test_thoughts_calls_results_and_citations(tmp_path):
    thoughts = {"content_type": "thoughts", "thoughts": [{"summary": "s", "content": "let me see"}]}
    code = {"content_type": "code", "language": "python", "text": "print(1)"}
    nodes = [
        node("t", "u", "assistant", content=thoughts),
        node("c", "t", "assistant", content=code, recipient="python"),
        node("o", "c", "tool", content={"content_type": "execution_output", "text": "1"}, name="python"),
        node("k", "o", "assistant", content={"content_type": "reasoning_recap", "content": "Thought for 2 s"}),
        node("z", "k", "assistant", "It is 1\ue200cite\ue202turn0\ue201.", recipient="all"),
    ]
    messages = read(saved(tmp_path, [chatgpt(*BEGIN, *nodes)]))[1][0]["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "tool", "assistant"] and messages[3]["content"] == "It is 1."
    assert messages[1]["reasoning_content"] == "let me see"
    assert messages[1]["tool_calls"] == [{"type": "function", "function": {"name": "python", "arguments": {"input": "print(1)"}}}]
    assert messages[2] == {"role": "tool", "content": "1", "name": "python"}


def test_pictures_are_announced_and_transcripts_are_text(tmp_path):
    def asked(*parts):
        content = {"content_type": "multimodal_text", "parts": list(parts)}
        return chatgpt(*BEGIN[:2], node("u", "s", "user", content=content), node("z", "u", "assistant", "ok"))

    picture, sound = {"content_type": "image_asset_pointer", "asset_pointer": "x"}, {"content_type": "audio_asset_pointer"}
    heard = {"content_type": "audio_transcription", "text": "hello there"}
    _, rows, tally = read(saved(tmp_path, [asked(picture, "what is it?"), asked(sound, heard)]))
    assert [p["row"] for p in tally.problems] == [1] and "image" in tally.problems[0]["message"]
    assert talk(rows[0])[0] == ("user", "hello there")


def test_the_list_of_shared_links_is_refused(tmp_path):
    with pytest.raises(DataError, match="shared links"):
        Reader(saved(tmp_path, [{"id": "1", "conversation_id": "2", "title": "t", "is_anonymous": True}]))


# ---- Claude and Anthropic


def said(sender, *blocks, **more):
    return {"sender": sender, "text": more.pop("text", ""), "content": list(blocks), "attachments": [], "files": []} | more


def test_claudes_export(tmp_path):
    blocks = [
        {"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "I look.", "citations": []}, {"type": "token_budget"},
        {"type": "tool_use", "id": "t1", "name": "find", "input": {"q": "x"}},
        {"type": "tool_result", "tool_use_id": "t1", "name": "find", "content": [{"type": "text", "text": "found"}]},
        {"type": "text", "text": "There it is."},
    ]  # fmt: skip
    asks = said("human", {"type": "text", "text": "Where?"}, attachments=[{"file_name": "a.txt", "extracted_content": "in the file"}])
    record = {"uuid": "1", "name": "A title", "chat_messages": [asks, said("assistant", *blocks, text="not supported")]}
    found, rows, _ = read(
        saved(tmp_path, [record, {"uuid": "2", "name": "t", "chat_messages": [said("human", text="a"), said("assistant", text="b")]}])
    )
    assert found.kind == "chat" and not found.questions and talk(rows[1]) == [("user", "a"), ("assistant", "b")]
    messages = rows[0]["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "tool", "assistant"] and messages[0]["content"] == "Where?\nin the file"
    assert messages[1]["reasoning_content"] == "hm" and messages[1]["tool_calls"][0]["function"]["arguments"] == {"q": "x"}
    assert messages[2]["content"] == "found" and messages[3]["content"] == "There it is."


def test_branches_and_pictures_of_claude(tmp_path):
    turns = [("u", None, "human", "q"), ("a", "u", "assistant", "old"), ("b", "u", "assistant", "new")]
    messages = [said(who, text=text, uuid=id, parent_message_uuid=parent) for id, parent, who, text in turns]
    picture = [said("human", text="see", files=[{"file_name": "x.png"}]), said("assistant", text="b")]
    _, rows, tally = read(saved(tmp_path, [{"chat_messages": messages}, {"chat_messages": picture}]))
    assert talk(rows[0]) == [("user", "q"), ("assistant", "new")] and [p["row"] for p in tally.problems] == [2]


def test_messages_of_anthropics_api(tmp_path):
    record = {
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": [{"type": "text", "text": "I look."}, {"type": "tool_use", "id": "t1", "name": "w", "input": {"c": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "sun"}]}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Sunny."}]},
        ],
        "tools": [{"name": "w", "description": "d", "input_schema": {"type": "object", "properties": {"c": {"type": "integer"}}}}],
    }  # fmt: skip
    path = saved(tmp_path, "\n".join(json.dumps(record) for _ in range(3)), "a.jsonl")
    row = read(path)[1][0]
    assert [m["role"] for m in row["messages"]] == ["system", "user", "assistant", "tool", "assistant"]
    assert row["messages"][0]["content"] == "Be brief." and row["messages"][2]["tool_calls"][0]["function"]["name"] == "w"
    assert row["messages"][3] == {"role": "tool", "content": "sun", "tool_call_id": "t1"} and row["tools"][0]["function"]["name"] == "w"


# ---- Label Studio


def task(n, *results, **more):
    return {"id": n, "data": {"text": f"This is sample {n} of some"}, "annotations": [{"id": n, "result": list(results)} | more]}


def choice(*names, by="s"):
    return {"value": {"choices": list(names)}, "from_name": by, "to_name": "text", "type": "choices"}


def test_choices_of_label_studio(tmp_path):
    tasks = [task(n, choice(("good", "bad")[n % 2])) for n in range(8)] + [task(8), task(9, choice("good"), was_cancelled=True)]
    found, rows, tally = read(saved(tmp_path, tasks))
    assert found.kind == "classification" and rows[1] == {"text": "This is sample 1 of some", "label": "bad"}
    assert [p["row"] for p in tally.problems] == [9, 10]
    tasks[0] = task(0, choice("good", "bad"))
    assert [row["label"] for row in read(saved(tmp_path, tasks))[1]][:2] == [["good", "bad"], ["bad"]]


def test_one_of_several_questions_of_label_studio_is_read_and_said(tmp_path):
    tasks = [task(n, *([choice("x", by="rare")] if n == 0 else []), choice("ab"[n % 2], by="often")) for n in range(8)]
    assert [row["label"] for row in read(saved(tmp_path, tasks))[1]] == list("abababab") and "rare" in Reader(tmp_path / "a.json").note


def test_spans_ratings_and_answers_of_label_studio(tmp_path):
    span = {"value": {"start": 0, "end": 4, "text": "This", "labels": ["DET"]}, "from_name": "n", "type": "labels"}
    found, rows, _ = read(saved(tmp_path, [task(n, span) for n in range(8)]))
    assert found.kind == "tokens" and rows[0]["tags"][:2] == ["B-DET", "O"]
    rating = [task(n, {"value": {"rating": n % 5 + 1}, "from_name": "n", "type": "rating"}) for n in range(8)]
    assert [str(row["label"]) for row in read(saved(tmp_path, rating))[1]][:2] == ["1", "2"]
    area = [task(n, {"value": {"text": [f"answer {n}"]}, "from_name": "n", "type": "textarea"}) for n in range(8)]
    found, rows, _ = read(saved(tmp_path, area))
    assert found.kind == "chat" and talk(rows[2])[1] == ("assistant", "answer 2")


@pytest.mark.parametrize("name", ["sentiment", "q1"])
@pytest.mark.parametrize("value", [lambda n: "ab"[n % 2], lambda n: {"choices": ["a", "b"] if n % 2 else ["a"]}])
def test_json_min_of_label_studio(tmp_path, name, value):
    aside = {"annotator": 1, "annotation_id": 3, "created_at": "2026", "updated_at": "2026", "lead_time": 1.5}
    found, rows, _ = read(saved(tmp_path, [{"text": f"This is sample {n}", "id": n, name: value(n)} | aside for n in range(8)]))
    assert found.kind == "classification" and rows[1]["label"] in ("b", ["a", "b"]) and rows[1]["text"] == "This is sample 1"


def test_what_is_no_text_in_label_studio_is_refused(tmp_path):
    box = {"value": {"x": 1, "rectanglelabels": ["cat"]}, "from_name": "n", "type": "rectanglelabels"}
    picture = [{"id": 1, "data": {"image": "https://x/y.png"}, "annotations": [{"result": [box]}]}]
    for tasks in (picture, [task(1)], [{"id": 1, "data": {"text": "a b"}, "annotations": []}]):
        with pytest.raises(DataError, match="Label Studio") as refused:
            Reader(saved(tmp_path, tasks))
        assert "export them as JSON" in refused.value.remedy


# ---- people


LINES = [("Anna", "Is it open?"), ("Shop", "Yes,"), ("Shop", "until 6."), ("Anna", "Thanks"), ("Shop", "Welcome")]
TURNS = [("user", "Is it open?"), ("assistant", "Yes,\nuntil 6."), ("user", "Thanks"), ("assistant", "Welcome")]
BEGIN_AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def times():
    """(when, who, what) of three days with the same chat."""
    return [(BEGIN_AT + timedelta(days=day, minutes=n), who, text) for day in range(3) for n, (who, text) in enumerate(LINES)]


def slack():
    lines = [{"type": "message", "subtype": "channel_join", "user": "U1", "ts": "1700000000.000100", "text": "<@U1> has joined"}]
    return lines + [
        {"type": "message", "user": f"U{who}", "user_profile": {"real_name": who}, "ts": f"{when.timestamp():.6f}", "text": text}
        for when, who, text in times()
    ]


def discord():
    messages = [
        {"id": "1", "type": "Default", "timestamp": when.isoformat(), "content": text, "author": {"id": who, "name": who, "isBot": False}, "attachments": []}
        for when, who, text in times()
    ]  # fmt: skip
    pinned = messages[0] | {"type": "ChannelPinnedMessage", "content": "Pinned a message."}
    return {"guild": {"id": "1", "name": "g"}, "channel": {"id": "2"}, "messages": [pinned, *messages], "messageCount": 16}


def telegram():
    messages = [
        {"id": n, "type": "message", "date": when.isoformat()[:19], "date_unixtime": f"{when.timestamp():.0f}", "from": who, "from_id": f"user{who}",
         "text": text if n % 2 else [text[:2], {"type": "bold", "text": text[2:]}]}
        for n, (when, who, text) in enumerate(times())
    ]  # fmt: skip
    return {
        "name": "Shop",
        "type": "personal_chat",
        "id": 1,
        "messages": [{"id": 0, "type": "service", "actor_id": "x", "date": "2026"}, *messages],
    }


@pytest.mark.parametrize("export", [slack, discord, telegram])
def test_chats_of_people(tmp_path, export):
    found, rows, tally = read(saved(tmp_path, export()))
    assert found.kind == "chat" and found.mapping == {"messages": "{messages} answered by Shop"} and found.questions
    assert "'Shop'" in found.questions[0] and "'Anna'" in found.questions[0] and tally.problems == []
    assert [talk(row) for row in rows] == [TURNS] * 3
    other = read(tmp_path / "a.json", mapping={"messages": "{messages} answered by Anna"})[1]
    assert ("assistant", "Thanks") in talk(other[0])


WHATSAPP = {
    "iPhone": "[{:%d.%m.%y, %H:%M:%S}] {}: {}",
    "iPhone with marks": "\u200e[{:%d/%m/%Y, %H:%M:%S}] ~\u202f{}: {}",
    "iPhone in America": "[{:%m/%d/%y, %I:%M:%S\u202f%p}] {}: {}",
    "Android": "{:%d/%m/%Y, %H:%M} - {}: {}",
    "Android in America": "{:%m/%d/%y, %I:%M %p} - {}: {}",
    "Android in Germany": "{:%d.%m.%y, %H:%M} - {}: {}",
    "year first": "[{:%Y-%m-%d, %H:%M:%S}] {}: {}",
}


@pytest.mark.parametrize("form", WHATSAPP)
def test_whatsapp(tmp_path, form):
    lines = [WHATSAPP[form].format(*line) for line in times()]
    first = WHATSAPP[form].format(BEGIN_AT, "Anna", "x").partition("Anna")[0].rstrip("~\u202f")
    notices = [f"{first}Messages and calls are end-to-end encrypted.", f"{first}Anna: <Media omitted>", f"{first}Anna: \u200eimage omitted"]
    lines[2] = lines[2].replace("until 6.", "until 6.\n- or: 7 <This message was edited>")
    found, rows, tally = read(saved(tmp_path, "\n".join(notices + lines), "_chat.txt"))
    assert found.mapping == {"messages": "{messages} answered by Shop"} and found.questions and tally.problems == []
    assert [talk(row) for row in rows[1:]] == [TURNS] * 2 and talk(rows[0])[1] == ("assistant", "Yes,\nuntil 6.\n- or: 7")
    assert "WhatsApp" in Reader(tmp_path / "_chat.txt").note


@pytest.mark.parametrize(
    "text",
    ["Anna: hi\nBert: ho\n", "12/31/20 was a day\nof many", "[1] A note: x\n[2] Another: y", "Dear diary,\n\n12/31/20, 23:59 - Anna: hi"],
)
def test_other_texts_are_no_whatsapp(text):
    assert whatsapp.dated(text) is None


def test_threads_mentions_and_bots_of_slack(tmp_path):
    at = 1700000000
    lines = [
        {"type": "message", "user": "U1", "user_profile": {"real_name": "Anna"}, "ts": f"{at}.0001", "thread_ts": f"{at}.0001", "text": "It &lt;breaks&gt;"},
        {"type": "message", "user": "U2", "user_profile": {"real_name": "Bert"}, "ts": f"{at + 9}.0001", "text": "Lunch?"},
        {"type": "message", "subtype": "bot_message", "username": "helpbot", "ts": f"{at + 20}.0001", "thread_ts": f"{at}.0001",
         "text": "<@U1> see <https://a.b|the page>"},
    ]  # fmt: skip
    found, rows, _ = read(saved(tmp_path, lines))
    assert found.mapping["messages"].endswith("answered by helpbot")
    assert [m["content"] for m in rows[0]["messages"]] == ["It <breaks>", "@Anna see the page"]


def test_three_people_keep_their_names(tmp_path):
    turns = [{"from": "Anna", "value": "Hi"}, {"from": "Bert", "value": "Ho"}, {"from": "Shop Bot", "value": "Hello both"}]
    found, rows, _ = read(saved(tmp_path, [{"conversations": turns}] * 4))
    assert found.questions and talk(rows[0]) == [("user", "Anna: Hi\n\nBert: Ho"), ("assistant", "Hello both")]


def test_sharegpt_with_tools_is_not_asked_about(tmp_path):
    call = json.dumps({"name": "w", "arguments": {"c": 1}})
    turns = [
        {"from": "human", "value": "a"},
        {"from": "function_call", "value": call},
        {"from": "observation", "value": "5"},
        {"from": "gpt", "value": "b"},
    ]
    found, rows, _ = read(saved(tmp_path, [{"conversations": turns}] * 4))
    assert not found.questions and [m["role"] for m in rows[0]["messages"]] == ["user", "assistant", "tool", "assistant"]
