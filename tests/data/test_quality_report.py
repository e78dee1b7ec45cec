"""The health report on real small datasets: every finding is made by rows that have the trouble, and by no others."""

import json
import random

import numpy as np
import pytest

from tests.data.test_near_duplicates import passages
from tuner.data.quality import report, size_guidance
from tuner.data.quality.profile import Survey, histogram
from tuner.data.quality.rules import checks
from tuner.data.store import store
from tuner.errors import DataError
from tuner.paths import Workspace

KINDS = {
    "chat": {"prompt": "Name a flower, if you please.", "completion": "A tulip is one of them."},
    "text": {"text": "A tulip is a flower that many people like."},
    "preference": {"prompt": "Name a flower.", "chosen": "A tulip.", "rejected": "No idea at all."},
    "rated": {"prompt": "Name a flower.", "completion": "A tulip.", "label": True},
    "classification": {"text": "The parcel is late again.", "label": "delivery"},
    "regression": {"text": "The parcel is late again.", "label": 1.5},
    "seq2seq": {"source": "The tulip is red.", "target": "Die Tulpe ist rot."},
    "qa": {"context": "The tulip is red.", "question": "What is red?", "answers": {"text": ["The tulip"], "answer_start": [0]}},
    "tokens": {"tokens": ["Anna", "sings"], "tags": ["B-PER", "O"]},
}


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / "home", machine=tmp_path / "machine")


def add(ws, rows, **options):
    path = ws.home.parent / "made.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return store.add(ws, path, **options)


def chats(n=60, seed=2):
    """Rows that nothing is wrong with; each has words of its own."""
    return [{"prompt": " ".join(p[:10]) + "?", "completion": " ".join(p[10:])} for p in passages(n, length=30, seed=seed)]


def found(ws, rows, **options):
    return {f.key: f for f in report.report(add(ws, rows, **options))}


def test_rows_without_trouble_are_ready(ws):
    ds = add(ws, chats())
    assert report.report(ds) == [] and report.score([], ds) == "Ready"


def test_repeated_and_nearly_repeated_rows_are_told_apart(ws):
    rows = chats()
    rows += [dict(rows[3]), dict(rows[3]), dict(rows[5]), {"prompt": rows[7]["prompt"].title(), "completion": rows[7]["completion"] + "!"}]
    by_key = found(ws, rows, held_out=0)
    assert set(by_key) == {"duplicates", "near_duplicates"}
    assert (by_key["duplicates"].count, by_key["duplicates"].later) == (3, [61, 62, 63])
    assert by_key["duplicates"].details["groups"] == [[4, 61, 62], [6, 63]]
    assert (by_key["near_duplicates"].count, by_key["near_duplicates"].members) == (1, [8, 64])
    assert by_key["near_duplicates"].title == "1 row is nearly the same as an earlier row"


def test_a_held_out_row_that_nearly_repeats_a_training_row(ws):
    rows = chats(300)
    ds = add(ws, rows + [r | {"prompt": "Please: " + r["prompt"]} for r in rows], held_out=0.3)
    (leak,) = [f for f in report.report(ds) if f.key == "near_leaks"]
    side = {r["row"]: r["held_out"] for r in store.iterate(ds)}
    straddling = [i for i in range(1, 301) if side[i] != side[i + 300]]
    assert sorted(leak.members) == sorted(i if side[i] else i + 300 for i in straddling) and len(straddling) > 50
    assert leak.severity == "decide" and [r["key"] for r in leak.remedies] == ["move_to_train", "drop"]


def test_the_same_question_on_both_sides():
    seen = Survey("chat")
    for i, (asked, said, held) in enumerate(
        [("What is a tulip?", "A flower.", False), ("what is a tulip", "No tree.", True), ("Why?", "So.", True)]
    ):
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
        seen.see({"row": i + 1, "held_out": held, "value": {"messages": turns}})
    by_key = {f.key: f for f in checks(seen)}
    assert by_key["leaks"].members == [2] and by_key["contradictions"].members == [1, 2]


@pytest.mark.parametrize(
    ("kind", "one", "other", "severity"),
    [
        ("chat", {"completion": "A tulip."}, {"completion": "An oak, I believe."}, "remark"),
        ("classification", {"label": "delivery"}, {"label": "billing"}, "decide"),
        ("rated", {"label": True}, {"label": False}, "decide"),
        ("preference", {"chosen": "A tulip.", "rejected": "An oak."}, {"chosen": "An oak.", "rejected": "A tulip."}, "decide"),
        ("seq2seq", {"target": "Die Tulpe ist rot."}, {"target": "Rot ist die Tulpe nicht."}, "remark"),
    ],
)
def test_rows_that_contradict_each_other(ws, kind, one, other, severity):
    finding = found(ws, [KINDS[kind] | one, KINDS[kind] | other, KINDS[kind] | one], kind=kind)["contradictions"]
    assert finding.members == [1, 2, 3] and finding.later == [2, 3] and finding.severity == severity


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        ("garbled", "The cafÃ© is open, isnâ€™t it?"),
        ("lost_letters", "The caf\ufffd is open."),
        ("invisible", "The café\x07 is open."),
        ("invisible", "The café is\u200b open."),
        ("markup", "The café<br>is open.&nbsp;"),
        ("refusals", "I'm sorry, but I can't help with that request."),
        ("refusals", "I cannot assist you with this."),
        ("machine_talk", "As an AI language model I drink no coffee."),
        ("hollow", "..."),
        ("hollow", "N/A"),
        ("privacy_email", "Write to anna.b@coffee.com for it."),
        ("privacy_card", "Pay with 4111 1111 1111 1111 now."),
        ("privacy_key", "The key is AKIAIOSFODNN7EXAMPLE here."),
    ],
)
def test_a_row_with_one_trouble(ws, key, answer):
    by_key = found(ws, [*chats(), {"prompt": "And how is it?", "completion": answer}])
    assert set(by_key) == {key} and by_key[key].members == by_key[key].rows == [61] and by_key[key].count == 1
    assert by_key[key].why and by_key[key].remedies and "{n}" not in by_key[key].title
    assert answer not in json.dumps(report.as_dict(list(by_key.values())))


@pytest.mark.parametrize(
    "answer",
    [
        "I am sorry for the mix-up. We send the lamp today, and I can help you with the return.",
        "Das Café in München öffnet um acht; ça va très bien, señor. Zażółć gęślą jaźń.",
        "In HTML a line break is written <br> and a space &nbsp; is an entity.",
        "Use `<div>` or\n```\n<p>text</p>\n```\nif a < b and c > d.",
        "R&D costs; Marks & Spencer; if x<b>y then stop",
        "I can't wait to see you at the café tomorrow!",
        "किताब 👩‍👩‍👧 می‌خواهم שלום",
        "Our model is trained on the track; an assistant helps you.",
    ],
)
def test_good_rows_are_left_alone(ws, answer):
    assert found(ws, [*chats(), {"prompt": "And how is it?", "completion": answer}]) == {} or "x<b>y" in answer


def test_boilerplate(ws):
    rows = [r | {"completion": "Thank you for asking. " + r["completion"]} if i % 2 else r for i, r in enumerate(chats())]
    (finding,) = report.report(add(ws, rows))
    assert (finding.key, finding.count, finding.details["beginning"]) == ("beginnings", 30, "Thank you for asking.")
    rows = [r | {"completion": "Please read the manual of the lamp first."} if i < 12 else r for i, r in enumerate(chats())]
    assert found(ws, rows)["same_answers"].members == list(range(1, 13))


def test_long_rows(ws):
    assert found(ws, [*chats(), {"prompt": "And?", "completion": "word " * 4000}])["long_rows"].members == [61]


def test_better_answers_that_are_merely_longer(ws):
    rows = [{"prompt": p[:9], "chosen": p[9:200], "rejected": p[-30:]} for p in (" ".join(w) for w in passages(40))]
    finding = found(ws, rows)["length_bias"]
    assert finding.title == "In 100% of the pairs the better answer is also the longer one" and len(finding.members) == 40
    assert "length_bias" not in found(ws, [r | {"rejected": r["chosen"][::-1]} for r in rows])


def tickets(labels):
    return [{"text": " ".join(p), "label": label} for p, label in zip(passages(len(labels), length=8), labels, strict=True)]


def test_labels(ws):
    by_key = found(ws, tickets(["spam"] * 100 + ["Spam "] * 3 + ["ham"] * 100 + ["rare"] * 4), kind="classification")
    assert by_key["spellings"].details["unify"] == {"Spam": "spam"} and by_key["spellings"].members == [101, 102, 103]
    assert by_key["rare_labels"].details["rare"] == ["Spam", "rare"] and by_key["rare_labels"].members == [101, 102, 103, *range(204, 208)]
    assert by_key["uneven_labels"].details["labels"][0] == {"label": "spam", "count": 100} and "33 times" in by_key["uneven_labels"].title
    assert set(found(ws, tickets(["spam"] * 30), kind="classification")) == {"one_label"}
    assert set(found(ws, tickets([f"label {i}" for i in range(90)]), kind="classification")) == {"many_labels"}


def test_one_address_in_all_rows_is_only_remarked(ws):
    rows = [r | {"completion": r["completion"] + " Write to help@lamps.com."} for r in chats()]
    finding = found(ws, rows)["privacy_email"]
    assert finding.severity == "remark" and finding.count == 60
    assert finding.details["examples"] == [{"row": 1, "shown": "h***@***.com"}] and finding.details["distinct"] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_report_and_a_lesson(ws, kind):
    ds = add(ws, [KINDS[kind]] * 30, kind=kind)
    by_key = {f.key: f for f in report.report(ds)}
    assert by_key["duplicates"].count == 29 and by_key["duplicates"].severity == "decide" and "near_duplicates" not in by_key
    assert report.score(list(by_key.values()), ds) == "Needs a decision"
    assert size_guidance.guidance(ds).startswith(f"{ds.rows - ds.held_out} ") and size_guidance.guidance(ds).endswith(".")
    assert sum(bar["count"] for bar in report.charts(ds)["lengths"]) == 30


def test_a_ranking_is_no_contradiction(ws):
    rows = [KINDS["preference"] | {"chosen": a, "rejected": b} for a, b in (("A rose.", "A tulip."), ("A tulip.", "A stone."))]
    assert "contradictions" not in found(ws, rows, kind="preference")


def test_the_same_passage_with_other_questions_is_no_duplicate(ws):
    context = " ".join(passages(1, length=200)[0])
    words = context.split()
    rows = [
        {"context": context, "question": f"Which word is {w}?", "answers": {"text": [w], "answer_start": [context.find(w)]}}
        for w in words[:40]
    ]
    assert "near_duplicates" not in found(ws, rows, kind="qa")


def test_findings_come_in_stages_and_progress_only_grows(ws):
    rows = chats(500)
    ds, stages, told = (
        add(ws, [*rows, rows[0], rows[1] | {"completion": "Mail a@b.com"}, rows[2] | {"prompt": "so " + rows[2]["prompt"]}]),
        [],
        [],
    )
    last = report.report(ds, progress=lambda *a: told.append(a), each=lambda f: stages.append([x.key for x in f]))
    assert [len(s) for s in stages] == sorted(len(s) for s in stages) and len(stages) == 3
    assert "duplicates" in stages[0] and "privacy_email" in stages[1] and "near_duplicates" in stages[2]
    assert [f.key for f in last] == stages[2] and told == sorted(told) and told[-1][0] == told[-1][1]


def test_it_can_be_taken_back_in_every_stage(ws):
    ds = add(ws, chats(600))
    calls = []
    report.report(ds, cancelled=lambda: calls.append(1))
    for at in np.linspace(1, len(calls), 6).astype(int).tolist():
        heard = []
        with pytest.raises(store.Cancelled):
            report.report(ds, cancelled=lambda heard=heard, at=at: heard.append(1) or len(heard) >= at)


def test_saved_and_loaded(ws):
    rows = chats(300)
    ds = add(ws, rows + rows[:250])
    findings = report.report(ds)
    report.save(ds.path, findings, score=report.score(findings))
    again = report.load(ds.path)
    assert again == findings and len(again[0].rows) == 200 and len(again[0].members) == 500 and again[0].later == list(range(301, 551))
    assert report.from_dict(json.loads((ds.path / "health.json").read_text()))[0].as_dict() == findings[0].as_dict()
    (ds.path / "health.npz").write_bytes(b"torn")
    assert report.load(ds.path) is None


def test_score_and_lessons(ws):
    remark = {"repeated": report.Finding("x", "x", 1, "x"), "decide": report.Finding("y", "y", 1, "y", severity="decide")}
    assert report.score([remark["repeated"]]) == "Ready, with 1 remark"
    assert report.score([remark["repeated"]] * 3) == "Ready, with 3 remarks"
    assert report.score(list(remark.values())) == "Needs a decision"
    ds = add(ws, chats(300), held_out=0)
    assert (
        size_guidance.guidance(ds) == "300 question-answer rows are enough for a style and a format; facts such as prices are not reliable."
    )


def test_charts(ws):
    charts = report.charts(add(ws, tickets(["a"] * 30 + ["b"] * 10), kind="classification"))
    assert charts["labels"] == [{"label": "a", "count": 30}, {"label": "b", "count": 10}]
    draw = random.Random(1)
    bins = histogram([draw.randint(1, 900) for _ in range(1000)] + [50_000])
    assert sum(b["count"] for b in bins) == 1001 and 5 < len(bins) <= 20 and bins[0]["label"] == "0–49" and bins[-1]["count"] >= 1
    assert bins[-1]["label"].endswith("or more") and histogram([]) == []


def test_a_damaged_version_says_so(ws):
    ds = add(ws, chats())
    (ds.path / "rows.parquet").write_bytes(b"torn")
    with pytest.raises(DataError):
        report.report(ds)
