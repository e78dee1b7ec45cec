"""Shapes that other tools write, each recognised with the mapping a person would choose, and convertible with it."""

import json

import pytest

from tests.data.shapes import ASKED, HI, YO, a, u
from tests.data.shapes import SHAPES as WILD
from tuner.data.detection.detect import kind_of, missing, recognise
from tuner.data.readers.nested import find_fold
from tuner.data.schema.column_aliases import INSTEAD, KINDS, ROLES, SYNONYMS
from tuner.data.schema.convert import convert

TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
SHARE = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
PQ = {"prompt": "prompt", "answer": "answer"}

SHAPES = [  # kind, mapping, rows
    ("chat", {"prompt": ["instruction", "input"], "answer": "output"}, [{"instruction": "Say", "input": "", "output": "So"}]),
    (
        "chat",
        {"prompt": ["instruction", "input"], "answer": "output", "system": "system", "history": "history"},
        [{"instruction": "Say", "input": "", "output": "So", "system": "Be", "history": [["a", "b"]]}],
    ),
    (
        "chat",
        {"prompt": ["instruction", "context"], "answer": "response"},
        [{"instruction": "Say", "context": "", "response": "So", "category": "qa"}],
    ),
    ("chat", {"prompt": "instruction", "answer": "output"}, [{"instruction": "Say", "output": "So", "id": "1", "parent_id": ""}]),
    ("chat", {"messages": "conversations", "system": "system"}, [{"conversations": SHARE, "system": "Be", "tools": "[]"}]),
    ("chat", {"messages": "messages"}, [{"messages": TURNS}]),
    ("chat", {"messages": "messages"}, [{"id": "1", "messages": json.dumps(TURNS)}]),
    ("chat", {"messages": "conversation"}, [{"conversation": [{"human": "Hi", "assistant": "Hello"}]}]),
    ("chat", {"messages": "data"}, [{"id": "0", "data": ["Hi", "Hello", "And", "So"]}]),
    ("chat", {"messages": "zeug"}, [{"zeug": TURNS}]),
    ("chat", {"prompt": "prompt", "answer": "completion"}, [{"prompt": "Hi", "completion": "Hello"}]),
    ("chat", {"prompt": "prompt", "answer": "response"}, [{"prompt": "Hi", "response": "Hello"}]),
    ("chat", {"prompt": "Question", "answer": "Answer"}, [{"Question": "Hi", "Answer": "Hello", "Category": "x"}]),
    ("chat", {"prompt": "query", "answer": "response"}, [{"query": "Hi", "response": "Hello", "type": "x"}]),
    (
        "chat",
        {"prompt": "Customer Message", "answer": "Agent Reply"},
        [{"Ticket ID": "4", "Customer Message": "Hi", "Agent Reply": "Hello"}],
    ),
    ("chat", {"prompt": "user", "answer": "assistant"}, [{"user": "Hi", "assistant": "Hello"}]),
    ("chat", {"prompt": "input", "answer": "output"}, [{"input": "Hi", "output": "Hello"}]),
    (
        "chat",
        {"prompt": "question", "answer": "response", "system": "system_prompt"},
        [{"id": "1", "system_prompt": "Be", "question": "Hi", "response": "Yo"}],
    ),
    ("chat", {"prompt": "Frage", "answer": "Antwort"}, [{"Frage": "Wer?", "Antwort": "Ich."}]),
    ("chat", {"prompt": "问题", "answer": "答案"}, [{"问题": "谁", "答案": "我"}]),
    (
        "chat",
        {"prompt": "user_question_text", "answer": "finalModelAnswer"},
        [{"user_question_text": "Hi there", "finalModelAnswer": "Hello"}],
    ),
    (
        "chat",
        {"prompt": ["context", "question"], "answer": "answer"},
        [{"context": "Paris is nice", "question": "Where?", "answer": "In the city of light"}],
    ),
    ("text", {"text": "text"}, [{"text": "Once."}]),
    ("text", {"text": "text"}, [{"text": "Once.", "timestamp": "2020", "url": "http://x"}]),
    ("text", {"text": "story"}, [{"story": "Once upon a time."}]),
    ("classification", {"text": "text", "label": "label"}, [{"text": "good film", "label": 1}, {"text": "bad film", "label": 0}]),
    (
        "classification",
        {"text": "review", "label": "sentiment"},
        [{"review": "good", "sentiment": "positive"}, {"review": "bad", "sentiment": "negative"}],
    ),
    ("classification", {"text": "text", "label": "category"}, [{"text": "printer", "category": "hw"}, {"text": "mail", "category": "sw"}]),
    (
        "classification",
        {"text": "text", "label": "target"},
        [{"id": "1", "text": "fire", "target": "1"}, {"id": "2", "text": "calm", "target": "0"}],
    ),
    ("classification", {"text": ["premise", "hypothesis"], "label": "label"}, [{"premise": "A b", "hypothesis": "c d", "label": 1}] * 3),
    ("classification", {"text": ["subject", "body"], "label": "priority"}, [{"subject": "mail", "body": "fails", "priority": "high"}] * 2),
    (
        "regression",
        {"text": ["sentence1", "sentence2"], "label": "score"},
        [{"sentence1": "a b", "sentence2": "c d", "score": s} for s in (3.4, 1.0)],
    ),
    ("seq2seq", {"source": "source", "target": "target"}, [{"source": "A cat", "target": "Eine Katze"}]),
    ("seq2seq", {"source": "en", "target": "de"}, [{"en": "cat", "de": "Katze"}]),
    ("seq2seq", {"source": "translation.en", "target": "translation.de"}, [{"translation": {"en": "cat", "de": "Katze"}}]),
    ("seq2seq", {"source": "article", "target": "highlights"}, [{"article": "Long", "highlights": "Short", "id": "f"}]),
    ("seq2seq", {"source": "dialogue", "target": "summary"}, [{"id": "1", "dialogue": "A: hi\nB: yo", "summary": "They greet"}]),
    ("seq2seq", {"source": "input_text", "target": "target_text"}, [{"prefix": "t", "input_text": "x y", "target_text": "z w"}]),
    ("preference", {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}, [{"prompt": "Hi", "chosen": "Yo", "rejected": "No"}]),
    (
        "preference",
        {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
        [{"prompt": "Hi", "chosen": TURNS, "rejected": [TURNS[0], {"role": "assistant", "content": "No"}], "score_chosen": 1.0}],
    ),
    (
        "preference",
        {"prompt": ["instruction", "input"], "chosen": "chosen", "rejected": "rejected"},
        [{"instruction": "I", "input": "", "chosen": "Y", "rejected": "N"}],
    ),
    (
        "preference",
        {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
        [{"conversations": SHARE[:1], "chosen": {"from": "gpt", "value": "Y"}, "rejected": {"from": "gpt", "value": "N"}}],
    ),
    (
        "preference",
        {"chosen": "chosen", "rejected": "rejected"},
        [{"chosen": "\n\nHuman: hi\n\nAssistant: yes", "rejected": "\n\nHuman: hi\n\nAssistant: no"}],
    ),
    (
        "preference",
        {"prompt": "question", "system": "system", "chosen": "chosen", "rejected": "rejected"},
        [{"system": "S", "question": "Q", "chosen": "Y", "rejected": "N"}],
    ),
    (
        "rated",
        {"prompt": "prompt", "answer": "completion", "label": "label"},
        [{"prompt": "Hi", "completion": "Yo", "label": b} for b in (True, False)],
    ),
    ("rated", {"messages": "messages", "label": "kto_tag"}, [{"messages": TURNS, "kto_tag": False}]),
    (
        "qa",
        {"context": "context", "question": "question", "answers": "answers"},
        [{"id": "1", "title": "T", "context": "Paris is nice", "question": "Where?", "answers": {"text": ["Paris"], "answer_start": [0]}}],
    ),
    (
        "qa",
        {"context": "context", "question": "question", "answers": "answer"},
        [{"context": "Paris is nice", "question": "Where?", "answer": "Paris"}],
    ),
    ("tokens", {"tokens": "tokens", "tags": "ner_tags"}, [{"id": "0", "tokens": ["A", "b"], "ner_tags": [0, 1]}]),
]


@pytest.mark.parametrize(("kind", "mapping", "rows"), SHAPES, ids=[f"{s[0]}-{'-'.join(map(str, s[2][0]))}" for s in SHAPES])
def test_shapes_of_other_tools(kind, mapping, rows):
    found = recognise(list(rows[0]), rows)
    assert (found.kind, found.mapping) == (kind, mapping)
    assert found.confidence >= 0.6 and not found.questions and found.reason
    assert not missing(kind, mapping)
    assert convert(rows[0], found.kind, found.mapping)


@pytest.mark.parametrize(("kind", "mapping", "row", "rows"), [shape[1:] for shape in WILD], ids=[shape[0] for shape in WILD])
def test_files_found_in_the_wild_need_no_click(kind, mapping, row, rows):
    found = recognise(list(rows[0]), rows)
    assert (found.kind, found.questions) == (kind, []) and found.confidence >= 0.6, found
    assert mapping in (None, found.mapping) and not missing(found.kind, found.mapping)
    alike = {"regression": "classification"}  # text and label: what the labels are tells the two apart, not the mapping
    assert kind_of(found.mapping) == alike.get(kind, kind)
    converted = convert(rows[0], found.kind, found.mapping)
    assert row in (None, converted)


@pytest.mark.parametrize(("kind", "rows"), [case[1:] for case in ASKED], ids=[case[0] for case in ASKED])
def test_what_is_ambiguous_is_asked(kind, rows):
    found = recognise(list(rows[0]), rows)
    assert found.kind == kind and found.confidence < 0.6 and found.questions and not missing(kind, found.mapping)


SQUAD = {
    "title": "T",
    "paragraphs": [
        {
            "context": "Paris is nice",
            "qas": [
                {"id": "1", "question": "Where?", "answers": [{"text": "Paris", "answer_start": 0}], "is_impossible": False},
                {"id": "2", "question": "Who?", "answers": [], "is_impossible": True},
            ],
        }
    ],
}
TREE = {"text": "Hi", "role": "prompter", "replies": [{"text": t, "role": "assistant", "replies": []} for t in ("Yo", "No")]}
FLAT = [
    {"message_id": m, "parent_id": p, "message_tree_id": tree, "text": text, "role": role}
    for tree, m, p, text, role in (
        ("1", "1", None, "Hi", "prompter"),
        ("1", "2", "1", "Yo", "assistant"),
        ("1", "3", "1", "No", "assistant"),
        ("2", "4", None, "And?", "prompter"),
        ("2", "5", "4", "So", "assistant"),
    )
]
TALK = [{"conversation_id": n, "role": r, "text": x} for n in (1, 2) for r, x in (("user", "Hi"), ("assistant", "Yo"))]
WORD = [{"Sentence #": n, "Word": w, "POS": "X", "Tag": t} for n, w, t in (("S1", "EU", "B-org"), ("", "rejects", "O"), ("S2", "Hi", "O"))]


@pytest.mark.parametrize(
    ("records", "kind", "count", "first"),
    [
        ([SQUAD], "qa", 2, {"context": "Paris is nice", "question": "Where?", "answers": {"text": ["Paris"], "answer_start": [0]}}),
        ([{"message_tree_id": "1", "prompt": TREE}], "chat", 2, {"messages": [HI, YO]}),
        (FLAT, "chat", 3, {"messages": [u("Hi"), a("Yo")]}),
        (TALK, "chat", 2, {"messages": [HI, YO]}),
        (WORD, "tokens", 2, {"tokens": ["EU", "rejects"], "tags": ["B-org", "O"]}),
    ],
    ids=["squad", "oasst-tree", "oasst-messages", "turns", "words"],
)
def test_records_that_are_not_rows_yet(records, kind, count, first):
    fold = find_fold(records)
    rows = list(fold.rows(enumerate(records, 1)))
    found = recognise(fold.columns, [row for _, row in rows])
    assert fold.note and len(rows) == count and rows[0][0] == 1
    assert found.kind == kind and found.confidence >= 0.6 and convert(rows[0][1], found.kind, found.mapping) == first


def test_rows_are_left_alone_by_folding():
    assert not [name for name, _, _, _, rows in WILD if find_fold(rows)] and not find_fold([])


def test_a_column_that_is_empty_at_first_still_counts():
    rows = [{"instruction": "a", "input": "", "output": "b"}] * 200
    assert recognise(list(rows[0]), rows).mapping["prompt"] == ["instruction", "input"]


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([{"spalte1": "Was ist das hier?", "spalte2": "Das ist ein Haus."}, {"spalte1": "Und das da?", "spalte2": "Ein Baum."}], "chat"),
        ([{"v1": v, "v2": f"some message {i}"} for i, v in enumerate(["ham", "spam"] * 10)], "classification"),
        ([{"prompt": "Hi", "response": "Yo", "rating": r} for r in (1, 5)], "rated"),
        ([{"a": 1, "b": 2}], "chat"),
        ([], "text"),
    ],
)
def test_when_unsure_it_guesses_and_asks(rows, kind):
    found = recognise(list(rows[0]) if rows else [], rows)
    assert found.kind == kind and found.confidence < 0.6 and found.questions


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_can_be_asked_for(kind):
    found = recognise(["instruction", "output"], [{"instruction": "Say it", "output": "So"}] * 3, kind)
    assert found.kind == kind and found.confidence <= 0.95
    assert recognise([], [], kind).questions


def test_strange_cells_do_not_upset_it():
    rows = [
        {"tools": [{"type": "function"}], "x": float("nan"), "y": b"\xff", "z": None, "messages": "[{broken"},
        {"messages": [{"role": "alien", "content": "x"}]},
    ]
    assert recognise(["tools", "x", "y", "z", "messages"], rows)


def test_the_tables_agree():
    for kind, (title, required, optional) in KINDS.items():
        assert title and all(len(set(names.split())) == len(names.split()) for names in SYNONYMS.values())
        assert set(required + optional) <= set(ROLES) and kind_of(dict.fromkeys(required, "c")) == kind or kind == "regression"
        assert all(role in SYNONYMS for role in required)
    assert set(INSTEAD) <= set(ROLES)
