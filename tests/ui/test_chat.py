"""The Chat page's own logic, without a browser: turns, figures, what is kept, questions to try, ratings."""

import json
import threading
import time

import pytest
from gradio.context import LocalContext

from tuner.errors import SettingError
from tuner.paths import Workspace
from tuner.serving import chat_client
from tuner.serving.chat_client import Piece
from ui.chat_views import answering, conversation, feedback_view, parameters_view
from ui.chat_views.answering import Answering, Sampling

FIGURES = {
    "role": "assistant",
    "content": [{"type": "text", "text": "- x"}],
    "metadata": {"title": "3 tokens in", "status": "done", "log": None},
}


def test_a_conversation_is_sent_back_in_turns_of_two_and_figures_and_thoughts_stay_out():
    said = [
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": "thought", "metadata": {"title": "Reasoning"}},
        {"role": "assistant", "content": "b", "metadata": {}},
        FIGURES,
        {"role": "user", "content": "stopped"},
    ]
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert conversation.clean(conversation.answered(said)) == turns
    assert conversation.answered(said)[-1]["metadata"] == {"title": "3 tokens in", "status": "done"}, "but they are shown again"
    assert conversation.clean(conversation.before(said)) == turns and conversation.before([]) == []
    assert conversation.before(said, 2) == conversation.before(said, 3) == [] and conversation.questions_from(said, 1) == 1
    assert conversation.questions_from(said, 0) == 2 and json.dumps(conversation.shown(said))


def test_a_kept_conversation_has_a_side_for_each_model_that_was_compared(tmp_path):
    ws = Workspace(tmp_path).prepare()
    mine, base, run = ([{"role": "user", "content": name}] for name in ("mine", "base", "run"))
    conversation.keep(ws, "one", mine, compare="base", other=base)
    conversation.keep(ws, "one", compare="other-run", other=run)
    kept = conversation.read(ws, "one")
    assert (kept["tuned"], conversation.side(kept, "base"), conversation.side(kept, "other-run")) == (mine, base, run)
    assert kept["compare"] == "other-run" and conversation.side(kept, "none") == conversation.side(kept, "unknown") == []
    conversation.forget(ws, "one")
    assert conversation.read(ws, "one") == {"compare": "other-run"}
    conversation.file(ws, "two").write_text('["not", "a", "chat"]')
    assert conversation.read(ws, "two") == {}
    (ws.chats / "old.json").write_text('{"original": [{"role": "user", "content": "a"}], "tuned": []}')  # of an earlier version
    assert conversation.side(conversation.read(ws, "old"), "base")[0]["content"] == "a"


def test_figures_below_an_answer_are_those_of_the_server():
    whole = Piece("", "length", 41, 24, 0.42, 30.66)
    title = conversation.figures(whole, False)["metadata"]["title"]
    assert title == "41 tokens in · 24 out · 31 tokens/s"
    details = conversation.figures(whole, False)["content"]
    assert "0.42 s" in details and "Max new tokens" in details and "itself" not in details
    cut = conversation.figures(Piece("", None, 1, 7), True)
    assert cut["metadata"]["title"] == "1 token in · about 7 out" and "Stopped before its end" in cut["content"]
    LocalContext.request.set(type("Request", (), {"headers": {"cookie": "tunesmith-language=de"}})())
    try:
        (again,) = conversation.shown([cut])
    finally:
        LocalContext.request.set(None)
    assert again["metadata"]["title"] == "1 Token Eingabe · etwa 7 Ausgabe" and conversation.shown([again]) == [cut]
    strange = cut | {"metadata": {"title": "x", "id": "figures [1]"}}
    assert conversation.shown([strange])[0]["metadata"]["title"] == "x"


def test_an_answer_that_is_stopped_is_kept_once_with_what_was_known(tmp_path, monkeypatch):
    class Client:
        def __init__(self, ws):
            pass

        def stream(self, known, messages, **sampling):
            for n in range(1, 9):
                yield Piece(f"word{n} ", None, 11, n)

    monkeypatch.setattr(chat_client, "Client", Client)
    monkeypatch.setattr(answering, "REDRAW", -1)
    ws = Workspace(tmp_path).prepare()
    now = Answering(ws, "starter", "none", [], [], Sampling("", 0.3, 0.95, 256))
    assert not now.over
    steps = now.ask("Go on.")
    for _ in range(4):
        next(steps)
    now.stop(), now.stop()
    assert list(steps) == [], "it ends at the next piece"
    assert [m["role"] for m in now.tuned] == ["user", "assistant", "assistant"] and now.tuned[1]["content"].startswith("word1 word2 word3")
    assert "about 3 out" in now.tuned[2]["metadata"]["title"] and conversation.read(ws, "starter")["tuned"][0]["content"] == "Go on."
    silent = Answering(ws, "starter", "none", [], [], Sampling("", 0.3, 0.95, 256))
    monkeypatch.setattr(Client, "stream", lambda *_, **__: (p for p in [Piece("", "stop", 11, 1)]))
    list(silent.ask("Hello?"))
    assert silent.silent and [m["role"] for m in silent.tuned] == ["user"], "an empty answer is none"


def test_both_models_answer_at_once(tmp_path, monkeypatch):
    """Each waits for the other after its first piece: one after the other would never end."""
    turns = threading.Barrier(2, timeout=10)

    class Client:
        def __init__(self, ws):
            pass

        def stream(self, known, messages, **sampling):
            yield Piece("first ", None, 11, 1)
            turns.wait()
            yield Piece(known["id"].split("/")[-1], None, 11, 2)
            yield Piece("", "length" if known["id"].endswith("base") else "stop", 11, 2)

    monkeypatch.setattr(chat_client, "Client", Client)
    monkeypatch.setattr(chat_client, "serving_spec", lambda ws, ref, base=False: {"id": f"{ref}/base" if base else ref})
    monkeypatch.setattr(answering, "trained_with", lambda ws, id: "")
    now = Answering(Workspace(tmp_path).prepare(), "starter", conversation.BASE, [], [], Sampling("", 0.3, 0.95, 256))
    list(now.follow("Go on."))
    assert [side[1]["content"] for side in (now.tuned, now.other)] == ["first starter", "first base"] and now.cut and not now.silent
    assert len(now.tuned) == len(now.other) == 3, "each with its figures"


def test_a_stop_is_heard_while_a_model_is_loaded(tmp_path, monkeypatch):
    loaded = threading.Event()
    monkeypatch.setattr(chat_client, "Client", lambda ws: loaded.wait(20) and None)
    now = Answering(Workspace(tmp_path).prepare(), "starter", "none", [], [], Sampling("", 0.3, 0.95, 256))
    steps = now.follow("Go on.")
    next(steps)
    threading.Timer(0.2, now.stop).start()
    began = time.monotonic()
    assert list(steps) == [] and time.monotonic() - began < 5 and now.over
    loaded.set()
    assert [m["role"] for m in now.tuned] == ["user"], "nothing comes after it"


def test_what_goes_wrong_in_the_background_is_told(tmp_path, monkeypatch):
    def broken(ws):
        raise SettingError("no device", remedy="none")

    monkeypatch.setattr(chat_client, "Client", broken)
    now = Answering(Workspace(tmp_path).prepare(), "starter", "none", [], [], Sampling("", 0.3, 0.95, 256))
    with pytest.raises(SettingError):
        list(now.follow("Go on."))


def test_what_is_clicked_below_an_answer_is_a_rating_with_its_reason():
    assert feedback_view.options()[:2] == ["Like", "Dislike"]
    assert [feedback_view.meant(liked) for liked in (True, False, "", None)] == [(True, None), (False, None), (None, None), (None, None)]
    assert [feedback_view.meant(o) for o in feedback_view.options()[2:]] == [(False, reason) for reason in feedback_view.REASONS]
    assert feedback_view.meant("no option of ours") == (None, None)
    assert feedback_view.origin("a", "original", "b")["model"] == "b" and feedback_view.origin("a", "original")["model"] == "a/base"


@pytest.mark.parametrize("typed", ["x", "-1", "1.5", str(2**32), "²"])
def test_a_seed_that_is_none_is_refused_beside_its_field(typed):
    with pytest.raises(SettingError) as caught:
        parameters_view.sampling("", 0.3, 0.95, 256, typed)
    assert caught.value.field == "seed"


def test_a_seed_is_optional():
    assert "seed" not in parameters_view.sampling("", 0.3, 0.95, 256, " ").as_request()
    assert parameters_view.sampling("", 0.3, 0.95, 256, "7").as_request()["seed"] == 7
