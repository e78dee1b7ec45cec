"""Every remedy that the report offers does what its title says, counts it, and leaves the other rows as they were."""

import copy

import pytest

from tests.data.test_quality_report import KINDS, add, chats, tickets
from tuner.data.quality import fixes, report
from tuner.data.store import store
from tuner.errors import NotFoundError, RequestError
from tuner.paths import Workspace


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / "home", machine=tmp_path / "machine")


def applied(ds, key, remedy):
    """(rows before, rows after, counts) of one click on a finding."""
    findings = report.report(ds)
    made = fixes.make(next(f for f in findings if f.key == key), remedy)
    before = list(store.iterate(ds))
    done = fixes.Applied(iter(copy.deepcopy(before)), made, findings, ds.kind)
    after = list(done)
    assert list(fixes.Applied(iter(before), made, findings, ds.kind)) == after, "the same again"
    return before, after, done.counts


def answer(row):
    return row["value"]["messages"][-1]["content"]


def test_the_first_of_each_is_kept(ws):
    rows = chats()
    before, after, counts = applied(add(ws, rows + rows[:20] + rows[:5]), "duplicates", "keep_first")
    assert after == before[:60] and counts == {"changed": 0, "dropped": 25, "moved": 0}


def test_leaks_are_moved_or_left_out(ws):
    rows = chats(200)
    ds = add(ws, rows + [r | {"prompt": "Please: " + r["prompt"]} for r in rows], held_out=0.3)
    before, moved, counts = applied(ds, "near_leaks", "move_to_train")
    changed = [(a, b) for a, b in zip(before, moved, strict=True) if a != b]
    assert len(changed) == counts["moved"] > 20 and all(a | {"held_out": False} == b and a["held_out"] for a, b in changed)
    _, left, counts = applied(ds, "near_leaks", "drop")
    assert counts["dropped"] == len(changed) and len(left) == 400 - len(changed)


def test_personal_data_is_masked_everywhere_and_only_it(ws):
    rows = [*chats(), {"prompt": "I am a@b.com, who are you?", "completion": "Call +49 30 1234567 or mail k@y.org."}]
    before, after, counts = applied(add(ws, rows), "privacy_email", "mask")
    assert counts == {"changed": 1, "dropped": 0, "moved": 0} and after[:60] == before[:60]
    assert [m["content"] for m in after[60]["value"]["messages"]] == ["I am [email], who are you?", "Call +49 30 1234567 or mail [email]."]


@pytest.mark.parametrize(
    ("key", "remedy", "was", "becomes"),
    [
        ("garbled", "mend", "The cafÃ© is open, isnâ€™t it? “Yes”", "The café is open, isn’t it? “Yes”"),
        ("invisible", "clean", "The café\x07 is\u200b open.\n\tYes", "The café is open.\n\tYes"),
        ("markup", "strip_html", "The <b>café</b><br>is &lt; 5&nbsp;m. `<br>`", "The café\nis < 5 m. `<br>`"),
    ],
)
def test_texts_are_put_right(ws, key, remedy, was, becomes):
    before, after, counts = applied(add(ws, [*chats(), {"prompt": "And how is it?", "completion": was}]), key, remedy)
    assert answer(after[60]) == becomes and after[:60] == before[:60] and counts["changed"] == 1


def test_a_beginning_is_cut_off(ws):
    rows = [r | {"completion": "Thank you for asking. " + r["completion"]} if i % 2 else r for i, r in enumerate(chats())]
    _, after, counts = applied(add(ws, rows), "beginnings", "trim")
    assert counts["changed"] == 30 and [answer(r) for r in after] == [r["completion"] for r in chats()]


def test_labels_are_spelled_alike(ws):
    ds = add(ws, tickets(["spam"] * 30 + ["SPAM"] * 3 + ["ham"] * 30), kind="classification")
    _, after, counts = applied(ds, "spellings", "unify")
    assert {r["value"]["label"] for r in after} == {"spam", "ham"} and counts["changed"] == 3
    several = {"row": 1, "held_out": False, "value": {"text": "x", "label": ["SPAM", "spam", "ham"]}}
    done = fixes.Applied([several], {"key": "unify", "finding": "spellings", "labels": {"SPAM": "spam"}}, [], "classification")
    assert [r["value"]["label"] for r in done] == [["spam", "ham"]]


def one(value, kind, remedy):
    done = fixes.Applied([{"row": 1, "held_out": False, "value": value}], remedy, [], kind)
    return [r["value"] for r in done], done.counts


MASK = {"key": "mask", "finding": "privacy_email", "types": ["email"]}


def test_answers_still_stand_in_their_passage():
    value = {"context": "Mail a@b.com or Anna. Anna sings.", "question": "Who?", "answers": {"text": ["Anna"], "answer_start": [22]}}
    ((after,), _) = one(value, "qa", MASK)
    start = after["answers"]["answer_start"][0]
    assert after["context"] == "Mail [email] or Anna. Anna sings." and start == 22 and after["context"][start : start + 4] == "Anna"


def test_what_is_no_row_any_more_is_dropped():
    prompt = [{"role": "user", "content": "Whom do I ask?"}]
    sides = {k: [{"role": "assistant", "content": mail}] for k, mail in (("chosen", "a@b.com"), ("rejected", "c@d.com"))}
    assert one({"prompt": prompt} | sides, "preference", MASK) == ([], {"changed": 0, "dropped": 1, "moved": 0})
    value = {"messages": [*prompt, {"role": "assistant", "content": "\u200b"}]}
    assert one(value, "chat", {"key": "clean", "finding": "invisible"})[1]["dropped"] == 1


def test_words_keep_their_tags_and_names_their_form():
    ((after,), counts) = one({"tokens": ["Mail", "a@b.com"], "tags": ["O", "B-a@b.com"]}, "tokens", MASK)
    assert after == {"tokens": ["Mail", "[email]"], "tags": ["O", "B-a@b.com"]} and counts["changed"] == 1
    call = {"id": "a@b.com", "type": "function", "function": {"name": "send", "arguments": '{"to": "a@b.com"}'}}
    value = {"messages": [{"role": "user", "content": "Send it"}, {"role": "assistant", "content": "", "tool_calls": [call]}]}
    ((after,), _) = one(value, "chat", MASK)
    assert after["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"to": "[email]"}'
    assert after["messages"][1]["tool_calls"][0]["id"] == "a@b.com"


@pytest.mark.parametrize("kind", KINDS)
def test_every_remedy_that_is_offered_can_be_taken(ws, kind):
    ds = add(ws, [KINDS[kind]] * 20, kind=kind)
    findings = report.report(ds)
    for finding in findings:
        for offer in finding.remedies:
            done = fixes.Applied(store.iterate(ds), fixes.make(finding, offer["key"]), findings, ds.kind)
            assert len(list(done)) == 20 - done.counts["dropped"] and offer["title"]


def test_wrong_requests_name_what_there_is(ws):
    rows = chats()
    findings = report.report(add(ws, rows + rows[:5]))
    with pytest.raises(RequestError) as caught:
        fixes.make(findings[0], "mask")
    assert caught.value.available == ["keep_first"]
    with pytest.raises(NotFoundError):
        fixes.Applied([], {"key": "drop", "finding": "gone"}, findings, "chat")
    with pytest.raises(RequestError):
        fixes.Applied([], {"key": "burn", "finding": "duplicates"}, findings, "chat")


def test_rows_stream():
    """A remedy asks for one row at a time: a dataset larger than the memory passes through."""
    asked = []

    def rows():
        for i in range(10):
            asked.append(i)
            yield {"row": i, "held_out": False, "value": {"text": f"a{i}@b.com"}}

    for n, row in enumerate(fixes.Applied(rows(), MASK, [], "text")):
        assert len(asked) == n + 1 and row["value"]["text"] == "[email]"
