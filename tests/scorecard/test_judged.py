"""An AI judge beside the metrics of a scorecard, at a real small endpoint; and how it stands beside people."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import gradio as gr
import pytest

from tests.labels.test_queue import candidate, judge_all
from tests.ui.test_evaluation_view import CARD, words
from tuner.errors import RequestError
from tuner.labels import outcome, pairs, projects, queue, summary
from tuner.scorecard import evaluation, judged
from tuner.serving.ai_judge import Judge
from ui.run_views import scorecard
from ui.run_views.evaluation_view import EvaluationView
from ui.session import AppContext


class Pirate(BaseHTTPRequestHandler):
    """An OpenAI-compatible endpoint that finds the answer with "Arr" better."""

    seen: list = []

    def do_POST(self):
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.headers.get("Authorization"), document))
        asked = document["messages"][-1]["content"]
        first, second = asked.split("--- Answer 1 ---")[1].split("--- Answer 2 ---")
        said = "0" if ("Arr" in first) == ("Arr" in second) else "1" if "Arr" in first else "2"
        body = json.dumps({"choices": [{"message": {"content": said}}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pirate)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Pirate.seen.clear()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


def command(house, *args: str) -> subprocess.CompletedProcess:
    env = os.environ | {
        "TUNESMITH_HOME": str(house.ws.home),
        "TUNESMITH_MACHINE": str(house.ws.machine_folder()),
        "TUNESMITH_JUDGE_KEY": "sk-secret",
    }
    return subprocess.run(
        [sys.executable, "-m", "tuner.cli", "evaluate", *args, "--json"], env=env, capture_output=True, text=True, timeout=300
    )


def test_a_judge_at_an_endpoint_compares_the_answers(house, url):
    project = projects.create(house.ws, "Agreed").id
    pairs.add_pairs(house.ws, project, [candidate(n) for n in range(3)])
    judge_all(house.ws, project, "ann", most=3)
    for judgment, same in zip(outcome.judgments_of(house.ws, project), (True, True, False), strict=True):
        other = "second" if judgment.winner == "first" else "first"
        queue.vote(house.ws, project, "judge:big", judgment.pair, judgment.winner if same else other)
    assert sorted(summary.agreed(house.ws, "big")) == [False, True, True]

    done = command(
        house, house.lora, "--rows", "4", "--no-prompt", "--judge", "big", "--judge-url", url, "--rubric", "Talks like a pirate."
    )
    assert done.returncode == 0, done.stderr[-2000:]
    document = json.loads(done.stdout)
    found = document["judge"]
    assert (
        found["model"] == "big"
        and found["endpoint"] == "127.0.0.1"
        and found["rows"] == 4 == found["better"] + found["worse"] + found["ties"]
    )
    assert found["better"] > 0 and found["worse"] == 0 and found["agreement"] == {"agrees": 2, "of": 3} and not found["real"], (
        "four rows are few"
    )
    assert any("finds its answers better than those of" in s for s in document["says"]) and "2 of 3 pairs" in document["says"][-1]
    assert found["better"] * 2 <= len(Pirate.seen) <= 8 and len(Pirate.seen) % 2 == 0, "in both orders"
    key, asked = Pirate.seen[0]
    assert key == "Bearer sk-secret" and "Talks like a pirate." in asked["messages"][0]["content"]
    assert "A reference answer: Arr, it is" in asked["messages"][1]["content"]
    kept = [f for f in house.ws.home.rglob("*") if f.is_file() and f.suffix in (".json", ".log", ".db")]
    assert kept and not any("sk-secret" in f.read_text(errors="replace") for f in kept), "the key is on no disk"
    drawn = words(scorecard.drawn(evaluation.kept(house.ws, house.lora)[0], agreed=summary.agreed(house.ws, "big")))
    assert "The AI judge big finds its answers better" in drawn and "agrees with people on 2 of 3 pairs" in drawn


def test_a_judge_that_is_gone_costs_no_scorecard(house):
    done = command(
        house, house.lora, "--rows", "2", "--no-prompt", "--no-general", "--judge", "big", "--judge-url", "http://127.0.0.1:9/v1"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    document = json.loads(done.stdout)
    assert "did not answer" in document["judge"]["error"] and document["metrics"]["loss"]["value"] > 0 and document["judge"]["rows"] == 0
    assert any("Everything else was measured." in s for s in document["says"])
    assert "No AI judge The AI judge did not answer" in words(scorecard.drawn(document))


def test_the_judgments_are_counted():
    judge = Judge("big", "https://api.example.com/v1")
    clear, even, none = (
        judged.counted(judge, "", ["first"] * 12 + ["tie"] * 2),
        judged.counted(judge, "x", ["first", "second"] * 10),
        judged.counted(judge, "", ["skip"] * 3),
    )
    assert (
        clear["real"]
        and clear["share"]["value"] == pytest.approx(13 / 14)
        and clear["rubric"] == judged.RUBRIC
        and clear["endpoint"] == "api.example.com"
    )
    assert (
        judged.says(clear, "x/base")
        == "The AI judge big finds its answers better than those of x/base on 12 of 14 rows, worse on 0, as good on 2."
    )
    assert (
        not even["real"]
        and judged.says(even, "b").endswith("; that may be chance.")
        and not judged.counted(judge, "", ["first"] * 5)["real"]
    )
    assert none["share"] is None and "gave no judgment" in judged.says(none, "b")
    said = words(scorecard.drawn(CARD | {"judge": even}))
    assert "on 10 of 20 rows, worse on 10" in said and "That may be chance." in said and "is not known" in said
    assert "gave no judgment that can be read: 3" in words(scorecard.drawn(CARD | {"judge": none}))


def test_the_same_answer_twice_asks_nobody():
    asked, told = [], []
    rows = [{"question": "Q", "reference": "R", "answer": a} for a in ("same", "other", "gone")]
    others = [
        {"question": "Q", "reference": "R", "answer": "same"},
        {"question": "Q", "reference": "R", "answer": "b"},
        {"left_out": "too long"},
    ]
    found = judged.asked(lambda m: asked.append(m) or "1", Judge("m"), "", rows, others, tell=told.append, cancelled=lambda: False)
    assert len(asked) == 2 and (found["ties"], found["rows"]) == (2, 2) and sum(told) == 3, "it favours a side, which is a tie"


def test_what_has_no_effect_or_no_answers_to_compare_is_refused(house, url):
    done = command(house, house.lora, "--judge-url", url)
    assert done.returncode == 2 and "no effect without --judge" in done.stderr + done.stdout
    for judge, said in (
        (Judge("x", "ftp://x"), "not the address"),
        (Judge(" "), "No AI judge was chosen"),
        (Judge("no-such-model"), "no-such-model"),
    ):
        with pytest.raises(Exception, match=said):
            evaluation.start(house.ws, house.lora, judge=judge)
    with pytest.raises(RequestError, match="compares the answers of two models"):
        evaluation.start(house.ws, "starter", data=house.data.ref, judge=Judge("starter"))


def test_the_tab_asks_a_judge_where_one_is_named(house, url, monkeypatch):
    monkeypatch.setenv("TUNESMITH_MACHINE", str(house.ws.machine_folder()))
    with gr.Blocks():
        view = EvaluationView(AppContext(house.ws.home, house.ws.machine), gr.Textbox())
        guest = EvaluationView(AppContext(house.ws.home, house.ws.machine, guest=True), gr.Textbox())
    steps = list(view.on_start(house.full, "base", 2, " big ", url, "", "Short.", gr.Request(username=None)))
    assert "The AI judge big finds" in words(steps[-1][1]) and "Short." in Pirate.seen[0][1]["messages"][0]["content"]
    assert view._judge("", None, "", "") == {} and guest._judge("big", url, "", "") == {}
    (wrong,) = view.on_start(house.full, "base", 2, "", url, "", "", gr.Request(username=None))
    assert "No AI judge was chosen" in words(wrong[0])
