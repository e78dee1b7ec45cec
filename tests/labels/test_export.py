"""What is made of judgements: outcomes by majority, rows for TRL, provenance, datasets and their versions; feedback from the chat."""

import json

import pytest

from tests.labels.test_queue import candidate
from tuner.data.store import store
from tuner.errors import ConflictError, DataError, RequestError
from tuner.jobs import token_preview
from tuner.labels import export, feedback, outcome, pairs, projects, queue, summary


@pytest.fixture
def judged(ws):
    """Five pairs with five kinds of verdicts by ann: which project, and what she said of each pair."""
    id = projects.create(ws, "Judged").id
    pairs.add_pairs(ws, id, [candidate(n) for n in range(5)])
    projects.update_settings(ws, id, repeats=0, strength=True)
    more = [
        ("a", {"strength": 3}),
        ("b", {"strength": 1, "edited": "As it should read."}),
        ("tie", {}),
        ("both_bad", {"better": "Four, of course."}),
        ("skip", {"reason": "no idea"}),
    ]
    said, desk = {}, queue.next(ws, id, "ann")
    for choice, how in more:
        item = desk.item
        said[choice] = item
        desk = queue.judge(ws, id, "ann", item.task, choice, **how)
    return id, said


def test_preference_rows_are_trls_explicit_prompt_format(ws, judged):
    id, said = judged
    rows = export.rows(ws, id)
    assert all(set(r) == {"prompt", "chosen", "rejected", "margin"} for r in rows) and sorted(r["margin"] for r in rows) == [0, 0, 1, 3]
    by_prompt = {json.dumps(r["prompt"]): r for r in rows}
    a, b = by_prompt[json.dumps(said["a"].prompt)], by_prompt[json.dumps(said["b"].prompt)]
    assert (a["chosen"], a["rejected"], a["margin"]) == (said["a"].a, said["a"].b, 3)
    assert b["chosen"] == [{"role": "assistant", "content": "As it should read."}] and b["rejected"] == said["b"].a
    better = [r for r in rows if r["chosen"][0]["content"] == "Four, of course."]
    assert sorted(json.dumps(r["rejected"]) for r in better) == sorted(json.dumps(x) for x in (said["both_bad"].a, said["both_bad"].b))
    assert sorted(r["margin"] for r in export.rows(ws, id, min_strength=2)) == [0, 0, 3], "written answers stay"


def test_ties_and_both_bad_are_unpaired_rows(ws, judged):
    id, said = judged
    rows = export.rows(ws, id, "kto")
    assert {tuple(sorted(r)) for r in rows} == {("completion", "label", "prompt")}
    tie = [r["label"] for r in rows if r["prompt"] == said["tie"].prompt]
    bad = [(r["completion"][0]["content"] == "Four, of course.", r["label"]) for r in rows if r["prompt"] == said["both_bad"].prompt]
    assert tie == [True, True] and sorted(bad) == [(False, False), (False, False), (True, True)]
    assert all(r["prompt"] != said["skip"].prompt for r in rows)


def test_provenance_says_who_saw_what_where(ws, judged):
    id, said = judged
    lines = list(export.provenance(outcome.outcomes(ws, id)))
    edited = next(line for line in lines if line["edited"])
    vote = edited["votes"][0]
    assert (vote["labeller"], vote["strength"], vote["guidelines"]) == ("ann", 1, 1) and vote["shown_left"] in ("first", "second")
    assert edited["by"] == ("tuned", "base") and edited["origin"]["row"] in range(5) and not edited["disagreement"]
    assert said["b"].a in (edited["first"], edited["second"]), "the original is kept"
    assert next(line for line in lines if line["winner"] == "skip")["votes"][0]["reason"] == "no idea"


def test_several_labellers_and_a_last_word(ws):
    id = projects.create(ws, "Class").id
    pairs.add_pairs(ws, id, [candidate(1)])
    projects.update_settings(ws, id, overlap_share=1, overlap_labellers=3, repeats=0)
    for who, winner in (("ann", "first"), ("ben", "second"), ("cid", "tie")):
        item = queue.next(ws, id, who).item
        first = item.a[0]["content"].startswith("Plainly")
        queue.judge(ws, id, who, item.task, "tie" if winner == "tie" else "a" if (winner == "first") == first else "b")
    assert outcome.outcomes(ws, id)[0].disputed and export.rows(ws, id) == []
    queue.settle(ws, id, 1, "second", "dora")
    found = outcome.outcomes(ws, id)[0]
    assert (found.winner, found.disputed, found.settled) == ("second", False, True)
    assert len(export.rows(ws, id)) == 1
    with pytest.raises(RequestError):
        queue.settle(ws, id, 1, "third", "dora")


def test_a_dataset_and_its_next_version(ws, judged):
    id, _ = judged
    one = export.to_dataset(ws, id)
    pairs.add_pairs(ws, id, [candidate(n) for n in range(10, 30)])
    desk = queue.next(ws, id, "ann")
    while desk.item:
        desk = queue.judge(ws, id, "ann", desk.item.task, "a")
    two = export.to_dataset(ws, id)
    assert (one.ref, two.ref, one.kind) == ("judged@1", "judged@2", "preference")
    assert (one.rows, two.rows) == (4, 24) and two.held_out > 0 and one.sha256 != two.sha256
    assert [r["value"]["chosen"] for r in store.iterate(one)] == [r["chosen"] for r in export.rows(ws, id)][:4]
    assert export.to_dataset(ws, id, "kto").kind == "rated" and export.to_dataset(ws, id, "chat").rows == 2
    with pytest.raises(ConflictError, match="Label page"):
        store.remap(ws, two.ref, held_out=0.1)
    assert token_preview.start  # the version is one like any other: it can be looked at
    store.delete(ws, one.id)
    assert export.to_dataset(ws, id).ref == "judged@1", "a deleted dataset is made anew"


def test_files_to_take_away_can_be_read_again(ws, judged, tmp_path):
    id, _ = judged
    made = export.to_folder(ws, id, tmp_path / "out")
    assert made["files"] == {"preference.jsonl": 4, "kto.jsonl": 9, "chat.jsonl": 2, "provenance.jsonl": 5}
    again = store.check(tmp_path / "out" / "preference.jsonl")
    assert (again["kind"], again["usable"], again["problems"]) == ("preference", 4, [])
    assert store.check(tmp_path / "out" / "kto.jsonl")["kind"] == "rated"


def test_nothing_to_learn_from_says_so(ws):
    id = projects.create(ws, "Empty").id
    for make in (lambda: export.to_dataset(ws, id), lambda: export.to_folder(ws, id, ws.exports / "x")):
        with pytest.raises(DataError) as caught:
            make()
        assert caught.value.remedy == "Judge some pairs first."


def test_feedback_is_kept_only_while_it_is_wanted(ws):
    assert not feedback.enabled(ws) and feedback.kept(ws) == []
    feedback.set_enabled(ws, False)
    assert projects.listing(ws) == [], "switching off makes nothing"
    feedback.set_enabled(ws, True)
    asked = [{"role": "user", "content": "Hi"}]
    feedback.rate(ws, asked, "Go away.", False, {"model": "m"})
    feedback.rate(ws, asked, "Hello!", False, {"model": "m", "reason": "long"})
    feedback.rate(ws, asked, "Hello!", True, {"model": "m"})
    assert "reason" not in next(k for k in feedback.kept(ws) if k["answer"] == "Hello!")["origin"], "the latest rating says why"
    feedback.rate(ws, asked, "Hm.", True, {"model": "m"})
    feedback.rate(ws, asked, "Hm.", None, {"model": "m"})
    feedback.save_correction(ws, asked, "Go away.", "Hello, how can I help?", {"model": "m"})
    assert feedback.prefer(ws, asked, "Hello there, friend.", "What?", {"model": "m"})
    assert not feedback.prefer(ws, asked, "What?", "Hello there, friend.", {"model": "m"}), "judged before"
    assert not feedback.prefer(ws, asked, "Same.", "Same.", {"model": "m"})
    with pytest.raises(RequestError):
        feedback.save_correction(ws, asked, "Hello!", " ", {"model": "m"})
    kinds = {kind: export.rows(ws, feedback.PROJECT, kind) for kind in export.KINDS}
    assert [(r["completion"][0]["content"], r["label"]) for r in kinds["kto"]] == [
        ("Hello there, friend.", True),
        ("What?", False),
        ("Go away.", False),
        ("Hello, how can I help?", True),
        ("Hello!", True),
    ]
    assert [(r["chosen"][0]["content"], r["rejected"][0]["content"]) for r in kinds["preference"]] == [
        ("Hello there, friend.", "What?"),
        ("Hello, how can I help?", "Go away."),
    ]
    assert [r["messages"][-1]["content"] for r in kinds["chat"]] == ["Hello, how can I help?", "Hello!"]
    feedback.set_enabled(ws, False)
    assert not feedback.enabled(ws) and len(feedback.kept(ws)) == 2


def test_the_last_word_counts_in_all_that_is_told(ws):
    """Three people over one pair of two models: what they say together, then what was settled; a judge's votes are counted apart."""
    id = projects.create(ws, "Told").id
    pairs.add_pairs(ws, id, [candidate(1)])
    projects.update_settings(ws, id, overlap_share=1, overlap_labellers=3, repeats=0, planned=1)
    for who, tuned in (("ann", False), ("ben", True), ("cid", True)):
        item = queue.next(ws, id, who).item
        queue.judge(ws, id, who, item.task, "a" if item.a[0]["content"].startswith("Plainly") == tuned else "b")
    queue.vote(ws, id, "judge:m", 1, "second")
    found = summary.of(ws, id)
    rate = found.rates[0]
    assert (rate.n, rate.wins if rate.model == "tuned" else rate.losses) == (1, 1), "one comparison, by majority"
    assert len(found.panel.disagreements) == 1 and found.judges == {"judge:m": [False]} and len(found.panel.labellers) == 3
    queue.settle(ws, id, 1, "second", "dora")
    found = summary.of(ws, id)
    rate = found.rates[0]
    assert (rate.wins if rate.model == "base" else rate.losses) == 1 and found.panel.disagreements == []
    assert summary.of(ws, projects.create(ws, "None").id).sentences == ["Nothing has been judged yet."]
