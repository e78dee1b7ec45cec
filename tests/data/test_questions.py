"""Questions to ask a trained model: those of validation rows, each once."""

from tests.conftest import write_rows
from tuner import runs
from tuner.cli.app import demo_questions
from tuner.data.store import questions, store
from ui.chat_views.questions import to_try


def test_a_question_that_has_several_answers_is_asked_once(ws, tmp_path, monkeypatch):
    rows = [{"question": "  What is\n1 plus 1?" if n % 2 else "What is 1 plus 1?", "answer": f"Answer {n}"} for n in range(60)]
    rows += [{"question": f"What is {n} plus 2?", "answer": f"Sum {n}"} for n in range(60)]
    ds = store.add(ws, write_rows(tmp_path / "sums.jsonl", rows), held_out=0.5)
    held = [r["value"]["messages"][0]["content"] for r in store.rows(ds, 0, 200, held_out=True)]
    for found in (questions.distinct(ds, 3), demo_questions(ds)):
        assert len(found) == 3 and found[0] == held[0] and set(found) <= set(held)
        assert len({" ".join(q.split()) for q in found}) == 3
    monkeypatch.setattr(runs, "get", lambda ws, id: type("Run", (), {"config": {"data": ds.ref}}))
    assert to_try(ws, "a-run")[:3] == questions.distinct(ds, 3), "the chat offers the same"


def test_plain_text_asks_nothing_that_repeats(ws, tmp_path):
    (tmp_path / "book.txt").write_text("\n\n".join(["The same paragraph, again and again, with enough words in it."] * 40))
    ds = store.add(ws, tmp_path / "book.txt", held_out=0.5)
    assert len(questions.distinct(ds, 5)) == 1
